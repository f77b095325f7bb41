//! Expiry, deletion, and the jump of a repair.

use super::*;
use crate::store::{AppendError, Appended, Created, ReadError};

/// A send with a key and a delivery state.
fn send(conversation: &str, tail: u64, name: u8) -> Append {
    Append {
        records: vec![(record(1, "x"), Some(DeliveryState::Pending))],
        idempotency: Some(key(name)),
        ..append(conversation, tail, "")
    }
}

pub async fn expired_records_are_gone_with_keys_and_deliveries<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &[]).await;
    for tail in 1..=4 {
        store.append(send("a", tail, u8::try_from(tail).unwrap())).await.unwrap();
    }

    store.expire(&id("a"), at(2)).await.unwrap();

    let found = page(store, "a", 0, ALL).await;
    assert_eq!((positions(&found.records), found.expired_through), (vec![3, 4], at(2)));
    assert_eq!(found.records[0].previous, at(2), "what stood before it is still known");
    assert_eq!(positions(&page(store, "a", 1, ALL).await.records), [3, 4]);
    assert_eq!(positions(&page(store, "a", 3, ALL).await.records), [4]);
    assert_eq!(store.delivery(&id("a"), at(2)).await.unwrap(), None);
    assert_eq!(pending(store).await, [(id("a"), at(3)), (id("a"), at(4))]);
    let head = head(store, "a").await;
    assert_eq!((head.last, head.tail, head.expired_through), (at(4), at(5), at(2)));
    let kept = store.append(send("a", 5, 3)).await.unwrap();
    let forgotten = store.append(send("a", 5, 2)).await.unwrap();
    assert_eq!((kept, forgotten), (Appended::Duplicate { position: at(3) }, Appended::Done));
}

pub async fn a_log_goes_on_after_all_of_it_expired<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &["one", "two"]).await;

    store.expire(&id("a"), at(2)).await.unwrap();

    let emptied = head(store, "a").await;
    assert_eq!((emptied.last, emptied.tail, emptied.expired_through), (at(2), at(3), at(2)));
    assert_eq!(emptied.last_time, Timestamp::from_millis(2));
    for after in [0, 1, 2] {
        let found = page(store, "a", after, ALL).await;
        assert_eq!((found.records, found.expired_through), (vec![], at(2)));
    }
    let ahead = store.read(&id("a"), at(3), ALL).await;
    assert!(matches!(ahead, Err(ReadError::PastTail { last }) if last == at(2)), "{ahead:?}");

    store.append(append("a", 3, "three")).await.unwrap();

    let all = everything(store, &id("a")).await;
    assert_eq!((positions(&all), all[0].previous), (vec![3], at(2)));
}

pub async fn expiry_never_goes_back_and_never_beyond_the_end<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &["one", "two", "three"]).await;

    for (up_to, through) in [(0, 0), (2, 2), (1, 2), (0, 2), (u64::MAX, 3)] {
        store.expire(&id("a"), at(up_to)).await.unwrap();
        assert_eq!(head(store, "a").await.expired_through, at(through), "up to {up_to}");
    }
    assert_eq!(head(store, "a").await.tail, at(4));
}

pub async fn a_deleted_conversation_is_gone_with_everything<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &[]).await;
    store.append(send("a", 1, 1)).await.unwrap();
    store.append(send("a", 2, 2)).await.unwrap();

    LogStore::delete(store, &id("a")).await.unwrap();

    assert!(matches!(store.head(&id("a")).await, Err(ReadError::NotFound)));
    assert!(matches!(store.read(&id("a"), at(0), ALL).await, Err(ReadError::NotFound)));
    assert!(matches!(store.append(send("a", 3, 3)).await, Err(AppendError::NotFound)));
    assert_eq!(store.conversations(None, 9).await.unwrap(), []);
    assert_eq!(pending(store).await, []);
}

pub async fn deleting_touches_no_other_conversation<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let others = ["A", "a-", "a0", "aa", "b"];
    for conversation in others.iter().chain(&["a"]) {
        filled(store, conversation, &["one"]).await;
        store.append(send(conversation, 2, 1)).await.unwrap();
    }

    LogStore::delete(store, &id("a")).await.unwrap();

    for conversation in others {
        assert_eq!(bodies(store, conversation).await, ["one", "x"]);
        assert_eq!(&*head(store, conversation).await.facts, b"facts");
        let repeat = store.append(send(conversation, 3, 1)).await.unwrap();
        assert_eq!(repeat, Appended::Duplicate { position: at(2) });
    }
    assert_eq!(pending(store).await, others.map(|other| (id(other), at(2))));
}

pub async fn deleting_what_is_not_there_is_no_error<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &[]).await;

    LogStore::delete(rig.store(), &id("b")).await.unwrap();
    LogStore::delete(rig.store(), &id("a")).await.unwrap();
    LogStore::delete(rig.store(), &id("a")).await.unwrap();
}

pub async fn a_deleted_id_begins_anew<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &["one", "two"]).await;
    store.append(send("a", 3, 1)).await.unwrap();

    // All of it is queued before any of it is done.
    let deleted = LogStore::delete(store, &id("a"));
    let created = store.create(Create { facts: Bytes::from_static(b"new"), ..create("a") });
    let appended = store.append(Append { records: plain([record(9, "new")]), ..send("a", 1, 1) });

    deleted.await.unwrap();
    assert_eq!(created.await.unwrap(), Created::New);
    assert_eq!(appended.await.unwrap(), Appended::Done);
    assert_eq!(bodies(store, "a").await, ["new"]);
    assert_eq!(store.delivery(&id("a"), at(1)).await.unwrap(), None);
    let head = head(store, "a").await;
    assert_eq!((head.tail, &*head.facts), (at(2), b"new".as_slice()));
}

pub async fn a_large_conversation_is_deleted_whole<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &[]).await;
    filled(store, "b", &["one"]).await;
    let records =
        |tail: u64| (tail..tail + 100).map(|n| (record(1, &n.to_string()), Some(DeliveryState::Pending)));
    let appended: Vec<_> = (0..60)
        .map(|n| {
            let tail = n * 100 + 1;
            let idempotency = Some(key(u8::try_from(n).unwrap()));
            store.append(Append { records: records(tail).collect(), idempotency, ..append("a", tail, "") })
        })
        .collect();
    for appended in appended {
        assert_eq!(appended.await.unwrap(), Appended::Done);
    }
    let before = everything(store, &id("a")).await;
    assert!(positions(&before).into_iter().eq(1..=6000), "{} records", before.len());

    LogStore::delete(store, &id("a")).await.unwrap();

    assert!(matches!(store.head(&id("a")).await, Err(ReadError::NotFound)));
    assert_eq!(pending(store).await, []);
    filled(store, "a", &["new"]).await;
    assert_eq!(bodies(store, "a").await, ["new"]);
    assert_eq!(bodies(store, "b").await, ["one"]);
    let other = Append { idempotency: Some(key(0)), ..append("a", 2, "two") };
    assert_eq!(store.append(other).await.unwrap(), Appended::Done);
}

pub async fn repair_lets_the_tail_of_a_healthy_log_jump<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &["one", "two", "three"]).await;
    store.expire(&id("a"), at(1)).await.unwrap();

    let repaired = store.repair(&id("a")).await.unwrap();

    let tail = 3 + Position::JUMP;
    assert_eq!((repaired.kept, repaired.tail), (2, at(tail)));
    assert_eq!(bodies(store, "a").await, ["two", "three"]);
    let jumped = head(store, "a").await;
    assert_eq!((jumped.last, jumped.tail, jumped.expired_through), (at(3), at(tail), at(1)));
    assert!(
        matches!(store.append(append("a", 4, "x")).await, Err(AppendError::Conflict { tail: t }) if t == at(tail))
    );
    let ahead = store.read(&id("a"), at(4), ALL).await;
    assert!(matches!(ahead, Err(ReadError::PastTail { last }) if last == at(3)), "{ahead:?}");

    store.append(append("a", tail, "four")).await.unwrap();

    let all = everything(store, &id("a")).await;
    assert_eq!(positions(&all), [2, 3, tail]);
    assert_eq!(all[2].previous, at(3));
    assert_eq!(
        positions(&page(store, "a", 4, ALL).await.records),
        [tail],
        "any older watermark sees what is new"
    );
    let again = store.repair(&id("a")).await.unwrap();
    assert_eq!((again.kept, again.tail), (3, at(tail + Position::JUMP)));
}
