//! The keys on disk. Each keeps the order of what it names: of conversation ids, of positions, of names.
//!
//! A conversation id holds no NUL, so a NUL behind it ends it, and sorts before every id that begins like it.

use landline_core::store::Table;
use landline_protocol::{ConversationId, Position};

use crate::error::Trouble;

/// First bytes of the keys in the keyspace `state`; also in `heads` of the second database.
pub(crate) mod tag {
    pub(crate) const HEAD: u8 = b'h';
    pub(crate) const FACTS: u8 = b'f';
    pub(crate) const KEY: u8 = b'k';
    pub(crate) const DELIVERY: u8 = b'd';
    /// Delivery states *queued* and *parked*; each apart, so that one is listed without passing over others.
    pub(crate) const QUEUED: u8 = b'q';
    pub(crate) const PARKED: u8 = b'p';
    pub(crate) const ENTRY: u8 = b'r';
    /// The newest replacement of a root.
    pub(crate) const NEWEST: u8 = b'n';
    /// A deletion that is under way.
    pub(crate) const DELETING: u8 = b'x';
}

/// `tag id`: head, facts, mark of a deletion.
pub(crate) fn tagged(tag: u8, conversation: &ConversationId) -> Vec<u8> {
    let id = conversation.as_str().as_bytes();
    let mut key = Vec::with_capacity(1 + id.len());
    key.push(tag);
    key.extend(id);
    key
}

/// `id NUL`: what all records of a conversation, and its pending deliveries, begin with.
pub(crate) fn prefix(conversation: &ConversationId) -> Vec<u8> {
    let id = conversation.as_str().as_bytes();
    let mut key = Vec::with_capacity(id.len() + 1 + 8);
    key.extend(id);
    key.push(0);
    key
}

/// `tag id NUL`: what all keys, delivery states or newest replacements of a conversation begin with.
pub(crate) fn tagged_prefix(tag: u8, conversation: &ConversationId) -> Vec<u8> {
    let id = conversation.as_str().as_bytes();
    let mut key = Vec::with_capacity(1 + id.len() + 1 + 16);
    key.push(tag);
    key.extend(id);
    key.push(0);
    key
}

/// `id NUL position`: a record; a pending delivery.
pub(crate) fn place(conversation: &ConversationId, position: Position) -> Vec<u8> {
    let mut key = prefix(conversation);
    key.extend(position.get().to_be_bytes());
    key
}

/// `tag id NUL position`: a delivery state that is not pending.
pub(crate) fn delivery(tag: u8, conversation: &ConversationId, position: Position) -> Vec<u8> {
    let mut key = tagged_prefix(tag, conversation);
    key.extend(position.get().to_be_bytes());
    key
}

/// `n id NUL root`: the newest replacement of a root.
pub(crate) fn newest(conversation: &ConversationId, root: Position) -> Vec<u8> {
    let mut key = tagged_prefix(tag::NEWEST, conversation);
    key.extend(root.get().to_be_bytes());
    key
}

/// `k id NUL digest`: an idempotency key.
pub(crate) fn idempotency(conversation: &ConversationId, digest: &[u8; 16]) -> Vec<u8> {
    let mut key = tagged_prefix(tag::KEY, conversation);
    key.extend(digest);
    key
}

/// `r table name`: an entry of the registry.
pub(crate) fn entry(table: Table, name: &str) -> Vec<u8> {
    let mut key = entries(table);
    key.extend(name.as_bytes());
    key
}

/// `r table`: what all entries of a table begin with.
pub(crate) fn entries(table: Table) -> Vec<u8> {
    let number = match table {
        Table::SiteSecrets => 1,
        Table::TokenKeys => 2,
        Table::BotCapabilities => 3,
        Table::Bots => 4,
        Table::Sites => 5,
        Table::IdentityKeys => 6,
    };
    vec![tag::ENTRY, number]
}

/// The conversation in a key of the form `tag id`.
pub(crate) fn tagged_conversation(key: &[u8]) -> Result<ConversationId, Trouble> {
    key.get(1..).map_or_else(|| Trouble::damaged("a key is cut"), conversation)
}

/// Conversation and position in a key of the form `id NUL position`.
pub(crate) fn split_place(key: &[u8]) -> Result<(ConversationId, Position), Trouble> {
    match key.split_last_chunk::<8>() {
        Some(([id @ .., 0], position)) => {
            Ok((conversation(id)?, Position::new(u64::from_be_bytes(*position))))
        }
        _ => Trouble::damaged("a key does not name a position"),
    }
}

/// The position at the end of a key: of a delivery state, of a root.
pub(crate) fn position(key: &[u8]) -> Result<Position, Trouble> {
    match key.split_last_chunk::<8>() {
        Some((_, position)) => Ok(Position::new(u64::from_be_bytes(*position))),
        None => Trouble::damaged("a key does not end with a position"),
    }
}

fn conversation(id: &[u8]) -> Result<ConversationId, Trouble> {
    let parsed = std::str::from_utf8(id).ok().and_then(|text| text.parse().ok());
    parsed.map_or_else(|| Trouble::damaged("a key does not name a conversation"), Ok)
}
