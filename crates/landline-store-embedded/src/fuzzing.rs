//! The door for the fuzz target of records (`fuzz/` at the root of the repository). A feature that nothing that ships
//! turns on; see the module of the same name in `landline-server`.

use landline_protocol::Position;

use crate::error::Trouble;
use crate::schema::{
    Sent, StoredEntry, StoredHead, StoredRecord, decode_delivery, decode_facts, decode_newest,
    encode_delivery, encode_facts, encode_newest, keys,
};

/// What a value on disk is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A record of a log.
    Record,
    /// The head of a log.
    Head,
    /// The facts of a conversation.
    Facts,
    /// What was sent under an idempotency key.
    Key,
    /// A delivery state.
    Delivery,
    /// An entry of the registry.
    Entry,
    /// The newest replacement of a root.
    Newest,
}

impl Value {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Record, Self::Head, Self::Facts, Self::Key, Self::Delivery, Self::Entry, Self::Newest];

    /// The content and its right checksum, as they would stand on disk. So what is behind the checksum is reached, too.
    pub fn sealed(self, place: &[u8], content: &[u8]) -> Vec<u8> {
        crate::schema::seal(self.number(), place, content)
    }

    fn number(self) -> u64 {
        match self {
            Self::Record => 1,
            Self::Head => 2,
            Self::Facts => 3,
            Self::Key => 4,
            Self::Delivery => 5,
            Self::Entry => 6,
            Self::Newest => 8,
        }
    }

    /// Reads a value and writes what was understood; `None` where it is refused.
    pub fn reread(self, place: &[u8], position: u64, value: &[u8]) -> Option<Vec<u8>> {
        self.decode(place, Position::new(position), value).ok()
    }

    fn decode(self, place: &[u8], position: Position, value: &[u8]) -> Result<Vec<u8>, Trouble> {
        Ok(match self {
            Self::Record => {
                let stored = StoredRecord::decode(place, position, value)?;
                let record = landline_core::store::NewRecord {
                    time: stored.record.time,
                    audience: stored.record.audience,
                    body: stored.record.body.clone(),
                    replaces: stored.record.replaces,
                };
                StoredRecord::encode(place, stored.previous(), stored.digest.as_ref(), &record).0
            }
            Self::Head => StoredHead::decode(place, value)?.encode(place),
            Self::Facts => encode_facts(place, &decode_facts(place, value)?.0).0,
            Self::Key => Sent::decode(place, value)?.encode(place),
            Self::Delivery => encode_delivery(place, decode_delivery(place, value)?),
            Self::Entry => StoredEntry::decode(place, value)?.encode(place),
            Self::Newest => encode_newest(place, decode_newest(place, value)?),
        })
    }
}

/// Reads a key as that of a record, and gives it back from what was understood; `None` where it is refused.
pub fn reread_place(key: &[u8]) -> Option<Vec<u8>> {
    let (conversation, position) = keys::split_place(key).ok()?;
    Some(keys::place(&conversation, position))
}
