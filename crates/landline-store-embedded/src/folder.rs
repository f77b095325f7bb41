//! The data folder: what lies where, who may open it, and how it comes to be.
//!
//! ```text
//! lock      held by the process that uses the folder
//! format    the version of the format, as text
//! log/      the first database
//! heads/    the second database; made anew from the first when it is missing or cannot be opened
//! *.new     a database that is being made; thrown away when found
//! ```
//!
//! Not here: what is in the databases (`schema`).

mod journals;
mod versions;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::error::OpenError;
use crate::limits::{FORGOTTEN_KEYS, JOURNAL_BYTES, MEMTABLE_BYTES, SECOND_CACHE_SHARE, TABLE_BYTES};
use crate::options::EmbeddedOptions;
use crate::schema::FORMAT;
use crate::schema::keys::tag;
use crate::space::Space;
use crate::tables::{HEADS, Keep, Tables};

/// What `format` says before the number.
const FORMAT_TEXT: &str = "landline data, format ";

/// How many files of the first and of the second database are kept open. Sockets need the rest.
const OPEN_FILES: usize = 256;
const SECOND_OPEN_FILES: usize = 32;

/// Threads that write tables: in the first database one for new tables and one for compaction, so that the first
/// never waits for the second; in the second there is little to do.
const WORKERS: usize = 2;
const SECOND_WORKERS: usize = 1;

impl Tables {
    /// Opens the folder, or makes a new one.
    pub(crate) fn open(path: &Path, options: &EmbeddedOptions) -> Result<Self, OpenError> {
        fs::create_dir_all(path).map_err(|error| OpenError::io(path, error))?;
        let lock = lock(path)?;
        check_format(path)?;
        let log = Folder {
            path: path.join("log"),
            cache: options.cache_bytes,
            files: OPEN_FILES,
            workers: WORKERS,
        };
        let names = Keep::ALL.map(Keep::name);
        if !log.there()? {
            log.make(&names, |_, _| Ok(()))?;
        }
        let (log, keeps) = log.open(&names)?;
        let second = Folder {
            path: path.join("heads"),
            cache: options.cache_bytes / SECOND_CACHE_SHARE,
            files: SECOND_OPEN_FILES,
            workers: SECOND_WORKERS,
        };
        let (second, mut heads) = open_second(&second, &log, &keeps)?;
        let keeps: [Keyspace; 3] = keeps
            .try_into()
            .map_err(|_| OpenError::damaged(path, "the keyspaces are not those of this format"))?;
        let heads =
            heads.pop().ok_or_else(|| OpenError::damaged(path, "the keyspace of heads is missing"))?;
        let space = Space::new(path.to_owned(), options.reserve_bytes);
        Ok(Self { log, keeps, second, heads, space, _lock: lock })
    }
}

/// The lock of the operating system goes when the process goes, however it goes.
fn lock(path: &Path) -> Result<File, OpenError> {
    let file = path.join("lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&file);
    let lock = opened.map_err(|error| OpenError::io(&file, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::io(&file, error)),
    }
}

fn check_format(path: &Path) -> Result<(), OpenError> {
    let file = path.join("format");
    let text = match fs::read(&file) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return begin(path, &file),
        Err(error) => return Err(OpenError::io(&file, error)),
    };
    let number =
        text.strip_prefix(FORMAT_TEXT).and_then(|rest| rest.strip_suffix('\n')).map(str::parse::<u32>);
    match number {
        Some(Ok(FORMAT)) => Ok(()),
        Some(Ok(other)) => {
            Err(OpenError::Format { path: path.to_owned(), found: other.to_string(), known: FORMAT })
        }
        _ => Err(OpenError::damaged(&file, "it does not name a format")),
    }
}

/// Says the format of a new folder, before there is anything in it.
fn begin(path: &Path, file: &Path) -> Result<(), OpenError> {
    if path.join("log").exists() || path.join("heads").exists() {
        return Err(OpenError::damaged(file, "it is missing, though there is data beside it"));
    }
    let written = || {
        let new = path.join("format.new");
        let mut out = File::create(&new)?;
        out.write_all(format!("{FORMAT_TEXT}{FORMAT}\n").as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        File::open(path)?.sync_all()
    };
    written().map_err(|error| OpenError::io(file, error))
}

/// Opens the second database; makes it anew where that cannot be done, because all that is in it stands in the
/// first one too.
fn open_second(
    folder: &Folder,
    log: &Database,
    keeps: &[Keyspace],
) -> Result<(Database, Vec<Keyspace>), OpenError> {
    if folder.there()? {
        match folder.open(&[HEADS]) {
            Err(OpenError::Damaged { what, .. }) => {
                let aside = folder.set_aside()?;
                let aside = aside.display();
                tracing::error!(
                    "The second heads could not be opened ({what}); they are made anew, the old ones are in {aside}"
                );
            }
            other => return other,
        }
    }
    folder.make(&[HEADS], |second, heads| {
        let snapshot = log.snapshot();
        let state = keeps.get(1).ok_or(fjall::Error::Unrecoverable)?;
        let mut batch = second.batch();
        for tag in [tag::HEAD, tag::FACTS, tag::ENTRY] {
            let all = (Bound::Included(vec![tag]), Bound::Excluded(vec![tag + 1]));
            for guard in fjall::Readable::range(&snapshot, state, all) {
                let (key, value) = guard.into_inner()?;
                batch.insert(&heads[0], key, value);
                if batch.len() >= FORGOTTEN_KEYS {
                    std::mem::replace(&mut batch, second.batch()).commit()?;
                }
            }
        }
        batch.commit()
    })?;
    folder.open(&[HEADS])
}

/// Where one database lies.
struct Folder {
    path: PathBuf,
    cache: u64,
    files: usize,
    workers: usize,
}

impl Folder {
    fn there(&self) -> Result<bool, OpenError> {
        self.path.try_exists().map_err(|error| OpenError::io(&self.path, error))
    }

    /// Makes the database elsewhere and moves it here when it is whole, so that a process that dies meanwhile
    /// leaves nothing half-made behind.
    fn make(
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
    fn open(&self, names: &[&str]) -> Result<(Database, Vec<Keyspace>), OpenError> {
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

    fn set_aside(&self) -> Result<PathBuf, OpenError> {
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
    let compaction = fjall::compaction::Leveled::default().with_table_target_size(TABLE_BYTES);
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .compaction_strategy(std::sync::Arc::new(compaction))
}
