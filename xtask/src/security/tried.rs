//! Running every test that the table of attacks names, and saying for each row whether it was seen to pass.
//!
//! A test that did not run is no test: whatever the table names has to be in what the test programs list, and in what they
//! report as passed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{ROWS, Row, TABLE, named_tests, rows};
use crate::run::{Cargo, binary, cargo, command, root, step};
use crate::{attacks, build_dev, supply};

/// What marks a test that passed in what Node prints.
const NODE_PASSED: &str = "✔ ";

/// A test program of Cargo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Program {
    package: String,
    /// What selects it, such as `--lib` or `--test http`.
    selected_by: Vec<String>,
}

/// A test as the table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named<'a> {
    path: &'a str,
    name: &'a str,
}

/// All of it, built first.
pub(crate) fn run() -> Result<()> {
    let text = fs::read_to_string(root().join(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
    let mut complaints = Vec::new();
    let rows = rows(&text, &mut complaints);
    if !complaints.is_empty() {
        bail!("{TABLE}:\n  {}", complaints.join("\n  "));
    }
    step("test programs");
    attacks::install_proxies()?;
    build_dev()?;
    cargo(["test", "--workspace", "--no-run", "--locked"]).run()?;

    #[expect(clippy::disallowed_methods, reason = "how long a chore takes, said to whoever ran it")]
    let began = Instant::now();
    let passed = passed(&rows)?;
    supply::deny()?;
    attacks::slow()?;
    step("rows of the table of attacks");
    let count = summary(&rows, &passed)?;
    println!("{ROWS} rows, {count} tests, all passed in {} s", began.elapsed().as_secs());
    Ok(())
}

/// Says for each row how many of its tests passed; how many there are in all. A test that stands for several rows counts once.
fn summary<'a>(rows: &[Row<'a>], passed: &BTreeSet<Named<'a>>) -> Result<usize> {
    let (mut missing, mut all) = (Vec::new(), BTreeSet::new());
    for row in rows {
        let tests: Vec<Named<'_>> = tests_of(row).collect();
        println!("{}: {} tests", row.name, tests.len());
        for test in tests {
            if !passed.contains(&test) {
                missing.push(format!("{}: {}::{} was not seen to pass", row.name, test.path, test.name));
            }
            all.insert(test);
        }
    }
    if !missing.is_empty() {
        bail!("{}", missing.join("\n  "));
    }
    Ok(all.len())
}

fn tests_of<'a>(row: &Row<'a>) -> impl Iterator<Item = Named<'a>> + use<'a> {
    named_tests(row).into_iter().filter_map(|test| {
        let (path, name) = test.split_once("::")?;
        Some(Named { path, name })
    })
}

/// Runs the tests of all rows; those that passed.
fn passed<'a>(rows: &[Row<'a>]) -> Result<BTreeSet<Named<'a>>> {
    let mut programs: BTreeMap<Program, BTreeSet<Named<'a>>> = BTreeMap::new();
    let mut pages: BTreeMap<&str, BTreeSet<Named<'a>>> = BTreeMap::new();
    for test in rows.iter().flat_map(tests_of) {
        if test.path.ends_with(".mjs") {
            pages.entry(test.path).or_default().insert(test);
        } else {
            programs.entry(program_of(test.path)?).or_default().insert(test);
        }
    }
    let mut passed = BTreeSet::new();
    for (program, tests) in &programs {
        step(&format!("{} {}", program.package, program.selected_by.join(" ")));
        passed.extend(run_program(program, tests)?);
    }
    step("stock clients in browsers");
    let files = ["e2e/run.sh"].into_iter().chain(pages.keys().copied());
    let said = command("bash", files).env("LANDLINE_BIN", binary(Cargo::Dev, "landline")).output()?;
    println!("{said}");
    let lines = || said.lines().map(str::trim).filter_map(|line| line.strip_prefix(NODE_PASSED));
    passed.extend(pages.values().flatten().filter(|test| lines().any(|line| line.starts_with(test.name))));
    Ok(passed)
}

/// Which program has the tests of a file: `crates/x/src/…` is in the library of x, `crates/x/tests/y/…` in its program y.
fn program_of(path: &str) -> Result<Program> {
    let (folder, file) = match path.strip_prefix("crates/").and_then(|rest| rest.split_once('/')) {
        Some((name, file)) => (format!("crates/{name}"), file),
        None => {
            let (folder, file) = path.split_once('/').with_context(|| format!("{path} is in no package"))?;
            (folder.to_owned(), file)
        }
    };
    let package = folder.rsplit('/').next().unwrap_or_default().to_owned();
    let selected_by = match file.strip_prefix("tests/") {
        Some(test) => {
            let name = test.split('/').next().unwrap_or_default();
            vec!["--test".to_owned(), name.strip_suffix(".rs").unwrap_or(name).to_owned()]
        }
        None if root().join(&folder).join("src/lib.rs").exists() => vec!["--lib".to_owned()],
        None => vec!["--bins".to_owned()],
    };
    Ok(Program { package, selected_by })
}

/// Runs these tests of a program, also those that are not part of every run.
fn run_program<'a>(program: &Program, tests: &BTreeSet<Named<'a>>) -> Result<Vec<Named<'a>>> {
    let words = ["test", "-p", &program.package, "--locked"].into_iter();
    let words = words.chain(program.selected_by.iter().map(String::as_str));
    let listed = cargo(words.clone().chain(["--", "--list"])).output()?;
    let listed: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let mut found = Vec::new();
    for test in tests {
        match listed.iter().find(|full| is_called(full, test)) {
            Some(full) => found.push((*test, *full)),
            None => bail!("{}::{} is no test of {program:?}", test.path, test.name),
        }
    }
    let names = found.iter().map(|(_, full)| *full);
    let said = cargo(words.chain(["--", "--include-ignored", "--exact"]).chain(names))
        .env("LANDLINE_BIN", binary(Cargo::Dev, "landline"))
        .output()?;
    println!("{}", said.trim());
    let ran = |full: &str| said.lines().any(|line| line == format!("test {full} ... ok"));
    Ok(found.into_iter().filter(|(_, full)| ran(full)).map(|(test, _)| test).collect())
}

/// Whether a full name is that of a test in this file. Modules within the file may be part of it.
fn is_called(full: &str, test: &Named<'_>) -> bool {
    let (modules, name) = full.rsplit_once("::").unwrap_or(("", full));
    let file = Path::new(test.path).with_extension("");
    let stem = file.file_name().and_then(|stem| stem.to_str()).unwrap_or_default();
    // The file of a program itself is no module of it.
    let is_root =
        matches!(stem, "main" | "lib") || file.parent().is_some_and(|folder| folder.ends_with("tests"));
    let is_in = is_root || modules.split("::").any(|module| module == stem);
    name == test.name && is_in
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_found_by_its_file_and_its_name() {
        let named = |path, name| Named { path, name };
        for (full, path, name, is) in [
            ("http::tests::bounds::late", "crates/landline-server/src/http/tests/bounds.rs", "late", true),
            ("activity::tests::twins", "crates/landline-protocol/src/activity.rs", "twins", true),
            ("leaks", "crates/landline-server/tests/secrecy.rs", "leaks", true),
            ("leaks_more", "crates/landline-server/tests/secrecy.rs", "leaks", false),
            ("security::ids::late", "crates/landline-server/tests/http/security/files.rs", "late", false),
        ] {
            assert_eq!(is_called(full, &named(path, name)), is, "{full} {path} {name}");
        }
    }

    #[test]
    fn a_file_belongs_to_a_test_program() {
        for (path, package, selected_by) in [
            ("crates/landline-server/tests/http/security/ids.rs", "landline-server", "--test http"),
            ("crates/landline-server/tests/secrecy.rs", "landline-server", "--test secrecy"),
            ("crates/landline-server/src/http/head/tests.rs", "landline-server", "--lib"),
            ("xtask/src/security.rs", "xtask", "--bins"),
        ] {
            let program = program_of(path).unwrap();
            assert_eq!(
                (program.package.as_str(), program.selected_by.join(" ").as_str()),
                (package, selected_by)
            );
        }
    }

    #[test]
    fn a_test_that_was_not_seen_to_pass_is_complained_about() {
        let rows = [Row { name: "S01", shown_by: "`a/b.rs::one`, `a/b.rs::two`" }];
        let (one, two) = (Named { path: "a/b.rs", name: "one" }, Named { path: "a/b.rs", name: "two" });
        assert_eq!(summary(&rows, &BTreeSet::from([one, two])).unwrap(), 2);
        assert!(summary(&rows, &BTreeSet::from([one])).is_err());
    }
}
