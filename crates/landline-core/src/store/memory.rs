//! The memory engine: what a store has to do, said as plainly as possible. Every other engine is compared with it.
//!
//! All work is done when a method is called, under one lock; the futures are ready when they are handed out. So
//! the order of the calls is the order of the work, and a dropped future changes nothing. It keeps nothing over
//! the end of the process: "durable" means here *as long as the store lives*.
//!
//! Where the contract leaves room, this engine decides, and the others follow:
//! - [`Head::last`] stays where it is when records expire: a reader at the end is never *ahead* of the log.
//! - A delivery state is only kept for a record that is there; for any other position, setting it does nothing.
//! - A conversation that was deleted may be created again, and begins at position 1. Ids are random, so nobody
//!   does that by accident, and refusing would mean to remember every deleted conversation for ever.
//!
//! Not here: anything on disk (`landline-store-embedded`).

mod blobs;
mod entries;
mod log;

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use landline_protocol::{ConversationId, Position};

pub use self::blobs::MemoryBlobs;
use self::entries::Entries;
use self::log::Log;
use super::{
    Append, AppendError, Appended, Create, Created, DeliveryKind, DeliveryState, Head, ListedDelivery,
    LogStore, Page, PageLimit, PutError, ReadError, Registry, Repaired, StoreError, StoreFuture, Table,
    Version, Versioned,
};

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    // A synchronous lock: it is held for the few lines of one operation and never across an `.await`.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<ConversationId, Log>,
    entries: Entries,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock; should it happen all the same, one lost operation does not stop the rest.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written<T>(
        &self,
        conversation: &ConversationId,
        write: impl FnOnce(&mut Log) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        self.state().logs.get_mut(conversation).ok_or(AppendError::NotFound).and_then(write)
    }

    fn seen<T>(
        &self,
        conversation: &ConversationId,
        see: impl FnOnce(&Log) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.state().logs.get(conversation).ok_or(ReadError::NotFound).and_then(see)
    }
}

/// A future whose work is done already.
fn done<T: Send + 'static, E: Send + 'static>(outcome: Result<T, E>) -> StoreFuture<T, E> {
    Box::pin(std::future::ready(outcome))
}

/// The lower end of a listing that goes on behind `after`.
fn behind<T>(after: Option<T>) -> (Bound<T>, Bound<T>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

fn listed(
    conversation: &ConversationId,
    log: &Log,
    kind: DeliveryKind,
    after: Position,
) -> impl Iterator<Item = ListedDelivery> {
    let of =
        |(position, state)| ListedDelivery { conversation: conversation.clone(), position, state: Ok(state) };
    log.deliveries(kind, after).map(of)
}

impl LogStore for MemoryStore {
    fn create(&self, create: Create) -> StoreFuture<Created, AppendError> {
        let logs = &mut self.state().logs;
        if logs.contains_key(&create.conversation) {
            return done(Ok(Created::Existed));
        }
        let mut log = Log::new(create.time, create.facts);
        done(log.push(create.records, None).map(|()| {
            logs.insert(create.conversation, log);
            Created::New
        }))
    }

    fn append(&self, append: Append) -> StoreFuture<Appended, AppendError> {
        done(self.written(&append.conversation.clone(), |log| log.append(append)))
    }

    fn head(&self, conversation: &ConversationId) -> StoreFuture<Head, ReadError> {
        done(self.seen(conversation, |log| Ok(log.head().clone())))
    }

    fn read(
        &self,
        conversation: &ConversationId,
        after: Position,
        limit: PageLimit,
    ) -> StoreFuture<Page, ReadError> {
        done(self.seen(conversation, |log| log.read(after, limit)))
    }

    fn set_delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
        state: Option<DeliveryState>,
    ) -> StoreFuture<(), AppendError> {
        done(self.written(conversation, |log| {
            log.set_delivery(position, state);
            Ok(())
        }))
    }

    fn delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
    ) -> StoreFuture<Option<DeliveryState>, ReadError> {
        done(self.seen(conversation, |log| Ok(log.delivery(position))))
    }

    fn deliveries(
        &self,
        kind: DeliveryKind,
        after: Option<(ConversationId, Position)>,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        let state = self.state();
        let (from, last_seen) = after.unzip();
        let first = from.clone().map_or(Bound::Unbounded, Bound::Included);
        let found = state.logs.range((first, Bound::Unbounded)).flat_map(|(conversation, log)| {
            let seen = last_seen.filter(|_| from.as_ref() == Some(conversation)).unwrap_or_default();
            listed(conversation, log, kind, seen)
        });
        done(Ok(found.take(limit).collect()))
    }

    fn deliveries_of(
        &self,
        conversation: &ConversationId,
        kind: DeliveryKind,
        after: Position,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError> {
        let state = self.state();
        let log = state.logs.get(conversation).into_iter();
        done(Ok(log.flat_map(|log| listed(conversation, log, kind, after)).take(limit).collect()))
    }

    fn conversations(
        &self,
        after: Option<ConversationId>,
        limit: usize,
    ) -> StoreFuture<Vec<ConversationId>, StoreError> {
        done(Ok(self.state().logs.range(behind(after)).take(limit).map(|(id, _)| id.clone()).collect()))
    }

    fn expire(&self, conversation: &ConversationId, up_to: Position) -> StoreFuture<(), AppendError> {
        done(self.written(conversation, |log| {
            log.expire(up_to);
            Ok(())
        }))
    }

    fn delete(&self, conversation: &ConversationId) -> StoreFuture<(), AppendError> {
        self.state().logs.remove(conversation);
        done(Ok(()))
    }

    fn purge(&self) -> StoreFuture<(), StoreError> {
        // What was deleted is nowhere.
        done(Ok(()))
    }

    fn repair(&self, conversation: &ConversationId) -> StoreFuture<Repaired, AppendError> {
        done(self.written(conversation, Log::jump))
    }

    fn failed(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + 'static>> {
        Box::pin(std::future::pending())
    }
}

impl Registry for MemoryStore {
    fn get(&self, table: Table, name: &str) -> StoreFuture<Option<Versioned>, StoreError> {
        done(Ok(self.state().entries.get(table, name)))
    }

    fn put(
        &self,
        table: Table,
        name: &str,
        value: Bytes,
        expected: Option<Version>,
    ) -> StoreFuture<Version, PutError> {
        done(self.state().entries.put(table, name, value, expected))
    }

    fn list(
        &self,
        table: Table,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<Vec<(String, Versioned)>, StoreError> {
        done(Ok(self.state().entries.list(table, after, limit)))
    }

    fn delete(&self, table: Table, name: &str, expected: Version) -> StoreFuture<(), PutError> {
        done(self.state().entries.delete(table, name, expected))
    }
}
