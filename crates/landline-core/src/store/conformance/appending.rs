//! Beginning a conversation and putting records at its end.

use super::*;
use crate::store::{AppendError, Appended, Created, ReadError};

pub async fn a_new_conversation_has_the_head_that_it_was_given<R: Rig>() {
    let rig = R::fresh().await;

    let created = rig.store().create(create("a")).await.unwrap();

    assert_eq!(created, Created::New);
    let expected = Head {
        last: Position::START,
        tail: at(1),
        expired_through: Position::START,
        last_time: Timestamp::from_millis(1),
        facts: Bytes::from_static(b"facts"),
    };
    assert_eq!(head(rig.store(), "a").await, expected);
    assert_eq!(bodies(rig.store(), "a").await, [""; 0]);
}

pub async fn create_logs_its_first_records<R: Rig>() {
    let rig = R::fresh().await;
    let records = vec![(record(5, "one"), Some(DeliveryState::Pending)), (record(6, "two"), None)];

    rig.store().create(Create { records, ..create("a") }).await.unwrap();

    let all = everything(rig.store(), &id("a")).await;
    assert_eq!(texts(&all), ["one", "two"]);
    assert_eq!(positions(&all), [1, 2]);
    assert_eq!((all[0].previous, all[1].previous), (Position::START, at(1)));
    let head = head(rig.store(), "a").await;
    assert_eq!((head.last, head.tail, head.last_time), (at(2), at(3), Timestamp::from_millis(6)));
    assert_eq!(rig.store().delivery(&id("a"), at(1)).await.unwrap(), Some(DeliveryState::Pending));
    assert_eq!(rig.store().delivery(&id("a"), at(2)).await.unwrap(), None);
}

pub async fn a_second_create_changes_nothing<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one"]).await;
    let before = head(rig.store(), "a").await;

    let again = Create {
        facts: Bytes::from_static(b"other"),
        records: plain([record(9, "other")]),
        time: Timestamp::from_millis(9),
        ..create("a")
    };
    let created = rig.store().create(again).await.unwrap();

    assert_eq!(created, Created::Existed);
    assert_eq!(head(rig.store(), "a").await, before);
    assert_eq!(bodies(rig.store(), "a").await, ["one"]);
}

pub async fn an_unknown_conversation_is_not_found<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "ab", &["one"]).await;

    for unknown in ["a", "abc", "b"] {
        let unknown = &id(unknown);
        let appended = store.append(Append { conversation: unknown.clone(), ..append("a", 1, "x") }).await;
        assert!(matches!(appended, Err(AppendError::NotFound)), "{appended:?}");
        let state = Some(DeliveryState::Attempted);
        for outcome in [
            store.set_delivery(unknown, at(1), state).await,
            store.expire(unknown, at(1)).await,
            store.repair(unknown).await.map(drop),
        ] {
            assert!(matches!(outcome, Err(AppendError::NotFound)), "{outcome:?}");
        }
        for outcome in [
            store.head(unknown).await.map(drop),
            store.read(unknown, Position::START, ALL).await.map(drop),
            store.delivery(unknown, at(1)).await.map(drop),
        ] {
            assert!(matches!(outcome, Err(ReadError::NotFound)), "{outcome:?}");
        }
    }
}

pub async fn records_stand_at_the_positions_that_were_expected<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one"]).await;

    let two_and_three = plain([record(2, "two"), record(3, "three")]);
    let appended = rig.store().append(Append { records: two_and_three, ..append("a", 2, "") }).await.unwrap();

    assert_eq!(appended, Appended::Done);
    let all = everything(rig.store(), &id("a")).await;
    assert_eq!(texts(&all), ["one", "two", "three"]);
    assert_eq!(positions(&all), [1, 2, 3]);
    let previous: Vec<_> = all.iter().map(|record| record.previous.get()).collect();
    assert_eq!(previous, [0, 1, 2]);
    let head = head(rig.store(), "a").await;
    assert_eq!((head.last, head.tail, head.last_time), (at(3), at(4), Timestamp::from_millis(3)));
}

pub async fn records_come_back_as_they_were_handed_in<R: Rig>() {
    let rig = R::fresh().await;
    rig.store().create(create("a")).await.unwrap();
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"\0\xff not utf-8"),
        Bytes::from("compressible ".repeat(30_000)),
        (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect(),
    ];
    let times = [i64::MIN, -1, 0, i64::MAX];
    let audiences = [Audience::Everyone, Audience::Bot, Audience::Bot, Audience::Everyone];
    let handed_in: Vec<_> = (0..4)
        .map(|n| NewRecord {
            time: Timestamp::from_millis(times[n]),
            audience: audiences[n],
            body: bodies[n].clone(),
            replaces: None,
        })
        .collect();

    rig.store().append(Append { records: plain(handed_in.clone()), ..append("a", 1, "") }).await.unwrap();

    let all = everything(rig.store(), &id("a")).await;
    assert_eq!(all.len(), 4);
    for (expected, found) in handed_in.iter().zip(&all) {
        assert_eq!((expected.time, expected.audience), (found.time, found.audience));
        assert!(expected.body == found.body, "the body at {} is another one", found.position);
    }
}

pub async fn another_tail_is_a_conflict_and_nothing_is_written<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one", "two"]).await;
    let before = head(rig.store(), "a").await;

    for wrong in [0, 1, 2, 4, u64::MAX] {
        let outcome = rig.store().append(Append { expected_tail: at(wrong), ..append("a", 1, "x") }).await;
        let Err(AppendError::Conflict { tail }) = outcome else { panic!("{outcome:?} for tail {wrong}") };
        assert_eq!(tail, at(3));
    }

    assert_eq!(head(rig.store(), "a").await, before);
    assert_eq!(bodies(rig.store(), "a").await, ["one", "two"]);
}

pub async fn an_append_of_nothing_is_refused<R: Rig>() {
    let rig = R::fresh().await;
    rig.store().create(create("a")).await.unwrap();
    let before = head(rig.store(), "a").await;

    let nothing = Append { records: Vec::new(), ..append("a", 1, "") };
    let facts = Some(Bytes::from_static(b"new"));
    let no_record_for_the_key = Append { facts, idempotency: Some(key(1)), ..nothing.clone() };
    for empty in [nothing, no_record_for_the_key] {
        let outcome = rig.store().append(empty).await;
        assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
    }

    assert_eq!(head(rig.store(), "a").await, before);
    let send = Append { idempotency: Some(key(1)), ..append("a", 1, "one") };
    assert_eq!(rig.store().append(send).await.unwrap(), Appended::Done, "the key was not kept");
}

pub async fn facts_change_without_a_record<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one"]).await;
    let before = head(rig.store(), "a").await;
    let new = |text: &'static str, tail| Append {
        records: Vec::new(),
        facts: Some(Bytes::from_static(text.as_bytes())),
        ..append("a", tail, "")
    };

    // At once, so that they may share a write with what stands before and behind them.
    let both = [rig.store().append(new("two", 2)), rig.store().append(new("three", 2))];
    let behind = rig.store().append(append("a", 2, "two"));
    let late = rig.store().append(new("late", 2));

    for appended in both {
        assert_eq!(appended.await.unwrap(), Appended::Done);
    }
    assert_eq!(behind.await.unwrap(), Appended::Done, "the tail stays where it is");
    let late = late.await;
    assert!(matches!(late, Err(AppendError::Conflict { tail }) if tail == at(3)), "{late:?}");
    let after = head(rig.store(), "a").await;
    let expected = Head {
        facts: Bytes::from_static(b"three"),
        last: at(2),
        tail: at(3),
        last_time: Timestamp::from_millis(2),
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(bodies(rig.store(), "a").await, ["one", "two"]);
}

pub async fn a_key_is_found_without_writing<R: Rig>() {
    let rig = R::fresh().await;
    rig.store().create(create("a")).await.unwrap();
    let look = |name| Append {
        records: Vec::new(),
        idempotency: Some(key(name)),
        expected_tail: Position::START,
        ..append("a", 1, "")
    };
    rig.store().append(Append { idempotency: Some(key(1)), ..append("a", 1, "one") }).await.unwrap();

    let found = rig.store().append(look(1)).await.unwrap();
    let unknown = rig.store().append(look(2)).await;

    assert_eq!(found, Appended::Duplicate { position: at(1) });
    assert!(matches!(unknown, Err(AppendError::Conflict { .. })), "{unknown:?}");
}

pub async fn facts_change_only_where_new_ones_are_given<R: Rig>() {
    let rig = R::fresh().await;
    rig.store().create(create("a")).await.unwrap();

    rig.store().append(append("a", 1, "one")).await.unwrap();
    assert_eq!(&*head(rig.store(), "a").await.facts, b"facts");

    let new = Bytes::from("new ".repeat(1000));
    rig.store().append(Append { facts: Some(new.clone()), ..append("a", 2, "two") }).await.unwrap();
    assert_eq!(head(rig.store(), "a").await.facts, new);

    rig.store().append(Append { facts: Some(Bytes::new()), ..append("a", 3, "three") }).await.unwrap();
    assert_eq!(head(rig.store(), "a").await.facts, Bytes::new());
}

pub async fn a_repeated_key_is_a_duplicate_of_the_first_record<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one"]).await;
    let send = Append {
        records: plain([record(2, "two"), record(3, "three")]),
        idempotency: Some(key(1)),
        ..append("a", 2, "")
    };
    assert_eq!(rig.store().append(send.clone()).await.unwrap(), Appended::Done);

    let repeat = Append { expected_tail: at(4), facts: Some(Bytes::from_static(b"new")), ..send };
    let appended = rig.store().append(repeat).await.unwrap();

    assert_eq!(appended, Appended::Duplicate { position: at(2) });
    assert_eq!(bodies(rig.store(), "a").await, ["one", "two", "three"]);
    assert_eq!(&*head(rig.store(), "a").await.facts, b"facts");
    let other = Append { idempotency: Some(key(2)), ..append("a", 4, "four") };
    assert_eq!(rig.store().append(other).await.unwrap(), Appended::Done);
}

pub async fn the_key_is_looked_at_before_the_tail<R: Rig>() {
    let rig = R::fresh().await;
    rig.store().create(create("a")).await.unwrap();
    let send = Append { idempotency: Some(key(1)), ..append("a", 1, "one") };
    rig.store().append(send.clone()).await.unwrap();

    for tail in [1, 2, 9] {
        let appended = rig.store().append(Append { expected_tail: at(tail), ..send.clone() }).await.unwrap();
        assert_eq!(appended, Appended::Duplicate { position: at(1) }, "at tail {tail}");
    }
}

pub async fn a_key_counts_in_its_own_conversation_only<R: Rig>() {
    let rig = R::fresh().await;
    for conversation in ["a", "ab", "b"] {
        rig.store().create(create(conversation)).await.unwrap();
        let send = Append { idempotency: Some(key(1)), ..append(conversation, 1, "one") };
        assert_eq!(rig.store().append(send).await.unwrap(), Appended::Done);
    }
}

pub async fn a_key_older_than_its_limit_does_not_count<R: Rig>() {
    let rig = R::fresh().await;
    rig.store().create(create("a")).await.unwrap();
    let send = |tail: u64, time, not_before| Append {
        records: plain([record(time, "x")]),
        idempotency: Some(IdempotencyKey { digest: [7; 16], not_before: Timestamp::from_millis(not_before) }),
        ..append("a", tail, "")
    };
    rig.store().append(send(1, 100, 0)).await.unwrap();

    // Just young enough, then just too old; from then on the newer record is the one that counts.
    let young = rig.store().append(send(2, 200, 100)).await.unwrap();
    let old = rig.store().append(send(2, 200, 101)).await.unwrap();
    let newer = rig.store().append(send(3, 300, 101)).await.unwrap();

    assert_eq!(young, Appended::Duplicate { position: at(1) });
    assert_eq!(old, Appended::Done);
    assert_eq!(newer, Appended::Duplicate { position: at(2) });
}

pub async fn what_was_refused_leaves_no_trace<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one"]).await;
    let before = head(rig.store(), "a").await;
    let refused = Append {
        records: vec![(record(9, "x"), Some(DeliveryState::Pending))],
        idempotency: Some(key(1)),
        facts: Some(Bytes::from_static(b"new")),
        ..append("a", 1, "")
    };

    rig.store().append(refused.clone()).await.unwrap_err();

    assert_eq!(head(rig.store(), "a").await, before);
    assert_eq!(rig.store().delivery(&id("a"), at(1)).await.unwrap(), None);
    assert_eq!(pending(rig.store()).await, []);
    let again = Append { expected_tail: at(2), ..refused };
    assert_eq!(rig.store().append(again).await.unwrap(), Appended::Done);
}
