//! A store of files that fails or hangs when a test says so.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use landline_core::files::{FileLinks, StoredFile};
use landline_core::store::{
    BlobKey, BlobRead, BlobStore, BlobWriter, ListedBlob, StoreError, StoreFuture, View, WriterFuture,
};
use landline_protocol::ConversationId;

/// What is asked of a store of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobCall {
    Create,
    Write,
    Finish,
    Read,
    Delete,
    List,
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobFault {
    /// It says no, and does nothing.
    Refuse,
    /// It never answers, and does nothing.
    Hang,
    /// It does it, and never answers.
    DoAndHang,
}

/// Passes everything on to another store, but for the calls that a test has spoiled.
#[derive(Debug)]
pub struct FaultyBlobs {
    inner: Arc<dyn BlobStore>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<VecDeque<(BlobCall, BlobFault)>>,
    /// From now on, for every call.
    lasting: Mutex<Option<BlobFault>>,
    /// Whether the process has died.
    dead: AtomicBool,
}

impl Shared {
    fn fault(&self, call: BlobCall) -> Option<BlobFault> {
        if self.dead.load(Ordering::SeqCst) {
            return Some(BlobFault::Hang);
        }
        if let Some(fault) = *self.lasting.lock().unwrap_or_else(PoisonError::into_inner) {
            return Some(fault);
        }
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let found = faults.iter().position(|(of, _)| *of == call)?;
        faults.remove(found).map(|(_, fault)| fault)
    }
}

impl FaultyBlobs {
    pub fn new(inner: Arc<dyn BlobStore>) -> Self {
        Self { inner, shared: Arc::default() }
    }

    /// What becomes of the next calls of this kind.
    pub fn then(&self, call: BlobCall, fault: BlobFault) {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).push_back((call, fault));
    }

    /// What becomes of every call from now on; `None`: all is well again.
    pub fn always(&self, fault: Option<BlobFault>) {
        *self.shared.lasting.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Whoever uses this one is dead from now on; the same data for whoever comes next.
    pub fn cut_off(&self) -> Self {
        self.shared.dead.store(true, Ordering::SeqCst);
        Self::new(Arc::clone(&self.inner))
    }

    /// Everything that is there, whatever is spoiled.
    pub async fn all(&self) -> Vec<ListedBlob> {
        let mut all: Vec<_> = self.inner.list(None).map(|blob| blob.expect("a list")).collect().await;
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// The bytes of one, whatever is spoiled.
    pub async fn bytes_of(&self, key: &BlobKey) -> Option<Vec<u8>> {
        let read = self.inner.read(key, None).await.expect("a read")?;
        let pieces: Vec<_> = read.pieces.map(|piece| piece.expect("a piece")).collect().await;
        Some(pieces.concat())
    }

    /// Puts bytes there past whoever uses this store.
    pub async fn put(&self, key: &BlobKey, bytes: &[u8]) {
        let mut writer = self.inner.create(key).await.expect("a writer");
        writer.write(Bytes::copy_from_slice(bytes)).await.expect("a write");
        writer.finish().await.expect("an end");
    }

    fn spoiled<T: Send + 'static>(
        &self,
        call: BlobCall,
        work: impl FnOnce() -> StoreFuture<T, StoreError>,
    ) -> StoreFuture<T, StoreError> {
        match self.shared.fault(call) {
            None => work(),
            Some(BlobFault::Refuse) => Box::pin(async { Err(refused()) }),
            Some(BlobFault::Hang) => Box::pin(std::future::pending()),
            Some(BlobFault::DoAndHang) => {
                let work = work();
                Box::pin(async {
                    let _ = work.await;
                    std::future::pending().await
                })
            }
        }
    }
}

fn refused() -> StoreError {
    StoreError("a planted fault".into())
}

impl BlobStore for FaultyBlobs {
    fn create(&self, key: &BlobKey) -> StoreFuture<Box<dyn BlobWriter>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let created = self.spoiled(BlobCall::Create, || self.inner.create(key));
        Box::pin(async move {
            let inner = created.await?;
            Ok(Box::new(FaultyWriter { inner, shared }) as Box<dyn BlobWriter>)
        })
    }

    fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> StoreFuture<Option<BlobRead>, StoreError> {
        self.spoiled(BlobCall::Read, || self.inner.read(key, range))
    }

    fn delete(&self, key: &BlobKey) -> StoreFuture<(), StoreError> {
        self.spoiled(BlobCall::Delete, || self.inner.delete(key))
    }

    fn list(&self, of: Option<&ConversationId>) -> BoxStream<'static, Result<ListedBlob, StoreError>> {
        match self.shared.fault(BlobCall::List) {
            None => self.inner.list(of),
            Some(BlobFault::Refuse) => stream::once(async { Err(refused()) }).boxed(),
            Some(BlobFault::Hang | BlobFault::DoAndHang) => stream::pending().boxed(),
        }
    }

    fn clear_unfinished(&self) -> StoreFuture<u64, StoreError> {
        self.inner.clear_unfinished()
    }
}

struct FaultyWriter {
    inner: Box<dyn BlobWriter>,
    shared: Arc<Shared>,
}

impl BlobWriter for FaultyWriter {
    fn write(&mut self, piece: Bytes) -> WriterFuture<'_, ()> {
        match self.shared.fault(BlobCall::Write) {
            None => self.inner.write(piece),
            Some(BlobFault::Refuse) => Box::pin(async { Err(refused()) }),
            Some(BlobFault::Hang) => Box::pin(std::future::pending()),
            Some(BlobFault::DoAndHang) => {
                let written = self.inner.write(piece);
                Box::pin(async {
                    let _ = written.await;
                    std::future::pending().await
                })
            }
        }
    }

    fn finish(self: Box<Self>) -> WriterFuture<'static, u64> {
        match self.shared.fault(BlobCall::Finish) {
            None => self.inner.finish(),
            Some(BlobFault::Refuse) => Box::pin(async { Err(refused()) }),
            Some(BlobFault::Hang) => Box::pin(std::future::pending()),
            Some(BlobFault::DoAndHang) => Box::pin(async {
                let _ = self.inner.finish().await;
                std::future::pending().await
            }),
        }
    }
}

/// Says in the log which view of which file it is, and signs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainLinks;

impl FileLinks for PlainLinks {
    fn logged(&self, conversation: &ConversationId, file: &StoredFile, view: View) -> String {
        format!("landline-file:/{conversation}/{}/{}/{}", file.id, view.as_str(), file.name)
    }
}
