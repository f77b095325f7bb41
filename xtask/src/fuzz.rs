//! Fuzzing: the targets of `fuzz/`, built for libFuzzer and run, for seconds each or for hours in all.
//!
//! What libFuzzer says at the end of a run is kept as a file beside the inputs that it found, with the processor time
//! that the kernel counted for the process. The ledger is written from these files and from nothing else (`ledger`).
//!
//! Not here: the targets and what they claim (`fuzz/src`), what is to be done with a finding (`docs/fuzzing.md`).

mod building;
mod ledger;
mod running;

use std::collections::VecDeque;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use self::building::{Build, NO_SANITIZER, build, target_dir};
use self::running::{Running, Until};
use crate::run::{cargo, command, root, step};

/// How long each target runs in `test`, in seconds on the clock: with the build, all of them take a few minutes.
const SECONDS_IN_TEST: u64 = 5;

/// How many run at once; more than one, because some wait for the disk.
const JOBS: usize = 2;

/// Where inputs are kept for ever, a folder for each target. libFuzzer runs them before it makes up others.
const KEPT: [&str; 2] = ["crashes", "seeds"];

#[derive(Args)]
pub(crate) struct Options {
    /// How long each target runs, in seconds on the clock.
    #[arg(long, default_value_t = 60, conflicts_with = "long")]
    seconds: u64,
    /// Run for hours, with the lowest priority, write what came of it into the ledger, and keep what was found in
    /// fuzz/corpus.
    #[arg(long, requires = "hours")]
    long: bool,
    /// How many hours of processor time in all, shared by the targets.
    #[arg(long)]
    hours: Option<f64>,
    /// Only these targets.
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<String>,
    /// How many run at once.
    #[arg(long, default_value_t = JOBS)]
    jobs: usize,
    /// `address` finds what is unsafe in dependencies; needs a nightly compiler, and takes three times as long.
    #[arg(long, default_value = NO_SANITIZER)]
    sanitizer: String,
    /// Use the build of `test`, which is quick to make, and slower: only our own crates know which of their branches were
    /// taken.
    #[arg(long, conflicts_with = "sanitizer")]
    own_crates: bool,
    /// A program that was built before, on this machine or another; nothing is built.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sanitizer", "own_crates"])]
    program: Option<PathBuf>,
    /// Write the runs that are kept in this folder into the ledger, and run nothing.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// A target, as the binary lists it.
struct Target {
    name: String,
    longest: u64,
    /// Of a long run, beside the others.
    share: u32,
}

/// The folder of the fuzz targets.
fn folder() -> PathBuf {
    root().join("fuzz")
}

/// What is the same for each run of a call.
struct Session {
    program: PathBuf,
    /// From which this was built.
    commit: String,
    /// Where libFuzzer writes what it says.
    runs: PathBuf,
    /// Whether what is found is kept for the next call.
    kept: bool,
    /// Whether others go first.
    nice: bool,
    jobs: usize,
}

/// The workspace of the targets has a lock file of its own, which has to follow when a crate gets a dependency.
pub(crate) fn check_lock() -> Result<()> {
    let manifest = folder().join("Cargo.toml").display().to_string();
    let words = ["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest.as_str()];
    cargo(words).output().map(drop).context("run `cargo update --workspace --manifest-path fuzz/Cargo.toml`")
}

/// The inputs that are kept, once each, and then a few seconds of each target. What is found is lost, but for what breaks a
/// claim.
pub(crate) fn short() -> Result<()> {
    let program = build(Build::OwnCrates, NO_SANITIZER)?;
    let until = Until::Clock(Duration::from_secs(SECONDS_IN_TEST));
    let (session, targets) = Session::new(&program, &[], JOBS)?;
    for kept in KEPT {
        check_kept(&folder().join(kept), &targets)?;
    }
    let session = Session { kept: false, ..session };
    session.run(targets.iter().zip(iter::repeat(until)).collect())?;
    let _ = fs::remove_dir_all(&session.runs);
    Ok(())
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(folder) = &options.record {
        return ledger::record(folder);
    }
    let program = match &options.program {
        Some(program) => program.clone(),
        None if options.own_crates => build(Build::OwnCrates, NO_SANITIZER)?,
        None => build(Build::Release, &options.sanitizer)?,
    };
    let (session, targets) = Session::new(&program, &options.targets, options.jobs)?;
    let session = Session { nice: options.long, ..session };
    let until = |target: &Target| -> Result<Until> {
        let Some(hours) = options.hours else {
            return Ok(Until::Clock(Duration::from_secs(options.seconds)));
        };
        let all: u32 = targets.iter().map(|target| target.share).sum();
        let seconds = hours * 3600.0 * f64::from(target.share) / f64::from(all);
        Ok(Until::ProcessorTime(Duration::try_from_secs_f64(seconds).context("--hours is no time")?))
    };
    let each: Result<_> = targets.iter().map(|target| Ok((target, until(target)?))).collect();
    let outcome = session.run(each?);
    if options.long {
        ledger::record(&session.runs)?;
    }
    outcome
}

impl Session {
    /// With these targets, or all.
    fn new(program: &Path, wanted: &[String], jobs: usize) -> Result<(Self, Vec<Target>)> {
        // Of its own, so that calls do not disturb one another.
        let runs = target_dir().join("runs").join(std::process::id().to_string());
        // What one with the same number has left would be written into the ledger a second time.
        let _ = fs::remove_dir_all(&runs);
        fs::create_dir_all(&runs)?;
        // A copy, so that the next build does not disturb a run.
        let copy = runs.join("landline-fuzz");
        fs::copy(program, &copy).with_context(|| format!("there is no {}", program.display()))?;
        let list = command(&copy, [""; 0]).env("LANDLINE_FUZZ_TARGET", "list").output()?;
        let (commit, all) = listed(&list).context("that program is none of ours")?;
        let targets = chosen(all, wanted)?;
        Ok((Self { program: copy, commit, runs, kept: true, nice: false, jobs: jobs.max(1) }, targets))
    }

    /// Runs each until its time, several at once, and says which have found something.
    fn run(&self, mut waiting: VecDeque<(&Target, Until)>) -> Result<()> {
        let mut running: Vec<Running> = Vec::new();
        let mut failed = Vec::new();
        while !waiting.is_empty() || !running.is_empty() {
            while running.len() < self.jobs
                && let Some((target, until)) = waiting.pop_front()
            {
                step(&format!("fuzz {}", target.name));
                running.push(self.start(target, until)?);
            }
            let mut still = Vec::new();
            for mut run in running {
                match run.poll()? {
                    None => still.push(run),
                    Some(ended) => {
                        println!("{}", ended.said);
                        if !ended.well {
                            failed.push(ended.target);
                        }
                    }
                }
            }
            running = still;
            running::wait_a_little();
        }
        ensure!(
            failed.is_empty(),
            "{} found something; fuzz/artifacts has the input, and docs/fuzzing.md says what to do with it",
            failed.join(", ")
        );
        Ok(())
    }

    fn start(&self, target: &Target, until: Until) -> Result<Running> {
        let Target { name, longest, .. } = target;
        let artifacts = folder().join("artifacts").join(name);
        let corpus = if self.kept { folder().join("corpus") } else { self.runs.join("corpus") }.join(name);
        fs::create_dir_all(&artifacts)?;
        fs::create_dir_all(&corpus)?;
        let mut words = vec![corpus.display().to_string()];
        words.extend(
            KEPT.map(|kept| folder().join(kept).join(name))
                .into_iter()
                .filter_map(|kept| kept.is_dir().then(|| kept.display().to_string())),
        );
        let dictionary = folder().join("dictionaries").join(format!("{name}.dict"));
        if dictionary.is_file() {
            words.push(format!("-dict={}", dictionary.display()));
        }
        words.push(format!("-max_len={longest}"));
        words.push(format!("-artifact_prefix={}/", artifacts.display()));
        let log = self.runs.join(format!("{name}.log"));
        Running::start(&self.program, name, words, until, self.nice, &log, &self.commit)
    }
}

/// Nothing is kept for a target that is not there, and nothing is longer than what libFuzzer reads of it.
fn check_kept(kept: &Path, targets: &[Target]) -> Result<()> {
    for entry in fs::read_dir(kept)? {
        let entry = entry?;
        let name = entry.file_name();
        let target = targets.iter().find(|target| *target.name == *name);
        let target = target.with_context(|| format!("{} belongs to no target", entry.path().display()))?;
        for input in fs::read_dir(entry.path())? {
            let input = input?;
            ensure!(
                input.metadata()?.len() <= target.longest,
                "{} is longer than the inputs of its target",
                input.path().display()
            );
        }
    }
    Ok(())
}

/// The commit and the targets, as the program lists them.
fn listed(list: &str) -> Option<(String, Vec<Target>)> {
    let mut lines = list.lines();
    let commit = lines.next()?.strip_prefix("commit\t")?.to_owned();
    let targets = lines.map(|line| {
        let mut words = line.split('\t');
        let name = words.next()?.to_owned();
        Some(Target { name, longest: words.next()?.parse().ok()?, share: words.next()?.parse().ok()? })
    });
    Some((commit, targets.collect::<Option<_>>()?))
}

fn chosen(all: Vec<Target>, wanted: &[String]) -> Result<Vec<Target>> {
    if let Some(unknown) = wanted.iter().find(|name| all.iter().all(|target| target.name != **name)) {
        let names: Vec<_> = all.iter().map(|target| target.name.as_str()).collect();
        bail!("there is no target {unknown}; these are: {}", names.join(", "));
    }
    Ok(all.into_iter().filter(|target| wanted.is_empty() || wanted.contains(&target.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_the_program_lists_them() {
        let (commit, targets) =
            listed("commit\tabc1234-dirty\ntoken\t64\t1\tsays what\nfolder\t2048\t3\tx\n").unwrap();
        assert_eq!(commit, "abc1234-dirty");
        let read: Vec<_> =
            targets.iter().map(|target| (&*target.name, target.longest, target.share)).collect();
        assert_eq!(read, [("token", 64, 1), ("folder", 2048, 3)]);
        assert!(listed("token\t64\t1\tsays what\n").is_none() && listed("commit\tx\ntoken\t64\n").is_none());
        assert!(chosen(targets, &["tokens".to_owned()]).is_err());
    }

    #[test]
    fn what_is_kept_belongs_to_a_target_and_is_read_whole() {
        let kept = target_dir().join(format!("kept-{}", std::process::id()));
        let target = |name: &str| vec![Target { name: name.to_owned(), longest: 3, share: 1 }];
        fs::create_dir_all(kept.join("token")).unwrap();
        fs::write(kept.join("token/short"), b"123").unwrap();
        let fits = check_kept(&kept, &target("token"));
        let strange = check_kept(&kept, &target("ticket"));
        fs::write(kept.join("token/long"), b"1234").unwrap();
        let long = check_kept(&kept, &target("token"));
        fs::remove_dir_all(&kept).unwrap();
        assert!(fits.is_ok());
        assert!(strange.unwrap_err().to_string().contains("no target"));
        assert!(long.unwrap_err().to_string().contains("longer"));
    }
}
