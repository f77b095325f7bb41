//! Pages of records.

use super::*;
use crate::store::ReadError;

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

pub async fn pages_follow_one_another_without_gap_or_repeat<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &NAMES).await;
    // Neighbours in the order of ids, which no page may run into.
    filled(rig.store(), "a-", &["x"]).await;
    filled(rig.store(), "ab", &["x"]).await;
    filled(rig.store(), "A", &["x"]).await;

    for records in 1..=6 {
        let mut seen = Vec::new();
        loop {
            let after = seen.last().map_or(0, |record: &Record| record.position.get());
            let page = page(rig.store(), "a", after, PageLimit { records, bytes: usize::MAX }).await;
            if page.records.is_empty() {
                break;
            }
            seen.extend(page.records);
        }
        assert_eq!(texts(&seen), NAMES, "in pages of {records}");
    }
}

pub async fn a_page_holds_at_most_so_many_records<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &NAMES).await;

    let found = page(rig.store(), "a", 1, PageLimit { records: 2, bytes: usize::MAX }).await;

    assert_eq!(texts(&found.records), ["two", "three"]);
    assert_eq!(found.expired_through, Position::START);
}

pub async fn a_page_stops_behind_the_record_that_reaches_the_bytes<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &NAMES).await;

    for (bytes, expected) in [(3, 1), (4, 2), (6, 2), (7, 3), (11, 3), (12, 4), (19, 5), (99, 5)] {
        let found = page(rig.store(), "a", 0, PageLimit { records: 100, bytes }).await;
        assert_eq!(found.records.len(), expected, "for {bytes} bytes");
    }
}

pub async fn a_page_holds_a_record_however_small_the_limit<R: Rig>() {
    let rig = R::fresh().await;
    let large = "x".repeat(100_000);
    filled(rig.store(), "a", &[&large, "two"]).await;

    for limit in [PageLimit { records: 9, bytes: 0 }, PageLimit { records: 0, bytes: 9 }] {
        let found = page(rig.store(), "a", 0, limit).await;
        assert_eq!(texts(&found.records), [large.as_str()], "for {limit:?}");
    }
}

pub async fn the_end_of_the_log_is_an_empty_page<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &NAMES).await;
    filled(rig.store(), "b", &[]).await;

    assert_eq!(page(rig.store(), "a", 5, ALL).await.records, []);
    assert_eq!(page(rig.store(), "b", 0, ALL).await.records, []);
}

pub async fn behind_the_end_is_past_the_tail<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &NAMES).await;
    filled(rig.store(), "b", &[]).await;

    for (conversation, after, end) in [("a", 6, 5), ("a", u64::MAX, 5), ("b", 1, 0)] {
        let outcome = rig.store().read(&id(conversation), at(after), ALL).await;
        let Err(ReadError::PastTail { last }) = outcome else { panic!("{outcome:?} after {after}") };
        assert_eq!(last, at(end));
    }
}

pub async fn a_write_that_was_answered_is_read_at_once<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &[]).await;

    for tail in 1..50 {
        rig.store().append(append("a", tail, "x")).await.unwrap();

        assert_eq!(head(rig.store(), "a").await.last, at(tail));
        assert_eq!(positions(&page(rig.store(), "a", tail - 1, ALL).await.records), [tail]);
    }
}
