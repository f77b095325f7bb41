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
//! Not here: how one database is made and opened (`database`), what is in it (`schema`).

mod database;
mod journals;
mod versions;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::thread;

use fjall::{Database, Keyspace, Readable as _};

use self::database::{Folder, Opened};
use crate::error::OpenError;
use crate::limits::{
    FORGOTTEN_KEYS, OPEN_FILES, SECOND_CACHE_SHARE, SECOND_OPEN_FILES, SECOND_WORKERS, WORKERS,
};
use crate::options::EmbeddedOptions;
use crate::schema::keys::tag;
use crate::schema::{FORMAT, OLDEST_FORMAT};
use crate::space::Space;
use crate::tables::{HEADS, Keep, Tables};

/// What `format` says before the number.
const FORMAT_TEXT: &str = "landline data, format ";

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
        let second = Folder {
            path: path.join("heads"),
            cache: options.cache_bytes / SECOND_CACHE_SHARE,
            files: SECOND_OPEN_FILES,
            workers: SECOND_WORKERS,
        };
        if !log.there()? {
            log.make(&names, |_, _| Ok(()))?;
        }
        // Each replays its own journal, which is what takes the time.
        let (opened, second_opened) = thread::scope(|scope| {
            let second_opened = scope.spawn(|| second.there()?.then(|| second.open(&[HEADS])).transpose());
            let opened = log.open(&names);
            (
                opened,
                second_opened.join().unwrap_or_else(|_| Err(OpenError::damaged(&second.path, "it panicked"))),
            )
        });
        let (log, keeps) = opened?;
        let (second, mut heads) = match or_aside(&second, second_opened)? {
            Some(opened) => opened,
            None => make_second(&second, &log, &keeps)?,
        };
        let keeps: [Keyspace; 3] = keeps
            .try_into()
            .map_err(|_| OpenError::damaged(path, "the keyspaces are not those of this format"))?;
        let heads =
            heads.pop().ok_or_else(|| OpenError::damaged(path, "the keyspace of heads is missing"))?;
        let space = Space::new(path.to_owned(), options.reserve_bytes);
        Ok(Self {
            log,
            keeps,
            second,
            heads,
            space,
            removed: Default::default(),
            #[cfg(test)]
            gets: Default::default(),
            deletions: AtomicU64::new(0),
            _lock: lock,
        })
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
        Some(Ok(OLDEST_FORMAT..FORMAT)) => say_format(path, &file),
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
    say_format(path, file)
}

/// Puts the number of this format in the place of whatever was there, at once.
fn say_format(path: &Path, file: &Path) -> Result<(), OpenError> {
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

/// The second database, if it is there and can be opened; one that is damaged is put aside.
fn or_aside(folder: &Folder, opened: Result<Option<Opened>, OpenError>) -> Result<Option<Opened>, OpenError> {
    match opened {
        Err(OpenError::Damaged { what, .. }) => {
            let aside = folder.set_aside()?;
            let aside = aside.display();
            tracing::error!(
                "The second heads could not be opened ({what}); they are made anew, the old ones are in {aside}"
            );
            Ok(None)
        }
        other => other,
    }
}

/// Makes the second database from the first: all that is in it stands in the first one too.
fn make_second(folder: &Folder, log: &Database, keeps: &[Keyspace]) -> Result<Opened, OpenError> {
    folder.make(&[HEADS], |second, heads| {
        let snapshot = log.snapshot();
        let state = keeps.get(1).ok_or(fjall::Error::Unrecoverable)?;
        let heads = heads.first().ok_or(fjall::Error::Unrecoverable)?;
        let mut batch = second.batch();
        for tag in [tag::HEAD, tag::FACTS, tag::ENTRY] {
            let all = (Bound::Included(vec![tag]), Bound::Excluded(vec![tag + 1]));
            for guard in snapshot.range(state, all) {
                let (key, value) = guard.into_inner()?;
                batch.insert(heads, key, value);
                if batch.len() >= FORGOTTEN_KEYS {
                    std::mem::replace(&mut batch, second.batch()).commit()?;
                }
            }
        }
        batch.commit()
    })?;
    folder.open(&[HEADS])
}
