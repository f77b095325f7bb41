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
pub use recorder::{Recorder, Sending};

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
