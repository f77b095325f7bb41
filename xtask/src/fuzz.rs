//! Fuzzing: the targets of `fuzz/`, built for libFuzzer and run, for seconds each or for hours in all.
//!
//! What libFuzzer says at the end of a run is kept as a file beside the inputs that it found, with the processor time
//! that the kernel counted for the process. The ledger is written from these files and from nothing else (`ledger`).
//!
//! Not here: the targets and what they claim (`fuzz/src`), what is to be done with a finding (`docs/fuzzing.md`).

mod ledger;
mod running;

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use self::running::{Running, Until};
use crate::run::{cargo, command, root, step};
use crate::tools::{self, FUZZ};

/// What libFuzzer needs no library of a nightly compiler for; see `docs/fuzzing.md`.
const NO_SANITIZER: &str = "none";

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
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// `address` finds what is unsafe in dependencies; needs a nightly compiler, and takes three times as long.
    #[arg(long, default_value = NO_SANITIZER)]
    sanitizer: String,
    /// Write the runs that are kept in this folder into the ledger, and run nothing.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// A target, as the binary lists it.
struct Target {
    name: String,
    longest: String,
}

/// The folder of the fuzz targets.
fn folder() -> PathBuf {
    root().join("fuzz")
}

/// The inputs that are kept, once each, without libFuzzer: what once crashed does not again.
pub(crate) fn replay() -> Result<()> {
    step("inputs that once broke something");
    let manifest = folder().join("Cargo.toml").display().to_string();
    // Where everything else is built: most of it is there already.
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let test = ["test", "--locked", "--manifest-path", manifest.as_str()];
    cargo(test).env("CARGO_TARGET_DIR", target).run()
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(folder) = &options.record {
        return ledger::record(folder);
    }
    let program = build(&options.sanitizer)?;
    let targets = chosen(&program, &options.targets)?;
    let runs = folder().join("target/runs");
    // What an earlier run has left would be written into the ledger a second time.
    let _ = fs::remove_dir_all(&runs);
    fs::create_dir_all(&runs)?;
    let commit = command("git", ["describe", "--always", "--dirty"]).output()?.trim().to_owned();

    let until = match options.hours {
        Some(hours) => {
            let share = hours * 3600.0 / targets.len() as f64;
            Until::ProcessorTime(Duration::try_from_secs_f64(share).context("--hours is no time")?)
        }
        None => Until::Clock(Duration::from_secs(options.seconds)),
    };
    let mut waiting: VecDeque<_> = targets.iter().collect();
    let mut running: Vec<Running> = Vec::new();
    let mut failed = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < options.jobs.max(1)
            && let Some(target) = waiting.pop_front()
        {
            step(&format!("fuzz {}", target.name));
            running.push(start(&program, target, until, options.long, &runs, &commit)?);
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
    if options.long {
        ledger::record(&runs)?;
    }
    ensure!(
        failed.is_empty(),
        "{} found something; fuzz/artifacts has the input, and docs/fuzzing.md says what to do with it",
        failed.join(", ")
    );
    Ok(())
}

/// Builds the one binary of all targets.
fn build(sanitizer: &str) -> Result<PathBuf> {
    step("fuzz targets");
    let tool = tools::install(FUZZ)?;
    let dir = folder().display().to_string();
    let words =
        ["fuzz", "build", "--fuzz-dir", dir.as_str(), "--sanitizer", sanitizer, "-O", "--strip-dead-code"];
    let build = command(tool, words);
    // Beside its own lock file, and apart from what the tests are built into: it has other flags.
    let build = build.env("CARGO_TARGET_DIR", target_dir());
    if sanitizer == NO_SANITIZER {
        build.run()?;
    } else {
        command("rustup", ["toolchain", "install", "nightly", "--profile", "minimal"]).run()?;
        build.env("RUSTUP_TOOLCHAIN", "nightly").run()?;
    }
    let built = target_dir().join(format!("{}-unknown-linux-gnu/release/landline-fuzz", env::consts::ARCH));
    // A copy, so that the next build does not disturb a run.
    let copy = target_dir().join("landline-fuzz");
    fs::copy(&built, &copy).with_context(|| format!("there is no {}", built.display()))?;
    Ok(copy)
}

fn target_dir() -> PathBuf {
    folder().join("target")
}

fn chosen(program: &Path, wanted: &[String]) -> Result<Vec<Target>> {
    let list = command(program, [""; 0]).env("LANDLINE_FUZZ_TARGET", "list").output()?;
    let all = list.lines().filter_map(|line| {
        let mut words = line.split('\t');
        Some(Target { name: words.next()?.to_owned(), longest: words.next()?.to_owned() })
    });
    let all: Vec<_> = all.collect();
    if let Some(unknown) = wanted.iter().find(|name| all.iter().all(|target| target.name != **name)) {
        let names: Vec<_> = all.iter().map(|target| target.name.as_str()).collect();
        bail!("there is no target {unknown}; these are: {}", names.join(", "));
    }
    Ok(all.into_iter().filter(|target| wanted.is_empty() || wanted.contains(&target.name)).collect())
}

fn start(
    program: &Path,
    target: &Target,
    until: Until,
    long: bool,
    runs: &Path,
    commit: &str,
) -> Result<Running> {
    let Target { name, longest } = target;
    let artifacts = folder().join("artifacts").join(name);
    let corpus = folder().join("corpus").join(name);
    fs::create_dir_all(&artifacts)?;
    fs::create_dir_all(&corpus)?;
    let mut words = vec![corpus.display().to_string()];
    words.extend(
        ["seeds", "crashes"]
            .map(|kept| folder().join(kept).join(name))
            .into_iter()
            .filter_map(|kept| kept.is_dir().then(|| kept.display().to_string())),
    );
    let dictionary = folder().join("dictionaries").join(format!("{name}.dict"));
    if dictionary.is_file() {
        words.push(format!("-dict={}", dictionary.display()));
    }
    words.push(format!("-max_len={longest}"));
    words.push(format!("-artifact_prefix={}/", artifacts.display()));
    Running::start(program, name, words, until, long, &runs.join(format!("{name}.log")), commit)
}
