//! The one thread that writes.
//!
//! It takes what is queued, works out each request on what is on disk *and* what the requests before it in the
//! same group will have written, commits the group with one sync, and only then answers. So the order of the
//! queue is the order of the work, and the writes of a conversation need no lock.
//!
//! After a commit that failed, nothing is certain any more: the group's outcome is *unknown*, and all that comes
//! later is refused.
//!
//! Not here: what each request does (`appending`, `forgetting`, `repairing`, `entries`).

mod appending;
mod cache;
mod entries;
mod forgetting;
mod group;
mod repairing;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use landline_core::store::StoreError;
use tokio::sync::{mpsc, watch};

use self::cache::HeadCache;
use self::group::Group;
pub(crate) use self::request::{Queued, Request};
use crate::error::Trouble;
use crate::limits::{GROUP_BYTES, GROUP_REQUESTS};
use crate::space::Room;
use crate::tables::Tables;

/// How the committer fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Working,
    /// It has ended because the store was closed.
    Closed,
    /// It writes nothing any more.
    Failed(StoreError),
}

/// What became of the group that a request was in.
#[derive(Clone, Debug)]
pub(crate) enum Committed {
    Done,
    /// Nothing was written.
    Refused(StoreError),
    /// It may or may not have been written.
    Unknown(StoreError),
}

pub(crate) struct Committer {
    tables: Arc<Tables>,
    queue: mpsc::Receiver<Queued>,
    /// How many bytes are in the queue.
    queued_bytes: Arc<AtomicUsize>,
    health: watch::Sender<Health>,
    cache: HeadCache,
}

/// A request that cannot go on in this group: either the group has to be committed first, or it is too large for
/// one.
pub(crate) enum Step {
    /// It is answered when the group is committed.
    Taken,
    /// Commit what there is, then go on with it.
    Again(Request),
}

impl Committer {
    pub(crate) fn new(
        tables: Arc<Tables>,
        queue: mpsc::Receiver<Queued>,
        queued_bytes: Arc<AtomicUsize>,
        health: watch::Sender<Health>,
    ) -> Self {
        Self { tables, queue, queued_bytes, health, cache: HeadCache::default() }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        // If this thread panics, waiting callers learn it from their dropped answers, and everybody else from this.
        let ended = Ended(self.health.clone());
        while let Some(first) = self.queue.blocking_recv() {
            self.work(first);
        }
        ended.0.send_if_modified(|health| {
            let working = *health == Health::Working;
            if working {
                *health = Health::Closed;
            }
            working
        });
    }

    /// Does this request and whatever else is queued already, within the bounds of a group.
    fn work(&mut self, first: Queued) {
        let tables = Arc::clone(&self.tables);
        let mut group = self.begin(&tables);
        let mut next = Some(first);
        let (mut requests, mut bytes) = (0, 0);
        while let Some(queued) = next.take() {
            self.queued_bytes.fetch_sub(queued.bytes, Ordering::Relaxed);
            requests += 1;
            bytes += queued.bytes;
            let mut request = queued.request;
            while let Step::Again(same) = group.take(request) {
                self.commit(group);
                group = self.begin(&tables);
                request = same;
            }
            if requests < GROUP_REQUESTS && bytes < GROUP_BYTES {
                next = self.queue.try_recv().ok();
            }
        }
        self.commit(group);
    }

    fn begin<'a>(&mut self, tables: &'a Tables) -> Group<'a> {
        let room = match &*self.health.borrow() {
            Health::Failed(why) => Room::None(why.clone()),
            Health::Working | Health::Closed => tables.space.room(),
        };
        Group::new(tables, std::mem::take(&mut self.cache), room)
    }

    fn commit(&mut self, group: Group<'_>) {
        let (cache, failure) = group.commit();
        self.cache = cache;
        if let Some(why) = failure {
            tracing::error!("The store has failed and writes nothing any more: {why}");
            self.health.send_replace(Health::Failed(why));
        }
    }
}

/// Tells that the committer is gone, also when it went in a panic.
struct Ended(watch::Sender<Health>);

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(Health::Failed(StoreError(
                "the committer of the store has panicked".to_owned(),
            )));
        }
    }
}

/// Finishes what the last process had begun: deletions, and registry entries that only the second database kept.
pub(crate) fn finish_earlier_work(tables: &Tables) -> Result<(), Trouble> {
    entries::heal(tables)?;
    forgetting::finish(tables)
}
