//! Ids that must not be swapped for one another. Parsed once, at the edge; inside, they are valid.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Position;

/// The longest id or name that is accepted, in bytes.
const MAX_ID_BYTES: usize = 64;

/// The longest user id that is accepted, in bytes. Some sites use e-mail addresses or signed names.
const MAX_USER_ID_BYTES: usize = 256;

/// A text that cannot be such an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {why}")]
pub struct InvalidId {
    what: &'static str,
    why: &'static str,
}

macro_rules! plain_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check_plain($what, text).map(|()| Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    };
}

plain_id! {
    /// Names a conversation; unguessable where this server made it.
    ConversationId, "conversation id"
}
plain_id! {
    /// Names a site: one group of clients with secrets of its own, in front of one bot.
    SiteName, "site name"
}
plain_id! {
    /// Names a bot; also its `recipient.id`.
    BotName, "bot name"
}

plain_id! {
    /// Names a file within its conversation; unguessable.
    FileId, "file id"
}

/// ASCII letters, digits, `-` and `_`: safe in a path, a key on disk and a log line.
fn check_plain(what: &'static str, text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId { what, why: "it is empty" });
    }
    if text.len() > MAX_ID_BYTES {
        return Err(InvalidId { what, why: "it is longer than 64 characters" });
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(InvalidId { what, why: "only letters, digits, '-' and '_' are allowed" });
    }
    Ok(())
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many characters an id made here has: 22 of 62 letters are 131 bits.
const RANDOM_LENGTH: usize = 22;

/// Makes an id of random bytes; `None` when the bytes do not suffice.
///
/// A byte of 248 or more is skipped, so that every character is equally likely.
fn random_text(bytes: &[u8]) -> Option<Box<str>> {
    let text: String = bytes
        .iter()
        .filter(|b| **b < 248)
        .take(RANDOM_LENGTH)
        .map(|b| char::from(ALPHABET[usize::from(b % 62)]))
        .collect();
    (text.len() == RANDOM_LENGTH).then(|| text.into())
}

impl ConversationId {
    /// How many characters a conversation id made here has.
    pub const LENGTH: usize = RANDOM_LENGTH;

    /// Makes an id of random bytes; `None` when the bytes do not suffice: hand in twice [`Self::LENGTH`] bytes and call
    /// again with new ones in the rare case that this was too few.
    pub fn from_random(bytes: &[u8]) -> Option<Self> {
        random_text(bytes).map(Self)
    }
}

impl FileId {
    /// How many characters a file id has.
    pub const LENGTH: usize = RANDOM_LENGTH;

    /// As [`ConversationId::from_random`].
    pub fn from_random(bytes: &[u8]) -> Option<Self> {
        random_text(bytes).map(Self)
    }
}

/// Names a person (or program) in conversations. Opaque: any text without control characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Box<str>);

impl UserId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let what = "user id";
        if text.is_empty() {
            return Err(InvalidId { what, why: "it is empty" });
        }
        if text.len() > MAX_USER_ID_BYTES {
            return Err(InvalidId { what, why: "it is longer than 256 bytes" });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidId { what, why: "it holds a control character" });
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Users are people: their ids do not appear in debug output.
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({} bytes)", self.0.len())
    }
}

/// Names an activity: `{conversation id}|{position, seven digits or more}`.
///
/// Source: the ids that the hosted service gives; stock clients split at the `|` to sort by age.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActivityId {
    /// The conversation that the activity stands in.
    pub conversation: ConversationId,
    /// Where it was first put in that conversation.
    pub position: Position,
}

impl fmt::Display for ActivityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{:07}", self.conversation, self.position.get())
    }
}

impl FromStr for ActivityId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bad = InvalidId { what: "activity id", why: "it is not of the form conversation|number" };
        let (conversation, number) = text.split_once('|').ok_or(bad.clone())?;
        let digits = number.len() >= 7 && number.len() <= 20 && number.bytes().all(|b| b.is_ascii_digit());
        match number.parse::<u64>() {
            Ok(position) if digits => {
                Ok(Self { conversation: conversation.parse()?, position: Position::new(position) })
            }
            _ => Err(bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversation_ids_hold_only_what_is_safe_everywhere() {
        for bad in ["", "a b", "a|b", "../x", "é", "a\0", &"x".repeat(65)] {
            assert!(bad.parse::<ConversationId>().is_err(), "{bad:?}");
        }
        for good in ["a", "A-b_9", &"x".repeat(64)] {
            assert_eq!(good.parse::<ConversationId>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn random_ids_skip_bytes_that_would_bias_them() {
        let mut bytes = vec![255; 10];
        bytes.extend(0..22);
        let id = ConversationId::from_random(&bytes).unwrap();
        assert_eq!(id.as_str(), "0123456789ABCDEFGHIJKL");
        assert_eq!(ConversationId::from_random(&[250; 100]), None);
    }

    #[test]
    fn activity_ids_read_back() {
        let id = ActivityId { conversation: "abc".parse().unwrap(), position: Position::new(42) };
        assert_eq!(id.to_string(), "abc|0000042");
        assert_eq!("abc|0000042".parse::<ActivityId>().unwrap(), id);
        for bad in
            ["abc", "abc|", "abc|42", "abc|00000x2", "|0000042", "abc|+000042", "abc|99999999999999999999"]
        {
            assert!(bad.parse::<ActivityId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn user_ids_are_free_text_without_control_characters() {
        for good in ["dl_1", "a@b.example", "Ünï cødé", "|"] {
            assert_eq!(good.parse::<UserId>().unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "\u{85}", &"x".repeat(257)] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
    }
}
