//! Other processes: one that wants the folder too, one that is killed while it writes, one whose disk fails.
//!
//! The other process is this test binary again, running the ignored test named `child`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "these are tests; when a process is killed is left to chance"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use landline_core::store::{
    Append, AppendError, Appended, Audience, Create, DeliveryState, IdempotencyKey, LogStore, NewRecord,
    PageLimit, Record,
};
use landline_protocol::{ConversationId, Position, Timestamp};
use landline_store_embedded::{EmbeddedOptions, EmbeddedStore, OpenError};
use rand::RngExt as _;

const FOLDER: &str = "LANDLINE_TEST_FOLDER";
const WRITERS: usize = 8;
const CYCLES: usize = 10;

fn id(writer: usize) -> ConversationId {
    format!("writer{writer}").parse().unwrap()
}

fn open(folder: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(folder, EmbeddedOptions::default())
}

/// The nth append of a writer: two records, and facts that say how far it is.
fn append(writer: usize, tail: Position) -> Append {
    let record = |part| NewRecord {
        time: Timestamp::from_millis(1),
        audience: Audience::Everyone,
        body: Bytes::from(format!("{writer}/{tail}/{part} {}", "x".repeat(300))),
        replaces: None,
    };
    Append {
        conversation: id(writer),
        expected_tail: tail,
        records: vec![(record(0), Some(DeliveryState::Pending)), (record(1), None)],
        idempotency: Some(IdempotencyKey {
            digest: u128::from(tail.get()).to_be_bytes(),
            not_before: Timestamp::from_millis(0),
        }),
        facts: Some(Bytes::from(tail.to_string())),
    }
}

fn start(folder: &Path, shell: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" --exact child --ignored --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Appends with several writers until it is killed or refused, and says what was acknowledged, line by line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the other process of the tests here"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder)).unwrap();
    println!("ready");
    join_all((0..WRITERS).map(|writer| write(&store, writer))).await;
    let why = tokio::time::timeout(Duration::from_secs(5), store.failed()).await.unwrap();
    println!("failed: {why}");
    for writer in 0..WRITERS {
        let tail = Position::new(1);
        let outcome = store.append(append(writer, tail)).await;
        assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
    }
    println!("refused");
}

async fn write(store: &EmbeddedStore, writer: usize) {
    let conversation = id(writer);
    let (time, facts) = (Timestamp::from_millis(1), Bytes::from_static(b"0"));
    let create = Create { conversation: conversation.clone(), time, facts, records: Vec::new() };
    store.create(create).await.unwrap();
    let mut tail = store.head(&conversation).await.unwrap().tail;
    loop {
        match store.append(append(writer, tail)).await {
            Ok(Appended::Done) => println!("ack {writer} {tail}"),
            Err(AppendError::Unknown(_)) => return println!("unknown {writer} {tail}"),
            Err(AppendError::Unavailable(_)) => return println!("unavailable {writer} {tail}"),
            other => panic!("{other:?}"),
        }
        tail = Position::new(tail.get() + 2);
    }
}

async fn all(store: &EmbeddedStore, conversation: &ConversationId) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map_or(Position::START, |record| record.position);
        let page = store.read(conversation, after, PageLimit { records: 500, bytes: 1 << 20 }).await.unwrap();
        if page.records.is_empty() {
            return all;
        }
        all.extend(page.records);
    }
}

/// Everything acknowledged is there, whole appends only, each once; returns how many records there are.
async fn verify(store: &EmbeddedStore, writer: usize, acknowledged: u64) -> usize {
    let conversation = id(writer);
    let records = all(store, &conversation).await;
    let head = store.head(&conversation).await.unwrap();
    assert!(head.last.get() > acknowledged, "acknowledged {acknowledged}, there are {}", head.last);
    assert_eq!((head.last.get() % 2, head.tail.get()), (0, head.last.get() + 1), "half an append");
    assert_eq!(head.facts, (head.last.get() - 1).to_string());
    for (position, record) in (1..).zip(&records) {
        let tail = position - (position + 1) % 2;
        let expected = format!("{writer}/{tail}/{} ", (position + 1) % 2);
        assert!(
            record.position.get() == position && record.body.starts_with(expected.as_bytes()),
            "{record:?}"
        );
    }
    let last = Position::new(head.last.get() - 1);
    assert_eq!(store.delivery(&conversation, last).await.unwrap(), Some(DeliveryState::Pending));
    let again = store.append(append(writer, last)).await.unwrap();
    assert_eq!(again, Appended::Duplicate { position: last });
    records.len()
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<usize, u64> = HashMap::new();
    let mut records = 0;
    for cycle in 0..CYCLES {
        let mut child = start(folder.path(), "");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut kill_after = rand::rng().random_range(1..2000_usize);
        for line in lines {
            let line = line.unwrap();
            if let ["ack", writer, tail] = line.split(' ').collect::<Vec<_>>()[..] {
                acknowledged.insert(writer.parse().unwrap(), tail.parse().unwrap());
                kill_after = kill_after.saturating_sub(1);
            }
            if kill_after == 0 {
                // What it has said and we have not yet read still counts: go on to the end of its output.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let store = open(folder.path()).unwrap();
        let mut found = 0;
        for (writer, acknowledged) in &acknowledged {
            found += verify(&store, *writer, *acknowledged).await;
        }
        assert!(found > records, "cycle {cycle} wrote nothing");
        records = found;
    }
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")));

    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("is in use by another process; stop that one"), "{error}");

    child.kill().unwrap();
    child.wait().unwrap();
    open(folder.path()).unwrap();
}

/// The journal may not grow beyond a limit of the operating system, so a write to it fails.
#[tokio::test]
async fn after_a_failed_write_nothing_is_acknowledged_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());

    let mut child = start(folder.path(), "trap '' XFSZ; ulimit -f 2048;");
    let lines: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{lines:?}");

    let said = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert!(said("ack") > 100 && said("unknown") > 0, "{} acks, {} unknown", said("ack"), said("unknown"));
    assert_eq!(said("unknown") + said("unavailable"), WRITERS);
    assert_eq!((said("failed: a commit failed"), said("refused")), (1, 1), "{:?}", lines.last());
    let mut acknowledged: HashMap<usize, u64> = HashMap::new();
    for line in &lines {
        if let ["ack", writer, tail] = line.split(' ').collect::<Vec<_>>()[..] {
            acknowledged.insert(writer.parse().unwrap(), tail.parse().unwrap());
        }
    }
    let store = open(folder.path()).unwrap();
    for (writer, acknowledged) in acknowledged {
        verify(&store, writer, acknowledged).await;
    }
}
