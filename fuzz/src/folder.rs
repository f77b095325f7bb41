//! Opening a data folder in which some bytes are others than were written.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once};

use bytes::Bytes;
use landline_core::store::{
    Append, Audience, Create, DeliveryState, IdempotencyKey, LogStore as _, NewRecord, PageLimit,
    Registry as _, Table,
};
use landline_protocol::{ConversationId, Position, Timestamp};
use landline_store_embedded::{EmbeddedOptions, EmbeddedStore};
use tempfile::TempDir;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "folder",
    longest: 2048,
    share: 3,
    claim: "whatever bytes of whatever files are changed, cut or put in: the store opens, or says why not; what it then hands \
            out was written, each record at its place and in its order; and where one of its two databases was damaged, what it does \
            not hand out it says to be damaged",
    run,
};

const CONVERSATIONS: u64 = 2;
const RECORDS: u64 = 6;
const ALL: PageLimit = PageLimit { records: 1000, bytes: usize::MAX };

fn options() -> EmbeddedOptions {
    EmbeddedOptions { reserve_bytes: 1024 * 1024, ..EmbeddedOptions::default() }
}

fn id(number: u64) -> ConversationId {
    format!("conversation{number}").parse().expect("an id")
}

fn body(number: u64, place: u64) -> Bytes {
    Bytes::from(format!("{{\"text\":\"{number}/{place}\"}}"))
}

/// What is damaged; written once for a process. In memory where the machine has such a folder.
static ORIGINAL: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = folder();
    crate::server::run_in_real_time(async {
        let store = EmbeddedStore::open(folder.path(), options()).expect("a store");
        for number in 0..CONVERSATIONS {
            let facts = Bytes::from_static(b"facts");
            let time = Timestamp::from_millis(1);
            store
                .create(Create { conversation: id(number), time, facts, records: Vec::new() })
                .await
                .expect("created");
            for place in 1..=RECORDS {
                let replaces = (place == RECORDS).then(|| Position::new(1));
                let body = body(number, place);
                let record = NewRecord { time, audience: Audience::Everyone, body, replaces };
                let append = Append {
                    conversation: id(number),
                    expected_tail: Position::new(place),
                    records: vec![(record, Some(DeliveryState::Pending))],
                    idempotency: Some(IdempotencyKey {
                        digest: u128::from(place).to_be_bytes(),
                        not_before: Timestamp::default(),
                    }),
                    facts: None,
                };
                store.append(append).await.expect("appended");
            }
        }
        store.put(Table::SiteSecrets, "name", Bytes::from_static(b"value"), None).await.expect("put");
    });
    folder
});

fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The LSM store takes its own files for granted in places, and the engine catches the panic and says that they are damaged.
/// libFuzzer would end with the panic, before it is caught. One that is caught by nobody ends it all the same.
fn let_the_engine_catch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_of_the_lsm_store = info.location().is_some_and(|place| {
                ["/fjall-", "/lsm-tree-"].iter().any(|name| place.file().contains(name))
            });
            if !is_of_the_lsm_store {
                others(info);
            }
        }));
    });
}

fn run(data: &[u8]) {
    let_the_engine_catch();
    let copy = folder();
    let mut held = Vec::new();
    for file in files(ORIGINAL.path()) {
        let name = file.strip_prefix(ORIGINAL.path()).expect("within").to_owned();
        let bytes = fs::read(&file).expect("a file");
        fs::create_dir_all(copy.path().join(&name).parent().expect("a folder")).expect("a folder");
        held.push((name, bytes));
    }
    let twice = damage(&mut held, data);
    for (name, bytes) in &held {
        // What is all zeros at its end was given room beforehand; it is made in the same way.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let file = fs::File::create(copy.path().join(name)).expect("a file");
        std::io::Write::write_all(&mut &file, &bytes[..used]).expect("written");
        file.set_len(bytes.len() as u64).expect("a length");
    }
    crate::server::run_in_real_time(async {
        match EmbeddedStore::open(copy.path(), options()) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(store) => check(&store, !twice).await,
        }
    });
}

/// Says whether both databases were damaged. Each holds the head of every log; set back both to the same earlier moment,
/// and what is left is what was there then.
///
/// Each damage is a head of six bytes (file, place (three), what is done, how much) and, where bytes are put in, those.
fn damage(files: &mut [(PathBuf, Vec<u8>)], data: &[u8]) -> bool {
    let (mut rest, mut hit) = (data, [false; 2]);
    while let Some((head, behind)) = rest.split_first_chunk::<6>() {
        let [which, a, b, c, how, much] = *head;
        let count = files.len();
        let (name, bytes) = &mut files[usize::from(which) % count];
        for (database, hit) in ["log", "heads"].into_iter().zip(&mut hit) {
            *hit |= name.starts_with(database);
        }
        // Where something stands, and a little behind it.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 16).min(bytes.len());
        let at = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(0) % (used + 1);
        let much = usize::from(much);
        let (with, next) = behind.split_at(much.min(behind.len()));
        rest = if matches!(how % 5, 0 | 1) { next } else { behind };
        match how % 5 {
            0 => {
                let end = (at + with.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&with[..end - at]);
            }
            1 => drop(bytes.splice(at..at, with.iter().copied())),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..(at + much).min(bytes.len()))),
            _ if at < bytes.len() => bytes[at] ^= 1 << (much % 8),
            _ => {}
        }
    }
    hit == [true; 2]
}

async fn check(store: &EmbeddedStore, complete: bool) {
    for conversation in store.conversations(None, 100).await.unwrap_or_default() {
        let number = (0..CONVERSATIONS).find(|number| id(*number) == conversation);
        let number = number.expect("a conversation that nobody created");
        let Ok(page) = store.read(&conversation, Position::START, ALL).await else { continue };
        let mut before = 0;
        for record in &page.records {
            let place = record.position.get();
            assert!(place > before && place <= RECORDS, "{place} behind {before}");
            before = place;
            assert_eq!(record.body, body(number, place), "other bytes than were written");
        }
        assert!(
            before == RECORDS || !complete,
            "the end of a log is gone behind {before}, and nobody says so"
        );
    }
    for (name, entry) in store.list(Table::SiteSecrets, None, 10).await.unwrap_or_default() {
        assert_eq!((&*name, &*entry.value), ("name", &b"value"[..]));
    }
}
