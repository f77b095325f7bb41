//! A disk that runs full: told by a reserve that is larger than any disk.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bytes::Bytes;
use landline_core::store::{
    Append, AppendError, Appended, Audience, Create, Created, DeliveryState, LogStore, NewRecord, PageLimit,
    PutError, ReadError, Registry, Table,
};
use landline_protocol::{ConversationId, Position, Timestamp};
use landline_store_embedded::{EmbeddedOptions, EmbeddedStore};

const ALL: PageLimit = PageLimit { records: 100, bytes: usize::MAX };

fn id(text: &str) -> ConversationId {
    text.parse().unwrap()
}

fn create(conversation: &str) -> Create {
    Create {
        conversation: id(conversation),
        time: Timestamp::default(),
        facts: Bytes::new(),
        records: Vec::new(),
    }
}

fn append(conversation: &str, tail: u64) -> Append {
    let body = Bytes::from_static(b"body");
    let record = NewRecord { time: Timestamp::default(), audience: Audience::Everyone, body, replaces: None };
    Append {
        conversation: id(conversation),
        expected_tail: Position::new(tail),
        records: vec![(record, Some(DeliveryState::Pending))],
        idempotency: None,
        facts: None,
    }
}

/// A reserve of which this part is free on the disk.
fn reserve(folder: &tempfile::TempDir, part: f64) -> u64 {
    let stat = rustix::fs::statvfs(folder.path()).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rough figure will do"
    )]
    let reserve = (free as f64 / part) as u64;
    reserve
}

#[tokio::test]
async fn on_a_full_disk_new_data_is_refused_and_all_else_goes_on_and_it_heals() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
    for conversation in ["a", "b"] {
        store.create(create(conversation)).await.unwrap();
        store.append(append(conversation, 1)).await.unwrap();
        store.append(append(conversation, 2)).await.unwrap();
    }
    let entry = store.put(Table::TokenKeys, "name", Bytes::new(), None).await.unwrap();

    store.set_reserve_bytes(reserve(&folder, 0.5));

    let refused = store.append(append("a", 3)).await;
    assert!(
        matches!(&refused, Err(AppendError::Unavailable(why)) if why.0.contains("free space")),
        "{refused:?}"
    );
    let refused = store.create(create("c")).await;
    assert!(
        matches!(&refused, Err(AppendError::Unavailable(why)) if why.0.contains("free space")),
        "{refused:?}"
    );
    let refused = store.put(Table::TokenKeys, "other", Bytes::new(), None).await;
    assert!(
        matches!(&refused, Err(PutError::Unavailable(why)) if why.0.contains("free space")),
        "{refused:?}"
    );
    assert_eq!(store.read(&id("a"), Position::START, ALL).await.unwrap().records.len(), 2);
    store.set_delivery(&id("a"), Position::new(1), None).await.unwrap();
    store.expire(&id("a"), Position::new(1)).await.unwrap();
    LogStore::delete(&store, &id("b")).await.unwrap();
    Registry::delete(&store, Table::TokenKeys, "name", entry).await.unwrap();
    assert!(matches!(store.head(&id("b")).await, Err(ReadError::NotFound)));
    assert_eq!(
        store.head(&id("a")).await.unwrap().tail,
        Position::new(3),
        "a refused append leaves no trace"
    );

    store.set_reserve_bytes(1);

    assert_eq!(store.append(append("a", 3)).await.unwrap(), Appended::Done);
    assert_eq!(store.create(create("c")).await.unwrap(), Created::New);
}

#[tokio::test]
async fn on_a_disk_that_is_all_but_full_nothing_is_written_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::default();
    let store = EmbeddedStore::open(folder.path(), options).unwrap();
    store.create(create("a")).await.unwrap();
    store.append(append("a", 1)).await.unwrap();

    store.set_reserve_bytes(reserve(&folder, 0.1));

    for outcome in [
        LogStore::delete(&store, &id("a")).await,
        store.expire(&id("a"), Position::new(1)).await,
        store.set_delivery(&id("a"), Position::new(1), None).await,
        store.repair(&id("a")).await.map(drop),
    ] {
        assert!(
            matches!(&outcome, Err(AppendError::Unavailable(why)) if why.0.contains("free space")),
            "{outcome:?}"
        );
    }
    assert_eq!(store.read(&id("a"), Position::START, ALL).await.unwrap().records.len(), 1);
    drop(store);

    let full = EmbeddedOptions { reserve_bytes: reserve(&folder, 0.1), ..options };
    let store = EmbeddedStore::open(folder.path(), full).unwrap();
    assert_eq!(store.read(&id("a"), Position::START, ALL).await.unwrap().records.len(), 1);
    store.set_reserve_bytes(options.reserve_bytes.min(1));
    LogStore::delete(&store, &id("a")).await.unwrap();
}
