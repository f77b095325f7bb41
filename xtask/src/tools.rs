//! Programs from crates.io that chores need, built once below `target/tools`.
//!
//! Built without optimisation: that takes half the time, and they run for seconds.

use std::path::PathBuf;

use anyhow::Result;

use crate::run::{cargo, command, root, step};

/// A program, and the version that was tried.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Licences, bans and sources of dependencies.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// Known vulnerabilities of dependencies.
pub(crate) const AUDIT: Tool = Tool { name: "cargo-audit", version: "0.22.2" };

/// The list of what a build consists of.
pub(crate) const CYCLONEDX: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9" };

/// Installs it where that was not done before, and returns the program.
pub(crate) fn install(tool: Tool) -> Result<PathBuf> {
    let Tool { name, version } = tool;
    let folder = root().join("target/tools").join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if !program.exists() {
        step(&format!("{name} {version}, from crates.io"));
        let folder = folder.display().to_string();
        let words = ["install", "--locked", "--debug", "--quiet", "--root", folder.as_str()];
        // Not in the root of the repository: the build is of another workspace.
        cargo(words.into_iter().chain(["--version", version, name])).dir(std::env::temp_dir()).run()?;
    }
    Ok(program)
}

/// Runs a program of cargo's kind, whose first word is its own name.
pub(crate) fn run<'a>(tool: Tool, words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let program = install(tool)?;
    let own_name = tool.name.trim_start_matches("cargo-");
    command(program, [own_name].into_iter().chain(words)).run()
}
