//! Running other programs, in the root of the repository.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// How something is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cargo {
    Dev,
    Release,
}

/// A program that is about to run.
pub(crate) struct Run(Command);

/// Says what comes next.
pub(crate) fn step(what: &str) {
    println!("\n=== {what}");
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo, the one that runs this.
pub(crate) fn cargo<'a>(words: impl IntoIterator<Item = &'a str>) -> Run {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), words)
}

/// Any program.
pub(crate) fn command(program: impl AsRef<OsStr>, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    let mut command = Command::new(program);
    command.args(words).current_dir(root());
    Run(command)
}

/// Where a program of this workspace is built to.
pub(crate) fn binary(profile: Cargo, name: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(if profile == Cargo::Dev { "debug" } else { "release" }).join(name)
}

impl Run {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn dir(mut self, dir: PathBuf) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Result<()> {
        let said = format!("{:?}", self.0);
        let status = self.0.status().with_context(|| format!("cannot run {said}; is it installed?"))?;
        if !status.success() {
            bail!("{said} ended with {status}");
        }
        Ok(())
    }

    /// Runs to the end and returns what it printed.
    pub(crate) fn output(mut self) -> Result<String> {
        let said = format!("{:?}", self.0);
        let output = self.0.output().with_context(|| format!("cannot run {said}; is it installed?"))?;
        if !output.status.success() {
            let printed = [output.stdout, output.stderr].concat();
            bail!("{said} ended with {}: {}", output.status, String::from_utf8_lossy(&printed));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
