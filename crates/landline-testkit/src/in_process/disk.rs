//! A disk that fails as a test says: for one conversation, or for all.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landline_core::store::{
    Append, AppendError, Appended, Create, Created, Damage, DeliveryKind, DeliveryState, Head,
    ListedDelivery, LogStore, Page, PageLimit, ReadError, Repaired, StoreError, StoreFuture,
};
use landline_protocol::{ConversationId, Position};

use crate::domain::{Fault, FaultyStore};

/// See the module. Appends can be spoiled one by one as well, see [`FaultyStore`].
#[derive(Debug)]
pub struct Disk {
    below: FaultyStore,
    damaged: Mutex<HashSet<ConversationId>>,
    reads_fail: AtomicBool,
    heads_fail: AtomicBool,
    writes_fail: AtomicBool,
    reads: AtomicU64,
    /// In milliseconds.
    creates_take: AtomicU64,
}

impl Disk {
    pub fn new(below: Arc<dyn LogStore>) -> Self {
        Self {
            below: FaultyStore::new(below),
            damaged: Mutex::default(),
            reads_fail: AtomicBool::new(false),
            heads_fail: AtomicBool::new(false),
            writes_fail: AtomicBool::new(false),
            reads: AtomicU64::new(0),
            creates_take: AtomicU64::new(0),
        }
    }

    /// What becomes of the next appends.
    pub fn then(&self, faults: impl IntoIterator<Item = Fault>) {
        self.below.then(faults);
    }

    /// From now on this conversation is found damaged by whoever reads or writes it.
    pub fn damage(&self, conversation: &str) {
        self.damaged().insert(conversation.parse().expect("an id"));
    }

    /// Whether everything that reads fails.
    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// Whether looking at the end of a log fails.
    pub fn fail_heads(&self, fail: bool) {
        self.heads_fail.store(fail, Ordering::SeqCst);
    }

    /// Whether everything that writes fails, as on a full disk.
    pub fn fail_writes(&self, fail: bool) {
        self.writes_fail.store(fail, Ordering::SeqCst);
    }

    /// Reads and writes work again; what is damaged stays so.
    pub fn heal(&self) {
        self.fail_reads(false);
        self.fail_heads(false);
        self.fail_writes(false);
    }

    /// From now on, what begins a conversation is written at once and acknowledged so much later.
    pub fn slow_creates(&self, by: Duration) {
        self.creates_take.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How many pages were read so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    fn damaged(&self) -> MutexGuard<'_, HashSet<ConversationId>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damage_of(&self, conversation: &ConversationId) -> Option<Damage> {
        let damaged = self.damaged().contains(conversation);
        damaged.then(|| Damage { conversation: conversation.clone(), what: "a planted flaw".into() })
    }

    fn read_error(&self, conversation: &ConversationId) -> Option<ReadError> {
        if self.reads_fail.load(Ordering::SeqCst) {
            return Some(ReadError::Unavailable(planted()));
        }
        self.damage_of(conversation).map(ReadError::Damaged)
    }

    fn write_error(&self, conversation: &ConversationId) -> Option<AppendError> {
        if self.writes_fail.load(Ordering::SeqCst) {
            return Some(AppendError::Unavailable(planted()));
        }
        self.damage_of(conversation).map(AppendError::Damaged)
    }

    fn seen<T: Send + 'static>(
        &self,
        conversation: &ConversationId,
        read: impl FnOnce(&FaultyStore) -> StoreFuture<T, ReadError>,
    ) -> StoreFuture<T, ReadError> {
        match self.read_error(conversation) {
            Some(error) => Box::pin(async move { Err(error) }),
            None => read(&self.below),
        }
    }

    fn written<T: Send + 'static>(
        &self,
        conversation: &ConversationId,
        write: impl FnOnce(&FaultyStore) -> StoreFuture<T, AppendError>,
    ) -> StoreFuture<T, AppendError> {
        match self.write_error(conversation) {
            Some(error) => Box::pin(async move { Err(error) }),
            None => write(&self.below),
        }
    }
}

fn planted() -> StoreError {
    StoreError("a planted fault".into())
}

impl LogStore for Disk {
    fn create(&self, create: Create) -> StoreFuture<Created, AppendError> {
        let conversation = create.conversation.clone();
        let pause = Duration::from_millis(self.creates_take.load(Ordering::SeqCst));
        let created = self.written(&conversation, |below| below.create(create));
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            created.await
        })
    }

    fn append(&self, append: Append) -> StoreFuture<Appended, AppendError> {
        let conversation = append.conversation.clone();
        self.written(&conversation, |below| below.append(append))
    }

    fn head(&self, conversation: &ConversationId) -> StoreFuture<Head, ReadError> {
        if self.heads_fail.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ReadError::Unavailable(planted())) });
        }
        self.seen(conversation, |below| below.head(conversation))
    }

    fn read(
        &self,
        conversation: &ConversationId,
        after: Position,
        limit: PageLimit,
    ) -> StoreFuture<Page, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.seen(conversation, |below| below.read(conversation, after, limit))
    }

    fn set_delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
        state: Option<DeliveryState>,
    ) -> StoreFuture<(), AppendError> {
        self.written(conversation, |below| below.set_delivery(conversation, position, state))
    }

    fn delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
    ) -> StoreFuture<Option<DeliveryState>, ReadError> {
        self.seen(conversation, |below| below.delivery(conversation, position))
    }

    fn deliveries(
        &self,
        kind: DeliveryKind,
        after: Option<(ConversationId, Position)>,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        self.below.deliveries(kind, after, limit)
    }

    fn deliveries_of(
        &self,
        conversation: &ConversationId,
        kind: DeliveryKind,
        after: Position,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        self.below.deliveries_of(conversation, kind, after, limit)
    }

    fn conversations(
        &self,
        after: Option<ConversationId>,
        limit: usize,
    ) -> StoreFuture<Vec<ConversationId>, StoreError> {
        self.below.conversations(after, limit)
    }

    fn expire(&self, conversation: &ConversationId, up_to: Position) -> StoreFuture<(), AppendError> {
        self.written(conversation, |below| below.expire(conversation, up_to))
    }

    fn delete(&self, conversation: &ConversationId) -> StoreFuture<(), AppendError> {
        self.written(conversation, |below| below.delete(conversation))
    }

    fn purge(&self) -> StoreFuture<(), StoreError> {
        self.below.purge()
    }

    fn repair(&self, conversation: &ConversationId) -> StoreFuture<Repaired, AppendError> {
        self.below.repair(conversation)
    }

    fn failed(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + 'static>> {
        self.below.failed()
    }
}
