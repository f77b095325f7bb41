//! The one thing the rest of the server talks to: a cheap handle to all conversations.
//!
//! Its methods stand where their subject is: `start`, `client_send`, `bot_send`, `follow`, `retention`,
//! `delivery`, `files`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use landline_protocol::{BotName, ConversationId, SiteName, Timestamp};
use tokio_util::task::TaskTracker;

use crate::bot::{BotDirectory, BotProfile, BotTransport};
use crate::clock::Clock;
use crate::delivery::{AnswerEnd, Delivered, Deliveries, Outbox, OutboxChange};
use crate::entropy::Entropy;
use crate::facts::Facts;
use crate::files::{FileLife, FileLinks, FilesFrom, Room};
use crate::hub::{Hub, Topic};
use crate::limits::Limits;
use crate::store::{AppendError, BlobStore, Damage, LogStore, ReadError, StoreError};

/// What the domain is given: the outside world, as arguments.
#[expect(missing_debug_implementations, reason = "a bag of trait objects; it is taken apart at once")]
pub struct Parts {
    /// Keeps the logs.
    pub store: Arc<dyn LogStore>,
    /// Keeps the bytes of files.
    pub blobs: Arc<dyn BlobStore>,
    /// Makes what stands in the log for a file.
    pub file_links: Arc<dyn FileLinks>,
    /// Reaches the bots.
    pub bots: Arc<dyn BotTransport>,
    /// Which bots there are.
    pub directory: Arc<dyn BotDirectory>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub entropy: Arc<dyn Entropy>,
    /// Bounds.
    pub limits: Limits,
    /// Work that outlives a request runs here, so that a stop can wait for it.
    pub tasks: TaskTracker,
    /// Is told what happened, for metrics.
    pub observer: Arc<dyn Observer>,
}

/// Is told what happened.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A delivery to a bot ended so, after so long from when it was begun.
    fn delivery_finished(&self, _delivered: &Delivered, _took: Duration) {}

    /// Something happened in the outbox.
    fn outbox_changed(&self, _change: OutboxChange) {}

    /// So many conversations have something queued now.
    fn outbox_lines(&self, _lines: usize) {}

    /// A bot that answered with a stream of events has ended so.
    fn answer_ended(&self, _end: &AnswerEnd) {}

    /// An append became durable, after so long from when it was asked for.
    fn append_committed(&self, _took: Duration) {}

    /// So many files, of so many bytes together, came in and are kept.
    fn files_kept(&self, _from: FilesFrom, _files: usize, _bytes: u64) {}

    /// So many stored files were taken away that nobody has any more.
    fn files_swept(&self, _files: u64) {}

    /// The files of all sites have so many bytes together.
    fn file_bytes_held(&self, _bytes: u64) {}
}

/// An observer that does not care.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

struct Inner {
    parts: Parts,
    hub: Hub,
    deliveries: Deliveries,
    outbox: Outbox,
    room: Room,
}

/// A cheap handle to all conversations.
#[derive(Clone)]
pub struct Conversations {
    inner: Arc<Inner>,
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").field("store", &self.inner.parts.store).finish_non_exhaustive()
    }
}

/// Why something cannot be looked up or done now. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// There is no such conversation, or it is not the caller's.
    #[error("conversation not found")]
    NotFound,
    /// Its log is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The store cannot answer now.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<ReadError> for Unavailable {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Damaged(damage) => Self::Damaged(damage),
            ReadError::Unavailable(error) => Self::Store(error),
            ReadError::PastTail { last } => {
                Self::Store(StoreError(format!("position is ahead of the log's last, {last}")))
            }
        }
    }
}

/// Why something was not, or not certainly, logged.
#[derive(Debug, thiserror::Error)]
pub enum NotLogged {
    /// Nothing was written.
    #[error(transparent)]
    Nothing(#[from] Unavailable),
    /// It may or may not have been written.
    #[error("outcome unknown: {0}")]
    Unknown(StoreError),
}

impl From<AppendError> for NotLogged {
    fn from(error: AppendError) -> Self {
        match error {
            // What was to be replaced has expired meanwhile.
            AppendError::NotFound | AppendError::NotReplaceable { .. } => Unavailable::NotFound.into(),
            AppendError::Damaged(damage) => Unavailable::Damaged(damage).into(),
            AppendError::Unavailable(error) => Unavailable::Store(error).into(),
            AppendError::Conflict { tail } => {
                Unavailable::Store(StoreError(format!("the tail moved to {tail}"))).into()
            }
            AppendError::Unknown(error) => Self::Unknown(error),
        }
    }
}

impl Conversations {
    /// A domain over these parts.
    pub fn new(parts: Parts) -> Self {
        let hub = Hub::new(Arc::clone(&parts.store));
        Self {
            inner: Arc::new(Inner {
                parts,
                hub,
                deliveries: Deliveries::default(),
                outbox: Outbox::default(),
                room: Room::default(),
            }),
        }
    }

    /// What is kept about a conversation.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn facts(&self, conversation: &ConversationId) -> Result<Arc<Facts>, Unavailable> {
        let topic = self.topic(conversation).await?;
        let facts = topic.door().facts();
        Ok(facts)
    }

    pub(crate) async fn topic(&self, conversation: &ConversationId) -> Result<Arc<Topic>, ReadError> {
        self.inner.hub.open(conversation).await
    }

    /// A conversation of this bot. Another bot's is not found, as one that never was.
    pub(crate) async fn topic_of(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
    ) -> Result<Arc<Topic>, Unavailable> {
        let topic = self.topic(conversation).await?;
        let is_theirs = topic.door().facts().bot == *bot;
        is_theirs.then_some(topic).ok_or(Unavailable::NotFound)
    }

    /// How many bytes the newest records of conversations take that are alive.
    pub fn bytes_in_memory(&self) -> u64 {
        self.inner.hub.bytes_in_memory()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.inner.deliveries
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.inner.outbox
    }

    pub(crate) fn store(&self) -> &dyn LogStore {
        &*self.inner.parts.store
    }

    pub(crate) fn blobs(&self) -> &dyn BlobStore {
        &*self.inner.parts.blobs
    }

    pub(crate) fn file_links(&self) -> &dyn FileLinks {
        &*self.inner.parts.file_links
    }

    pub(crate) fn room(&self) -> &Room {
        &self.inner.room
    }

    pub(crate) fn file_life(&self, site: &SiteName) -> FileLife {
        let life = self.inner.parts.directory.file_life(site);
        life.unwrap_or(FileLife::For(self.limits().file_life))
    }

    pub(crate) fn bots(&self) -> &dyn BotTransport {
        &*self.inner.parts.bots
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.inner.parts.observer
    }

    pub(crate) fn bot(&self, name: &BotName) -> Option<BotProfile> {
        self.inner.parts.directory.bot(name)
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.parts.limits
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.parts.tasks
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.inner.parts.entropy
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.parts.clock.now()
    }
}
