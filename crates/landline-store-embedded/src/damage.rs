//! Tests: whatever is wrong on disk is found, hurts one conversation, and can be repaired or deleted.
//!
//! Each test closes a store, changes its data behind its back, and opens it again.

use bytes::Bytes;
use landline_core::store::{
    Append, AppendError, Appended, Audience, Create, DeliveryKind, DeliveryState, IdempotencyKey, LogStore,
    NewRecord, Page, PageLimit, Parked, Queued, ReadError, Record, Registry, Table,
};
use landline_protocol::{ConversationId, Position, Timestamp};
use tempfile::TempDir;

use crate::schema::keys::{self, tag};
use crate::schema::{Link, StoredHead, StoredRecord, encode_facts, encode_mark, encode_newest};
use crate::tables::{Keep, Tables};
use crate::{EmbeddedOptions, EmbeddedStore, OpenError};

const ALL: PageLimit = PageLimit { records: 1000, bytes: usize::MAX };
const IDS: [&str; 3] = ["a", "b", "c"];
const RECORDS: u64 = 10;

fn id(text: &str) -> ConversationId {
    text.parse().unwrap()
}

fn at(number: u64) -> Position {
    Position::new(number)
}

fn open(folder: &TempDir) -> EmbeddedStore {
    EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap()
}

fn tables(folder: &TempDir) -> Tables {
    Tables::open(folder.path(), &EmbeddedOptions::default()).unwrap()
}

fn append(conversation: &str, tail: u64) -> Append {
    let body = Bytes::from(format!("{conversation}{tail}"));
    let record =
        NewRecord { time: Timestamp::from_millis(1), audience: Audience::Everyone, body, replaces: None };
    Append {
        conversation: id(conversation),
        expected_tail: at(tail),
        records: vec![(record, Some(DeliveryState::Attempted))],
        idempotency: Some(IdempotencyKey {
            digest: u128::from(tail).to_be_bytes(),
            not_before: Timestamp::from_millis(0),
        }),
        facts: Some(Bytes::from(format!("facts {conversation}{tail}"))),
    }
}

/// A closed store with three conversations of ten records.
async fn filled() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for conversation in IDS {
        let create = Create {
            conversation: id(conversation),
            time: Timestamp::from_millis(1),
            facts: Bytes::from_static(b"facts"),
            records: Vec::new(),
        };
        store.create(create).await.unwrap();
        for tail in 1..=RECORDS {
            assert_eq!(store.append(append(conversation, tail)).await.unwrap(), Appended::Done);
        }
    }
    folder
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect()
}

async fn read(store: &EmbeddedStore, conversation: &str, after: u64) -> Result<Page, ReadError> {
    store.read(&id(conversation), at(after), ALL).await
}

/// Record by record; a wrong one is not handed out because a page ends with it.
async fn in_small_pages(store: &EmbeddedStore, conversation: &str) -> Result<Vec<Record>, ReadError> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map_or(Position::START, |record| record.position);
        let page = store.read(&id(conversation), after, PageLimit { records: 1, bytes: 1 }).await?;
        if page.records.is_empty() {
            return Ok(all);
        }
        all.extend(page.records);
    }
}

#[track_caller]
fn assert_damaged<T: std::fmt::Debug>(outcome: Result<T, ReadError>) {
    assert!(
        matches!(&outcome, Err(ReadError::Damaged(damage)) if damage.conversation == id("b")),
        "{outcome:?}"
    );
}

/// All but "b" are as they were.
async fn assert_others_are_well(store: &EmbeddedStore) {
    assert_eq!(store.conversations(None, 9).await.unwrap(), IDS.map(id), "nothing is missing from the list");
    for conversation in ["a", "c"] {
        let expected: Vec<_> = (1..=RECORDS).map(|n| format!("{conversation}{n}")).collect();
        assert_eq!(texts(&read(store, conversation, 0).await.unwrap().records), expected);
        assert_eq!(store.append(append(conversation, RECORDS + 1)).await.unwrap(), Appended::Done);
    }
}

/// What a damage is seen by.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    /// Whoever asks for the conversation in any way.
    ByAll,
    /// Whoever reads past it.
    ByReaders,
}

/// Changes the data of "b"; then it is damaged, others are not, and after a repair it has this many records and
/// goes on.
async fn check(seen: Seen, kept: u64, change: impl FnOnce(&Tables)) {
    let folder = filled().await;
    change(&tables(&folder));

    let store = open(&folder);
    assert_damaged(read(&store, "b", 0).await);
    assert_damaged(in_small_pages(&store, "b").await);
    if seen == Seen::ByAll {
        assert_damaged(store.head(&id("b")).await);
        assert_damaged(store.delivery(&id("b"), at(1)).await);
        let outcome = store.append(append("b", RECORDS + 1)).await;
        assert!(matches!(&outcome, Err(AppendError::Damaged(d)) if d.conversation == id("b")), "{outcome:?}");
    }
    assert_others_are_well(&store).await;

    let repaired = store.repair(&id("b")).await.unwrap();
    assert_eq!(repaired.kept, kept);
    assert!(repaired.tail >= at(RECORDS + Position::JUMP), "{repaired:?}");
    let expected: Vec<_> = (1..=kept).map(|n| format!("b{n}")).collect();
    let before = read(&store, "b", 0).await.unwrap();
    assert_eq!(texts(&before.records), expected);
    let head = store.head(&id("b")).await.unwrap();
    assert_eq!((head.tail, head.last), (repaired.tail, at(kept)));
    let next = repaired.tail.get();
    assert_eq!(store.append(append("b", next)).await.unwrap(), Appended::Done);
    assert_eq!(read(&store, "b", kept).await.unwrap().records[0].position, repaired.tail);
    // A send that was cut off can be sent again.
    if kept < RECORDS {
        let again = Append { expected_tail: at(next + 1), ..append("b", RECORDS) };
        assert_eq!(store.append(again).await.unwrap(), Appended::Done);
        assert_eq!(store.delivery(&id("b"), at(RECORDS)).await.unwrap(), None);
    }
    drop(store);
    let store = open(&folder);
    assert_eq!(read(&store, "b", 0).await.unwrap().records[..expected.len()], before.records);
}

fn record_place(position: u64) -> Vec<u8> {
    keys::place(&id("b"), at(position))
}

fn head_place() -> Vec<u8> {
    keys::tagged(tag::HEAD, &id("b"))
}

fn facts_place() -> Vec<u8> {
    keys::tagged(tag::FACTS, &id("b"))
}

fn get(tables: &Tables, keep: Keep, key: &[u8]) -> Vec<u8> {
    tables.view().get(keep, key).unwrap().unwrap().to_vec()
}

fn put(tables: &Tables, keep: Keep, key: Vec<u8>, value: Option<Vec<u8>>) {
    tables.commit([(keep, (key, value))].into_iter()).unwrap();
}

fn put_second(tables: &Tables, key: Vec<u8>, value: Option<Vec<u8>>) {
    tables.commit_second([(key, value)].into_iter(), true).unwrap();
}

fn flipped(mut value: Vec<u8>) -> Vec<u8> {
    let middle = value.len() / 2;
    value[middle] ^= 4;
    value
}

fn first_head(tables: &Tables) -> StoredHead {
    tables.view().first_head(&id("b")).unwrap().unwrap()
}

/// Writes a first head that is well-formed.
fn put_head(tables: &Tables, head: StoredHead) {
    put(tables, Keep::State, head_place(), Some(head.encode(&head_place())));
}

fn link(tables: &Tables, position: u64) -> Link {
    let place = record_place(position);
    StoredRecord::decode(&place, at(position), &get(tables, Keep::Records, &place)).unwrap().link()
}

#[tokio::test]
async fn a_flipped_record_is_found() {
    for position in [1, 5, RECORDS] {
        check(Seen::ByReaders, position - 1, |tables| {
            let value = get(tables, Keep::Records, &record_place(position));
            put(tables, Keep::Records, record_place(position), Some(flipped(value)));
        })
        .await;
    }
}

#[tokio::test]
async fn a_cut_record_is_found() {
    check(Seen::ByReaders, 4, |tables| {
        let mut value = get(tables, Keep::Records, &record_place(5));
        value.truncate(value.len() - 1);
        put(tables, Keep::Records, record_place(5), Some(value));
    })
    .await;
}

#[tokio::test]
async fn a_missing_record_is_found() {
    for position in [1, 5, RECORDS] {
        check(Seen::ByReaders, position - 1, |tables| {
            put(tables, Keep::Records, record_place(position), None);
        })
        .await;
    }
}

#[tokio::test]
async fn swapped_records_are_found() {
    check(Seen::ByReaders, 3, |tables| {
        let (four, five) = (record_place(4), record_place(5));
        let (fourth, fifth) = (get(tables, Keep::Records, &four), get(tables, Keep::Records, &five));
        put(tables, Keep::Records, four, Some(fifth));
        put(tables, Keep::Records, five, Some(fourth));
    })
    .await;
}

#[tokio::test]
async fn a_record_of_another_conversation_is_found() {
    check(Seen::ByReaders, 4, |tables| {
        let other = get(tables, Keep::Records, &keys::place(&id("a"), at(5)));
        put(tables, Keep::Records, record_place(5), Some(other));
    })
    .await;
}

/// Well-formed in itself, but not the one that the next, or the head, is chained to. A repair cannot tell and keeps it.
#[tokio::test]
async fn another_record_at_the_same_place_is_found() {
    for position in [5, RECORDS] {
        check(Seen::ByReaders, position, |tables| {
            let place = record_place(position);
            let new = append("b", position).records.remove(0).0;
            let new = NewRecord {
                body: Bytes::from(format!("b{position}")),
                time: Timestamp::from_millis(2),
                ..new
            };
            let (value, _) = StoredRecord::encode(&place, link(tables, position - 1), None, &new);
            put(tables, Keep::Records, place, Some(value));
        })
        .await;
    }
}

#[tokio::test]
async fn a_record_behind_the_end_is_found() {
    check(Seen::ByReaders, RECORDS + 1, |tables| {
        let place = record_place(RECORDS + 1);
        let new = append("b", RECORDS + 1).records.remove(0).0;
        let (value, _) = StoredRecord::encode(&place, link(tables, RECORDS), None, &new);
        put(tables, Keep::Records, place, Some(value));
    })
    .await;
}

/// A page that ends with the last record says no more about it than a page that goes beyond.
#[tokio::test]
async fn a_page_that_ends_at_a_wrong_record_is_not_handed_out() {
    let folder = filled().await;
    let opened = tables(&folder);
    for (conversation, position) in [("b", RECORDS), ("c", RECORDS + 1)] {
        let place = keys::place(&id(conversation), at(position));
        let before = keys::place(&id(conversation), at(position - 1));
        let link = StoredRecord::decode(&before, at(position - 1), &get(&opened, Keep::Records, &before))
            .unwrap()
            .link();
        let new = append("x", position).records.remove(0).0;
        let (value, _) = StoredRecord::encode(&place, link, None, &new);
        put(&opened, Keep::Records, place, Some(value));
    }
    drop(opened);

    let store = open(&folder);
    let limit = PageLimit { records: 1, bytes: 1 };
    for (conversation, after) in [("b", RECORDS - 1), ("c", RECORDS)] {
        let outcome = store.read(&id(conversation), at(after), limit).await;
        assert!(matches!(outcome, Err(ReadError::Damaged(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_flipped_head_is_found() {
    check(Seen::ByAll, RECORDS, |tables| {
        let value = get(tables, Keep::State, &head_place());
        put(tables, Keep::State, head_place(), Some(flipped(value)));
    })
    .await;
}

#[tokio::test]
async fn a_flipped_second_head_is_found() {
    check(Seen::ByAll, RECORDS, |tables| {
        let value = tables.second(&head_place()).unwrap().unwrap().to_vec();
        put_second(tables, head_place(), Some(flipped(value)));
    })
    .await;
}

#[tokio::test]
async fn a_missing_head_is_found() {
    check(Seen::ByAll, RECORDS, |tables| put(tables, Keep::State, head_place(), None)).await;
}

#[tokio::test]
async fn a_lost_tail_is_found_also_when_the_head_knows_nothing_of_it() {
    check(Seen::ByAll, 7, |tables| {
        let head = first_head(tables);
        for position in 8..=RECORDS {
            put(tables, Keep::Records, record_place(position), None);
        }
        let last = link(tables, 7);
        put_head(tables, StoredHead { last, tail: at(8), revision: head.revision - 3, ..head });
    })
    .await;
}

/// As after a lost write of a delivery state: the log itself is whole.
#[tokio::test]
async fn a_lost_write_of_another_kind_is_found() {
    check(Seen::ByAll, RECORDS, |tables| {
        let head = first_head(tables);
        put_head(tables, StoredHead { revision: head.revision - 1, ..head });
    })
    .await;
}

#[tokio::test]
async fn heads_that_differ_are_found() {
    check(Seen::ByAll, RECORDS, |tables| {
        let head = first_head(tables);
        put_head(tables, StoredHead { last_time: Timestamp::from_millis(9), ..head });
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_is_lost_from_the_log_is_found() {
    check(Seen::ByAll, 0, |tables| {
        for position in 1..=RECORDS {
            put(tables, Keep::Records, record_place(position), None);
        }
        put(tables, Keep::State, head_place(), None);
        put(tables, Keep::State, facts_place(), None);
    })
    .await;
}

#[tokio::test]
async fn wrong_facts_are_found_and_repaired_from_the_second_copy() {
    let other = || Some(encode_facts(&facts_place(), b"other").0);
    for value in [None, Some(b"rubbish".to_vec()), other()] {
        let folder = filled().await;
        put(&tables(&folder), Keep::State, facts_place(), value);

        let store = open(&folder);
        assert_damaged(store.head(&id("b")).await);
        assert_others_are_well(&store).await;
        store.repair(&id("b")).await.unwrap();
        assert_eq!(store.head(&id("b")).await.unwrap().facts, format!("facts b{RECORDS}"));
    }
}

#[tokio::test]
async fn a_wrong_delivery_state_is_found() {
    let folder = filled().await;
    let place = keys::delivery(tag::DELIVERY, &id("b"), at(5));
    let opened = tables(&folder);
    put(&opened, Keep::State, place.clone(), Some(flipped(get(&opened, Keep::State, &place))));
    drop(opened);

    let store = open(&folder);
    assert_damaged(store.delivery(&id("b"), at(5)).await);
    let outcome = store.set_delivery(&id("b"), at(5), None).await;
    assert!(matches!(outcome, Err(AppendError::Damaged(_))), "{outcome:?}");
    assert_others_are_well(&store).await;
}

#[tokio::test]
async fn a_wrong_key_is_found() {
    let folder = filled().await;
    let place = keys::idempotency(&id("b"), &5_u128.to_be_bytes());
    let opened = tables(&folder);
    put(&opened, Keep::State, place.clone(), Some(flipped(get(&opened, Keep::State, &place))));
    drop(opened);

    let store = open(&folder);
    let outcome = store.append(append("b", 5)).await;
    assert!(matches!(outcome, Err(AppendError::Damaged(_))), "{outcome:?}");
    assert_others_are_well(&store).await;
}

#[tokio::test]
async fn what_is_damaged_can_be_deleted_and_begun_anew() {
    let folder = filled().await;
    let opened = tables(&folder);
    put(&opened, Keep::State, head_place(), Some(b"rubbish".to_vec()));
    put_second(&opened, head_place(), Some(b"rubbish".to_vec()));
    put(&opened, Keep::Records, record_place(3), Some(b"rubbish".to_vec()));
    drop(opened);

    let store = open(&folder);
    assert_damaged(read(&store, "b", 0).await);
    LogStore::delete(&store, &id("b")).await.unwrap();
    assert!(matches!(read(&store, "b", 0).await, Err(ReadError::NotFound)));
    let create = Create {
        conversation: id("b"),
        time: Timestamp::default(),
        facts: Bytes::new(),
        records: append("b", 1).records,
    };
    store.create(create).await.unwrap();
    assert_eq!(texts(&read(&store, "b", 0).await.unwrap().records), ["b1"]);
    assert_others_are_well(&store).await;
}

#[tokio::test]
async fn a_second_database_that_is_missing_or_broken_is_made_anew() {
    let whole = |folder: &TempDir| std::fs::remove_dir_all(folder.path().join("heads")).unwrap();
    let marker = |folder: &TempDir| std::fs::write(folder.path().join("heads/version"), b"rubbish").unwrap();
    for harm in [whole, marker] {
        let folder = filled().await;
        harm(&folder);

        let store = open(&folder);
        let expected: Vec<_> = (1..=RECORDS).map(|n| format!("b{n}")).collect();
        assert_eq!(texts(&read(&store, "b", 0).await.unwrap().records), expected);
        assert_others_are_well(&store).await;
        drop(store);

        // It protects again.
        let opened = tables(&folder);
        put(&opened, Keep::State, head_place(), None);
        drop(opened);
        assert_damaged(read(&open(&folder), "b", 0).await);
    }
}

#[tokio::test]
async fn a_log_that_is_missing_leaves_every_conversation_damaged_and_none_forgotten() {
    let folder = filled().await;
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();

    let store = open(&folder);

    assert_eq!(store.conversations(None, 9).await.unwrap(), IDS.map(id));
    for conversation in IDS {
        let outcome = read(&store, conversation, 0).await;
        assert!(matches!(outcome, Err(ReadError::Damaged(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn registry_entries_that_the_log_lost_are_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let table = Table::SiteSecrets;
    let old = store.put(table, "secret", Bytes::from_static(b"old"), None).await.unwrap();
    let new = store.put(table, "secret", Bytes::from_static(b"new"), Some(old)).await.unwrap();
    let gone = store.put(table, "gone", Bytes::from_static(b"x"), None).await.unwrap();
    drop(store);
    let opened = tables(&folder);
    let gone_place = keys::entry(table, "gone");
    let value = get(&opened, Keep::State, &gone_place);
    drop(opened);
    let store = open(&folder);
    Registry::delete(&store, table, "gone", gone).await.unwrap();
    drop(store);
    let opened = tables(&folder);
    put(&opened, Keep::State, keys::entry(table, "secret"), None);
    put(&opened, Keep::State, gone_place, Some(value));
    drop(opened);

    let store = open(&folder);

    let found = store.get(table, "secret").await.unwrap().unwrap();
    assert_eq!((&*found.value, found.version), (b"new".as_slice(), new));
    assert_eq!(store.get(table, "gone").await.unwrap(), None, "what was revoked stays revoked");
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished() {
    let folder = filled().await;
    let opened = tables(&folder);
    let mark = keys::tagged(tag::DELETING, &id("b"));
    put_second(&opened, head_place(), None);
    put(&opened, Keep::State, head_place(), None);
    put(&opened, Keep::Records, record_place(1), None);
    put(&opened, Keep::State, mark.clone(), Some(encode_mark(&mark)));
    drop(opened);

    let store = open(&folder);

    assert!(matches!(read(&store, "b", 0).await, Err(ReadError::NotFound)));
    drop(store);
    let opened = tables(&folder);
    for (keep, prefix) in [
        (Keep::Records, keys::prefix(&id("b"))),
        (Keep::State, keys::tagged_prefix(tag::DELIVERY, &id("b"))),
        (Keep::State, keys::tagged_prefix(tag::KEY, &id("b"))),
        (Keep::State, keys::tagged_prefix(tag::NEWEST, &id("b"))),
        (Keep::State, mark),
        (Keep::State, facts_place()),
    ] {
        assert_eq!(opened.view().keys(keep, &prefix).count(), 0, "{keep:?} {prefix:?}");
    }
}

#[tokio::test]
async fn another_format_is_refused_with_a_next_step() {
    let write = |text: &'static str| {
        move |folder: &TempDir| std::fs::write(folder.path().join("format"), text).unwrap()
    };
    let remove = |folder: &TempDir| std::fs::remove_file(folder.path().join("format")).unwrap();
    refused("has format 3, this version knows format 2", write("landline data, format 3\n")).await;
    refused("has format 0, this version knows format 2", write("landline data, format 0\n")).await;
    refused("does not name a format", write("")).await;
    refused("does not name a format", write("landline data, format 1")).await;
    refused("it is missing, though there is data beside it", remove).await;
    refused("the keyspace pending is missing", |folder: &TempDir| {
        let opened = tables(folder);
        let pending = opened.keyspace(Keep::Pending).clone();
        opened.log.delete_keyspace(pending).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_folder_of_the_format_before_is_opened_and_says_the_new_one() {
    let folder = filled().await;
    let file = folder.path().join("format");
    std::fs::write(&file, "landline data, format 1\n").unwrap();

    for _ in 0..2 {
        let store = open(&folder);
        assert_eq!(in_small_pages(&store, "b").await.unwrap().len(), usize::try_from(RECORDS).unwrap());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "landline data, format 2\n");
    }
}

async fn refused(expected: &str, change: impl FnOnce(&TempDir)) {
    let folder = filled().await;
    change(&folder);
    let error = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Format { .. } | OpenError::Damaged { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(expected) && text.contains("; "), "{text}");
}

/// Where the replacements of "b" stand, see [`with_replacements`].
const REPLACEMENTS: [(u64, u64); 3] = [(RECORDS + 1, 3), (RECORDS + 2, 3), (RECORDS + 3, 5)];

/// A closed store in which two records of "b" are replaced, one of them twice.
async fn with_replacements() -> TempDir {
    let folder = filled().await;
    let store = open(&folder);
    for (tail, root) in REPLACEMENTS {
        let mut append = append("b", tail);
        append.records[0].0.replaces = Some(at(root));
        assert_eq!(store.append(append).await.unwrap(), Appended::Done);
    }
    folder
}

fn links(records: &[Record]) -> Vec<(u64, u64)> {
    let replaced = |record: &Record| Some((record.position.get(), record.replaced_by?.get()));
    records.iter().filter_map(replaced).collect()
}

/// Changes what is kept of replacements in "b". Then whoever reads through it finds that, or nothing is wrong (`None`);
/// and after a repair of the whole log it is right.
async fn check_replacements(found: Option<&str>, change: impl FnOnce(&Tables)) {
    let folder = with_replacements().await;
    change(&tables(&folder));

    let store = open(&folder);
    let right = [(3, RECORDS + 2), (5, RECORDS + 3), (RECORDS + 1, RECORDS + 2)];
    for outcome in [read(&store, "b", 0).await.map(|page| page.records), in_small_pages(&store, "b").await] {
        match (outcome, found) {
            (Err(ReadError::Damaged(damage)), Some(found)) => {
                assert!(damage.what.contains(found), "{damage}");
            }
            (outcome, None) => assert_eq!(links(&outcome.unwrap()), right),
            (outcome, Some(_)) => panic!("{outcome:?}"),
        }
    }
    assert_others_are_well(&store).await;
    assert_eq!(store.repair(&id("b")).await.unwrap().kept, RECORDS + 3);
    assert_eq!(links(&in_small_pages(&store, "b").await.unwrap()), right);
}

fn newest_place(root: u64) -> Vec<u8> {
    keys::newest(&id("b"), at(root))
}

fn put_newest(tables: &Tables, root: u64, newest: u64) {
    put(tables, Keep::State, newest_place(root), Some(encode_newest(&newest_place(root), at(newest))));
}

#[tokio::test]
async fn a_wrong_entry_about_a_replacement_is_found() {
    check_replacements(None, |_| {}).await;
    check_replacements(Some("checksum of a newest replacement"), |tables| {
        let value = get(tables, Keep::State, &newest_place(3));
        put(tables, Keep::State, newest_place(3), Some(flipped(value)));
    })
    .await;
    check_replacements(Some("checksum of a newest replacement"), |tables| {
        let other = get(tables, Keep::State, &newest_place(5));
        put(tables, Keep::State, newest_place(3), Some(other));
    })
    .await;
    check_replacements(Some("knows nothing of it"), |tables| {
        put(tables, Keep::State, newest_place(3), None);
    })
    .await;
    // An older one; one of another root; a record that replaces nothing; none at all.
    check_replacements(Some("whose newest is said to be"), |tables| put_newest(tables, 3, RECORDS + 1)).await;
    for newest in [RECORDS + 3, RECORDS, RECORDS + 9] {
        check_replacements(Some("is not at position"), |tables| put_newest(tables, 3, newest)).await;
    }
    // For a record that nothing replaces; and where there is no record, where nobody looks.
    check_replacements(Some("is not at position"), |tables| put_newest(tables, 4, RECORDS + 3)).await;
    check_replacements(None, |tables| put_newest(tables, RECORDS + 9, RECORDS + 3)).await;
    check_replacements(Some("the head knows of none"), |tables| {
        let head = StoredHead { roots: 0, ..first_head(tables) };
        put_head(tables, head);
        put_second(tables, head_place(), None);
    })
    .await;
}

#[tokio::test]
async fn after_a_repair_nothing_points_to_what_is_gone() {
    for (lost, expected) in [
        (RECORDS + 3, vec![(3, RECORDS + 2), (RECORDS + 1, RECORDS + 2)]),
        (RECORDS + 2, vec![(3, RECORDS + 1)]),
        (RECORDS + 1, vec![]),
        (5, vec![]),
    ] {
        let folder = with_replacements().await;
        put(&tables(&folder), Keep::Records, record_place(lost), None);

        let store = open(&folder);
        assert_damaged(in_small_pages(&store, "b").await);
        store.repair(&id("b")).await.unwrap();

        let kept = in_small_pages(&store, "b").await.unwrap();
        assert_eq!((kept.len() as u64, links(&kept)), (lost - 1, expected));
        LogStore::expire(&store, &id("b"), at(u64::MAX)).await.unwrap();
        drop(store);
        let opened = tables(&folder);
        let left = keys::tagged_prefix(tag::NEWEST, &id("b"));
        assert_eq!(opened.view().keys(Keep::State, &left).count(), 0);
        assert_eq!(first_head(&opened).roots, 0);
    }
}

/// A state in the outbox that cannot be read hides no other; after a repair it is tried rather than lost.
#[tokio::test]
async fn a_wrong_state_in_the_outbox_is_found_and_repaired() {
    let (since, due) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
    let queued =
        DeliveryState::Queued(Queued { attempts: 3, due, since, waited_ms: 4, last_status: Some(502) });
    let parked = DeliveryState::Parked(Parked { attempts: 3, since, last_status: None });
    for (tag, kind, state) in
        [(tag::QUEUED, DeliveryKind::Queued, queued), (tag::PARKED, DeliveryKind::Parked, parked)]
    {
        let folder = filled().await;
        let store = open(&folder);
        for (conversation, position) in [("b", 5), ("b", 6), ("c", 1)] {
            store.set_delivery(&id(conversation), at(position), Some(state)).await.unwrap();
        }
        drop(store);
        let place = keys::delivery(tag, &id("b"), at(5));
        let opened = tables(&folder);
        put(&opened, Keep::State, place.clone(), Some(flipped(get(&opened, Keep::State, &place))));
        drop(opened);

        let store = open(&folder);
        assert_damaged(store.delivery(&id("b"), at(5)).await);
        let listed = store.deliveries(kind, None, 9).await.unwrap();
        assert_eq!(listed[0].state.clone().unwrap_err().conversation, id("b"));
        assert!(listed[1..].iter().all(|one| one.state == Ok(state)) && listed.len() == 3, "{listed:?}");

        assert_eq!(store.repair(&id("b")).await.unwrap().kept, RECORDS);
        let listed = store.deliveries(kind, None, 9).await.unwrap();
        let states: Vec<_> = listed.into_iter().map(|one| one.state.unwrap()).collect();
        assert_eq!(states[1..], [state, state]);
        assert_eq!(states[0].kind(), Some(kind));
        assert_eq!(store.delivery(&id("b"), at(5)).await.unwrap(), Some(states[0]));
        store.set_delivery(&id("b"), at(5), None).await.unwrap();
        assert_eq!(store.deliveries(kind, None, 9).await.unwrap().len(), 2);
    }
}
