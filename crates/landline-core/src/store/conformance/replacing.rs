//! Records that replace the content of others.

use super::*;
use crate::store::{AppendError, Appended, ReadError};

/// One record that replaces another, at this tail.
fn replacing(conversation: &str, tail: u64, root: u64) -> Append {
    let record = NewRecord { replaces: Some(at(root)), ..record(1, &format!("{tail} for {root}")) };
    Append { records: plain([record]), ..append(conversation, tail, "") }
}

/// A conversation with three records, of which the first is replaced three times, and the third once.
async fn replaced<R: Rig>(rig: &R, conversation: &str) {
    filled(rig.store(), conversation, &["one", "two", "three"]).await;
    for (tail, root) in [(4, 1), (5, 3), (6, 1), (7, 1)] {
        let done = rig.store().append(replacing(conversation, tail, root)).await.unwrap();
        assert_eq!(done, Appended::Done);
    }
}

/// Of each record: its position, what it replaces, and what replaces it.
type Links = Vec<(u64, Option<u64>, Option<u64>)>;

async fn links(store: &impl LogStore, conversation: &str) -> Links {
    links_of(&everything(store, &id(conversation)).await)
}

fn links_of(records: &[Record]) -> Links {
    let number = |position: Option<Position>| position.map(Position::get);
    records.iter().map(|r| (r.position.get(), number(r.replaces), number(r.replaced_by))).collect()
}

/// What [`replaced`] makes.
fn expected() -> Links {
    vec![
        (1, None, Some(7)),
        (2, None, None),
        (3, None, Some(5)),
        (4, Some(1), Some(7)),
        (5, Some(3), None),
        (6, Some(1), Some(7)),
        (7, Some(1), None),
    ]
}

#[track_caller]
fn assert_not_replaceable(outcome: Result<Appended, AppendError>, root: u64) {
    assert!(
        matches!(&outcome, Err(AppendError::NotReplaceable { position }) if *position == at(root)),
        "{outcome:?}"
    );
}

pub async fn a_replaced_record_knows_the_newest_that_replaces_it<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "other", &["one", "two", "three"]).await;
    replaced(&rig, "a").await;

    assert_eq!(links(rig.store(), "a").await, expected());
    // Whatever the page, and wherever the root of a record stands.
    for after in 0..7 {
        for records in 1..=7 {
            let found = page(rig.store(), "a", after, PageLimit { records, bytes: usize::MAX }).await;
            let from = usize::try_from(after).unwrap();
            let to = (from + records).min(7);
            assert_eq!(links_of(&found.records), expected()[from..to], "{records} behind {after}");
        }
    }
    assert_eq!(bodies(rig.store(), "a").await[6], "7 for 1", "what replaces is a record like any other");
    assert!(links(rig.store(), "other").await.iter().all(|link| link.2.is_none()));
}

pub async fn a_replacement_is_one_write_with_its_records<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one"]).await;
    let update = NewRecord { replaces: Some(at(1)), ..record(2, "update") };
    let records = vec![(record(2, "two"), Some(DeliveryState::Pending)), (update, None)];
    let both = Append { records, idempotency: Some(key(1)), ..append("a", 2, "") };

    assert_eq!(rig.store().append(both.clone()).await.unwrap(), Appended::Done);
    let repeat = rig.store().append(Append { expected_tail: at(4), ..both }).await.unwrap();

    assert_eq!(repeat, Appended::Duplicate { position: at(2) });
    assert_eq!(links(rig.store(), "a").await, [(1, None, Some(3)), (2, None, None), (3, Some(1), None)]);
}

pub async fn what_is_not_there_cannot_be_replaced<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &["one", "two", "three"]).await;
    store.expire(&id("a"), at(1)).await.unwrap();
    filled(store, "other", &["one", "two", "three", "four", "five"]).await;
    let before = (everything(store, &id("a")).await, head(store, "a").await);

    for absent in [0, 1, 4, 5, u64::MAX] {
        // With a record that could be logged, a key, a state, facts: all of it or nothing.
        let update = NewRecord { replaces: Some(at(absent)), ..record(9, "update") };
        let refused = Append {
            records: vec![(record(9, "x"), Some(DeliveryState::Pending)), (update, None)],
            idempotency: Some(key(1)),
            facts: Some(Bytes::from_static(b"new facts")),
            ..append("a", 4, "")
        };
        assert_not_replaceable(store.append(refused).await, absent);
    }
    let create =
        Create { records: plain([NewRecord { replaces: Some(at(1)), ..record(1, "x") }]), ..create("new") };
    let created = store.create(create).await;
    assert!(matches!(created, Err(AppendError::NotReplaceable { .. })), "{created:?}");

    assert_eq!((everything(store, &id("a")).await, head(store, "a").await), before);
    assert!(matches!(store.head(&id("new")).await, Err(ReadError::NotFound)));
    let other = Append { idempotency: Some(key(1)), ..append("a", 4, "four") };
    assert_eq!(store.append(other).await.unwrap(), Appended::Done, "the key was not kept");
    assert_eq!(store.delivery(&id("a"), at(4)).await.unwrap(), None);
}

pub async fn a_replacement_is_not_replaced_itself<R: Rig>() {
    let rig = R::fresh().await;
    replaced(&rig, "a").await;

    assert_not_replaceable(rig.store().append(replacing("a", 8, 4)).await, 4);
    assert_not_replaceable(rig.store().append(replacing("a", 8, 7)).await, 7);

    assert_eq!(links(rig.store(), "a").await, expected());
}

pub async fn two_replacements_in_one_append_leave_the_last<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one"]).await;
    let update = || NewRecord { replaces: Some(at(1)), ..record(2, "update") };

    rig.store().append(Append { records: plain([update(), update()]), ..append("a", 2, "") }).await.unwrap();

    let expected = [(1, None, Some(3)), (2, Some(1), Some(3)), (3, Some(1), None)];
    assert_eq!(links(rig.store(), "a").await, expected);
}

pub async fn what_replaces_an_expired_record_still_knows_the_newest<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    replaced(&rig, "a").await;

    for through in 1..=7 {
        store.expire(&id("a"), at(through)).await.unwrap();
        let left = usize::try_from(through).unwrap();
        assert_eq!(links(store, "a").await, expected()[left..], "behind {through}");
    }
    assert_not_replaceable(store.append(replacing("a", 8, 1)).await, 1);

    // It goes on as if nothing had ever been replaced.
    store.append(append("a", 8, "eight")).await.unwrap();
    store.append(replacing("a", 9, 8)).await.unwrap();
    assert_eq!(links(store, "a").await, [(8, None, Some(9)), (9, Some(8), None)]);
}

pub async fn a_deleted_conversation_leaves_no_replacements_behind<R: Rig>() {
    let rig = R::fresh().await;
    replaced(&rig, "a").await;
    replaced(&rig, "aa").await;

    LogStore::delete(rig.store(), &id("a")).await.unwrap();
    filled(rig.store(), "a", &["one", "two", "three"]).await;

    assert_eq!(links(rig.store(), "a").await, [(1, None, None), (2, None, None), (3, None, None)]);
    assert_eq!(links(rig.store(), "aa").await, expected());
    rig.store().append(replacing("a", 4, 2)).await.unwrap();
    assert_eq!(links(rig.store(), "a").await[1], (2, None, Some(4)));
}

pub async fn a_repaired_log_keeps_its_replacements<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    replaced(&rig, "a").await;
    store.expire(&id("a"), at(1)).await.unwrap();

    let tail = store.repair(&id("a")).await.unwrap().tail.get();

    assert_eq!(links(store, "a").await, expected()[1..]);
    store.append(replacing("a", tail, 2)).await.unwrap();
    store.expire(&id("a"), at(7)).await.unwrap();
    assert_eq!(links(store, "a").await, [(tail, Some(2), None)]);
}

pub async fn replacements_are_there_after_reopening<R: Rig>() {
    let rig = R::fresh().await;
    replaced(&rig, "a").await;
    replaced(&rig, "b").await;
    rig.store().expire(&id("b"), at(3)).await.unwrap();

    let Ok(rig) = rig.reopen().await else { return };

    assert_eq!(links(rig.store(), "a").await, expected());
    assert_eq!(links(rig.store(), "b").await, expected()[3..]);
    rig.store().append(replacing("a", 8, 3)).await.unwrap();
    assert_eq!(links(rig.store(), "a").await[2], (3, None, Some(8)));
}
