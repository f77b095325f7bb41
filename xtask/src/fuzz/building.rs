//! The one binary of all targets, built for libFuzzer.
//!
//! The compiler is told itself what cargo-fuzz would tell it: its passes for coverage are stable, and so a fresh machine
//! installs nothing.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use super::folder;
use crate::run::{cargo, command, root, step};

/// What libFuzzer needs no library of a nightly compiler for; see `docs/fuzzing.md`.
pub(super) const NO_SANITIZER: &str = "none";

/// What libFuzzer is told of a program while it runs: which branches were taken, and what was compared with what. Source:
/// <https://clang.llvm.org/docs/SanitizerCoverage.html>; the same as cargo-fuzz asks for.
const COVERAGE: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    // Branches that the optimiser merges are branches that nobody sees.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// How it is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// As released, for runs that are worth a build of many minutes.
    Release,
    /// Built in a fraction of the time, and slower; for runs of seconds.
    Short,
}

/// Where everything of fuzzing is built and run: apart from what the tests are built into, because it has other flags.
pub(super) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join("fuzz")
}

/// Builds it, and returns where it lies. It knows from which commit it was built.
pub(super) fn build(how: Build, sanitizer: &str) -> Result<PathBuf> {
    step("fuzz targets");
    // With a target of its own, so that programs that run while it is built are not instrumented.
    let host = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let manifest = folder().join("Cargo.toml").display().to_string();
    let profile = if how == Build::Release { "release" } else { "short" };
    let words = [
        "build",
        "--locked",
        "--manifest-path",
        &manifest,
        "--bins",
        "--target",
        &host,
        "--profile",
        profile,
    ];
    let mut flags = COVERAGE.join(" ");
    let commit = command("git", ["describe", "--always", "--dirty"]).output()?.trim().to_owned();
    let mut build = cargo(words);
    if sanitizer != NO_SANITIZER {
        flags = format!("{flags} -Zsanitizer={sanitizer}");
        command("rustup", ["toolchain", "install", "nightly", "--profile", "minimal"]).run()?;
        // By way of rustup: the cargo that runs this is that of one toolchain.
        build = command("rustup", ["run", "nightly", "cargo"].into_iter().chain(words));
    }
    let build = build.env("CARGO_TARGET_DIR", target_dir()).env("LANDLINE_FUZZ_COMMIT", commit);
    build.env("RUSTFLAGS", flags).run()?;
    Ok(target_dir().join(host).join(profile).join("landline-fuzz"))
}
