//! The store as the domain sees it: requests to the committer, reads on threads that may wait for the disk.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use landline_core::store::{
    Append, AppendError, Appended, Create, Created, DeliveryKind, DeliveryState, Head, ListedDelivery,
    LogStore, Page, PageLimit, PutError, ReadError, Registry, Repaired, StoreError, StoreFuture, Table,
    Version, Versioned,
};
use landline_protocol::{ConversationId, Position};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::committer::{Committer, Health, Queued, Request, finish_earlier_work};
use crate::error::{OpenError, Trouble};
use crate::limits::{CLOSING_PATIENCE, QUEUE_BYTES, QUEUE_REQUESTS, REQUEST_BYTES};
use crate::merger::Merger;
use crate::options::EmbeddedOptions;
use crate::schema::{StoredEntry, keys};
use crate::tables::{Keep, Tables};
use crate::watcher::Watcher;

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
    /// Disconnected when the committer has ended.
    ended: Mutex<Receiver<()>>,
    _watcher: Watcher,
    merger: Merger,
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
        let watcher = Watcher::start(Arc::clone(&tables), health.clone());
        let watcher = watcher.map_err(|error| OpenError::io(path, error))?;
        let queued_bytes = Arc::<AtomicUsize>::default();
        let committer = Committer::new(Arc::clone(&tables), requests, Arc::clone(&queued_bytes), health);
        let merger = Merger::start(Arc::clone(&tables)).map_err(|error| OpenError::io(path, error))?;
        let (ending, ended) = channel();
        let committer = std::thread::Builder::new()
            .name("landline-committer".to_owned())
            .spawn(move || {
                committer.run();
                drop(ending);
            })
            .map_err(|error| OpenError::io(path, error))?;
        Ok(Self {
            tables,
            queue: Some(queue),
            queued_bytes,
            health: watched,
            committer: Some(committer),
            ended: Mutex::new(ended),
            _watcher: watcher,
            merger,
        })
    }

    /// Changes [`EmbeddedOptions::reserve_bytes`] from the next commit on.
    pub fn set_reserve_bytes(&self, bytes: u64) {
        self.tables.space.set_reserve(bytes);
    }

    #[cfg(test)]
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
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
        let failed = matches!(&*self.health.borrow(), Health::Failed(_));
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A committer that waits for what the failed LSM store will never do cannot be waited for.
        let stuck = failed && ended.recv_timeout(CLOSING_PATIENCE) == Err(RecvTimeoutError::Timeout);
        if let Some(committer) = self.committer.take().filter(|_| !stuck) {
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

    fn deliveries(
        &self,
        kind: DeliveryKind,
        after: Option<(ConversationId, Position)>,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        let list = move |tables: &Tables| tables.list_deliveries(kind, None, after, limit);
        self.look(move |tables| list(tables).map_err(Trouble::for_store), |why| why)
    }

    fn deliveries_of(
        &self,
        conversation: &ConversationId,
        kind: DeliveryKind,
        after: Position,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        let conversation = conversation.clone();
        let list = move |tables: &Tables| {
            let after = Some((conversation.clone(), after));
            tables.list_deliveries(kind, Some(&conversation), after, limit)
        };
        self.look(move |tables| list(tables).map_err(Trouble::for_store), |why| why)
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

    fn purge(&self) -> StoreFuture<(), StoreError> {
        let done = self.merger.purge();
        let gone =
            || Err(StoreError("the tables are not merged any more; start the server again".to_owned()));
        Box::pin(async move { done.await.unwrap_or_else(|_| gone()) })
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use landline_protocol::Timestamp;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn create(conversation: &str) -> Create {
        Create {
            conversation: conversation.parse().unwrap(),
            time: Timestamp::default(),
            facts: Bytes::new(),
            records: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_failure_in_the_background_is_final_and_told_without_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        store.create(create("a")).await.unwrap();
        let failed = store.failed();
        let tables = folder.path().join("log/keyspaces");
        std::fs::rename(&tables, folder.path().join("elsewhere")).unwrap();

        // A table is to be written, and cannot be.
        store.tables.keyspace(Keep::State).rotate_memtable().unwrap();

        let why = tokio::time::timeout(PATIENCE, failed).await.unwrap();
        assert!(why.0.contains("writing in the background failed"), "{why}");
        let refused = store.create(create("b")).await;
        assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
        drop(store);
        std::fs::rename(folder.path().join("elsewhere"), &tables).unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        store.head(&"a".parse().unwrap()).await.unwrap();
    }

    /// See `heads`: without it, a reader may take a conversation that was begun anew for one that lost something.
    #[tokio::test]
    async fn a_deletion_is_counted_before_it_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        store.create(create("a")).await.unwrap();
        let before = store.tables.deletions.load(Ordering::Relaxed);

        LogStore::delete(&store, &"a".parse().unwrap()).await.unwrap();

        assert!(store.tables.deletions.load(Ordering::Relaxed) > before);
    }

    #[tokio::test]
    async fn a_store_that_is_closed_has_not_failed() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        let failed = store.failed();
        drop(store);
        tokio::time::timeout(Duration::from_millis(50), failed).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_was_queued_is_done_before_the_store_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        let created: Vec<_> = (0..100).map(|n| store.create(create(&n.to_string()))).collect();
        drop(store);
        for created in created {
            assert_eq!(created.await.unwrap(), Created::New);
        }
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        assert_eq!(store.conversations(None, 1000).await.unwrap().len(), 100);
    }

    #[tokio::test]
    async fn too_much_at_once_is_refused_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        let large = Bytes::from(vec![7; REQUEST_BYTES - 1024]);
        let outcomes: Vec<_> = (0..40)
            .map(|n| store.create(Create { facts: large.clone(), ..create(&n.to_string()) }))
            .collect();
        let (mut done, mut refused) = (0, 0);
        for outcome in outcomes {
            match outcome.await {
                Ok(Created::New) => done += 1,
                Err(AppendError::Unavailable(why)) if why.0.contains("overloaded") => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(done >= 4 && refused > 0, "{done} done, {refused} refused");
        assert_eq!(store.conversations(None, 100).await.unwrap().len(), done);
        assert_eq!(store.queued_bytes.load(Ordering::Relaxed), 0);
        let too_large = Bytes::from(vec![7; REQUEST_BYTES]);
        let outcome = store.create(Create { facts: too_large, ..create("x") }).await;
        assert!(
            matches!(&outcome, Err(AppendError::Unavailable(w)) if w.0.contains("the limit is")),
            "{outcome:?}"
        );
        store.create(create("y")).await.unwrap();
    }
}
