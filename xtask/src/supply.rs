//! What the software is made of: what it may be, whether anything about it is known to be bad, and a list of it.
//!
//! Not here: why each dependency is there (`docs/dependencies.md`, held against `Cargo.toml` by `dependencies`).

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run::{Cargo, binary, cargo, command, root, step};
use crate::tools::{self, AUDIT, CYCLONEDX, DENY};

/// Where what is to be given away is put together.
const RELEASE: &str = "target/release-files";

/// The list of npm's packages.
const CYCLONEDX_NPM: &str = "@cyclonedx/cyclonedx-npm@6.0.1";

/// The ending of the lists that cargo-cyclonedx writes beside each manifest.
const LIST_ENDING: &str = "_bin.cdx.json";

/// Licences, bans and sources. Needs nothing but the lock file and the crates.
pub(crate) fn deny() -> Result<()> {
    step("licences, bans and sources of dependencies");
    tools::run(DENY, ["--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"])
}

/// Known vulnerabilities, from a copy of the RustSec advisory database. Nothing is fetched.
pub(crate) fn audit(database: &Path) -> Result<()> {
    step("known vulnerabilities of dependencies");
    if !database.join("crates").is_dir() {
        bail!(
            "{} is no advisory database: a clone of RustSec's advisory-db has a folder `crates`",
            database.display()
        );
    }
    let database = database.canonicalize()?.display().to_string();
    tools::run(AUDIT, ["--db", database.as_str(), "--no-fetch", "--deny", "unsound"])
}

/// What `landline` is built from, as CycloneDX: one list for its crates, one for the Web Chat page in it.
pub(crate) fn sbom() -> Result<()> {
    step("what it consists of (CycloneDX)");
    let out = root().join(RELEASE);
    fs::create_dir_all(&out)?;
    let written = out.join("landline.cdx.json");
    fs::write(&written, serde_json::to_vec_pretty(&crates()?)?)?;
    println!("{}", written.display());

    let written = out.join("landline-web-chat.cdx.json");
    let file = written.display().to_string();
    // npm's own list wants no peer dependency unmet; the packages of Web Chat leave one.
    let words =
        ["--yes", CYCLONEDX_NPM, "--ignore-npm-errors", "--package-lock-only", "--spec-version", "1.5"];
    let words = words.into_iter().chain(["--mc-type", "application", "--output-file", &file]);
    command("npx", words).dir(root().join("crates/landline/webchat")).run()?;
    println!("{}", written.display());
    Ok(())
}

/// Everything that a release has to pass, and its files with their digests.
pub(crate) fn release(database: &Path) -> Result<()> {
    deny()?;
    audit(database)?;
    step("release build");
    cargo(["build", "--release", "--locked", "-p", "landline"]).run()?;
    sbom()?;
    let out = root().join(RELEASE);
    fs::copy(binary(Cargo::Release, "landline"), out.join("landline"))?;
    let files = ["landline", "landline.cdx.json", "landline-web-chat.cdx.json"];
    let sums = command("sha256sum", files).dir(out.clone()).output()?;
    fs::write(out.join("SHA256SUMS"), &sums)?;
    print!("{sums}");
    Ok(())
}

/// The list of crates. cargo-cyclonedx counts in what only tests ask for, and names folders of this machine.
fn crates() -> Result<Value> {
    let host = host()?;
    let words = ["--format", "json", "--spec-version", "1.5", "--describe", "binaries", "--target", &host];
    tools::run(CYCLONEDX, words)?;
    let mut list = None;
    for written in lists()? {
        if written.ends_with(format!("landline{LIST_ENDING}")) {
            list = Some(fs::read_to_string(&written)?);
        }
        fs::remove_file(written)?;
    }
    let list = list.context("cargo-cyclonedx wrote no list for landline")?;
    let here = format!("path+file://{}/", root().display());
    let mut list: Value = serde_json::from_str(&list.replace(&here, "landline:"))?;

    let built_from = built_from(&host)?;
    let dropped: HashSet<String> = list["components"]
        .as_array()
        .context("the list has no components")?
        .iter()
        .filter(|component| !built_from.contains(&name_and_version(component)))
        .filter_map(|component| component["bom-ref"].as_str().map(str::to_owned))
        .collect();
    let is_kept = |reference: &Value| !reference.as_str().is_some_and(|name| dropped.contains(name));
    for (table, key) in [("components", "bom-ref"), ("dependencies", "ref")] {
        if let Some(rows) = list[table].as_array_mut() {
            rows.retain(|row| is_kept(&row[key]));
            for row in rows {
                if let Some(depends_on) = row.get_mut("dependsOn").and_then(Value::as_array_mut) {
                    depends_on.retain(is_kept);
                }
            }
        }
    }
    let listed = list["components"].as_array().map_or(0, Vec::len);
    // The program itself is not among its components.
    if listed + 1 != built_from.len() {
        bail!("the list has {listed} components, and landline is built from {}", built_from.len() - 1);
    }
    if list.to_string().contains(&*root().to_string_lossy()) {
        bail!("the list names a folder of this machine");
    }
    list["metadata"]["component"]["purl"] =
        json!(format!("pkg:cargo/landline@{}", env!("CARGO_PKG_VERSION")));
    Ok(list)
}

fn name_and_version(component: &Value) -> String {
    format!("{} {}", component["name"].as_str().unwrap_or(""), component["version"].as_str().unwrap_or(""))
}

/// Names and versions of all crates that `landline` is really built from, itself included.
fn built_from(target: &str) -> Result<HashSet<String>> {
    let words =
        ["tree", "--locked", "-p", "landline", "-e", "normal,build", "--prefix", "none", "--target", target];
    let tree = cargo(words.into_iter().chain(["-f", "{p}"])).output()?;
    let name_and_version = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?.strip_prefix('v')?))
    };
    Ok(tree.lines().filter_map(name_and_version).collect())
}

fn host() -> Result<String> {
    let said = command("rustc", ["-vV"]).output()?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say which machine this is")?.to_owned())
}

/// The lists that were written into the folders of the workspace.
fn lists() -> Result<Vec<PathBuf>> {
    let mut lists = Vec::new();
    let members = fs::read_dir(root().join("crates"))?.map(|entry| entry.map(|entry| entry.path()));
    for folder in members.chain(["bench", "xtask"].map(|name| Ok(root().join(name)))) {
        for entry in fs::read_dir(folder?)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(LIST_ENDING) {
                lists.push(path);
            }
        }
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with the lints of a workspace, given the text of its manifest and those of its members.
    fn complaints(workspace: &str, members: &[(String, String)]) -> Vec<String> {
        let takes_over = |text: &str| {
            let lints = text.split("\n[lints]\n").nth(1);
            lints.is_some_and(|lints| lints.starts_with("workspace = true\n"))
        };
        let forbids = workspace.contains("\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n");
        let free = members.iter().filter(|(_, text)| !takes_over(text)).map(|(path, _)| path.clone());
        free.chain((!forbids).then(|| "the workspace".to_owned())).collect()
    }

    #[test]
    fn none_of_our_crates_may_hold_unsafe_code() {
        let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
        let folders = folders.chain(["bench", "xtask"].map(|name| root().join(name)));
        let members: Vec<(String, String)> = folders
            .map(|folder| folder.join("Cargo.toml"))
            .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
            .collect();
        assert!(members.len() >= 11, "{members:?}");
        assert_eq!(complaints(&workspace, &members), [""; 0]);
        let without = members[0].1.replace("[lints]\nworkspace = true\n", "");
        assert_eq!(complaints(&workspace, &[("one".to_owned(), without)]), ["one"]);
        assert_eq!(complaints(&workspace.replace("\"forbid\"", "\"warn\""), &[]), ["the workspace"]);
    }
}
