//! A store whose writes fail when a test says so.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landline_core::store::{
    Append, AppendError, Appended, Create, Created, DeliveryKind, DeliveryState, Head, ListedDelivery,
    LogStore, Page, PageLimit, ReadError, Repaired, StoreError, StoreFuture,
};
use landline_protocol::{ConversationId, Position};

/// What becomes of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// Nothing is written, and the store says so: a full disk.
    Refuse,
    /// Nothing is written, and the store cannot tell.
    LoseUnknown,
    /// It is written, and the store cannot tell.
    WriteUnknown,
    /// It is written, after a while.
    Slow(Duration),
    /// Nothing is written, and there is no answer.
    Hang,
    /// It is written, and there is no answer.
    WriteAndHang,
}

/// Passes everything on to another store, but for the appends that a test has spoiled.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn LogStore>,
    faults: Mutex<VecDeque<Fault>>,
    slow_head: Mutex<Option<Duration>>,
    slow_outcome: Mutex<Option<Duration>>,
    slow_state: Mutex<Option<Duration>>,
    /// What becomes of the next delivery states that are set.
    state_faults: Mutex<VecDeque<Fault>>,
    /// Whether the process has died: nothing is answered any more, and nothing reaches the disk.
    dead: AtomicBool,
    /// How many pages were asked for.
    reads: AtomicUsize,
    /// How many bytes of bodies these had.
    read_bytes: Arc<AtomicUsize>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn LogStore>) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            slow_head: Mutex::default(),
            slow_outcome: Mutex::default(),
            slow_state: Mutex::default(),
            state_faults: Mutex::default(),
            dead: AtomicBool::new(false),
            reads: AtomicUsize::new(0),
            read_bytes: Arc::default(),
        }
    }

    /// How many pages were read so far, and how many bytes of bodies.
    pub fn pages_read(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.read_bytes.load(Ordering::SeqCst))
    }

    /// Whoever uses this one is dead from now on; the same data for whoever comes next.
    pub fn cut_off(&self) -> Self {
        self.dead.store(true, Ordering::SeqCst);
        Self::new(Arc::clone(&self.inner))
    }

    /// The next so many delivery states are refused, as on a full disk.
    pub fn refuse_states(&self, count: usize) {
        let refused = std::iter::repeat_n(Fault::Refuse, count);
        self.state_faults.lock().unwrap_or_else(PoisonError::into_inner).extend(refused);
    }

    fn alive<T: Send + 'static, E: Send + 'static>(
        &self,
        work: impl FnOnce() -> StoreFuture<T, E>,
    ) -> StoreFuture<T, E> {
        if self.is_dead() { never() } else { work() }
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// What becomes of the next appends; afterwards all is well again.
    pub fn then(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Lets it take a while until the next outcome of a delivery is kept.
    pub fn slow_next_outcome(&self, by: Duration) {
        *self.slow_outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
    }

    /// Lets the next answer about the state of a delivery arrive only after a while.
    pub fn slow_next_state(&self, by: Duration) {
        *self.slow_state.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
    }

    /// Lets the next answer about a head, as it is then, arrive only after a while.
    pub fn slow_next_head(&self, by: Duration) {
        *self.slow_head.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
    }
}

fn never<T: Send + 'static, E: Send + 'static>() -> StoreFuture<T, E> {
    Box::pin(std::future::pending())
}

impl LogStore for FaultyStore {
    fn append(&self, append: Append) -> StoreFuture<Appended, AppendError> {
        if self.is_dead() {
            return never();
        }
        let fault =
            self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Fault::None);
        let error = || StoreError("a planted fault".into());
        match fault {
            Fault::None => self.inner.append(append),
            Fault::Refuse => Box::pin(async move { Err(AppendError::Unavailable(error())) }),
            Fault::LoseUnknown => Box::pin(async move { Err(AppendError::Unknown(error())) }),
            Fault::WriteUnknown => {
                let written = self.inner.append(append);
                Box::pin(async move {
                    let _ = written.await;
                    Err(AppendError::Unknown(error()))
                })
            }
            Fault::Hang => never(),
            Fault::WriteAndHang => {
                let written = self.inner.append(append);
                Box::pin(async move {
                    let _ = written.await;
                    std::future::pending().await
                })
            }
            Fault::Slow(time) => {
                let written = self.inner.append(append);
                Box::pin(async move {
                    tokio::time::sleep(time).await;
                    written.await
                })
            }
        }
    }

    fn create(&self, create: Create) -> StoreFuture<Created, AppendError> {
        self.alive(|| self.inner.create(create))
    }

    fn head(&self, conversation: &ConversationId) -> StoreFuture<Head, ReadError> {
        let head = self.alive(|| self.inner.head(conversation));
        match self.slow_head.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => head,
            Some(by) => Box::pin(async move {
                tokio::time::sleep(by).await;
                head.await
            }),
        }
    }

    fn read(
        &self,
        conversation: &ConversationId,
        after: Position,
        limit: PageLimit,
    ) -> StoreFuture<Page, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let (page, bytes) =
            (self.alive(|| self.inner.read(conversation, after, limit)), Arc::clone(&self.read_bytes));
        Box::pin(async move {
            let page = page.await?;
            bytes.fetch_add(page.records.iter().map(|record| record.body.len()).sum(), Ordering::SeqCst);
            Ok(page)
        })
    }

    fn set_delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
        state: Option<DeliveryState>,
    ) -> StoreFuture<(), AppendError> {
        if self.is_dead() {
            return never();
        }
        let fault = self.state_faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if fault == Some(Fault::Refuse) {
            return Box::pin(async { Err(AppendError::Unavailable(StoreError("a planted fault".into()))) });
        }
        let slow = if state.is_none() {
            self.slow_outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
        } else {
            None
        };
        let (inner, conversation) = (Arc::clone(&self.inner), conversation.clone());
        match slow {
            None => inner.set_delivery(&conversation, position, state),
            Some(by) => Box::pin(async move {
                tokio::time::sleep(by).await;
                inner.set_delivery(&conversation, position, state).await
            }),
        }
    }

    fn delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
    ) -> StoreFuture<Option<DeliveryState>, ReadError> {
        let state = self.alive(|| self.inner.delivery(conversation, position));
        match self.slow_state.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => state,
            Some(by) => Box::pin(async move {
                tokio::time::sleep(by).await;
                state.await
            }),
        }
    }

    fn deliveries(
        &self,
        kind: DeliveryKind,
        after: Option<(ConversationId, Position)>,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        self.alive(|| self.inner.deliveries(kind, after, limit))
    }

    fn deliveries_of(
        &self,
        conversation: &ConversationId,
        kind: DeliveryKind,
        after: Position,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        self.alive(|| self.inner.deliveries_of(conversation, kind, after, limit))
    }

    fn conversations(
        &self,
        after: Option<ConversationId>,
        limit: usize,
    ) -> StoreFuture<Vec<ConversationId>, StoreError> {
        self.alive(|| self.inner.conversations(after, limit))
    }

    fn expire(&self, conversation: &ConversationId, up_to: Position) -> StoreFuture<(), AppendError> {
        self.alive(|| self.inner.expire(conversation, up_to))
    }

    fn delete(&self, conversation: &ConversationId) -> StoreFuture<(), AppendError> {
        self.alive(|| self.inner.delete(conversation))
    }

    fn purge(&self) -> StoreFuture<(), StoreError> {
        self.alive(|| self.inner.purge())
    }

    fn repair(&self, conversation: &ConversationId) -> StoreFuture<Repaired, AppendError> {
        self.alive(|| self.inner.repair(conversation))
    }

    fn failed(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + 'static>> {
        self.inner.failed()
    }
}
