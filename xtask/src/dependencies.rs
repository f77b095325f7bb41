//! Every dependency has its reason: `docs/dependencies.md` names those of `Cargo.toml`, and no others.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::run::root;

const DOCUMENT: &str = "docs/dependencies.md";

/// Holds the document against the manifest.
pub(crate) fn check() -> Result<()> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).context("Cargo.toml")?;
    let document = fs::read_to_string(root().join(DOCUMENT)).context(DOCUMENT)?;
    compare(&asked_for(&manifest), &explained(&document))
}

fn compare(asked_for: &BTreeSet<&str>, explained: &BTreeSet<&str>) -> Result<()> {
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let missing = list(asked_for - explained);
    if !missing.is_empty() {
        bail!("say in {DOCUMENT} why these dependencies are there: {missing}");
    }
    let gone = list(explained - asked_for);
    if !gone.is_empty() {
        bail!("{DOCUMENT} explains what Cargo.toml does not ask for: {gone}");
    }
    Ok(())
}

/// The names under `[workspace.dependencies]`, without our own.
fn asked_for(manifest: &str) -> BTreeSet<&str> {
    let table = manifest.split("[workspace.dependencies]").nth(1).unwrap_or("");
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| {
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
            is_name && !name.starts_with("landline-")
        })
        .collect()
}

/// The names in the first column of the tables: `` | `name` | … ``.
fn explained(document: &str) -> BTreeSet<&str> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` |")).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::{asked_for, compare, explained};

    const MANIFEST: &str = "[workspace.dependencies]\nlandline-auth = { path = \"x\" }\n# Why.\ntokio = \"1\"\n\
                            url = { version = \"2\" }\n\n[lints]\nother = 1\n";

    #[test]
    fn a_dependency_without_a_reason_and_a_reason_without_a_dependency_are_found() {
        let asked_for = asked_for(MANIFEST);
        assert_eq!(asked_for.iter().copied().collect::<Vec<_>>(), ["tokio", "url"]);

        assert!(compare(&asked_for, &explained("| `tokio` | Runs. |\n| `url` | Reads. |\n")).is_ok());
        let missing = compare(&asked_for, &explained("| `tokio` | Runs. |\n")).unwrap_err();
        assert!(missing.to_string().contains("url"), "{missing}");
        let gone =
            compare(&asked_for, &explained("| `tokio` | R |\n| `url` | R |\n| `axum` | R |\n")).unwrap_err();
        assert!(gone.to_string().contains("axum"), "{gone}");
    }
}
