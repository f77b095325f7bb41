//! The ledger in `docs/fuzzing.md`: what was run, for how long, and what came of it.
//!
//! Invariant: each number stands in the output of a run; nothing is written by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::run::{command, root};

/// Below this line of the document, the ledger is ours.
const BEGIN: &str = "<!-- ledger: written by `cargo xtask fuzz --long`, a line for each run -->";

const HEAD_OF_TARGETS: &str = "| Target | CPU hours | Executions | Found | Open |\n\
                               | --- | --: | --: | --: | --: |";

const HEAD_OF_RUNS: &str = "| Day | Target | Commit | CPU hours | Executions | Edges | Inputs kept | Crashes |\n\
                            | --- | --- | --- | --: | --: | --: | --: | --: |";

/// What a run says of itself.
#[derive(Debug, PartialEq)]
pub(super) struct Run {
    target: String,
    commit: String,
    cpu_ms: u64,
    executions: u64,
    edges: u64,
    inputs: u64,
    crashes: u64,
}

impl Run {
    /// Reads the output of a run, and the line of ours at its end.
    pub(super) fn read(text: &str) -> Option<Self> {
        let ours = text.lines().rev().find_map(|line| line.strip_prefix("landline: "))?;
        let of = |name: &str| ours.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let stat = |name: &str| {
            let line = text.lines().rev().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name))?;
            line.trim_start_matches(':').trim().parse().ok()
        };
        // `#4711	DONE   cov: 812 ft: 2103 corp: 301/14Kb …`
        let status = text.lines().rev().find(|line| line.starts_with('#') && line.contains(" cov: "));
        let behind = |word: &str| {
            let rest = status?.split_once(word)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let findings = text.lines().filter(|line| line.starts_with("SUMMARY: libFuzzer: "));
        Some(Self {
            target: of("target")?.to_owned(),
            commit: of("commit")?.to_owned(),
            cpu_ms: of("cpu_ms")?.parse().ok()?,
            executions: stat("number_of_executed_units").unwrap_or(0),
            edges: behind(" cov: ").unwrap_or(0),
            inputs: behind(" corp: ").unwrap_or(0),
            crashes: u64::try_from(findings.count()).ok()?,
        })
    }

    /// For whoever watches.
    pub(super) fn line(&self) -> String {
        format!(
            "fuzz {}: {} executions in {:.1} s of processor time, {} edges, {} inputs, {} crashes",
            self.target,
            self.executions,
            self.cpu_ms as f64 / 1000.0,
            self.edges,
            self.inputs,
            self.crashes
        )
    }

    fn row(&self, day: &str) -> String {
        let Self { target, commit, cpu_ms, executions, edges, inputs, crashes } = self;
        let hours = *cpu_ms as f64 / 3_600_000.0;
        format!(
            "| {day} | {target} | `{commit}` | {hours:.3} | {executions} | {edges} | {inputs} | {crashes} |"
        )
    }
}

/// Writes each run in a folder into the ledger.
pub(super) fn record(runs: &Path) -> Result<()> {
    let mut files: Vec<_> = fs::read_dir(runs)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut rows = Vec::new();
    let day = command("date", ["-u", "+%F"]).output()?;
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "log")) {
        let text = String::from_utf8_lossy(&fs::read(file)?).into_owned();
        let run = Run::read(&text).with_context(|| format!("{} is no run that has ended", file.display()))?;
        rows.push(run.row(day.trim()));
    }
    ensure!(!rows.is_empty(), "there is no run in {}", runs.display());
    let path = root().join("docs/fuzzing.md");
    let document = fs::read_to_string(&path)?;
    fs::write(&path, with_rows(&document, &rows)?)?;
    println!("\n{} runs are in {}", rows.len(), path.display());
    Ok(())
}

/// The document with these rows at the end of its ledger, and the sums of all.
fn with_rows(document: &str, rows: &[String]) -> Result<String> {
    let (before, ledger) = document.split_once(BEGIN).context("docs/fuzzing.md has no ledger")?;
    let is_run = |line: &&str| line.starts_with("| 2");
    let all: Vec<&str> = ledger.lines().filter(is_run).chain(rows.iter().map(String::as_str)).collect();
    let (targets, runs) = (by_target(&all).join("\n"), all.join("\n"));
    Ok(format!("{before}{BEGIN}\n\n{HEAD_OF_TARGETS}\n{targets}\n\n{HEAD_OF_RUNS}\n{runs}\n"))
}

/// What came of each target, and of all. What its last run has found is open: a target is run again when it is mended.
fn by_target(runs: &[&str]) -> Vec<String> {
    let mut targets = BTreeMap::<&str, [f64; 4]>::new();
    for run in runs {
        let cells: Vec<&str> = run.split('|').map(str::trim).collect();
        let number = |at: usize| cells.get(at).and_then(|cell| cell.parse::<f64>().ok()).unwrap_or_default();
        let target = targets.entry(cells.get(2).copied().unwrap_or_default()).or_default();
        let [hours, executions, found, _] = *target;
        *target = [hours + number(4), executions + number(5), found + number(8), number(8)];
    }
    let all = targets.values().fold([0.0; 4], |sum, of| std::array::from_fn(|at| sum[at] + of[at]));
    let row = |name: &str, [hours, executions, found, open]: [f64; 4]| {
        format!("| {name} | {hours:.3} | {executions:.0} | {found:.0} | {open:.0} |")
    };
    targets.iter().map(|(name, of)| row(name, *of)).chain([row("**all**", all)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "INFO: seed corpus: files: 12\n#2\tINITED cov: 100 ft: 120 corp: 3/30b exec/s: 0 rss: 40Mb\n\
        #4711\tDONE   cov: 812 ft: 2103 corp: 301/14Kb lim: 256 exec/s: 100 rss: 55Mb\nDone 4711 runs in 47 second(s)\n\
        stat::number_of_executed_units: 4711\nstat::peak_rss_mb:              55\n\n\
        landline: target=token commit=abc1234 cpu_ms=45670 well=true\n";

    #[test]
    fn what_libfuzzer_says_is_read() {
        let run = Run::read(SAID).unwrap();
        let expected = Run {
            target: "token".into(),
            commit: "abc1234".into(),
            cpu_ms: 45_670,
            executions: 4711,
            edges: 812,
            inputs: 301,
            crashes: 0,
        };
        assert_eq!(run, expected);
        let crashed = SAID.replace("Done 4711", "SUMMARY: libFuzzer: deadly signal\nDone 4711");
        assert_eq!(Run::read(&crashed).unwrap().crashes, 1);
        assert_eq!(Run::read("INFO: nothing\n"), None);
    }

    #[test]
    fn rows_are_added_and_summed() {
        let row = Run::read(SAID).unwrap().row("2026-11-21");
        let once = with_rows(&format!("# Fuzzing\n\n{BEGIN}\n"), std::slice::from_ref(&row)).unwrap();
        let twice = with_rows(&once, std::slice::from_ref(&row)).unwrap();
        assert!(twice.starts_with("# Fuzzing\n"));
        assert_eq!(twice.matches(&*row).count(), 2);
        for sum in ["\n| token | 0.026 | 9422 | 0 | 0 |\n", "\n| **all** | 0.026 | 9422 | 0 | 0 |\n"] {
            assert_eq!(twice.matches(sum).count(), 1, "{twice}");
        }
        assert!(with_rows("nothing", &[]).is_err());
    }

    #[test]
    fn what_the_last_run_of_a_target_has_found_is_open() {
        let run = |found: u64| Run { crashes: found, ..Run::read(SAID).unwrap() }.row("2026-11-21");
        for (runs, said) in [([0, 1], "| 1 | 1 |"), ([1, 0], "| 1 | 0 |")] {
            let runs = runs.map(run);
            let [target, all] = &by_target(&runs.each_ref().map(String::as_str))[..] else { panic!() };
            assert!(target.ends_with(said) && all.ends_with(said), "{target} {all}");
        }
    }
}
