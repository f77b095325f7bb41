//! `crash --binary target/release/landline --cycles 200`: the crash campaign.
//!
//! Prints a table and a line `N passed, N failed`; ends with 1 when a promise was broken, with 2 when the campaign
//! could not be run. On failure the history, the data and the server's logs are kept, and it says where.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool that reports to a terminal")]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use landline_testkit::campaign::{self, Plan, Progress};
use landline_testkit::history;
use rand::RngExt;

/// Kills a server at random under load, again and again, and checks that nothing acknowledged is lost, doubled,
/// reordered, or seen and then gone.
#[derive(Debug, Parser)]
struct Arguments {
    /// The `landline` executable.
    #[arg(long)]
    binary: PathBuf,
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    cycles: u32,
    /// Where chance begins; a random one is taken and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the history here, whatever the result.
    #[arg(long)]
    history: Option<PathBuf>,
    /// The least time under load before a kill.
    #[arg(long, default_value_t = 100)]
    min_ms: u64,
    /// The most.
    #[arg(long, default_value_t = 1200)]
    max_ms: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = || -> Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(arguments))
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crash: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<bool> {
    ensure!(arguments.min_ms <= arguments.max_ms, "--min-ms is above --max-ms");
    #[expect(clippy::disallowed_methods, reason = "the one random thing; it is printed")]
    let seed = arguments.seed.unwrap_or_else(|| rand::rng().random());
    println!("crash campaign: {} cycles, seed {seed}", arguments.cycles);
    let folder =
        tempfile::Builder::new().prefix("landline-crash-").tempdir().context("no temporary folder")?;
    let plan = Plan {
        binary: arguments.binary,
        cycles: arguments.cycles,
        seed,
        load_min: Duration::from_millis(arguments.min_ms),
        load_max: Duration::from_millis(arguments.max_ms),
        queued: true,
        folder: folder.path().to_owned(),
        keep_history: arguments.history.is_some(),
        progress: tell,
    };
    let outcome = match campaign::run(&plan).await {
        Ok(outcome) => outcome,
        Err(error) => return Err(error.context(format!("see {}", folder.keep().display()))),
    };
    println!("\n{outcome}");
    if let Some(path) = &arguments.history {
        history::write(path, &outcome.history)?;
        println!("history: {}", path.display());
    }
    if !outcome.passed() {
        let kept = folder.keep();
        history::write(&kept.join("history.jsonl"), &outcome.history)?;
        println!("history, data and logs are kept in {}", kept.display());
    }
    Ok(outcome.passed())
}

fn tell(progress: &Progress) {
    let Progress { cycle, cycles, ready_after } = progress;
    if cycle % 10 == 0 || cycle == cycles {
        print!("\r{cycle} of {cycles}, ready after {} ms   ", ready_after.as_millis());
        // Progress is a courtesy; a closed pipe must not end the campaign.
        let _ = std::io::stdout().flush();
    }
}
