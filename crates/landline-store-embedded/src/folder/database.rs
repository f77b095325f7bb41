//! One database of the LSM store: how it is made, so that it is there whole or not at all, and opened.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{journals, versions};
use crate::error::OpenError;
use crate::limits::{JOURNAL_BYTES, MEMTABLE_BYTES, TABLE_BYTES};

/// Where one database lies.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Memory for blocks, in bytes.
    pub(super) cache: u64,
    /// How many files are kept open.
    pub(super) files: usize,
    /// Threads that write tables.
    pub(super) workers: usize,
}

/// A database and those of its keyspaces that were asked for.
pub(super) type Opened = (Database, Vec<Keyspace>);

impl Folder {
    pub(super) fn there(&self) -> Result<bool, OpenError> {
        self.path.try_exists().map_err(|error| OpenError::io(&self.path, error))
    }

    /// Makes the database elsewhere and moves it here when it is whole, so that a process that dies meanwhile
    /// leaves nothing half-made behind.
    pub(super) fn make(
        &self,
        names: &[&str],
        fill: impl FnOnce(&Database, &[Keyspace]) -> fjall::Result<()>,
    ) -> Result<(), OpenError> {
        let new = self.path.with_extension("new");
        let io = |error| OpenError::io(&new, error);
        if new.try_exists().map_err(io)? {
            fs::remove_dir_all(&new).map_err(io)?;
        }
        let made = || {
            let database = self.database(&new)?;
            let keyspaces: Vec<_> = names
                .iter()
                .map(|name| database.keyspace(name, keyspace_options))
                .collect::<Result<_, _>>()?;
            fill(&database, &keyspaces)?;
            database.persist(PersistMode::SyncAll)
        };
        made().map_err(|error| OpenError::from_database(&new, error))?;
        fs::rename(&new, &self.path).map_err(io)?;
        let parent = self.path.parent().unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(io)
    }

    /// Opens the database, which has to have these keyspaces.
    pub(super) fn open(&self, names: &[&str]) -> Result<Opened, OpenError> {
        versions::check(&self.path)?;
        journals::check(&self.path)?;
        // The LSM store takes its own files for granted in places: what is broken there ends in a panic.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = self.database(&self.path)?;
            let mut keyspaces = Vec::new();
            for name in names {
                if !database.keyspace_exists(name) {
                    return Ok(Err(*name));
                }
                keyspaces.push(database.keyspace(name, keyspace_options)?);
            }
            Ok(Ok((database, keyspaces)))
        }));
        match opened {
            Ok(Ok(Ok(opened))) => Ok(opened),
            Ok(Ok(Err(name))) => {
                Err(OpenError::damaged(&self.path, format!("the keyspace {name} is missing")))
            }
            Ok(Err(error)) => Err(OpenError::from_database(&self.path, error)),
            Err(_) => Err(OpenError::damaged(&self.path, "the LSM store cannot make sense of it")),
        }
    }

    fn database(&self, path: &Path) -> fjall::Result<Database> {
        Database::builder(path)
            .cache_size(self.cache)
            .max_cached_files(Some(self.files))
            .max_journaling_size(JOURNAL_BYTES)
            // A compressed journal is compressed again when it is replayed, to compare checksums; another version of
            // the compressor would do that differently.
            .journal_compression(CompressionType::None)
            .worker_threads(self.workers)
            .open()
    }

    pub(super) fn set_aside(&self) -> Result<PathBuf, OpenError> {
        let mut number = 1;
        loop {
            let aside = self.path.with_extension(format!("damaged-{number}"));
            if !aside.try_exists().map_err(|error| OpenError::io(&aside, error))? {
                fs::rename(&self.path, &aside).map_err(|error| OpenError::io(&aside, error))?;
                return Ok(aside);
            }
            number += 1;
        }
    }
}

fn keyspace_options() -> KeyspaceCreateOptions {
    let compaction = Leveled::default().with_table_target_size(TABLE_BYTES);
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .compaction_strategy(Arc::new(compaction))
}
