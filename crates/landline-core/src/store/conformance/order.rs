//! Many callers at once.

use futures_util::future::join_all;

use super::*;
use crate::store::{AppendError, Appended, ReadError};

pub async fn work_is_done_in_the_order_of_the_calls<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let created = store.create(create("a"));
    let appended: Vec<_> = (1..=200).map(|tail| store.append(append("a", tail, &tail.to_string()))).collect();
    let expired = store.expire(&id("a"), at(50));
    let delivered = store.set_delivery(&id("a"), at(200), Some(DeliveryState::Attempted));

    // Awaited the other way round: the order of the awaiting does not matter.
    delivered.await.unwrap();
    expired.await.unwrap();
    for appended in appended.into_iter().rev() {
        assert_eq!(appended.await.unwrap(), Appended::Done);
    }
    created.await.unwrap();

    let all = everything(store, &id("a")).await;
    assert!(positions(&all).into_iter().eq(51..=200));
    assert!(texts(&all).into_iter().eq((51..=200).map(|n| n.to_string())));
    assert_eq!(store.delivery(&id("a"), at(200)).await.unwrap(), Some(DeliveryState::Attempted));
}

pub async fn a_dropped_future_cancels_nothing<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();

    drop(store.create(create("a")));
    drop(store.append(append("a", 1, "one")));
    drop(store.append(append("a", 2, "two")));
    drop(store.set_delivery(&id("a"), at(1), Some(DeliveryState::Pending)));
    drop(store.put(crate::store::Table::TokenKeys, "name", Bytes::from_static(b"value"), None));
    store.append(append("a", 3, "three")).await.unwrap();

    assert_eq!(bodies(store, "a").await, ["one", "two", "three"]);
    assert_eq!(pending(store).await, [(id("a"), at(1))]);
    let entry = store.get(crate::store::Table::TokenKeys, "name").await.unwrap().unwrap();
    assert_eq!(&*entry.value, b"value");
}

pub async fn of_many_appends_at_one_tail_one_wins<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &[]).await;

    let outcomes = join_all((0..50).map(|n| store.append(append("a", 1, &n.to_string())))).await;

    let won: Vec<_> = (0..50).filter(|n| matches!(outcomes[*n], Ok(Appended::Done))).collect();
    let lost =
        |outcome: &Result<_, _>| matches!(outcome, Err(AppendError::Conflict { tail }) if *tail == at(2));
    assert_eq!(outcomes.iter().filter(|outcome| lost(outcome)).count(), 49);
    assert_eq!(bodies(store, "a").await, [won[0].to_string()]);
}

pub async fn of_many_sends_with_one_key_one_is_logged<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &[]).await;

    let send = || store.append(Append { idempotency: Some(key(1)), ..append("a", 1, "one") });
    let outcomes = join_all((0..50).map(|_| send())).await;

    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let count = |expected| outcomes.iter().filter(|outcome| **outcome == expected).count();
    assert_eq!((count(Appended::Done), count(Appended::Duplicate { position: at(1) })), (1, 49));
    assert_eq!(bodies(store, "a").await, ["one"]);
}

/// Appends one record with this body, at whatever tail there is.
async fn insist(store: &impl LogStore, conversation: &str, body: &str) -> Position {
    let mut tail = head(store, conversation).await.tail;
    loop {
        let records = plain([record(1, body)]);
        match store.append(Append { expected_tail: tail, records, ..append(conversation, 1, "") }).await {
            Ok(Appended::Done) => return tail,
            Err(AppendError::Conflict { tail: now }) => tail = now,
            other => panic!("{other:?}"),
        }
    }
}

pub async fn many_writers_to_many_conversations_lose_nothing<R: Rig>() {
    const CONVERSATIONS: usize = 8;
    const WRITERS: usize = 4;
    const RECORDS: usize = 20;
    let rig = R::fresh().await;
    let store = rig.store();
    for conversation in 0..CONVERSATIONS {
        filled(store, &conversation.to_string(), &[]).await;
    }

    let writers = (0..CONVERSATIONS * WRITERS).map(|writer| async move {
        let conversation = (writer % CONVERSATIONS).to_string();
        let mut written = Vec::new();
        for n in 0..RECORDS {
            let body = format!("{writer}/{n}");
            written.push((insist(store, &conversation, &body).await, body));
        }
        (conversation, written)
    });
    let written = join_all(writers).await;

    for conversation in (0..CONVERSATIONS).map(|n| n.to_string()) {
        let mut expected: Vec<_> = written
            .iter()
            .filter(|(c, _)| *c == conversation)
            .flat_map(|(_, written)| written.clone())
            .collect();
        expected.sort();
        let all = everything(store, &id(&conversation)).await;
        let found: Vec<_> = all.iter().map(|r| r.position).zip(texts(&all)).collect();
        assert_eq!(found, expected);
        assert!(positions(&all).into_iter().eq(1..=(WRITERS * RECORDS) as u64));
    }
}

pub async fn readers_see_whole_appends_in_order_while_writers_write<R: Rig>() {
    const APPENDS: u64 = 100;
    let rig = R::fresh().await;
    let store = rig.store();
    filled(store, "a", &[]).await;

    let writer = async {
        for n in 0..APPENDS {
            let records = plain((0..3).map(|part| record(1, &format!("{n}/{part}"))));
            let facts = Some(Bytes::from(n.to_string()));
            store.append(Append { records, facts, ..append("a", n * 3 + 1, "") }).await.unwrap();
        }
    };
    let reader = || async {
        let mut seen: Vec<Record> = Vec::new();
        while seen.len() < usize::try_from(APPENDS).unwrap() * 3 {
            let head = head(store, "a").await;
            assert_eq!(head.last.get() % 3, 0, "half an append is seen");
            if head.last > Position::START {
                assert_eq!(String::from_utf8_lossy(&head.facts), (head.last.get() / 3 - 1).to_string());
            }
            let after = seen.last().map_or(0, |record| record.position.get());
            let found = page(store, "a", after, ALL).await.records;
            assert_eq!(found.len() % 3, 0, "half an append is seen");
            seen.extend(found);
            let through = seen.last().map_or(0, |record| record.position.get());
            assert!(through >= head.last.get(), "the head is ahead of what can be read");
        }
        assert!(positions(&seen).into_iter().eq(1..=APPENDS * 3));
    };
    tokio::join!(writer, reader(), reader());
}

pub async fn readers_of_a_conversation_that_comes_and_goes_see_it_whole_or_not_at_all<R: Rig>() {
    const TIMES: u64 = 60;
    let rig = R::fresh().await;
    let store = rig.store();
    let over = std::sync::atomic::AtomicBool::new(false);

    let writer = async {
        for n in 0..TIMES {
            let begun =
                store.create(Create { records: plain([record(1, "one"), record(1, "two")]), ..create("a") });
            let appended = store.append(append("a", 3, "three"));
            if n % 2 == 0 {
                appended.await.unwrap();
            }
            begun.await.unwrap();
            LogStore::delete(store, &id("a")).await.unwrap();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let reader = || async {
        while !over.load(std::sync::atomic::Ordering::Relaxed) {
            match store.read(&id("a"), Position::START, ALL).await {
                Ok(page) => assert!(texts(&page.records).starts_with(&["one".to_owned(), "two".to_owned()])),
                Err(error) => assert!(matches!(error, ReadError::NotFound), "{error:?}"),
            }
            match store.head(&id("a")).await {
                Ok(head) => assert!(head.last >= at(2) && &*head.facts == b"facts", "{head:?}"),
                Err(error) => assert!(matches!(error, ReadError::NotFound), "{error:?}"),
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(writer, reader(), reader());
}
