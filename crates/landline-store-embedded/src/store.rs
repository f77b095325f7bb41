//! The store as the domain sees it: requests to the committer, reads on threads that may wait for the disk.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use landline_core::store::{
    Append, AppendError, Appended, Create, Created, DeliveryState, Head, LogStore, Page, PageLimit, PutError,
    ReadError, Registry, Repaired, StoreError, StoreFuture, Table, Version, Versioned,
};
use landline_protocol::{ConversationId, Position};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::committer::{Committer, Health, Queued, Request, finish_earlier_work};
use crate::error::{OpenError, Trouble};
use crate::limits::{QUEUE_BYTES, QUEUE_REQUESTS, REQUEST_BYTES};
use crate::options::EmbeddedOptions;
use crate::schema::{StoredEntry, keys};
use crate::tables::{Keep, Tables};

/// Durable logs in one folder.
///
/// Dropping it finishes what is queued, closes the files and gives the folder free; that waits for the disk.
#[derive(Debug)]
pub struct EmbeddedStore {
    tables: Arc<Tables>,
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Queued>>,
    queued_bytes: Arc<AtomicUsize>,
    health: watch::Receiver<Health>,
    committer: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the data folder, or makes a new one. Waits for the disk: not to be called where others must not wait.
    ///
    /// # Errors
    /// See [`OpenError`]; each says what to do next.
    pub fn open(path: &Path, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let tables = Tables::open(path, &options)?;
        finish_earlier_work(&tables).map_err(|trouble| match trouble {
            Trouble::Damaged(what) => OpenError::damaged(path, what),
            Trouble::Unavailable(why) => OpenError::io(path, std::io::Error::other(why)),
        })?;
        let tables = Arc::new(tables);
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS);
        let (health, watched) = watch::channel(Health::Working);
        let queued_bytes = Arc::<AtomicUsize>::default();
        let committer = Committer::new(Arc::clone(&tables), requests, Arc::clone(&queued_bytes), health);
        let committer = std::thread::Builder::new()
            .name("landline-committer".to_owned())
            .spawn(|| committer.run())
            .map_err(|error| OpenError::io(path, error))?;
        Ok(Self { tables, queue: Some(queue), queued_bytes, health: watched, committer: Some(committer) })
    }

    /// Changes [`EmbeddedOptions::reserve_bytes`] from the next commit on.
    pub fn set_reserve_bytes(&self, bytes: u64) {
        self.tables.space.set_reserve(bytes);
    }

    /// Queues a request now; the future only waits for the answer.
    fn ask<T: Send + 'static, E: Send + 'static>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Request,
        unavailable: fn(StoreError) -> E,
        unknown: fn(StoreError) -> E,
    ) -> StoreFuture<T, E> {
        let (answer, answered) = oneshot::channel();
        if let Err(why) = self.enqueue(request(answer)) {
            return Box::pin(std::future::ready(Err(unavailable(StoreError(why)))));
        }
        Box::pin(async move {
            let lost = |_| Err(unknown(StoreError("the committer of the store has gone".to_owned())));
            answered.await.unwrap_or_else(lost)
        })
    }

    fn enqueue(&self, request: Request) -> Result<(), String> {
        let bytes = request.bytes();
        if bytes > REQUEST_BYTES {
            return Err(format!("the request is {bytes} bytes, the limit is {REQUEST_BYTES} bytes"));
        }
        if let Health::Failed(why) = &*self.health.borrow() {
            return Err(why.to_string());
        }
        let queue = self.queue.as_ref().ok_or("the store is closed")?;
        let before = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let sent = if before.saturating_add(bytes) > QUEUE_BYTES {
            Err("the store is overloaded: too many bytes wait to be written")
        } else {
            queue.try_send(Queued { request, bytes }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    "the store is overloaded: too many requests wait to be written"
                }
                mpsc::error::TrySendError::Closed(_) => "the committer of the store has gone",
            })
        };
        if sent.is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(sent?)
    }

    /// Reads on a thread that may wait for the disk.
    fn look<T: Send + 'static, E: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables) -> Result<T, E> + Send + 'static,
        unavailable: fn(StoreError) -> E,
    ) -> StoreFuture<T, E> {
        let tables = Arc::clone(&self.tables);
        let Ok(runtime) = Handle::try_current() else {
            let why = StoreError("the store was read outside of a runtime".to_owned());
            return Box::pin(std::future::ready(Err(unavailable(why))));
        };
        let reading = runtime.spawn_blocking(move || read(&tables));
        Box::pin(async move {
            let lost = |error| Err(unavailable(StoreError(format!("the read did not end: {error}"))));
            reading.await.unwrap_or_else(lost)
        })
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(committer) = self.committer.take() {
            // A panic was told already, by its health.
            drop(committer.join());
        }
    }
}

impl LogStore for EmbeddedStore {
    fn create(&self, create: Create) -> StoreFuture<Created, AppendError> {
        self.ask(|answer| Request::Create(create, answer), AppendError::Unavailable, AppendError::Unknown)
    }

    fn append(&self, append: Append) -> StoreFuture<Appended, AppendError> {
        self.ask(|answer| Request::Append(append, answer), AppendError::Unavailable, AppendError::Unknown)
    }

    fn head(&self, conversation: &ConversationId) -> StoreFuture<Head, ReadError> {
        let conversation = conversation.clone();
        self.look(move |tables| tables.read_head(&conversation), ReadError::Unavailable)
    }

    fn read(
        &self,
        conversation: &ConversationId,
        after: Position,
        limit: PageLimit,
    ) -> StoreFuture<Page, ReadError> {
        let conversation = conversation.clone();
        self.look(move |tables| tables.read_page(&conversation, after, limit), ReadError::Unavailable)
    }

    fn set_delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
        state: Option<DeliveryState>,
    ) -> StoreFuture<(), AppendError> {
        let request = |answer| Request::SetDelivery(conversation.clone(), position, state, answer);
        self.ask(request, AppendError::Unavailable, AppendError::Unknown)
    }

    fn delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
    ) -> StoreFuture<Option<DeliveryState>, ReadError> {
        let conversation = conversation.clone();
        self.look(move |tables| tables.read_delivery(&conversation, position), ReadError::Unavailable)
    }

    fn pending_deliveries(
        &self,
        after: Option<(ConversationId, Position)>,
        limit: usize,
    ) -> StoreFuture<Vec<(ConversationId, Position)>, StoreError> {
        self.look(move |tables| tables.list_pending(after, limit).map_err(Trouble::for_store), |why| why)
    }

    fn conversations(
        &self,
        after: Option<ConversationId>,
        limit: usize,
    ) -> StoreFuture<Vec<ConversationId>, StoreError> {
        let list = move |tables: &Tables| tables.list_conversations(after.as_ref(), limit);
        self.look(move |tables| list(tables).map_err(Trouble::for_store), |why| why)
    }

    fn expire(&self, conversation: &ConversationId, up_to: Position) -> StoreFuture<(), AppendError> {
        let request = |answer| Request::Expire(conversation.clone(), up_to, answer);
        self.ask(request, AppendError::Unavailable, AppendError::Unknown)
    }

    fn delete(&self, conversation: &ConversationId) -> StoreFuture<(), AppendError> {
        let request = |answer| Request::Delete(conversation.clone(), answer);
        self.ask(request, AppendError::Unavailable, AppendError::Unknown)
    }

    fn repair(&self, conversation: &ConversationId) -> StoreFuture<Repaired, AppendError> {
        let request = |answer| Request::Repair(conversation.clone(), answer);
        self.ask(request, AppendError::Unavailable, AppendError::Unknown)
    }

    fn failed(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + 'static>> {
        let mut health = self.health.clone();
        Box::pin(async move {
            loop {
                if let Health::Failed(why) = &*health.borrow_and_update() {
                    return why.clone();
                }
                if health.changed().await.is_err() {
                    // It was closed without having failed.
                    std::future::pending::<()>().await;
                }
            }
        })
    }
}

impl Registry for EmbeddedStore {
    fn get(&self, table: Table, name: &str) -> StoreFuture<Option<Versioned>, StoreError> {
        let place = keys::entry(table, name);
        let read = move |tables: &Tables| {
            let value = tables.view().get(Keep::State, &place)?;
            let entry = value.map(|value| StoredEntry::decode(&place, &value)).transpose()?;
            Ok(entry.and_then(StoredEntry::live))
        };
        self.look(move |tables| read(tables).map_err(Trouble::for_store), |why| why)
    }

    fn put(
        &self,
        table: Table,
        name: &str,
        value: Bytes,
        expected: Option<Version>,
    ) -> StoreFuture<Version, PutError> {
        let request = |answer| Request::PutEntry(table, name.to_owned(), value, expected, answer);
        self.ask(request, PutError::Unavailable, PutError::Unknown)
    }

    fn list(
        &self,
        table: Table,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<Vec<(String, Versioned)>, StoreError> {
        let read = move |tables: &Tables| tables.list_entries(table, after.as_deref(), limit);
        self.look(move |tables| read(tables).map_err(Trouble::for_store), |why| why)
    }

    fn delete(&self, table: Table, name: &str, expected: Version) -> StoreFuture<(), PutError> {
        let request = |answer| Request::TakeEntry(table, name.to_owned(), expected, answer);
        self.ask(request, PutError::Unavailable, PutError::Unknown)
    }
}
