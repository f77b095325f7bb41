//! The one binary of all targets, built for libFuzzer.
//!
//! The compiler is told itself what cargo-fuzz would tell it: its passes for coverage are stable, and so a fresh machine
//! installs nothing.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::folder;
use crate::run::{Run, cargo, command, root, step};

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

/// Into how many pieces the compiler divides one of our own crates: another number than for any other build.
const PIECES: u32 = 8;

/// How it is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// As released, for runs that are worth a build of many minutes.
    Release,
    /// Our own crates alone know their coverage; all others are as the tests have them. Built in a fraction of the time, for
    /// runs of seconds.
    OwnCrates,
}

/// Where everything is built to.
pub(super) fn shared_target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where fuzzing is run, and built for where it shares nothing with the tests.
pub(super) fn target_dir() -> PathBuf {
    shared_target_dir().join("fuzz")
}

/// Builds it, and returns where it lies. It knows from which commit it was built.
pub(super) fn build(how: Build, sanitizer: &str) -> Result<PathBuf> {
    step("fuzz targets");
    let commit = command("git", ["describe", "--always", "--dirty"]).output()?.trim().to_owned();
    let (build, program) = match how {
        Build::Release => release(sanitizer)?,
        Build::OwnCrates => own_crates()?,
    };
    build.env("LANDLINE_FUZZ_COMMIT", commit).run()?;
    Ok(program.join("landline-fuzz"))
}

fn manifest() -> String {
    folder().join("Cargo.toml").display().to_string()
}

/// The command, and the folder that it builds to.
fn release(sanitizer: &str) -> Result<(Run, PathBuf)> {
    // With a target of its own, so that programs that run while it is built are not instrumented.
    let host = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let manifest = manifest();
    let words = ["build", "--locked", "--release", "--manifest-path", &manifest, "--bins", "--target", &host];
    let mut flags = COVERAGE.join(" ");
    let mut build = cargo(words);
    if sanitizer != NO_SANITIZER {
        flags = format!("{flags} -Zsanitizer={sanitizer}");
        command("rustup", ["toolchain", "install", "nightly", "--profile", "minimal"]).run()?;
        // By way of rustup: the cargo that runs this is that of one toolchain.
        build = command("rustup", ["run", "nightly", "cargo"].into_iter().chain(words));
    }
    let build = build.env("CARGO_TARGET_DIR", target_dir()).env("RUSTFLAGS", flags);
    Ok((build, target_dir().join(host).join("release")))
}

/// The same.
fn own_crates() -> Result<(Run, PathBuf)> {
    let mut words: Vec<String> = ["build", "--locked", "--bins", "--manifest-path"].map(str::to_owned).into();
    words.push(manifest());
    // With a setting of their own, which keeps them apart from those that are built for tests: cargo does not see the flags
    // that the wrapper adds.
    let lock = fs::read_to_string(folder().join("Cargo.lock")).context("fuzz/Cargo.lock")?;
    for name in own(&lock) {
        words.extend(["--config".to_owned(), format!("profile.dev.package.{name}.codegen-units={PIECES}")]);
    }
    let build = cargo(words.iter().map(String::as_str))
        .env("CARGO_TARGET_DIR", shared_target_dir())
        .env("RUSTC_WRAPPER", folder().join("rustc.sh"))
        .env("LANDLINE_FUZZ_FLAGS", COVERAGE.join(" "));
    Ok((build, shared_target_dir().join("debug")))
}

/// Our own crates in a lock file.
fn own(lock: &str) -> impl Iterator<Item = &str> {
    lock.lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .filter(|name| name.starts_with("landline"))
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn our_own_crates_are_known_by_their_name() {
        let lock = "[[package]]\nname = \"bytes\"\n\n[[package]]\nname = \"landline-core\"\nversion = \"0.1.0\"\n\
                    dependencies = [\n \"landline-auth\",\n]\n";
        assert_eq!(own(lock).collect::<Vec<_>>(), ["landline-core"]);
    }
}
