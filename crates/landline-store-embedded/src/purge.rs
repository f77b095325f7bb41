//! Makes what was deleted unreadable in the files of the store, too.
//!
//! In an LSM store a deletion is one more entry. What it deletes stays readable in two places, for whoever reads the disk:
//! - in the *tables*, until those that hold it are merged with those that hold the deletion;
//! - in the *journal* to which it was first written, until another journal is begun (behind 64 MB) and all that the old one
//!   holds stands in tables.
//!
//! Hence, for each of the two databases: the journal is filled with deletions of what never was, which nobody can see,
//! until the next one is begun; what is in memory is written, so that the old journals go; and all tables are merged.
//! It is over when no file is left that was there before: that is looked at, not believed.
//!
//! Costs 64 MB of writing for each database, and reading and writing all that is in it, once.
//!
//! Invariants: nothing that can be read changes; a process that dies here leaves nothing that would have to be undone.
//!
//! Not here: when to purge (`landline-server`). Copies elsewhere: backups, snapshots of the file system, blocks that the
//! disk has not overwritten yet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fjall::{Database, Keyspace, PersistMode};
use landline_core::store::StoreError;

use crate::limits::{PURGE_FILL_BYTES, PURGE_KEY_BYTES, PURGE_KEYS, PURGE_PATIENCE, PURGE_TRIES};
use crate::merger::{Orders, STEP};
use crate::tables::Tables;

/// Purges both databases.
///
/// # Errors
/// In words for the operator; what was deleted stays deleted, and another purge may be tried.
pub(crate) fn purge(tables: &Tables, orders: &mut Orders) -> Result<(), StoreError> {
    let sides = [
        Side { database: &tables.log, keyspaces: tables.keeps.iter().collect() },
        Side { database: &tables.second, keyspaces: vec![&tables.heads] },
    ];
    for side in &sides {
        side.purge(tables, orders).map_err(|why| {
            StoreError(format!("what was deleted may still stand in the files of the data folder: {why}"))
        })?;
    }
    tracing::info!("What was deleted stands in no file of the store any more");
    Ok(())
}

/// One database.
struct Side<'a> {
    database: &'a Database,
    keyspaces: Vec<&'a Keyspace>,
}

type Done = Result<(), String>;

impl Side<'_> {
    fn purge(&self, tables: &Tables, orders: &mut Orders) -> Done {
        self.check_room(tables)?;
        // Whatever was written before is older than this.
        let now = self.database.seqno();
        let journals = self.journals()?;
        self.begin_journal(&journals, orders)?;
        self.forget_journals(&journals, now, orders)?;
        for keyspace in &self.keyspaces {
            self.merge(keyspace, orders)?;
        }
        Ok(())
    }

    /// Merging writes all of a keyspace anew before it takes the old away.
    fn check_room(&self, tables: &Tables) -> Done {
        let largest = self.keyspaces.iter().map(|keyspace| keyspace.disk_space()).max().unwrap_or(0);
        let reserve = tables.space.reserve().saturating_mul(2);
        let needed = largest.saturating_add(reserve).saturating_add(2 * PURGE_FILL_BYTES as u64);
        match tables.space.free() {
            Ok(free) if free < needed => {
                Err(format!("there are {free} bytes of free space, and purging may need {needed}"))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Fills the newest journal until there is a newer one.
    fn begin_journal(&self, before: &[PathBuf], orders: &mut Orders) -> Done {
        let Some(keyspace) = self.keyspaces.first() else { return Ok(()) };
        for _ in 0..PURGE_FILL_BYTES / (PURGE_KEY_BYTES * PURGE_KEYS) {
            self.write_nothing(keyspace, PURGE_KEYS)?;
            write_out(keyspace, orders)?;
            if self.journals()?.iter().any(|journal| !before.contains(journal)) {
                return Ok(());
            }
        }
        Err("the LSM store did not begin a new journal".into())
    }

    /// Writes what is in memory, until none of these journals is needed any more, and nobody reads what was there before.
    fn forget_journals(&self, journals: &[PathBuf], before: u64, orders: &mut Orders) -> Done {
        for _ in 0..PURGE_TRIES {
            for keyspace in &self.keyspaces {
                self.write_nothing(keyspace, 1)?;
                write_out(keyspace, orders)?;
            }
            let nobody_reads = self.database.supervisor.snapshot_tracker.get_seqno_safe_to_gc() >= before;
            if nobody_reads && !any_left(journals)? {
                return Ok(());
            }
            pause(orders)?;
        }
        Err("an old journal stays, or somebody has been reading all the while".into())
    }

    fn merge(&self, keyspace: &Keyspace, orders: &mut Orders) -> Done {
        let old = tables_of(keyspace)?;
        for _ in 0..PURGE_TRIES {
            keyspace.major_compact().map_err(failed)?;
            // The old tables go with the next look at what is still read.
            self.write_nothing(keyspace, 1)?;
            write_out(keyspace, orders)?;
            if !any_left(&old)? {
                return Ok(());
            }
            pause(orders)?;
        }
        Err(format!("an old table of {} stays", keyspace.name()))
    }

    /// Deletes keys that no schema has: they are large, and the entry of a deletion in a journal is as large as its key.
    fn write_nothing(&self, keyspace: &Keyspace, keys: usize) -> Done {
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        for number in 0..keys {
            let mut key = vec![u8::MAX; PURGE_KEY_BYTES];
            let number = u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes();
            key[PURGE_KEY_BYTES - number.len()..].copy_from_slice(&number);
            batch.remove(keyspace, key);
        }
        batch.commit().map_err(failed)
    }

    fn journals(&self) -> Result<Vec<PathBuf>, String> {
        // …/keyspaces/{id}
        let folder = self.keyspaces.first().and_then(|keyspace| keyspace.path().ancestors().nth(2));
        let folder = folder.ok_or("the folder of the database cannot be told")?;
        files_in(folder, |name| name.ends_with(".jnl"))
    }
}

/// Writes what a keyspace has in memory into a table.
fn write_out(keyspace: &Keyspace, orders: &mut Orders) -> Done {
    keyspace.rotate_memtable().map_err(failed)?;
    let mut waited = Duration::ZERO;
    while keyspace.sealed_memtable_count() > 0 {
        if waited >= PURGE_PATIENCE {
            return Err(format!("what {} has in memory is not written", keyspace.name()));
        }
        pause(orders)?;
        waited += STEP;
    }
    Ok(())
}

fn pause(orders: &mut Orders) -> Done {
    if orders.closed_after(STEP) { Err("the store is being closed".into()) } else { Ok(()) }
}

fn tables_of(keyspace: &Keyspace) -> Result<Vec<PathBuf>, String> {
    files_in(&keyspace.path().join("tables"), |_| true)
}

fn files_in(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, String> {
    let listed = || {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_str().is_none_or(&wanted) {
                files.push(entry.path());
            }
        }
        Ok(files)
    };
    listed().map_err(|error: io::Error| format!("{}: {error}", folder.display()))
}

fn any_left(files: &[PathBuf]) -> Result<bool, String> {
    for file in files {
        if file.try_exists().map_err(|error| format!("{}: {error}", file.display()))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn failed(error: fjall::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use landline_core::store::{Append, Audience, Create, LogStore, NewRecord, PageLimit};
    use landline_protocol::{ConversationId, Position, Timestamp};

    use crate::tables::Keep;
    use crate::{EmbeddedOptions, EmbeddedStore};

    /// Not to be compressed, so it stands in the files as it is.
    const IN_FACTS: &[u8] = b"q7Zr0LxYbC4vTn2KpWm8JdGs6HfUa1Eo";
    const IN_RECORDS: &[u8] = b"M3tXk9VwRc5BhNy7QjZp0LsDf2GuTe8A";

    fn record(body: &[u8]) -> (NewRecord, Option<landline_core::store::DeliveryState>) {
        let body = Bytes::copy_from_slice(body);
        (NewRecord { time: Timestamp::default(), audience: Audience::Everyone, body, replaces: None }, None)
    }

    fn id(text: &str) -> ConversationId {
        text.parse().unwrap()
    }

    async fn create(store: &EmbeddedStore, conversation: &str, facts: &[u8], said: &[u8]) {
        let facts = Bytes::copy_from_slice(facts);
        let create = Create {
            conversation: id(conversation),
            time: Timestamp::default(),
            facts,
            records: vec![record(said)],
        };
        store.create(create).await.unwrap();
    }

    /// The files in which a text stands.
    fn holding(folder: &std::path::Path, text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(holding(&path, text));
            } else if std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text) {
                found.push(path.display().to_string());
            }
        }
        found
    }

    #[tokio::test]
    async fn what_was_deleted_stands_in_no_file_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        create(&store, "kept", b"facts", b"kept").await;
        create(&store, "gone", IN_FACTS, IN_RECORDS).await;
        let tables = store.tables();
        for keyspace in [tables.keyspace(Keep::Records), tables.keyspace(Keep::State), &tables.heads] {
            keyspace.rotate_memtable_and_wait().unwrap();
        }
        LogStore::delete(&store, &id("gone")).await.unwrap();
        for text in [IN_FACTS, IN_RECORDS] {
            let files = holding(folder.path(), text);
            for kind in [".jnl", "/tables/"] {
                assert!(
                    files.iter().any(|file| file.contains(kind)),
                    "there is nothing to be purged: {files:?}"
                );
            }
        }

        store.purge().await.unwrap();

        for text in [IN_FACTS, IN_RECORDS] {
            assert_eq!(holding(folder.path(), text), [""; 0]);
        }
        // Everything else is there, and goes on.
        let one = PageLimit { records: 10, bytes: 1024 };
        let append = Append {
            conversation: id("kept"),
            expected_tail: Position::new(2),
            records: vec![record(b"more")],
            idempotency: None,
            facts: None,
        };
        store.append(append).await.unwrap();
        drop(store);
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        let page = store.read(&id("kept"), Position::START, one).await.unwrap();
        assert_eq!(
            page.records.iter().map(|record| &*record.body).collect::<Vec<_>>(),
            [&b"kept"[..], b"more"]
        );
        assert_eq!(store.conversations(None, 10).await.unwrap(), [id("kept")]);
    }

    #[tokio::test]
    async fn a_purge_without_room_says_so_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        create(&store, "kept", b"facts", b"kept").await;
        store.set_reserve_bytes(u64::MAX / 4);
        let error = store.purge().await.unwrap_err();
        assert!(error.0.contains("free space"), "{error}");
        store.set_reserve_bytes(1024);
        store.purge().await.unwrap();
        store.head(&id("kept")).await.unwrap();
    }
}
