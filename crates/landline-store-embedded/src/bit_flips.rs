//! Test: any one bit of any file flips. The store may refuse to open, or say that something is damaged; it never
//! hands out other bytes than were written, and never forgets anything without saying so.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use landline_core::store::{
    Append, Audience, Create, DeliveryKind, DeliveryState, Head, IdempotencyKey, ListedDelivery, LogStore,
    NewRecord, PageLimit, Parked, Queued, ReadError, Record, Registry, StoreError, Table, Versioned,
};
use landline_protocol::{ConversationId, Position, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::tables::{Keep, Tables};
use crate::{EmbeddedOptions, EmbeddedStore};

const FLIPS: u32 = 100;
const CONVERSATIONS: u64 = 12;
/// A flip may lead to a lot of work, but not to work without end.
const PATIENCE: Duration = Duration::from_secs(60);

fn id(number: u64) -> ConversationId {
    format!("conversation{number}").parse().unwrap()
}

fn append(number: u64, tail: u64) -> Append {
    let (since, due) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
    let states = [
        None,
        Some(DeliveryState::Pending),
        Some(DeliveryState::Attempted),
        Some(DeliveryState::Queued(Queued { attempts: 3, due, since, waited_ms: 4, last_status: None })),
        Some(DeliveryState::Parked(Parked { attempts: 3, since, last_status: Some(500) })),
    ];
    let body = Bytes::from(format!("{number}/{tail} {}", "text ".repeat(20)));
    // Every fifth replaces one of the first, some of them twice.
    let replaces = tail.is_multiple_of(5).then(|| Position::new(tail / 10 + 1));
    let record = NewRecord { time: Timestamp::from_millis(1), audience: Audience::Everyone, body, replaces };
    Append {
        conversation: id(number),
        expected_tail: Position::new(tail),
        records: vec![(record, states[usize::try_from(tail % 5).unwrap()])],
        idempotency: Some(IdempotencyKey {
            digest: u128::from(tail).to_be_bytes(),
            not_before: Timestamp::default(),
        }),
        facts: Some(Bytes::from(format!("facts {tail}"))),
    }
}

/// Writes a part of the data, and then moves all of it from the journal into tables.
async fn fill(folder: &Path, tails: std::ops::Range<u64>, flush: bool) {
    let store = EmbeddedStore::open(folder, EmbeddedOptions::default()).unwrap();
    for number in 0..CONVERSATIONS {
        let (time, facts) = (Timestamp::from_millis(1), Bytes::new());
        store.create(Create { conversation: id(number), time, facts, records: Vec::new() }).await.unwrap();
        for tail in tails.clone() {
            store.append(append(number, tail)).await.unwrap();
        }
        store.set_delivery(&id(number), Position::new(tails.start), None).await.unwrap();
    }
    let name = format!("name{}", tails.start);
    store.put(Table::SiteSecrets, &name, Bytes::from_static(b"value"), None).await.unwrap();
    drop(store);
    let tables = Tables::open(folder, &EmbeddedOptions::default()).unwrap();
    if flush {
        for keep in Keep::ALL {
            tables.keyspace(keep).rotate_memtable_and_wait().unwrap();
        }
        tables.heads.rotate_memtable_and_wait().unwrap();
    }
}

/// Everything that a store says.
#[derive(Debug)]
struct Contents {
    conversations: Vec<ConversationId>,
    logs: Vec<(Head, Vec<Record>, Vec<Option<DeliveryState>>)>,
    deliveries: Vec<ListedDelivery>,
    entries: Vec<(String, Versioned)>,
}

async fn log(
    store: &EmbeddedStore,
    conversation: &ConversationId,
) -> Result<(Head, Vec<Record>, Vec<Option<DeliveryState>>), ReadError> {
    let head = store.head(conversation).await?;
    let mut records: Vec<Record> = Vec::new();
    let mut deliveries = Vec::new();
    loop {
        let after = records.last().map_or(Position::START, |record| record.position);
        let page = store.read(conversation, after, PageLimit { records: 7, bytes: usize::MAX }).await?;
        if page.records.is_empty() {
            return Ok((head, records, deliveries));
        }
        for record in &page.records {
            deliveries.push(store.delivery(conversation, record.position).await?);
        }
        records.extend(page.records);
    }
}

impl Contents {
    async fn of(store: &EmbeddedStore) -> Self {
        let mut logs = Vec::new();
        for number in 0..CONVERSATIONS {
            logs.push(log(store, &id(number)).await.unwrap());
        }
        Self {
            conversations: store.conversations(None, 100).await.unwrap(),
            logs,
            deliveries: deliveries(store).await.unwrap(),
            entries: store.list(Table::SiteSecrets, None, 100).await.unwrap(),
        }
    }

    /// The same, or a clear word that something is wrong; tells whether there was one.
    async fn agrees(&self, store: &EmbeddedStore) -> Result<bool, String> {
        let mut troubled = same_or_loud(&self.conversations, store.conversations(None, 100).await)?;
        troubled |= same_or_loud(&self.entries, store.list(Table::SiteSecrets, None, 100).await)?;
        for (number, expected) in (0..).zip(&self.logs) {
            match log(store, &id(number)).await {
                Err(ReadError::Damaged(_) | ReadError::Unavailable(_)) => troubled = true,
                other => troubled |= same_or_loud(expected, other)?,
            }
        }
        // What is to be delivered in a damaged conversation may be listed or not: whoever delivers it asks that
        // conversation.
        let found = deliveries(store).await;
        if !troubled {
            let found = found.and_then(|found| match found.iter().find_map(|one| one.state.clone().err()) {
                Some(damage) => Err(StoreError(damage.what)),
                None => Ok(found),
            });
            troubled |= same_or_loud(&self.deliveries, found)?;
        }
        for (number, expected) in (0..).zip(&self.logs) {
            let tail = expected.0.tail.get();
            troubled |= store.append(append(number, tail)).await.is_err();
        }
        Ok(troubled)
    }
}

async fn deliveries(store: &EmbeddedStore) -> Result<Vec<ListedDelivery>, StoreError> {
    let mut all = Vec::new();
    for kind in [DeliveryKind::Pending, DeliveryKind::Queued, DeliveryKind::Parked] {
        all.extend(store.deliveries(kind, None, 1000).await?);
    }
    Ok(all)
}

fn same_or_loud<T: PartialEq + Debug, E: Debug>(expected: &T, found: Result<T, E>) -> Result<bool, String> {
    match found {
        Ok(found) if found == *expected => Ok(false),
        Ok(found) => Err(difference(&format!("{found:?}"), &format!("{expected:?}"))),
        Err(error) => {
            let text = format!("{error:?}");
            if text.contains("NotFound") || text.contains("PastTail") { Err(text) } else { Ok(true) }
        }
    }
}

/// Where two texts begin to differ.
fn difference(found: &str, expected: &str) -> String {
    let same = found.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
    let excerpt = |text: &str| text[same.saturating_sub(200)..text.len().min(same + 100)].to_owned();
    format!("{}\ninstead of\n{}", excerpt(found), excerpt(expected))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// Flips a bit of a file; every kind of file has its turn, in most of them every byte the same chance.
fn flip(folder: &Path, random: &mut StdRng) -> String {
    let files: Vec<_> =
        files(folder).into_iter().filter(|file| fs::metadata(file).unwrap().len() > 0).collect();
    let file = &files[random.random_range(0..files.len())];
    let mut bytes = fs::read(file).unwrap();
    let (at, bit) = (random.random_range(0..bytes.len()), random.random_range(0..8));
    bytes[at] ^= 1 << bit;
    fs::write(file, &bytes).unwrap();
    format!("bit {bit} of byte {at} of {} in {}", bytes.len(), file.strip_prefix(folder).unwrap().display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_refused_or_reported_or_harmless() {
    let original = tempfile::tempdir().unwrap();
    fill(original.path(), 1..20, true).await;
    fill(original.path(), 20..30, false).await;
    let store = EmbeddedStore::open(original.path(), EmbeddedOptions::default()).unwrap();
    let expected = Contents::of(&store).await;
    drop(store);
    assert!(expected.logs.iter().all(|log| log.1.len() == 29) && expected.deliveries.len() > 100);

    #[expect(
        clippy::disallowed_methods,
        reason = "other flips each time; the seed is told when one does harm"
    )]
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let (mut refused, mut reported) = (0, 0);
    for _ in 0..FLIPS {
        let folder = tempfile::tempdir().unwrap();
        copy(original.path(), folder.path());
        let flip = flip(folder.path(), &mut random);
        match EmbeddedStore::open(folder.path(), EmbeddedOptions::default()) {
            Err(error) => {
                assert!(error.to_string().contains("; "), "{flip}: {error} (seed {seed})");
                refused += 1;
            }
            Ok(store) => match tokio::time::timeout(PATIENCE, expected.agrees(&store)).await {
                Ok(Ok(troubled)) => reported += u32::from(troubled),
                Ok(Err(harm)) => panic!("{flip}: {harm} (seed {seed})"),
                Err(_) => panic!("{flip}: it never ended (seed {seed})"),
            },
        }
    }
    println!(
        "{FLIPS} flips: {refused} refused, {reported} reported, {} harmless",
        FLIPS - refused - reported
    );
    assert!(refused + reported > FLIPS / 4, "flips that nobody notices are no test");
}
