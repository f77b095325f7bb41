//! What the domain asks of whatever keeps its data: two traits, and their contract.
//!
//! To add an engine: implement [`LogStore`] and [`Registry`], run `store::conformance` against it, and name it in
//! the composition root. The memory engine (`store::memory`) is the specification: where it and another engine
//! differ, the other one is wrong.
//!
//! Common contract:
//! - A method's work is **queued when it is called**, in the order of the calls, and is done whether or not
//!   the returned future is polled to its end: a caller that goes away cancels nothing.
//! - What returns `Ok` is durable: it survives the death of the process and of the machine's power.
//! - Nothing is readable before it is durable.
//! - *Nothing happened* ([`AppendError::Unavailable`]), *unknown* ([`AppendError::Unknown`]) and *done* are
//!   three different outcomes. An engine that cannot tell says *unknown*.
//! - A failed sync of data to disk is final: from then on every write is refused, and [`LogStore::failed`]
//!   resolves, so that the process exits.
//!
//! Not here: what a record means (`conversation`), caching of recent records (`hub`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use landline_protocol::{ConversationId, Position, Timestamp};
use serde::{Deserialize, Serialize};

mod blob;
#[cfg(feature = "conformance")]
pub mod conformance;
mod delivery_state;
pub mod memory;

pub use self::blob::{BlobKey, BlobRead, BlobStore, BlobWriter, ListedBlob, View, WriterFuture};
pub use self::delivery_state::{DeliveryKind, DeliveryState, ListedDelivery, Parked, Queued};

/// A boxed future, so that engines are trait objects.
pub type StoreFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'static>>;

/// Who gets to read a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// Clients and the bot.
    Everyone,
    /// The bot alone: a `conversationUpdate` has its place in the order, but no client ever sees it.
    Bot,
}

/// What is to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// When it was accepted; within a conversation never less than the record before.
    pub time: Timestamp,
    /// Who gets to read it.
    pub audience: Audience,
    /// The activity, as JSON, as clients see it.
    pub body: Bytes,
    /// The record whose content this one replaces: always a *root*, that is, one that replaces none itself.
    pub replaces: Option<Position>,
}

/// What was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place; never given to another record.
    pub position: Position,
    /// The place of the record before it; [`Position::START`] for the first.
    pub previous: Position,
    /// As it was handed in.
    pub time: Timestamp,
    /// As it was handed in.
    pub audience: Audience,
    /// As it was handed in.
    pub body: Bytes,
    /// As it was handed in.
    pub replaces: Option<Position>,
    /// For a root: the newest record that replaces it. For a record that replaces: the newest one of the same root,
    /// where that is another. It is there as long as anything points to it; what it holds is read like any record.
    pub replaced_by: Option<Position>,
}

/// What is known of a conversation without reading its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of the last record; [`Position::START`] when there is none.
    pub last: Position,
    /// The first unwritten position: what the next record gets. Always more than `last`.
    pub tail: Position,
    /// Everything up to here is expired; [`Position::START`] when nothing is.
    pub expired_through: Position,
    /// The time of the last record, or of the creation.
    pub last_time: Timestamp,
    /// What the domain keeps about the conversation; opaque to the engine.
    pub facts: Bytes,
}

/// A sender's own name for what it sends, so that a repeat is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// A digest of sender and name. Equal means: the same send.
    pub digest: [u8; 16],
    /// A record with the same key that is older than this does not count.
    pub not_before: Timestamp,
}

/// A conversation that is to begin.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its id.
    pub conversation: ConversationId,
    /// When; becomes [`Head::last_time`] where there are no records.
    pub time: Timestamp,
    /// See [`Head::facts`].
    pub facts: Bytes,
    /// Its first records, at positions 1, 2, …; may be none. Each with its delivery state, if it needs one.
    pub records: Vec<(NewRecord, Option<DeliveryState>)>,
}

/// What became of a [`Create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New,
    /// It was there before; nothing was changed.
    Existed,
}

/// Records for the end of a log: all of them or none, in one atomic write with everything else named here. There may be
/// none where there are new facts and no key: then only these change, and the tail stays where it is.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose log.
    pub conversation: ConversationId,
    /// The tail that the caller counted on when it made the records: they contain their positions, which are
    /// this one and the ones right behind it.
    pub expected_tail: Position,
    /// Each with its delivery state, if it needs one.
    pub records: Vec<(NewRecord, Option<DeliveryState>)>,
    /// The key of the send; it is kept with the position of the **first** record.
    pub idempotency: Option<IdempotencyKey>,
    /// New facts, where they changed.
    pub facts: Option<Bytes>,
}

/// What became of an [`Append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The records stand at `expected_tail` and behind.
    Done,
    /// The key was seen: nothing was written; the first send stands here.
    Duplicate {
        /// Position of the record that was logged under the key.
        position: Position,
    },
}

/// Why nothing, or nothing certain, was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no such conversation.
    #[error("conversation not found")]
    NotFound,
    /// Another append came first. Nothing was written; make the records again for this tail.
    #[error("the tail is {tail}, another was expected")]
    Conflict {
        /// The tail as it is.
        tail: Position,
    },
    /// A record was to replace what stands at this position: nothing (never written, expired, or not before this
    /// append), or a record that itself replaces another. Nothing was written.
    #[error("position {position} holds no record that can be replaced")]
    NotReplaceable {
        /// See [`NewRecord::replaces`].
        position: Position,
    },
    /// The log is damaged; it takes nothing until it is repaired. Nothing was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Nothing was written; trying again is safe.
    #[error("nothing was written: {0}")]
    Unavailable(StoreError),
    /// It may or may not have been written; find out with the idempotency key.
    #[error("outcome unknown: {0}")]
    Unknown(StoreError),
}

/// How much to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// At most so many records; at least one.
    pub records: usize,
    /// Stop behind the record that reaches so many bytes of bodies. A page never splits a record, so one page
    /// may exceed this.
    pub bytes: usize,
}

/// Consecutive records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In order. Empty means: there is nothing behind `after`, for now.
    pub records: Vec<Record>,
    /// See [`Head::expired_through`]: a reader from before it has missed something.
    pub expired_through: Position,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such conversation.
    #[error("conversation not found")]
    NotFound,
    /// `after` is more than the last position: it belongs to a log that was restored or cut. Go on from `last`.
    #[error("position is ahead of the log, whose last is {last}")]
    PastTail {
        /// See [`Head::last`].
        last: Position,
    },
    /// What is on disk is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The store cannot answer now.
    #[error("{0}")]
    Unavailable(StoreError),
}

/// One log is not what was written. Others are not affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("conversation {conversation} is damaged: {what}; run `landline check`")]
pub struct Damage {
    /// Which.
    pub conversation: ConversationId,
    /// What was found, and where.
    pub what: String,
}

/// What was done to make a damaged log usable again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// How many records could be kept.
    pub kept: u64,
    /// The next position: [`Position::JUMP`] behind every position that was ever given.
    pub tail: Position,
}

/// Trouble in the engine, in words for the operator. Holds no content of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// One log per conversation.
pub trait LogStore: fmt::Debug + Send + Sync + 'static {
    /// Begins a conversation, with its first records.
    fn create(&self, create: Create) -> StoreFuture<Created, AppendError>;

    /// Appends, if the tail is the expected one and the key is new.
    ///
    /// The key is looked at first: a repeat is a [`Appended::Duplicate`] whatever the tail. Then the tail, then whether
    /// there is anything to write, then what the records replace.
    fn append(&self, append: Append) -> StoreFuture<Appended, AppendError>;

    /// What is known of a conversation; [`ReadError::NotFound`] where there is none.
    fn head(&self, conversation: &ConversationId) -> StoreFuture<Head, ReadError>;

    /// The records right behind `after`, in order.
    fn read(
        &self,
        conversation: &ConversationId,
        after: Position,
        limit: PageLimit,
    ) -> StoreFuture<Page, ReadError>;

    /// Sets (or, with `None`, takes away) the delivery state of a record.
    fn set_delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
        state: Option<DeliveryState>,
    ) -> StoreFuture<(), AppendError>;

    /// The delivery state of a record; `None` where it needs no delivery any more.
    fn delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
    ) -> StoreFuture<Option<DeliveryState>, ReadError>;

    /// Deliveries of one kind, ordered by conversation and position, behind `after`. Costs what it lists, however many
    /// there are of other kinds.
    fn deliveries(
        &self,
        kind: DeliveryKind,
        after: Option<(ConversationId, Position)>,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError>;

    /// The same of one conversation; none where there is no such conversation.
    fn deliveries_of(
        &self,
        conversation: &ConversationId,
        kind: DeliveryKind,
        after: Position,
        limit: usize,
    ) -> StoreFuture<Vec<ListedDelivery>, StoreError>;

    /// Conversations in order of their ids, behind `after`; damaged ones included.
    fn conversations(
        &self,
        after: Option<ConversationId>,
        limit: usize,
    ) -> StoreFuture<Vec<ConversationId>, StoreError>;

    /// Forgets the records up to and including `up_to`, with their keys and delivery states.
    fn expire(&self, conversation: &ConversationId, up_to: Position) -> StoreFuture<(), AppendError>;

    /// Forgets a conversation; no error where there is none.
    fn delete(&self, conversation: &ConversationId) -> StoreFuture<(), AppendError>;

    /// Makes what was deleted or expired before this call unreadable in whatever the engine keeps on disk, too. May take as
    /// long as reading and writing everything does. Nothing else changes; an error means that it may be readable still.
    fn purge(&self) -> StoreFuture<(), StoreError>;

    /// Keeps what can be read of a damaged log (the longest unbroken run of records from its beginning) and makes it
    /// usable again. On a healthy log: changes nothing but lets the tail jump.
    fn repair(&self, conversation: &ConversationId) -> StoreFuture<Repaired, AppendError>;

    /// Resolves with the reason when the engine has failed for good and the process has to exit.
    fn failed(&self) -> Pin<Box<dyn Future<Output = StoreError> + Send + 'static>>;
}

/// Small things that are looked up by name: secrets, keys, settings.
///
/// Names are any text without NUL, up to 200 bytes; values up to 64 KiB.
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// The value and its version.
    fn get(&self, table: Table, name: &str) -> StoreFuture<Option<Versioned>, StoreError>;

    /// Writes if the version is still `expected` (`None`: if there is none). Returns the new version.
    fn put(
        &self,
        table: Table,
        name: &str,
        value: Bytes,
        expected: Option<Version>,
    ) -> StoreFuture<Version, PutError>;

    /// All entries of a table in order of their names, behind `after`.
    fn list(
        &self,
        table: Table,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<Vec<(String, Versioned)>, StoreError>;

    /// Takes an entry away if its version is still `expected`.
    fn delete(&self, table: Table, name: &str, expected: Version) -> StoreFuture<(), PutError>;
}

/// The longest name of a registry entry, in bytes.
pub const MAX_ENTRY_NAME_BYTES: usize = 200;

/// The largest value of a registry entry, in bytes.
pub const MAX_ENTRY_VALUE_BYTES: usize = 64 * 1024;

/// What every engine refuses to put into the registry, in the same words.
///
/// # Errors
/// The name or the value is not one that the registry takes.
pub fn check_entry(name: &str, value: &[u8]) -> Result<(), StoreError> {
    let why = if name.len() > MAX_ENTRY_NAME_BYTES {
        format!("the name is {} bytes, the limit is {MAX_ENTRY_NAME_BYTES} bytes", name.len())
    } else if name.contains('\0') {
        "the name holds a NUL".to_owned()
    } else if value.len() > MAX_ENTRY_VALUE_BYTES {
        format!("the value is {} bytes, the limit is {MAX_ENTRY_VALUE_BYTES} bytes", value.len())
    } else {
        return Ok(());
    };
    Err(StoreError(why))
}

/// What kind of thing a registry entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Digests of secrets of sites.
    SiteSecrets,
    /// Keys that sign tokens and tickets.
    TokenKeys,
    /// The unguessable path segments by which bots without an app id reach the Connector API.
    BotCapabilities,
    /// Bots that were added while the server ran.
    Bots,
    /// Sites that were added while the server ran.
    Sites,
    /// Keys that sign what bots and their SDKs verify.
    IdentityKeys,
}

/// Counts the writes of one entry; never goes back, also not over a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

/// A value and how often it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Bytes,
    /// Its version.
    pub version: Version,
}

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Somebody else wrote first; the version as it is (`None`: there is no entry).
    #[error("the entry was changed by somebody else")]
    Conflict(Option<Version>),
    /// Nothing was written.
    #[error("nothing was written: {0}")]
    Unavailable(StoreError),
    /// It may or may not have been written.
    #[error("outcome unknown: {0}")]
    Unknown(StoreError),
}
