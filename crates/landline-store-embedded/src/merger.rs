//! Gets the space back of what was deleted.
//!
//! In an LSM store a deletion is one more entry; the space comes back when the tables that hold the entry and what
//! it deletes are merged. The LSM store merges by size, and a deletion is small, so a folder of which most was
//! deleted would stay as large as it was. Hence: when enough was taken away, all tables of the keyspace are merged.
//!
//! The same thread makes deleted things unreadable when it is asked to (`purge`).
//!
//! That needs room for what is left, and rewrites it; therefore not for every deletion (see `limits`).

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use landline_core::store::StoreError;
use tokio::sync::oneshot;

use crate::limits::{MERGE_AFTER_KEYS, MERGE_INTERVAL, MERGE_PATIENCE, MERGE_SHARE};
use crate::purge::purge;
use crate::tables::{Keep, Tables};

/// How often it is looked whether what was in memory is written.
pub(crate) const STEP: Duration = Duration::from_millis(20);

/// Somebody who wants a purge, and waits for it.
type Order = oneshot::Sender<Result<(), StoreError>>;

/// The thread that merges, until this is dropped.
#[derive(Debug)]
pub(crate) struct Merger {
    /// Dropped to end the thread.
    orders: Option<Sender<Order>>,
    /// Disconnected when it has ended.
    ended: Mutex<Receiver<()>>,
}

impl Merger {
    pub(crate) fn start(tables: Arc<Tables>) -> io::Result<Self> {
        let (orders, queue) = channel();
        let (ending, ended) = channel();
        thread::Builder::new().name("landline-merger".to_owned()).spawn(move || {
            run(&tables, &mut Orders { queue, waiting: Vec::new() });
            drop(tables);
            drop(ending);
        })?;
        Ok(Self { orders: Some(orders), ended: Mutex::new(ended) })
    }

    /// Asks for a purge of what was deleted before. Nothing comes of what is returned where the thread has ended.
    pub(crate) fn purge(&self) -> oneshot::Receiver<Result<(), StoreError>> {
        let (order, done) = oneshot::channel();
        if let Some(orders) = &self.orders {
            // Dropped unanswered where nobody listens any more.
            let _ = orders.send(order);
        }
        done
    }
}

impl Drop for Merger {
    /// A merge that takes longer goes on until the process ends; then it is as if it had not been begun.
    fn drop(&mut self) {
        self.orders = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Either way it is over here.
        let _ = ended.recv_timeout(MERGE_PATIENCE);
    }
}

/// What the thread is asked for.
#[derive(Debug)]
pub(crate) struct Orders {
    queue: Receiver<Order>,
    waiting: Vec<Order>,
}

impl Orders {
    /// Waits so long at the most; whether nobody wants anything any more. Who orders a purge is noted and ends the wait.
    pub(crate) fn closed_after(&mut self, time: Duration) -> bool {
        match self.queue.recv_timeout(time) {
            Ok(order) => {
                self.waiting.push(order);
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        }
    }
}

fn run(tables: &Tables, orders: &mut Orders) {
    while !orders.closed_after(MERGE_INTERVAL) {
        // One purge is for all who have asked before it begins.
        let waiting = std::mem::take(&mut orders.waiting);
        if !waiting.is_empty() {
            let purged = purge(tables, orders);
            for order in waiting {
                // Who does not wait any more does not need to know.
                let _ = order.send(purged.clone());
            }
            continue;
        }
        for keep in Keep::ALL {
            if let Err(error) = merge(tables, keep, MERGE_AFTER_KEYS, orders) {
                // What cannot be merged can still be written and mostly be read; the next start tries again.
                tracing::error!("The tables of {} cannot be merged: {error}", keep.name());
                return;
            }
        }
    }
}

/// Merges all tables of a keyspace if it is worth it and there is room; tells whether it was done.
fn merge(tables: &Tables, keep: Keep, after_keys: u64, orders: &mut Orders) -> Result<bool, fjall::Error> {
    let keyspace = tables.keyspace(keep);
    let removed = tables.removed(keep).load(Ordering::Relaxed);
    let all = keyspace.approximate_len() as u64;
    if removed < after_keys || removed.saturating_mul(MERGE_SHARE) < all {
        return Ok(false);
    }
    let needed = keyspace.disk_space().saturating_add(tables.space.reserve().saturating_mul(2));
    if tables.space.free().is_ok_and(|free| free < needed) {
        return Ok(false);
    }
    keyspace.rotate_memtable()?;
    let mut waited = Duration::ZERO;
    while keyspace.sealed_memtable_count() > 0 {
        if waited >= MERGE_PATIENCE || orders.closed_after(STEP) {
            return Ok(false);
        }
        waited += STEP;
    }
    tables.removed(keep).fetch_sub(removed, Ordering::Relaxed);
    let before = keyspace.disk_space();
    keyspace.major_compact()?;
    let after = keyspace.disk_space();
    tracing::info!("The tables of {} were merged: {before} bytes before, {after} bytes after", keep.name());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use landline_core::store::{Audience, Create, LogStore, NewRecord, PageLimit};
    use landline_protocol::{ConversationId, Position, Timestamp};
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use crate::{EmbeddedOptions, EmbeddedStore};

    const CONVERSATIONS: usize = 200;
    const RECORDS: usize = 10;

    async fn filled(folder: &tempfile::TempDir) -> (EmbeddedStore, Vec<ConversationId>) {
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        let mut random = StdRng::seed_from_u64(1);
        let mut record = || {
            let body = Bytes::from_iter((0..1000).map(|_| random.random::<u8>()));
            (
                NewRecord { time: Timestamp::default(), audience: Audience::Everyone, body, replaces: None },
                None,
            )
        };
        let ids: Vec<ConversationId> = (0..CONVERSATIONS).map(|n| format!("c{n}").parse().unwrap()).collect();
        let create = |id: &ConversationId| {
            let records = (0..RECORDS).map(|_| record()).collect();
            let (conversation, time, facts) = (id.clone(), Timestamp::default(), Bytes::new());
            store.create(Create { conversation, time, facts, records })
        };
        let created: Vec<_> = ids.iter().map(create).collect();
        for created in created {
            created.await.unwrap();
        }
        (store, ids)
    }

    #[tokio::test]
    async fn the_space_of_what_was_deleted_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (store, ids) = filled(&folder).await;
        let tables = store.tables();
        let (_open, queue) = channel();
        let mut orders = Orders { queue, waiting: Vec::new() };
        let keyspace = tables.keyspace(Keep::Records);
        keyspace.rotate_memtable_and_wait().unwrap();
        let before = keyspace.disk_space();
        assert!(before > (CONVERSATIONS * RECORDS * 1000) as u64);
        assert!(!merge(tables, Keep::Records, 1000, &mut orders).unwrap(), "there is nothing to be got back");

        let (kept, deleted) = ids.split_at(CONVERSATIONS / 4);
        for id in deleted {
            LogStore::delete(&store, id).await.unwrap();
        }
        store.set_reserve_bytes(u64::MAX / 4);
        assert!(!merge(tables, Keep::Records, 1000, &mut orders).unwrap(), "there is no room");
        store.set_reserve_bytes(0);
        assert!(merge(tables, Keep::Records, 1000, &mut orders).unwrap());

        let after = keyspace.disk_space();
        assert!(after < before / 3, "{before} bytes before, {after} bytes after");
        assert!(!merge(tables, Keep::Records, 1000, &mut orders).unwrap(), "it is done");
        for id in kept {
            let limit = PageLimit { records: 100, bytes: usize::MAX };
            assert_eq!(store.read(id, Position::START, limit).await.unwrap().records.len(), RECORDS);
        }
        drop(store);
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        assert_eq!(store.conversations(None, 1000).await.unwrap().len(), kept.len());
    }
}
