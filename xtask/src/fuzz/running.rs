//! One run of one target, and what is kept of it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::ledger;
use crate::run::command;

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Until it is worth to look again.
#[expect(
    clippy::disallowed_methods,
    reason = "the end of a process is looked for in `/proc`, where nobody can wait for it"
)]
pub(super) fn wait_a_little() {
    std::thread::sleep(LOOK);
}

/// How much memory a target may take. What an input makes it allocate beyond that is a finding.
const MEMORY_MB: u32 = 2048;

/// How long one input may take, in seconds. Slower ones are findings.
const INPUT_SECONDS: u32 = 25;

/// How the kernel counts processor time in `/proc`: ticks of a second, the same on all that Linux runs on.
const TICKS_PER_SECOND: u64 = 100;

/// When a run ends.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// So long on the clock.
    Clock(Duration),
    /// When it has had so much processor time.
    ProcessorTime(Duration),
}

/// A process of libFuzzer.
pub(super) struct Running {
    child: Child,
    target: String,
    until: Until,
    log: PathBuf,
    commit: String,
    /// Whether it was told to end.
    told: bool,
}

/// What came of it.
pub(super) struct Ended {
    pub(super) target: String,
    /// No crash, no time-out, not too much memory.
    pub(super) well: bool,
    /// In a line.
    pub(super) said: String,
}

impl Running {
    pub(super) fn start(
        program: &Path,
        target: &str,
        mut words: Vec<String>,
        until: Until,
        nice: bool,
        log: &Path,
        commit: &str,
    ) -> Result<Self> {
        words.push(format!("-rss_limit_mb={MEMORY_MB}"));
        words.push(format!("-timeout={INPUT_SECONDS}"));
        words.push("-print_final_stats=1".into());
        if let Until::Clock(time) = until {
            words.push(format!("-max_total_time={}", time.as_secs()));
        }
        let output = File::create(log)?;
        // `nice` becomes the program: the process is the same.
        let mut command = Command::new("nice");
        let child = command
            .args(["-n", if nice { "19" } else { "0" }])
            .arg(program)
            .args(words)
            .env("LANDLINE_FUZZ_TARGET", target)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let (target, log, commit) = (target.to_owned(), log.to_owned(), commit.to_owned());
        Ok(Self { child, target, until, log, commit, told: false })
    }

    /// Says how it ended, once it has.
    pub(super) fn poll(&mut self) -> Result<Option<Ended>> {
        let (over, used) = self.look()?;
        if !over {
            if let Until::ProcessorTime(most) = self.until
                && used >= most
                && !self.told
            {
                // It ends with its numbers.
                command("kill", ["-INT", &self.child.id().to_string()]).run()?;
                self.told = true;
            }
            return Ok(None);
        }
        let status = self.child.wait()?;
        let well = status.success() || self.told && !self.found_something()?;
        let mut log = OpenOptions::new().append(true).open(&self.log)?;
        writeln!(
            log,
            "\nlandline: target={} commit={} cpu_ms={} well={well}",
            self.target,
            self.commit,
            used.as_millis()
        )?;
        let text = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        let said = ledger::Run::read(&text).context("libFuzzer has said nothing that can be read")?.line();
        let said = if well { said } else { format!("{said}\n{text}") };
        Ok(Some(Ended { target: self.target.clone(), well, said }))
    }

    fn found_something(&self) -> Result<bool> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).contains("SUMMARY: libFuzzer"))
    }

    /// Whether it has ended, and how much processor time it has had. One that has ended stays in `/proc` until somebody
    /// waits for it, so nothing of its time is missed.
    fn look(&self) -> Result<(bool, Duration)> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Its name, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(") ").context("no process")?;
        let fields: Vec<_> = fields.split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        // `utime` and `stime`, the 14th and 15th of the line. Source: proc_pid_stat(5).
        let used = Duration::from_millis((ticks(11) + ticks(12)) * 1000 / TICKS_PER_SECOND);
        Ok((fields.first() == Some(&"Z"), used))
    }
}
