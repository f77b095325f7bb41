//! The chores of this repository: `cargo xtask --help` lists them.
//!
//! `test` is all of them that say whether the software works; what it needs beside Rust and Node it installs.

#![expect(clippy::print_stdout, reason = "a command line tool talks to whoever runs it")]

mod attacks;
mod blobs;
mod dependencies;
mod direction;
mod fuzz;
mod run;
mod security;
mod supply;
mod tools;
mod units;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::run::{Cargo, binary, cargo, command, root, step};

/// The chores of this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build Landline with its Web Chat page and run `landline demo`; arguments behind `--` go to it.
    Demo {
        /// Such as `--listen 127.0.0.1:4000`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Everything that must be green: `check`, then `deny`, then seconds of `fuzz`, then `e2e`, then `blobs`, then a short attack
    /// and a short `crash`.
    Test,
    /// Format, lints, documentation, direction of dependencies, table of attacks, Rust tests.
    Check,
    /// Only whether each row of `docs/security.md` has tests, and those that it names exist; part of `check`.
    Table,
    /// Files in a bucket, against a server that speaks like S3; installs it from PyPI as needed.
    Blobs,
    /// Stock clients and stock bots against the built binary; installs Chromium, npm and Python packages as needed.
    E2e,
    /// Kill the server at random under load, again and again, and check that nothing was lost.
    Crash {
        /// How often.
        #[arg(long, default_value_t = 200)]
        cycles: u32,
        /// Further arguments of the campaign, such as `--seed 7`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Licences, bans and sources of all dependencies (`deny.toml`); installs cargo-deny as needed.
    Deny,
    /// Known vulnerabilities of all dependencies, from a copy of the RustSec advisory database; fetches nothing of it.
    Audit {
        /// A clone of RustSec's advisory-db.
        #[arg(long, value_name = "DIR")]
        db: PathBuf,
    },
    /// What `landline` consists of, as CycloneDX, in target/release-files.
    Sbom,
    /// What a release has to pass: `deny`, `audit`, a release build, `sbom`; its files and their digests are in
    /// target/release-files.
    Release {
        /// A clone of RustSec's advisory-db.
        #[arg(long, value_name = "DIR")]
        advisory_db: PathBuf,
    },
    /// Every test that `docs/security.md` names, row by row, and slow attackers; installs nginx, HAProxy and what `e2e` needs.
    Security,
    /// Thousands of slow attackers of each kind against a release build, beside honest clients who must not notice.
    Attack {
        /// How many of each kind.
        #[arg(long, default_value_t = 5000)]
        attackers: u32,
        /// Further arguments, such as `--honest 100`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Everything that reads bytes from outside, with inputs that libFuzzer makes up.
    Fuzz(fuzz::Options),
    /// Whether the time to refuse a secret, a token or a link tells anything of the right one; arguments behind `--` go on.
    Timing {
        /// Such as `--samples 10000000`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Measure a release build; arguments behind `--` go to the bench (default: `all`).
    Bench {
        /// Such as `accept` or `idle`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

/// How many crash cycles are part of `test`; the long campaign is a command of its own.
const CRASH_CYCLES_IN_TEST: u32 = 30;

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Demo { arguments } => demo(&arguments),
        Chore::Test => {
            check()?;
            supply::deny()?;
            fuzz::short()?;
            e2e()?;
            blobs::run()?;
            attacks::short()?;
            crash(CRASH_CYCLES_IN_TEST, Cargo::Dev, &[])
        }
        Chore::Check => check(),
        Chore::Table => security::check(),
        Chore::Blobs => blobs::run(),
        Chore::E2e => e2e(),
        Chore::Crash { cycles, arguments } => crash(cycles, Cargo::Release, &arguments),
        Chore::Deny => supply::deny(),
        Chore::Audit { db } => supply::audit(&db),
        Chore::Sbom => supply::sbom(),
        Chore::Release { advisory_db } => supply::release(&advisory_db),
        Chore::Security => security::tried::run(),
        Chore::Attack { attackers, arguments } => attacks::attack(attackers, &arguments),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Timing { arguments } => timing(&arguments),
        Chore::Bench { arguments } => bench(&arguments),
    }
}

fn check() -> Result<()> {
    step("format");
    cargo(["fmt", "--all", "--check"]).run()?;
    step("lints");
    cargo(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()?;
    step("documentation");
    cargo(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings").run()?;
    step("direction of dependencies");
    direction::check()?;
    step("reasons of dependencies");
    dependencies::check()?;
    step("lock file of the fuzz targets");
    fuzz::check_lock()?;
    step("table of attacks");
    security::check()?;
    step("programs");
    // Some tests start them, and the units name one.
    build_dev()?;
    step("systemd units");
    units::check()?;
    step("Rust tests");
    cargo(["test", "--workspace", "--locked"]).env("LANDLINE_BIN", binary(Cargo::Dev, "landline")).run()
}

fn web_chat() -> Result<()> {
    step("Web Chat bundle, from npm");
    command("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(root().join("crates/landline/webchat"))
        .run()
}

fn demo(arguments: &[String]) -> Result<()> {
    web_chat()?;
    step("landline demo");
    // The development profile: built in half the time, and fast enough to chat.
    let mut words = vec!["run", "--locked", "-p", "landline", "--", "demo"];
    words.extend(arguments.iter().map(String::as_str));
    cargo(words).run()
}

fn e2e() -> Result<()> {
    web_chat()?;
    step("stock clients and stock bots");
    build_dev()?;
    command("bash", ["e2e/run.sh"]).env("LANDLINE_BIN", binary(Cargo::Dev, "landline")).run()
}

fn crash(cycles: u32, profile: Cargo, arguments: &[String]) -> Result<()> {
    step("crash campaign");
    match profile {
        Cargo::Dev => build_dev()?,
        Cargo::Release => build_release(&["landline", "landline-testkit"])?,
    }
    let cycles = cycles.to_string();
    let server = binary(profile, "landline");
    let mut words = vec!["--binary".into(), server.display().to_string(), "--cycles".into(), cycles];
    words.extend_from_slice(arguments);
    command(binary(profile, "crash"), words).run()
}

fn timing(arguments: &[String]) -> Result<()> {
    step("timing of comparisons");
    let words = [
        "run",
        "--release",
        "--locked",
        "-p",
        "landline-testkit",
        "--features",
        "in-process",
        "--bin",
        "timing",
        "--",
    ];
    cargo(words.into_iter().chain(arguments.iter().map(String::as_str))).run()
}

fn bench(arguments: &[String]) -> Result<()> {
    build_release(&["landline", "landline-bench"])?;
    let all = ["all".to_owned()];
    let arguments = if arguments.is_empty() { &all } else { arguments };
    let mut words = arguments.to_vec();
    words.extend(["--binary".into(), binary(Cargo::Release, "landline").display().to_string()]);
    command(binary(Cargo::Release, "landline-bench"), words).run()
}

/// All programs at once, so that they share what the tests are built from.
fn build_dev() -> Result<()> {
    cargo(["build", "--workspace", "--bins", "--locked"]).run()
}

/// One package at a time: built together, the server would get the features that only tests ask for.
fn build_release(packages: &[&str]) -> Result<()> {
    for package in packages {
        cargo(["build", "--release", "--locked", "-p", package]).run()?;
    }
    Ok(())
}
