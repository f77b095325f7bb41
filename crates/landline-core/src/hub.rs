//! Which conversations are alive in this process, and what their readers share.
//!
//! A [`Topic`] is a conversation that somebody here reads or writes: its newest durable records in memory, the
//! wake-up for its readers, the lanes for typing and for live answers, and the door through which appends go one after the other.
//!
//! Invariant: everything in a topic can be lost without losing data. Records are put here only after they are
//! durable; a wake-up is a hint and may be late, merged or lost.
//!
//! Not here: what is appended (`append`), how a reader goes on (`follow`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use landline_protocol::{ConversationId, Position};
use tokio::sync::{broadcast, watch};

use crate::append::Door;
use crate::delivery::Again;
use crate::limits::{ALL_RINGS_BYTES, IDLE_TOPICS, IDLE_TOPICS_WHEN_SHORT, TRANSIENT_LANE};
use crate::live::{Lane, Live};
use crate::ring::Ring;
use crate::store::{Head, LogStore, ReadError, Record};

/// A conversation that is alive in this process.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: ConversationId,
    /// The last position known to be durable.
    last: watch::Sender<Position>,
    /// Typing and the like, for whoever is connected just now.
    transient: broadcast::Sender<Bytes>,
    /// What the bot is still writing.
    live: Arc<Lane>,
    /// Held for a few lines; never across an await.
    ring: Mutex<Ring>,
    /// Held while an append is queued, so that the order of positions is the order of the queue.
    door: Mutex<Door>,
    /// Held by whoever changes what was said, across the waits for the log: so that what was deleted does not come back.
    changing: tokio::sync::Mutex<()>,
    /// Held by whoever changes the facts, until they are durable: so that no change builds upon one that fails.
    facts_turn: tokio::sync::Mutex<()>,
    sockets: AtomicUsize,
    deleted: AtomicBool,
    /// Whether the store was asked to forget it: from then on, nothing is appended.
    closed: AtomicBool,
    /// Whether anybody has ever asked again to deliver something of it; set before that is done.
    repeated: Arc<AtomicBool>,
}

/// One open socket on a conversation; counts until it is dropped.
#[derive(Debug)]
pub struct SocketSeat(Arc<Topic>);

impl Drop for SocketSeat {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Topic {
    pub(crate) fn door(&self) -> MutexGuard<'_, Door> {
        // A panic while the lock was held leaves a door that at worst makes one append conflict.
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable records known: first to the ring, then to the readers.
    pub(crate) fn publish(&self, records: Vec<Record>) {
        let Some(last) = records.last().map(|record| record.position) else { return };
        let mut ring = self.ring();
        for record in records {
            ring.push(record);
        }
        drop(ring);
        self.grew_to(last);
    }

    pub(crate) fn grew_to(&self, position: Position) {
        self.last.send_if_modified(|last| {
            let grew = position > *last;
            *last = position.max(*last);
            grew
        });
    }

    pub(crate) fn last(&self) -> Position {
        *self.last.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Position> {
        self.last.subscribe()
    }

    pub(crate) fn send_transient(&self, activity: Bytes) {
        // An error means that nobody listens, which is as it should be.
        let _ = self.transient.send(activity);
    }

    pub(crate) fn listen_transient(&self) -> broadcast::Receiver<Bytes> {
        self.transient.subscribe()
    }

    /// The turn to change what was said.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// The turn to change the facts.
    pub(crate) async fn facts_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.facts_turn.lock().await
    }

    pub(crate) fn live(&self) -> &Arc<Lane> {
        &self.live
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Whether nothing can be appended any more. To be asked where appends are queued, with the door held.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes it, or opens it again, while nothing is queued.
    pub(crate) fn set_closed(&self, closed: bool) {
        let _door = self.door();
        self.closed.store(closed, Ordering::Release);
    }

    /// A delivery of what was logged just now.
    pub(crate) fn first_delivery(&self) -> Again {
        Again::First(Arc::clone(&self.repeated))
    }

    /// Says that somebody asks again to deliver something that others may deliver too.
    pub(crate) fn note_repeat(&self) {
        self.repeated.store(true, Ordering::Release);
    }

    /// Takes a seat for a socket; `None` when all are taken.
    pub(crate) fn take_seat(self: &Arc<Self>, limit: usize) -> Option<SocketSeat> {
        self.sockets
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < limit).then_some(taken + 1))
            .ok()
            .map(|_| SocketSeat(Arc::clone(self)))
    }
}

/// All topics of this process.
#[derive(Debug)]
pub(crate) struct Hub {
    store: Arc<dyn LogStore>,
    /// Held for a look-up; the store is asked outside of it.
    topics: Mutex<Topics>,
    ring_bytes: Arc<AtomicUsize>,
    live: Arc<Live>,
}

#[derive(Debug, Default)]
struct Topics {
    by_id: HashMap<ConversationId, Arc<Topic>>,
    /// Counts how often topics were let go of: what the store said before that may be older than what a topic
    /// that is not there any more has done since.
    let_go: u64,
    /// From how many on it is looked for those that nobody uses: twice what was left the last time, so that many
    /// that are in use do not make every look-up a search.
    look_at: usize,
}

impl Hub {
    pub(crate) fn new(store: Arc<dyn LogStore>) -> Self {
        Self { store, topics: Mutex::default(), ring_bytes: Arc::default(), live: Arc::default() }
    }

    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic of a conversation; the store is asked only when it is not alive yet.
    pub(crate) async fn open(&self, id: &ConversationId) -> Result<Arc<Topic>, ReadError> {
        loop {
            let let_go = {
                let topics = self.topics();
                if let Some(topic) = topics.by_id.get(id) {
                    return Ok(Arc::clone(topic));
                }
                topics.let_go
            };
            let topic = self.topic_of(id, self.store.head(id).await?)?;
            let mut topics = self.topics();
            if topics.let_go != let_go {
                continue;
            }
            if topics.by_id.len() >= topics.look_at.max(self.idle_topics()) {
                // Whoever uses a topic holds a handle of it.
                topics.by_id.retain(|_, topic| Arc::strong_count(topic) > 1);
                topics.look_at = topics.by_id.len() * 2;
                topics.let_go += 1;
            }
            return Ok(Arc::clone(topics.by_id.entry(id.clone()).or_insert_with(|| Arc::new(topic))));
        }
    }

    /// From how many topics on it is looked for idle ones: sooner when the memory for newest records runs short, or
    /// those who are gone would leave none for those who are there.
    fn idle_topics(&self) -> usize {
        let short = self.ring_bytes.load(Ordering::Relaxed) >= ALL_RINGS_BYTES / 2;
        if short { IDLE_TOPICS_WHEN_SHORT } else { IDLE_TOPICS }
    }

    fn topic_of(&self, id: &ConversationId, head: Head) -> Result<Topic, ReadError> {
        Ok(Topic {
            id: id.clone(),
            last: watch::Sender::new(head.last),
            transient: broadcast::Sender::new(TRANSIENT_LANE),
            live: self.live.lane(),
            ring: Mutex::new(Ring::new(Arc::clone(&self.ring_bytes))),
            door: Mutex::new(Door::new(id, head)?),
            changing: tokio::sync::Mutex::default(),
            facts_turn: tokio::sync::Mutex::default(),
            sockets: AtomicUsize::new(0),
            deleted: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            repeated: Arc::default(),
        })
    }

    /// How many bytes the rings of all topics take.
    pub(crate) fn bytes_in_memory(&self) -> u64 {
        self.ring_bytes.load(Ordering::Relaxed) as u64
    }

    /// The topic of a conversation, where it is alive.
    pub(crate) fn alive(&self, id: &ConversationId) -> Option<Arc<Topic>> {
        self.topics().by_id.get(id).cloned()
    }

    /// Lets go of a conversation that is no more, and tells its readers.
    pub(crate) fn forget(&self, id: &ConversationId) {
        let topic = {
            let mut topics = self.topics();
            topics.let_go += 1;
            topics.by_id.remove(id)
        };
        if let Some(topic) = topic {
            topic.deleted.store(true, Ordering::Release);
            topic.last.send_modify(|_| {});
        }
    }
}
