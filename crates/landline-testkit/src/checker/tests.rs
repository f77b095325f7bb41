//! For each invariant, a short history that is right and several that are wrong.

mod mutations;

use super::Invariant::{Acknowledged, Delivery, Files, Gap, Kept, Once, Order, Phantom, Place, Stable};
use super::model::{Builder, file};
use super::{Invariant, Malformed, check};
use crate::history::{Event, Outcome, Page, Record, Seen, Start};

/// Builds a history and expects exactly these invariants to be broken.
#[track_caller]
fn expect(build: impl FnOnce(&mut Builder), expected: &[Invariant]) {
    let mut history = Builder::default();
    build(&mut history);
    let report = check(&history.records).unwrap();
    let mut broken: Vec<Invariant> = report.violations.iter().map(|violation| violation.invariant).collect();
    broken.sort();
    broken.dedup();
    assert_eq!(broken, expected, "{:#?}", report.violations);
}

#[test]
fn a_right_history_is_accepted() {
    expect(
        |h| {
            h.sent("c", "a", 2);
            h.read("r1", "c", 0, &[(2, "a")]);
            h.sent_with_key("c", "b", "k", 3);
            h.sent_with_key("c", "b", "k", 3);
            h.unknown("c", "in the log");
            h.unknown("c", "not in the log");
            h.refused("c", "refused");
            h.read("r1", "c", 2, &[(3, "b"), (7, "in the log")]);
            h.at_the_end("c", &[(2, "a"), (3, "b"), (7, "in the log")]);
        },
        &[],
    );
}

#[test]
fn i1_lost_acknowledgement() {
    let lost = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.sent("c", "b", 2);
        h.at_the_end("c", &[(2, "b")]);
    };
    expect(lost, &[Acknowledged, Gap]);
}

#[test]
fn i1_lost_at_the_tail() {
    let lost = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.sent("c", "b", 2);
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(lost, &[Acknowledged]);
}

#[test]
fn i1_acknowledged_without_a_position_counts() {
    let stored = |h: &mut Builder| {
        let step = h.invoke("w", "c", "a", None);
        h.complete(step, Outcome::Ok, None, 502);
    };
    expect(
        |h| {
            stored(h);
            h.at_the_end("c", &[(1, "a")]);
        },
        &[],
    );
    expect(
        |h| {
            stored(h);
            h.at_the_end("c", &[]);
        },
        &[Acknowledged],
    );
}

#[test]
fn i1_and_i7_need_a_final_read() {
    expect(|h| h.sent("c", "a", 1), &[Acknowledged]);
    let seen = |h: &mut Builder| {
        h.unknown("c", "a");
        h.read("r", "c", 0, &[(1, "a")]);
    };
    expect(seen, &[Kept]);
}

#[test]
fn i2_payload_twice() {
    let doubled = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.at_the_end("c", &[(1, "a"), (2, "a")]);
    };
    expect(doubled, &[Once, Place]);
    let repeated = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.at_the_end("c", &[(1, "a"), (1, "a")]);
    };
    expect(repeated, &[Once, Gap]);
}

#[test]
fn i2_one_key_with_two_ids() {
    let answered_twice = |h: &mut Builder| {
        h.sent_with_key("c", "a", "k", 1);
        h.sent_with_key("c", "a", "k", 2);
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(answered_twice, &[Once, Place]);
    let keys_are_of_their_conversation = |h: &mut Builder| {
        h.sent_with_key("c", "a", "k", 1);
        h.sent_with_key("d", "b", "k", 2);
        h.at_the_end("c", &[(1, "a")]);
        h.at_the_end("d", &[(2, "b")]);
    };
    expect(keys_are_of_their_conversation, &[]);
}

#[test]
fn i2_readers_see_the_key_at_two_positions() {
    let mut history = Builder::default();
    history.sent_with_key("c", "a", "k", 1);
    let connection = history.open("final", "c", Start::After(0), true);
    let seen = |position, payload: &str| Seen { position, payload: payload.into(), key: Some("k".into()) };
    let page = Page { connection, seen: vec![seen(1, "a"), seen(2, "b")], watermark: 2 };
    history.push("final", Event::Page(page));

    let report = check(&history.records).unwrap();

    assert_eq!(report.count(Once), 1, "{:#?}", report.violations);
}

#[test]
fn i3_position_with_two_payloads() {
    let two_readers_differ = |h: &mut Builder| {
        h.unknown("c", "a");
        h.unknown("c", "b");
        h.read("r", "c", 1, &[(2, "b")]);
        h.at_the_end("c", &[(1, "b"), (2, "a")]);
    };
    expect(two_readers_differ, &[Place]);
    let reused_after_a_crash = |h: &mut Builder| {
        h.unknown("c", "a");
        h.read("r", "c", 0, &[(1, "a")]);
        h.sent("c", "b", 1);
        h.at_the_end("c", &[(1, "b")]);
    };
    expect(reused_after_a_crash, &[Place, Order, Kept, Stable]);
}

#[test]
fn i3_acknowledged_elsewhere_than_it_stands() {
    let elsewhere = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.at_the_end("c", &[(2, "a")]);
    };
    expect(elsewhere, &[Place, Gap]);
}

#[test]
fn i3_payload_in_another_conversation() {
    let stray = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.unknown("c", "b");
        h.at_the_end("c", &[(1, "a")]);
        h.at_the_end("d", &[(1, "b")]);
    };
    expect(stray, &[Place]);
}

#[test]
fn i4_acknowledged_before_sent_stands_before() {
    let swapped = |h: &mut Builder| {
        h.sent("c", "a", 2);
        h.sent("c", "b", 1);
        h.at_the_end("c", &[(1, "b"), (2, "a")]);
    };
    expect(swapped, &[Order]);
    let concurrent = |h: &mut Builder| {
        let a = h.invoke("w1", "c", "a", None);
        let b = h.invoke("w2", "c", "b", None);
        h.complete(a, Outcome::Ok, Some(2), 200);
        h.complete(b, Outcome::Ok, Some(1), 200);
        h.at_the_end("c", &[(1, "b"), (2, "a")]);
    };
    expect(concurrent, &[]);
}

#[test]
fn i4_seen_before_sent_stands_before() {
    let swapped = |h: &mut Builder| {
        h.unknown("c", "a");
        h.deliver("c", 2, "a");
        h.unknown("c", "b");
        h.at_the_end("c", &[(1, "b"), (2, "a")]);
    };
    expect(swapped, &[Order]);
}

#[test]
fn i4_a_repeat_counts_from_its_first_sending() {
    let first_sending_won = |h: &mut Builder| {
        let a = h.invoke("w1", "c", "a", Some("k"));
        h.complete(a, Outcome::Info, None, 503);
        h.sent("c", "b", 2);
        h.sent_with_key("c", "a", "k", 1);
        h.at_the_end("c", &[(1, "a"), (2, "b")]);
    };
    expect(first_sending_won, &[]);
}

#[test]
fn i5_not_rising() {
    let swapped = |h: &mut Builder| {
        h.unknown("c", "a");
        h.unknown("c", "b");
        h.read("r", "c", 0, &[(2, "b"), (1, "a")]);
        h.at_the_end("c", &[(1, "a"), (2, "b")]);
    };
    expect(swapped, &[Gap, Stable]);
}

#[test]
fn i5_gap_in_a_connection_and_after_a_resume() {
    let in_a_page = |h: &mut Builder| {
        three(h);
        h.read("r", "c", 1, &[(3, "c")]);
        h.at_the_end("c", &[(1, "a"), (2, "b"), (3, "c")]);
    };
    expect(in_a_page, &[Gap]);
    let between_pages = |h: &mut Builder| {
        three(h);
        let connection = h.open("r", "c", Start::After(0), false);
        h.page("r", connection, &[(1, "a")], 1);
        h.page("r", connection, &[], 2);
        h.page("r", connection, &[(3, "c")], 3);
        h.at_the_end("c", &[(1, "a"), (2, "b"), (3, "c")]);
    };
    expect(between_pages, &[Gap, Stable]);
    let repeated_after_a_resume = |h: &mut Builder| {
        three(h);
        h.read("r", "c", 2, &[(2, "b"), (3, "c")]);
        h.at_the_end("c", &[(1, "a"), (2, "b"), (3, "c")]);
    };
    expect(repeated_after_a_resume, &[Gap]);
}

#[test]
fn i5_positions_that_nobody_is_shown_are_no_gap() {
    let sparse = |h: &mut Builder| {
        h.sent("c", "a", 5);
        h.sent("c", "b", 1 << 20);
        h.read("r", "c", 0, &[(5, "a"), (1 << 20, "b")]);
        h.at_the_end("c", &[(5, "a"), (1 << 20, "b")]);
    };
    expect(sparse, &[]);
}

#[test]
fn i5_watermark_behind_its_activities() {
    let behind = |h: &mut Builder| {
        three(h);
        let connection = h.open("r", "c", Start::After(0), false);
        h.page("r", connection, &[(1, "a"), (2, "b")], 1);
        h.at_the_end("c", &[(1, "a"), (2, "b"), (3, "c")]);
    };
    expect(behind, &[Gap]);
}

#[test]
fn i5_only_new_begins_at_the_request() {
    let nothing_missed = |h: &mut Builder| {
        h.sent("c", "a", 1);
        let connection = h.open("r", "c", Start::New, false);
        h.sent("c", "b", 2);
        h.sent("c", "c", 3);
        h.page("r", connection, &[(2, "b"), (3, "c")], 3);
        h.at_the_end("c", &[(1, "a"), (2, "b"), (3, "c")]);
    };
    expect(nothing_missed, &[]);
    let between_request_and_socket = |h: &mut Builder| {
        h.sent("c", "a", 1);
        let connection = h.open("r", "c", Start::New, false);
        h.sent("c", "b", 2);
        h.sent("c", "c", 3);
        h.page("r", connection, &[(3, "c")], 3);
        h.at_the_end("c", &[(1, "a"), (2, "b"), (3, "c")]);
    };
    expect(between_request_and_socket, &[Gap]);
}

fn three(h: &mut Builder) {
    h.unknown("c", "a");
    h.unknown("c", "b");
    h.unknown("c", "c");
}

#[test]
fn i6_phantom_and_refused() {
    let never_sent = |h: &mut Builder| {
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(never_sent, &[Phantom]);
    let refused = |h: &mut Builder| {
        h.refused("c", "a");
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(refused, &[Phantom]);
    let before_it_was_sent = |h: &mut Builder| {
        h.deliver("c", 1, "a");
        h.unknown("c", "a");
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(before_it_was_sent, &[Order, Phantom]);
    let refused_once_and_stored_once = |h: &mut Builder| {
        h.refused("c", "a");
        h.sent("c", "a", 1);
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(refused_once_and_stored_once, &[]);
}

#[test]
fn i7_seen_then_gone() {
    let by_a_reader = |h: &mut Builder| {
        h.unknown("c", "a");
        h.read("r", "c", 0, &[(1, "a")]);
        h.at_the_end("c", &[]);
    };
    expect(by_a_reader, &[Kept]);
    let by_the_bot = |h: &mut Builder| {
        h.unknown("c", "a");
        h.deliver("c", 1, "a");
        h.at_the_end("c", &[]);
    };
    expect(by_the_bot, &[Kept]);
    let appended_while_the_end_was_read = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.at_the_end("c", &[(1, "a")]);
        h.unknown("c", "b");
        h.read("r", "c", 1, &[(2, "b")]);
    };
    expect(appended_while_the_end_was_read, &[]);
}

#[test]
fn i8_watermark_goes_back() {
    let back = |h: &mut Builder, restore: bool| {
        h.sent("c", "a", 5);
        let connection = h.open("r", "c", Start::After(5), false);
        if restore {
            h.push("nemesis", Event::Restore { conversation: "c".into() });
        }
        h.page("r", connection, &[], 3);
        h.at_the_end("c", &[(5, "a")]);
    };
    expect(|h| back(h, false), &[Stable]);
    expect(|h| back(h, true), &[]);
}

#[test]
fn i8_same_get_differs() {
    let differs = |h: &mut Builder| {
        three(h);
        h.read("r1", "c", 0, &[(1, "a"), (2, "b")]);
        h.read("r2", "c", 0, &[(1, "a"), (3, "c")]);
        h.at_the_end("c", &[(1, "a"), (2, "b"), (3, "c")]);
    };
    expect(differs, &[Gap, Stable]);
}

#[test]
fn i10_delivered_too_often() {
    let once_per_request = |h: &mut Builder| {
        let first = h.invoke("w", "c", "a", Some("k"));
        h.deliver("c", 1, "a");
        h.complete(first, Outcome::Info, None, 504);
        let second = h.invoke("w", "c", "a", Some("k"));
        h.deliver("c", 1, "a");
        h.complete(second, Outcome::Ok, Some(1), 200);
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(once_per_request, &[]);
    let twice_in_one_request = |h: &mut Builder| {
        h.unknown("c", "a");
        h.deliver("c", 1, "a");
        h.deliver("c", 1, "a");
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(twice_in_one_request, &[Delivery]);
    let after_it_was_accepted = |h: &mut Builder| {
        h.sent_with_key("c", "a", "k", 1);
        h.sent_with_key("c", "a", "k", 1);
        h.deliver("c", 1, "a");
        h.at_the_end("c", &[(1, "a")]);
    };
    expect(after_it_was_accepted, &[Delivery]);
}

/// Sent with a file, acknowledged, and read at the end.
fn with_a_file(h: &mut Builder) {
    let step = h.invoke_with_files("w", "c", "a", None, &[file("a.bin")]);
    h.complete(step, Outcome::Ok, Some(1), 200);
    h.at_the_end("c", &[(1, "a")]);
}

#[test]
fn i15_files_that_are_there() {
    let right = |h: &mut Builder| {
        with_a_file(h);
        h.keep("c", "kept.bin", Outcome::Ok);
        h.keep("c", "perhaps kept.bin", Outcome::Info);
        h.keep("c", "nor this.bin", Outcome::Info);
        h.keep("c", "never completed.bin", Outcome::Invoke);
        h.keep("c", "refused.bin", Outcome::Fail);
        h.fetch("c", Some("a"), "a.bin", false);
        h.fetch("c", None, "kept.bin", true);
        h.fetch("c", Some("a"), "a.bin", true);
        h.blobs(&["a.bin", "kept.bin", "perhaps kept.bin", "never completed.bin"]);
    };
    expect(right, &[]);
    let nobody_looked = |h: &mut Builder| {
        with_a_file(h);
        h.fetch("c", Some("a"), "a.bin", true);
    };
    expect(nobody_looked, &[]);
}

#[test]
fn i15_files_that_are_not_there() {
    expect(with_a_file, &[Files]);
    let not_found = |h: &mut Builder, is_final| {
        with_a_file(h);
        h.fetch("c", Some("a"), "a.bin", true);
        h.fetch("c", Some("a"), "a.bin", is_final);
        let Some(Event::Fetch(fetch)) = h.records.last_mut().map(|record| &mut record.event) else {
            unreachable!()
        };
        (fetch.status, fetch.digest) = (404, None);
    };
    expect(|h| not_found(h, true), &[Files]);
    expect(|h| not_found(h, false), &[Files]);
    let a_bots_is_not_in_the_folder = |h: &mut Builder| {
        h.keep("c", "kept.bin", Outcome::Ok);
        h.blobs(&[]);
    };
    expect(a_bots_is_not_in_the_folder, &[Files]);
}

#[test]
fn i15_other_bytes() {
    let mixed_up = |h: &mut Builder| {
        let step = h.invoke_with_files("w", "c", "a", None, &[file("a.bin"), file("b.bin")]);
        h.complete(step, Outcome::Ok, Some(1), 200);
        h.at_the_end("c", &[(1, "a")]);
        h.fetch("c", Some("a"), "b.bin", true);
        h.fetch("c", Some("a"), "b.bin", true);
        let Some(Event::Fetch(fetch)) = h.records.last_mut().map(|record| &mut record.event) else {
            unreachable!()
        };
        fetch.name = "a.bin".into();
    };
    expect(mixed_up, &[Files]);
    let never_given = |h: &mut Builder| {
        h.sent("c", "a", 1);
        h.at_the_end("c", &[(1, "a")]);
        h.fetch("c", Some("a"), "a.bin", true);
    };
    expect(never_given, &[Files]);
}

#[test]
fn i15_leftovers() {
    let of_a_refused_one = |h: &mut Builder| {
        let step = h.invoke_with_files("w", "c", "a", None, &[file("a.bin")]);
        h.complete(step, Outcome::Fail, None, 400);
        h.at_the_end("c", &[]);
        h.blobs(&["a.bin"]);
    };
    expect(of_a_refused_one, &[Files]);
    let of_one_that_nobody_knows_of = |h: &mut Builder| {
        let step = h.invoke_with_files("w", "c", "a", None, &[file("a.bin")]);
        h.complete(step, Outcome::Info, None, 503);
        h.at_the_end("c", &[]);
        h.blobs(&["a.bin"]);
    };
    expect(of_one_that_nobody_knows_of, &[Files]);
    let of_a_bot_that_was_refused = |h: &mut Builder| {
        h.keep("c", "refused.bin", Outcome::Fail);
        h.blobs(&["refused.bin"]);
    };
    expect(of_a_bot_that_was_refused, &[Files]);
    let a_staging_file = |h: &mut Builder| {
        with_a_file(h);
        h.fetch("c", Some("a"), "a.bin", true);
        h.blobs(&["a.bin", "a.bin"]);
        let Some(Event::Blobs(found)) = h.records.last_mut().map(|record| &mut record.event) else {
            unreachable!()
        };
        found.blobs[0].id = None;
    };
    expect(a_staging_file, &[Files]);
}

#[test]
fn histories_that_contradict_themselves_are_refused() {
    let refusal = |change: fn(&mut Vec<Record>)| {
        let mut history = Builder::default();
        history.sent("c", "a", 1);
        history.at_the_end("c", &[(1, "a")]);
        change(&mut history.records);
        check(&history.records).unwrap_err()
    };

    assert_eq!(refusal(|h| h[1].time = 1_000), Malformed::TimeGoesBack(2));
    assert_eq!(refusal(|h| drop(h.remove(0))), Malformed::NotInvoked(0, 1));
    assert_eq!(refusal(|h| h[1] = h[0].clone()), Malformed::InvokedTwice(1, 1));
    assert_eq!(refusal(|h| drop(h.remove(2))), Malformed::NotOpened(2, 1));
    assert_eq!(refusal(|h| h.push(h[2].clone())), Malformed::TimeGoesBack(4));
}
