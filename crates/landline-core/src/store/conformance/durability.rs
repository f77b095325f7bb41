//! What is there when a store is opened again. An engine that keeps nothing has nothing to show here.

use super::*;
use crate::store::{Appended, ReadError, Table, Version, Versioned};

pub async fn everything_is_there_after_reopening<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    for conversation in ["a", "b", "empty"] {
        filled(store, conversation, &[]).await;
    }
    let states = [
        Some(DeliveryState::Pending),
        Some(DeliveryState::Attempted),
        Some(DeliveryState::Refused { status: Some(502) }),
        Some(DeliveryState::Refused { status: None }),
        Some(queued(3, Some(503))),
        Some(queued(0, None)),
        Some(parked(u32::MAX, Some(410))),
        Some(parked(1, None)),
        None,
    ];
    let audiences = [Audience::Everyone, Audience::Bot];
    for n in 0..50_usize {
        let tail = u64::try_from(n).unwrap() + 1;
        let record =
            NewRecord { audience: audiences[n % 2], ..record(tail.cast_signed(), &format!("body {n}")) };
        let send = Append {
            records: vec![(record, states[n % 9])],
            idempotency: Some(key(u8::try_from(n).unwrap())),
            facts: Some(Bytes::from(format!("facts {n}"))),
            ..append("a", tail, "")
        };
        store.append(send).await.unwrap();
    }
    store.append(append("b", 1, "one")).await.unwrap();
    let facts = Some(Bytes::from_static(b"changed alone"));
    store.append(Append { records: Vec::new(), facts, ..append("b", 2, "") }).await.unwrap();
    store.repair(&id("b")).await.unwrap();
    store.put(Table::TokenKeys, "key", Bytes::from_static(b"value"), None).await.unwrap();
    let before = everything(store, &id("a")).await;
    let head_before = head(store, "a").await;
    let queued_before = store.deliveries(DeliveryKind::Queued, None, 99).await.unwrap();
    assert_eq!(queued_before.len(), 11);
    let pending_before = pending(store).await;

    let Ok(rig) = rig.reopen().await else { return };

    let store = rig.store();
    assert_eq!(store.conversations(None, 9).await.unwrap(), [id("a"), id("b"), id("empty")]);
    assert_eq!(everything(store, &id("a")).await, before);
    assert_eq!(head(store, "a").await, head_before);
    assert_eq!(pending(store).await, pending_before);
    assert_eq!(store.deliveries(DeliveryKind::Queued, None, 99).await.unwrap(), queued_before);
    for n in 0..50_usize {
        let tail = u64::try_from(n).unwrap() + 1;
        assert_eq!(store.delivery(&id("a"), at(tail)).await.unwrap(), states[n % 9]);
        let repeat = Append { idempotency: Some(key(u8::try_from(n).unwrap())), ..append("a", 51, "x") };
        assert_eq!(store.append(repeat).await.unwrap(), Appended::Duplicate { position: at(tail) });
    }
    let jumped = head(store, "b").await;
    assert_eq!((jumped.last, jumped.tail), (at(1), at(1 + Position::JUMP)));
    assert_eq!(&*jumped.facts, b"changed alone");
    assert_eq!(&*head(store, "empty").await.facts, b"facts");
    let entry = store.get(Table::TokenKeys, "key").await.unwrap();
    assert_eq!(entry, Some(Versioned { value: Bytes::from_static(b"value"), version: Version(1) }));
    store.append(append("a", 51, "goes on")).await.unwrap();
    assert_eq!(everything(store, &id("a")).await.last().unwrap().previous, at(50));
}

pub async fn what_was_forgotten_stays_forgotten_after_reopening<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "deleted", &["one", "two"]).await;
    filled(store, "expired", &["one", "two"]).await;
    LogStore::delete(store, &id("deleted")).await.unwrap();
    store.expire(&id("expired"), at(2)).await.unwrap();
    let version = store.put(Table::SiteSecrets, "name", Bytes::new(), None).await.unwrap();
    Registry::delete(store, Table::SiteSecrets, "name", version).await.unwrap();

    let Ok(rig) = rig.reopen().await else { return };

    let store = rig.store();
    assert!(matches!(store.head(&id("deleted")).await, Err(ReadError::NotFound)));
    assert_eq!(store.conversations(None, 9).await.unwrap(), [id("expired")]);
    let head = head(store, "expired").await;
    assert_eq!((head.last, head.tail, head.expired_through), (at(2), at(3), at(2)));
    assert_eq!(bodies(store, "expired").await, [""; 0]);
    assert_eq!(store.get(Table::SiteSecrets, "name").await.unwrap(), None);
    let next = store.put(Table::SiteSecrets, "name", Bytes::new(), None).await.unwrap();
    assert!(next > version);
}
