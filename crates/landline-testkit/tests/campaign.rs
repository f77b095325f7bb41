//! The campaign is worth something only if it is green over a server that is right and red over one that is not.
//! `src/bin/planted` is both.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use landline_testkit::campaign::{self, Outcome, Plan};
use tokio::time::timeout;

/// How many campaigns a mistake may take to show itself: most need the kill to come at a certain moment.
const CAMPAIGNS: u64 = 6;

/// A campaign that is not done within this time hangs: it takes some 10 seconds.
const WITHIN: Duration = Duration::from_secs(120);

/// Runs a short campaign over the planted server with one mistake.
fn campaign(mistake: &str, seed: u64) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    // Through a script, because the tests of one process share their environment.
    let binary = folder.path().join("server");
    let planted = env!("CARGO_BIN_EXE_planted");
    std::fs::write(&binary, format!("#!/bin/sh\nPLANTED={mistake} exec '{planted}' \"$@\"\n")).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&binary, executable).unwrap();
    run(Plan {
        binary,
        cycles: 4,
        seed,
        load_min: Duration::from_millis(300),
        load_max: Duration::from_millis(600),
        // It has no such mode; that the checker sees what is wrong with one, its own tests show.
        queued: false,
        folder: folder.path().join("server-data"),
        keep_history: false,
        progress: |_| {},
    })
}

fn run(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended = runtime.block_on(async { timeout(WITHIN, campaign::run(&plan)).await });
    ended.unwrap_or_else(|_| panic!("not done within {WITHIN:?}")).unwrap()
}

/// The mistake is found, under each of these names.
#[track_caller]
fn finds(mistake: &str, verdicts: &[&str]) {
    let mut missing = verdicts.to_vec();
    let mut last = String::new();
    for seed in 1..=CAMPAIGNS {
        let outcome = campaign(mistake, seed);
        let wrong = outcome.verdicts.iter().filter(|verdict| !verdict.wrong.is_empty());
        for found in wrong {
            missing.retain(|expected| !found.what.starts_with(expected));
        }
        if missing.is_empty() {
            return;
        }
        last = outcome.to_string();
    }
    panic!("{mistake}: {missing:?} not found\n{last}");
}

#[test]
fn a_right_server_passes() {
    let outcome = campaign("none", 1);
    assert!(outcome.passed(), "{outcome}");
    assert_eq!(outcome.cycles, 4);
    assert!(outcome.to_string().ends_with(" passed, 0 failed\n"), "{outcome}");
}

#[test]
fn acknowledging_before_it_is_written_is_found() {
    finds("lazy-write", &["I1", "I7"]);
}

#[test]
fn repeats_that_make_second_entries_are_found() {
    finds("no-dedupe", &["I2"]);
}

#[test]
fn refusals_that_were_stored_are_found() {
    finds("stores-refused", &["I6"]);
}

#[test]
fn a_resume_that_repeats_is_found() {
    finds("resume-inclusive", &["I5"]);
}

#[test]
fn a_resume_that_skips_is_found() {
    finds("resume-skips", &["I5"]);
}

#[test]
fn a_page_that_loses_its_end_is_found() {
    finds("loses-page-end", &["I1", "I5"]);
}

#[test]
fn a_watermark_that_goes_back_is_found() {
    finds("watermark-back", &["I8"]);
}

#[test]
fn activities_put_before_earlier_ones_are_found() {
    finds("reorders", &["I3"]);
}

#[test]
fn deliveries_without_a_request_are_found() {
    finds("delivers-twice", &["I10"]);
}

#[test]
fn acknowledging_a_file_before_it_is_written_is_found() {
    finds("loses-files", &["I15"]);
}

#[test]
fn files_that_belong_to_nobody_are_found() {
    finds("leaves-orphans", &["I15"]);
}

#[test]
fn downloads_of_other_bytes_are_found() {
    finds("changes-files", &["I15"]);
}

#[test]
fn a_server_that_does_not_start_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        binary: PathBuf::from("/bin/false"),
        cycles: 1,
        seed: 1,
        load_min: Duration::ZERO,
        load_max: Duration::ZERO,
        queued: false,
        folder: folder.path().to_owned(),
        keep_history: false,
        progress: |_| {},
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();

    let error = runtime.block_on(campaign::run(&plan)).unwrap_err();

    assert!(error.to_string().contains("before it was ready"), "{error:#}");
}
