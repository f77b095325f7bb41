//! What a record holds, and how it is spelled: one object of JSON in one line, `time` and `event` first.
//!
//! Not here: when one is written.

use std::fmt;
use std::net::IpAddr;

use http::Method;
use landline_protocol::{ConversationId, ErrorCode, SiteName, Timestamp};
use serde::Serialize;

/// The longest text in a record, in characters: names and ids are shorter.
const TEXT_CHARS: usize = 160;

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A server begins to serve.
    Started {
        /// The release.
        version: &'static str,
        /// A digest of the configuration in force, secrets left out: another one means another configuration.
        config: String,
        /// Where clients and bots connect.
        listen: String,
        /// Where operators connect.
        admin: String,
    },
    /// What the process has given up.
    Sandbox {
        /// In words.
        state: String,
    },
    /// A server has ended.
    Stopped {
        /// In good order, or why not.
        why: &'static str,
    },
    /// Somebody was answered 401, 403 or 429.
    Denied(Denied),
    /// So many more were, that are not told one by one.
    DeniedMore(DeniedMore),
    /// An operator has asked for something.
    Operator(Operator),
    /// A conversation was repaired by a command on the data folder.
    Repaired {
        /// Which.
        conversation: ConversationId,
        /// How many of its records are left.
        kept: u64,
    },
    /// So many records were lost: the disk was too slow or too full for them.
    Lost {
        /// How many.
        records: u64,
    },
}

/// A refusal.
#[derive(Debug, Serialize)]
pub struct Denied {
    pub(crate) request: String,
    /// `public` or `admin`.
    pub(crate) listener: &'static str,
    pub(crate) method: Word,
    /// Its template.
    pub(crate) route: String,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) site: Option<SiteName>,
}

/// Refusals that are counted together.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeniedMore {
    /// Of this address, or of its network where it is one of IPv6; absent for all others together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    pub(super) unauthorized: u64,
    pub(super) forbidden: u64,
    pub(super) throttled: u64,
}

impl DeniedMore {
    pub(super) fn count(&mut self, status: u16) {
        *match status {
            401 => &mut self.unauthorized,
            429 => &mut self.throttled,
            _ => &mut self.forbidden,
        } += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.unauthorized += other.unauthorized;
        self.forbidden += other.forbidden;
        self.throttled += other.throttled;
    }

    pub(super) fn all(&self) -> u64 {
        self.unauthorized + self.forbidden + self.throttled
    }
}

/// A call of an operator, from the command or anything else that has the admin token.
#[derive(Debug, Serialize)]
pub struct Operator {
    pub(super) request: String,
    /// By what the operator was known.
    pub(super) by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
    pub(super) method: Word,
    pub(super) route: String,
    /// What the path names, part by part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) target: Vec<Word>,
    /// What was changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<Change>,
    /// The answer; absent where the caller did not wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
}

/// One change.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) change: String,
    pub(super) what: String,
}

/// A text from a request that may stand in a record: a method, or a name in a path.
///
/// What is no name could be anything, also a secret that somebody has put in the wrong place. So is what looks like one
/// of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Word(String);

impl Word {
    pub(crate) fn method(method: &Method) -> Self {
        let known = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ];
        Self(if known.contains(method) { method.as_str() } else { "other" }.to_owned())
    }

    pub(super) fn in_path(text: &str) -> Self {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        let secret = ["lls_", "llb_", "lla_"].iter().any(|prefix| text.starts_with(prefix));
        let shown = plain && !secret && !text.is_empty() && text.len() <= 64;
        Self(if shown { text } else { "(not a name)" }.to_owned())
    }
}

impl Event {
    /// As it stands in the log, without a line break.
    pub(super) fn line(&self, now: Timestamp) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            time: String,
            #[serde(flatten)]
            event: &'a Event,
        }
        let line = Line { time: now.to_string(), event: self };
        serde_json::to_string(&line)
            .unwrap_or_else(|_| format!("{{\"time\":\"{now}\",\"event\":\"unwritable\"}}"))
    }

    /// Writes it to the ordinary log at once: for commands that have no server around them.
    pub fn to_log(&self, now: Timestamp) {
        tracing::info!(target: super::TARGET, "{}", self.line(now));
    }
}

/// A text of ours, at most so long.
pub(super) fn cut(text: &dyn fmt::Display) -> String {
    text.to_string().chars().take(TEXT_CHARS).collect()
}
