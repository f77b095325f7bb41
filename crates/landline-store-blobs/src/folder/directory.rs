//! What lies in the folder, and the steps in which it changes. Everything here waits for the disk.

use std::fs::{self, DirBuilder, File, ReadDir};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use landline_core::store::BlobKey;
use landline_protocol::ConversationId;

use super::{FILE_MODE, FOLDER_MODE};
use crate::limits::FOLDER_STRIPES;
use crate::names::file_name;

#[derive(Debug)]
pub(super) struct Directory {
    pub(super) root: PathBuf,
    pub(super) reserve_bytes: AtomicU64,
    unfinished: PathBuf,
    /// The name of the next unfinished blob.
    next: AtomicU64,
    /// Who moves a blob into the directory of a conversation shares the conversation's lock with others who do; who makes
    /// or takes away the directory has it alone. Held while the disk is waited for, therefore never by a task.
    stripes: [RwLock<()>; FOLDER_STRIPES],
}

/// A blob that is being written.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl Directory {
    pub(super) fn new(root: PathBuf, unfinished: PathBuf, reserve_bytes: AtomicU64) -> Self {
        let stripes = std::array::from_fn(|_| RwLock::new(()));
        Self { root, reserve_bytes, unfinished, next: AtomicU64::new(0), stripes }
    }

    /// Refuses to write into the reserve.
    pub(super) fn check_room(&self) -> io::Result<()> {
        let reserve = self.reserve_bytes.load(Ordering::Relaxed);
        let stat = rustix::fs::statvfs(&self.root)?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= reserve {
            return Ok(());
        }
        let why = format!("{free} bytes of free space are left, the reserve is {reserve} bytes");
        Err(io::Error::new(io::ErrorKind::StorageFull, why))
    }

    /// Begins a blob.
    pub(super) fn begin(&self) -> io::Result<Unfinished> {
        self.check_room()?;
        loop {
            let path = self.unfinished.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
            match File::options().write(true).create_new(true).mode(FILE_MODE).open(&path) {
                Ok(file) => return Ok(Unfinished { path, file }),
                // Of a former process, until that is cleared away.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a blob of what was written: durable when this returns, and nothing is left of it when it fails.
    pub(super) fn publish(&self, from: &Path, key: &BlobKey) -> io::Result<()> {
        let (folder, stripe) = (self.folder(&key.conversation), self.stripe(&key.conversation));
        let to = folder.join(file_name(key));
        {
            let _shared = stripe.read().unwrap_or_else(PoisonError::into_inner);
            match fs::rename(from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => return renamed.and_then(|()| sync_or_remove(&folder, &to)),
            }
        }
        let _alone = stripe.write().unwrap_or_else(PoisonError::into_inner);
        match DirBuilder::new().mode(FOLDER_MODE).create(&folder) {
            Ok(()) => sync(&self.root).inspect_err(|_| drop(fs::remove_dir(&folder)))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        fs::rename(from, &to).and_then(|()| sync_or_remove(&folder, &to))
    }

    /// Opens a blob, with its size.
    pub(super) fn open(&self, key: &BlobKey) -> io::Result<Option<(File, u64)>> {
        let file = match File::open(self.folder(&key.conversation).join(file_name(key))) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        Ok(about.is_file().then_some((file, about.len())))
    }

    pub(super) fn remove(&self, key: &BlobKey) -> io::Result<()> {
        let folder = self.folder(&key.conversation);
        let _alone = self.stripe(&key.conversation).write().unwrap_or_else(PoisonError::into_inner);
        match fs::remove_file(folder.join(file_name(key))) {
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => match fs::remove_dir(&folder) {
                Ok(()) => sync(&self.root),
                // Other blobs are in it.
                Err(_) => sync(&folder),
            },
        }
    }

    /// Takes away what was not finished; returns how much that was.
    pub(super) fn clear_unfinished(&self) -> io::Result<u64> {
        let mut cleared = 0;
        for entry in fs::read_dir(&self.unfinished)? {
            fs::remove_file(entry?.path())?;
            cleared += 1;
        }
        Ok(cleared)
    }

    /// Takes away the directories of conversations without blobs, as they are left when a process dies at the wrong
    /// moment.
    pub(super) fn remove_empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            if let Some(conversation) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                let _alone = self.stripe(&conversation).write().unwrap_or_else(PoisonError::into_inner);
                // Fails for every one that is not empty.
                drop(fs::remove_dir(self.folder(&conversation)));
            }
        }
        Ok(())
    }

    fn folder(&self, conversation: &ConversationId) -> PathBuf {
        self.root.join(conversation.as_str())
    }

    fn stripe(&self, conversation: &ConversationId) -> &RwLock<()> {
        let mut hasher = DefaultHasher::new();
        conversation.hash(&mut hasher);
        let hash = usize::try_from(hasher.finish() % FOLDER_STRIPES as u64).unwrap_or_default();
        &self.stripes[hash]
    }
}

/// What is in a directory; `None` where there is no directory.
pub(super) fn entries(path: &Path) -> io::Result<Option<ReadDir>> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Not there, or another thing than a directory where one is expected.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_or_remove(folder: &Path, blob: &Path) -> io::Result<()> {
    sync(folder).inspect_err(|_| drop(fs::remove_file(blob)))
}
