//! A history: what clients did and what they saw, in the order in which the test saw it happen.
//!
//! One record per event, one JSON line per record, in the manner of Jepsen (`type` is `invoke`, `ok`, `fail` or
//! `info`; `f` is the operation; `process` is who), so that other checkers can read it too.
//!
//! What always holds in a well-formed history:
//! - times never go back; an operation is invoked before it is completed, and completed at most once;
//! - `fail` means *nothing happened*, `info` means *unknown*. A client that is not sure says `info`;
//! - a payload is one thing a client means to say. It is sent again only with the `key` of its first sending,
//!   and no two things have the same payload.
//!
//! Not here: what is right and what is wrong (`checker`).

mod file;
mod recorder;

use serde::{Deserialize, Serialize};

pub use file::{read, write};
pub use recorder::{Keeping, Recorder, Sending};

/// The process that a bot's own sends, and what it is given, go under.
pub const BOT: &str = "bot";

/// The server's number for the place of an activity in its conversation. Positions begin at 1.
pub type Position = u64;

/// Nanoseconds since the run began, by a clock that does not go back.
pub type Time = u64;

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub time: Time,
    /// Who did or saw it.
    pub process: String,
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "kebab-case")]
pub enum Event {
    /// A client or a bot sends an activity.
    Send(SendStep),
    /// A reader begins to read a conversation: a socket, a series of polls, or the final read.
    Open(Open),
    /// A reader was given activities, or an empty list, and a watermark.
    Page(Page),
    /// A reader's connection ended. Nothing is concluded from it.
    Close { connection: u64 },
    /// The bot was given an activity.
    Deliver(Deliver),
    /// A bot gives the server a file to keep, without an activity.
    Keep(KeepStep),
    /// A file was asked for by its link, and answered.
    Fetch(Fetch),
    /// What lies in the server's folder of files when everything is at rest.
    Blobs(Blobs),
    /// The conversation was restored from a backup, or its lost tail was repaired: watermarks may go back once.
    Restore { conversation: String },
    /// The conversation is with a bot in `queued` mode.
    Queued { conversation: String },
    /// Something was done to the server (killed, started). For people who read the file.
    Nemesis { what: String },
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It begins now.
    Invoke,
    /// It is done, by the server's word.
    Ok,
    /// It did not happen, by the server's word, or because it never left the client.
    Fail,
    /// Nobody knows.
    Info,
}

/// One step of a send: the invocation, or its one completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendStep {
    #[serde(rename = "type")]
    pub outcome: Outcome,
    /// Ties a completion to its invocation.
    pub op: u64,
    pub conversation: String,
    pub payload: String,
    /// Sender and `clientActivityID` in one text, where the client gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where it stands, when the server said so. An `ok` without it: stored, but the place was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The files that go with it; the same in each step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SentFile>,
}

/// A file as it was given to the server. No two files of a history have the same bytes, but empty ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentFile {
    pub name: String,
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub digest: String,
}

/// One step of a bot's upload: the invocation, or its one completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepStep {
    #[serde(rename = "type")]
    pub outcome: Outcome,
    /// Of the same numbers as those of sends.
    pub op: u64,
    pub conversation: String,
    pub file: SentFile,
    /// The digest of the small picture that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    /// The server's id of the file; every `ok` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A file was asked for by its link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    pub conversation: String,
    /// The activity in which the link stood; none for a file that a bot gave, and asks for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The attachment's name.
    pub name: String,
    /// The server's id of the file.
    pub id: String,
    pub status: u16,
    /// Of the bytes that came, when they came whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether it belongs to the final read.
    #[serde(default, rename = "final")]
    pub is_final: bool,
}

/// Everything in the server's folder of files, but what an earlier history has accounted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blobs {
    pub blobs: Vec<Blob>,
}

/// Something in the server's folder of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Below the folder.
    pub path: String,
    /// The server's id of the file whose bytes these are; none when it is nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub digest: String,
}

/// The begin of a reader's connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Unique in the history.
    pub connection: u64,
    pub conversation: String,
    pub start: Start,
    /// The read of the whole conversation after everything has come to rest, which says what is really there.
    #[serde(default, rename = "final")]
    pub is_final: bool,
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// After this position; 0 is the very first activity.
    After(Position),
    /// With what is appended after the connection was asked for.
    New,
}

/// What a reader was given at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub connection: u64,
    pub seen: Vec<Seen>,
    pub watermark: Position,
}

/// One activity as a reader saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub position: Position,
    pub payload: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One activity as the bot was given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliver {
    pub conversation: String,
    pub position: Position,
    pub payload: String,
}
