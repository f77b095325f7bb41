//! What the domain asks of whatever keeps the bytes of files.
//!
//! Common contract, besides that of `store`:
//! - A blob is there whole or not at all: nothing of it can be read or listed before [`BlobWriter::finish`] has returned
//!   `Ok`, and then it is durable. It never changes; a key is written once.
//! - A writer that is dropped, or whose process is killed, leaves nothing that can be read or listed.
//! - Memory is bounded by one piece per writer and reader, whatever the size of the blob.
//! - A reader that has begun comes to its end, also when the blob is deleted meanwhile.
//!
//! Not here: which files a conversation has, for how long, and what they are called (`files`).

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use landline_protocol::{ConversationId, FileId, Timestamp};

use super::{StoreError, StoreFuture};

/// Which bytes of a file.
///
/// Source: Bot Framework REST reference, "Attachment operations": the view ids `original` and `thumbnail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// The file itself.
    Original,
    /// A small picture of it.
    Thumbnail,
}

impl View {
    /// The view id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Thumbnail => "thumbnail",
        }
    }

    /// The view of this id.
    pub fn parse(id: &str) -> Option<Self> {
        [Self::Original, Self::Thumbnail].into_iter().find(|view| view.as_str() == id)
    }
}

/// The name of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey {
    /// The conversation that it belongs to.
    pub conversation: ConversationId,
    /// The file.
    pub file: FileId,
    /// Which bytes of the file.
    pub view: View,
}

/// A blob, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBlob {
    /// Its name.
    pub key: BlobKey,
    /// Its size.
    pub bytes: u64,
    /// When it was finished, by the clock of the store.
    pub modified: Timestamp,
}

/// A blob that is being read.
pub struct BlobRead {
    /// The size of the whole blob.
    pub bytes: u64,
    /// What was asked for, piece by piece; ends after an error. A blob that is shorter than it was, or whose store went
    /// away, is an error and never an early end.
    pub pieces: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl fmt::Debug for BlobRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobRead").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What a writer answers with.
pub type WriterFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps blobs.
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Begins a blob of which nothing is there yet.
    fn create(&self, key: &BlobKey) -> StoreFuture<Box<dyn BlobWriter>, StoreError>;

    /// Opens a blob; `None` where there is none. The range is cut at the blob's end; one that begins behind it is an
    /// empty stream. No range means all of it.
    fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> StoreFuture<Option<BlobRead>, StoreError>;

    /// Takes a blob away; no error where there is none.
    fn delete(&self, key: &BlobKey) -> StoreFuture<(), StoreError>;

    /// All blobs, or those of one conversation, in any order. Ends after an error. What is not a blob of ours is passed
    /// over.
    fn list(&self, of: Option<&ConversationId>) -> BoxStream<'static, Result<ListedBlob, StoreError>>;

    /// Takes away what writers of former processes have left behind, where the store keeps such things. Called once,
    /// before the first [`Self::create`]. Returns how many there were.
    fn clear_unfinished(&self) -> StoreFuture<u64, StoreError>;
}

/// Writes one blob.
pub trait BlobWriter: Send {
    /// Takes the next piece; waits while the store is behind. After an error, only dropping is left.
    fn write(&mut self, piece: Bytes) -> WriterFuture<'_, ()>;

    /// Makes the blob durable and readable. Returns its size.
    fn finish(self: Box<Self>) -> WriterFuture<'static, u64>;
}
