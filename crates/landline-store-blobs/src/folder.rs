//! Blobs in a folder of this machine.
//!
//! ```text
//! .lock                     held by the process that uses the folder
//! .unfinished/N             a blob that is being written; thrown away when found at the start
//! CONVERSATION/FILE.VIEW    a blob
//! ```
//!
//! Ids hold no dot, so the first two are never taken for a conversation.
//!
//! A blob is written aside, synced, and moved to its place in one step; then the directory is synced, and only then it is
//! said to be there. A directory of a conversation is made with its first blob and goes with its last.
//!
//! Invariant: whoever finds the directory of a conversation under the lock of the conversation may count on it that its
//! entry in the folder is durable. It is made and taken away by who alone holds the lock.
//!
//! Folders are made for their owner alone, and so are files.
//!
//! Not here: which blobs are needed (`landline_core`).

mod directory;
mod listing;
mod reader;
mod writer;

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream::BoxStream;
use landline_core::store::{BlobKey, BlobRead, BlobStore, BlobWriter, ListedBlob, StoreError, StoreFuture};
use landline_protocol::ConversationId;
use tokio::task::spawn_blocking;

use self::directory::Directory;
use self::writer::Writer;
use crate::error::OpenBlobsError;

/// Readable for nobody but who runs the server.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

const LOCK: &str = ".lock";
const UNFINISHED: &str = ".unfinished";

/// Keeps blobs in a folder.
#[derive(Clone, Debug)]
pub struct FolderBlobs {
    directory: Arc<Directory>,
    /// Not in the directory: a writer that nobody drops must not keep the folder from being opened again.
    _lock: Arc<File>,
}

impl FolderBlobs {
    /// Opens the folder, or makes a new one. While less than `reserve_bytes` are free on its disk, nothing is written.
    /// Reads and writes a little at once.
    ///
    /// # Errors
    /// What is wrong with the folder, and what to do.
    pub fn open(path: &Path, reserve_bytes: u64) -> Result<Self, OpenBlobsError> {
        let failed = |error| OpenBlobsError::Folder { path: path.to_owned(), error };
        let unfinished = path.join(UNFINISHED);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&unfinished).map_err(failed)?;
        let lock = lock(path)?;
        // A process that was killed may have made directories that no power cut has been survived by yet.
        File::open(path).and_then(|folder| folder.sync_all()).map_err(failed)?;
        let directory = Directory::new(path.to_owned(), unfinished, AtomicU64::new(reserve_bytes));
        Ok(Self { directory: Arc::new(directory), _lock: Arc::new(lock) })
    }

    /// Changes the reserve that [`Self::open`] was given.
    pub fn set_reserve_bytes(&self, bytes: u64) {
        self.directory.reserve_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Does something that waits for the disk, whether or not anybody waits for the outcome.
    fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
    ) -> StoreFuture<T, StoreError> {
        let directory = Arc::clone(&self.directory);
        let root = self.directory.root.clone();
        let working = spawn_blocking(move || work(&directory));
        Box::pin(
            async move { working.await.map_err(io::Error::other).flatten().map_err(|e| trouble(&root, &e)) },
        )
    }
}

/// The lock of the operating system goes when the process goes, however it goes.
fn lock(path: &Path) -> Result<File, OpenBlobsError> {
    let failed = |error| OpenBlobsError::Folder { path: path.to_owned(), error };
    let file =
        File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenBlobsError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

impl BlobStore for FolderBlobs {
    fn create(&self, key: &BlobKey) -> StoreFuture<Box<dyn BlobWriter>, StoreError> {
        let (directory, key) = (Arc::clone(&self.directory), key.clone());
        let beginning = self.on_disk(Directory::begin);
        Box::pin(async move {
            let unfinished = beginning.await?;
            Ok(Box::new(Writer::new(directory, key, unfinished)) as Box<dyn BlobWriter>)
        })
    }

    fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> StoreFuture<Option<BlobRead>, StoreError> {
        let key = key.clone();
        let opening = self.on_disk(move |directory| directory.open(&key));
        let root = self.directory.root.clone();
        Box::pin(
            async move { Ok(opening.await?.map(|(file, bytes)| reader::read(root, file, bytes, range))) },
        )
    }

    fn delete(&self, key: &BlobKey) -> StoreFuture<(), StoreError> {
        let key = key.clone();
        self.on_disk(move |directory| directory.remove(&key))
    }

    fn list(&self, of: Option<&ConversationId>) -> BoxStream<'static, Result<ListedBlob, StoreError>> {
        listing::list(self.directory.root.clone(), of.cloned())
    }

    fn clear_unfinished(&self) -> StoreFuture<u64, StoreError> {
        self.on_disk(|directory| {
            let cleared = directory.clear_unfinished()?;
            directory.remove_empty()?;
            Ok(cleared)
        })
    }
}

/// What to tell the operator.
fn trouble(root: &Path, error: &io::Error) -> StoreError {
    let what_to_do = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on its disk",
        io::ErrorKind::PermissionDenied => "; give the user that runs the server every right to it",
        io::ErrorKind::ReadOnlyFilesystem => "; its disk is read-only, which often means that it is failing",
        _ => "",
    };
    StoreError(format!("the folder of files {}: {error}{what_to_do}", root.display()))
}
