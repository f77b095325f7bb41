//! The memory engine of blobs: what a [`BlobStore`] has to do, said as plainly as possible.
//!
//! A writer collects its pieces apart; they become a blob in the one step of `finish`. A reader holds the bytes
//! themselves, so a deletion takes nothing from it.
//!
//! Where the contract leaves room, this engine decides, and the others follow:
//! - A key that is written again all the same is replaced in one step; nobody looks whether it is there. File ids are
//!   random, so nobody does that by accident.
//! - A range that ends before it begins is an empty stream.
//!
//! Not here: anything on disk or behind a network (`landline-store-blobs`).

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use landline_protocol::{ConversationId, Timestamp};

use crate::clock::Clock;
use crate::store::{
    BlobKey, BlobRead, BlobStore, BlobWriter, ListedBlob, StoreError, StoreFuture, WriterFuture,
};

/// How many bytes a reader is handed at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Keeps blobs in memory.
pub struct MemoryBlobs {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    // A synchronous lock: it is held for the few lines of one operation and never across an `.await`.
    blobs: Mutex<BTreeMap<BlobKey, Blob>>,
}

#[derive(Clone)]
struct Blob {
    bytes: Bytes,
    modified: Timestamp,
}

impl MemoryBlobs {
    /// An empty store; the clock says when a blob was finished.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { clock, blobs: Mutex::default() }) }
    }
}

impl fmt::Debug for MemoryBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBlobs").field("blobs", &self.shared.blobs().len()).finish_non_exhaustive()
    }
}

impl Shared {
    fn blobs(&self) -> MutexGuard<'_, BTreeMap<BlobKey, Blob>> {
        // Nothing panics under the lock; should it happen all the same, one lost operation does not stop the rest.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobStore for MemoryBlobs {
    fn create(&self, key: &BlobKey) -> StoreFuture<Box<dyn BlobWriter>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let writer = Writer { shared, key: key.clone(), written: BytesMut::new() };
        Box::pin(ready(Ok(Box::new(writer) as Box<dyn BlobWriter>)))
    }

    fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> StoreFuture<Option<BlobRead>, StoreError> {
        let found = self.shared.blobs().get(key).cloned();
        Box::pin(ready(Ok(found.map(|blob| blob.read(range)))))
    }

    fn delete(&self, key: &BlobKey) -> StoreFuture<(), StoreError> {
        self.shared.blobs().remove(key);
        Box::pin(ready(Ok(())))
    }

    fn list(&self, of: Option<&ConversationId>) -> BoxStream<'static, Result<ListedBlob, StoreError>> {
        let blobs = self.shared.blobs();
        let wanted = blobs.iter().filter(|(key, _)| of.is_none_or(|id| *id == key.conversation));
        let listed: Vec<_> = wanted.map(|(key, blob)| Ok(blob.listed(key))).collect();
        stream::iter(listed).boxed()
    }

    fn clear_unfinished(&self) -> StoreFuture<u64, StoreError> {
        Box::pin(ready(Ok(0)))
    }
}

impl Blob {
    fn listed(&self, key: &BlobKey) -> ListedBlob {
        ListedBlob { key: key.clone(), bytes: self.bytes.len() as u64, modified: self.modified }
    }

    fn read(&self, range: Option<Range<u64>>) -> BlobRead {
        let bytes = self.bytes.len() as u64;
        let all = self.bytes.len();
        let cut = |position: u64| usize::try_from(position).map_or(all, |position| position.min(all));
        let range = range.map_or(0..all, |range| cut(range.start)..cut(range.end));
        let mut rest = if range.is_empty() { Bytes::new() } else { self.bytes.slice(range) };
        let pieces = std::iter::from_fn(move || {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            (!piece.is_empty()).then_some(Ok(piece))
        });
        BlobRead { bytes, pieces: stream::iter(pieces).boxed() }
    }
}

/// What is written, until it is a blob.
struct Writer {
    shared: Arc<Shared>,
    key: BlobKey,
    written: BytesMut,
}

impl BlobWriter for Writer {
    fn write(&mut self, piece: Bytes) -> WriterFuture<'_, ()> {
        self.written.extend_from_slice(&piece);
        Box::pin(ready(Ok(())))
    }

    fn finish(self: Box<Self>) -> WriterFuture<'static, u64> {
        let Self { shared, key, written } = *self;
        let blob = Blob { bytes: written.freeze(), modified: shared.clock.now() };
        let bytes = blob.bytes.len() as u64;
        shared.blobs().insert(key, blob);
        Box::pin(ready(Ok(bytes)))
    }
}
