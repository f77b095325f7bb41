//! The table of `docs/security.md`: every row is there and has tests or says why not, every test that it names exists, and
//! every test that is called after a row is named by it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::root;

pub(crate) mod tried;

/// The table, from the root of the repository.
const TABLE: &str = "docs/security.md";

/// Where tests are called after rows.
const TESTS: &str = "crates/landline-server/tests/http/security";

/// Rows are numbered from one to this.
const ROWS: usize = 86;

/// How the last column begins where there can be no test; the reason follows.
const NOT_HERE: &str = "not here: ";

/// Looks at the table.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(root().join(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
    let mut complaints = Vec::new();
    let rows = rows(&text, &mut complaints);
    for row in &rows {
        complaints.extend(complaints_of(row, &root()));
    }
    complaints.extend(unnamed(&rows, &root())?);
    if !complaints.is_empty() {
        bail!("{TABLE}:\n  {}", complaints.join("\n  "));
    }
    let not_here: Vec<&str> = rows.iter().filter(|row| row.why_not().is_some()).map(|row| row.name).collect();
    println!("{} of {ROWS} rows have tests; not here: {}", ROWS - not_here.len(), not_here.join(" "));
    Ok(())
}

struct Row<'a> {
    /// Such as `S01`.
    name: &'a str,
    /// The last column.
    shown_by: &'a str,
}

impl Row<'_> {
    /// The reason of a row that has no tests.
    fn why_not(&self) -> Option<&str> {
        self.shown_by.strip_prefix(NOT_HERE)
    }
}

/// The rows in order; a row that is missing, there twice or garbled is a complaint.
fn rows<'a>(text: &'a str, complaints: &mut Vec<String>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| S")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let expected = format!("S{:02}", rows.len() + 1);
        match cells[..] {
            [name, _, _, shown_by] if name == expected => rows.push(Row { name, shown_by }),
            _ => complaints.push(format!("expected a row {expected} of four columns, and found {line:?}")),
        }
    }
    if rows.len() != ROWS {
        complaints.push(format!("{} rows in order, not {ROWS}", rows.len()));
    }
    rows
}

/// What a row names in its last column: `path/to/file`, or `path/to/file.rs::test_name`.
fn named_tests<'a>(row: &Row<'a>) -> Vec<&'a str> {
    row.shown_by.split('`').skip(1).step_by(2).filter(|name| name.contains('/')).collect()
}

/// What is wrong with the tests of a row: each is a file of the repository, or `file::name` of a test in it.
fn complaints_of(row: &Row<'_>, root: &Path) -> Vec<String> {
    if let Some(why) = row.why_not() {
        let is_said = why.split_whitespace().count() > 3;
        return (!is_said).then(|| format!("{}: {NOT_HERE}and why?", row.name)).into_iter().collect();
    }
    let named = named_tests(row);
    let mut complaints: Vec<String> = named
        .iter()
        .filter_map(|test| missing(test, root).map(|what| format!("{}: {what}", row.name)))
        .collect();
    if named.is_empty() {
        complaints.push(format!(
            "{}: names no test as `path/to/file.rs::test_name`; where there can be none, write {NOT_HERE:?} and why",
            row.name
        ));
    }
    complaints
}

/// The tests that are called after a row, and that the row does not name.
fn unnamed(rows: &[Row<'_>], root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for entry in fs::read_dir(root.join(TESTS)).with_context(|| format!("cannot list {TESTS}"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for name in text.split("fn s").skip(1).filter_map(|rest| rest.split('(').next()) {
            let number = name.split('_').next().unwrap_or_default();
            let row = rows.iter().find(|row| row.name == format!("S{number}"));
            if row.is_some_and(|row| !row.shown_by.contains(&format!("::s{name}`"))) {
                complaints.push(format!("S{number}: does not name its test s{name}"));
            }
        }
    }
    Ok(complaints)
}

/// Why there is no such test; nothing where there is one.
fn missing(test: &str, root: &Path) -> Option<String> {
    let (path, name) = test.split_once("::").map_or((test, None), |(path, name)| (path, Some(name)));
    let Ok(text) = fs::read_to_string(root.join(path)) else {
        return Some(format!("there is no file {path}"));
    };
    let name = name?;
    let defined = if path.ends_with(".rs") {
        text.contains(&format!("fn {name}("))
    } else {
        // The tests of stock clients are named by sentences.
        text.contains(name)
    };
    (!defined).then(|| format!("there is no {name} in {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about a table of which one row is changed.
    fn complaints(change: impl Fn(usize) -> String) -> Vec<String> {
        let text: Vec<String> = (1..=ROWS).map(change).collect();
        let mut complaints = Vec::new();
        for row in rows(&text.join("\n"), &mut complaints) {
            complaints.extend(complaints_of(&row, &root()));
        }
        complaints
    }

    fn row(number: usize) -> String {
        format!("| S{number:02} | a | b | not here: nobody can tell it from outside |")
    }

    #[test]
    fn rows_that_are_not_as_they_must_be_are_complained_about() {
        let here = "xtask/src/security.rs";
        assert_eq!(complaints(row), Vec::<String>::new());
        let right = format!("| S07 | a | b | `{here}::missing`, and `{here}` |");
        assert_eq!(complaints(|n| if n == 7 { right.clone() } else { row(n) }), Vec::<String>::new());
        for wrong in [
            "| S08 | a | b | not here: nobody can tell it from outside |".to_owned(),
            "| S07 | a | not here: nobody can tell it from outside |".to_owned(),
            "| S07 | a | b | not here: no |".to_owned(),
            "| S07 | a | b | open |".to_owned(),
            String::new(),
            "| S07 | a | b | nothing yet |".to_owned(),
            "| S07 | a | b | `xtask/src/nowhere.rs::missing` |".to_owned(),
            format!("| S07 | a | b | `{here}::{}` |", "no_such".to_owned() + "_test"),
        ] {
            assert!(!complaints(|n| if n == 7 { wrong.clone() } else { row(n) }).is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn a_test_that_its_row_does_not_name_is_complained_about() {
        let named = |name: &str| {
            let text: Vec<String> = (1..=ROWS)
                .map(|n| if n == 1 { format!("| S01 | a | b | `x/y.rs::{name}` |") } else { row(n) })
                .collect();
            let (text, mut complaints) = (text.join("\n"), Vec::new());
            let complaints = unnamed(&rows(&text, &mut complaints), &root()).unwrap();
            complaints.iter().any(|complaint| complaint.starts_with("S01"))
        };
        assert!(!named("s01_without_a_credential_no_door_opens"));
        assert!(named("s01_without_a_credential"));
    }
}
