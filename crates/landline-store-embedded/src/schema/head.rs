//! The head of a log: how far it goes, and the checksums of its ends.

use landline_core::store::Head;
use landline_protocol::{Position, Timestamp};

use super::layout::{Kind, Reader, Writer};
use crate::error::Trouble;

/// Without and with the number of roots, which most logs have none of.
const VERSION: u8 = 1;
const VERSION_WITH_ROOTS: u8 = 2;

/// A record by its place and checksum; what the next record is chained to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) position: Position,
    pub(crate) checksum: u64,
}

/// What is kept of a log beside its records. The same value stands in both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredHead {
    /// Counts the writes to this conversation, of any kind. The copy with more of them is the newer one.
    pub(crate) revision: u64,
    pub(crate) last: Link,
    pub(crate) tail: Position,
    pub(crate) expired_through: Position,
    /// The last record that expired: what the first kept record is chained to.
    pub(crate) base: Link,
    pub(crate) last_time: Timestamp,
    /// Of the facts, which stand apart because they rarely change.
    pub(crate) facts_checksum: u64,
    /// How many roots have a newest replacement kept; where it is 0, nobody has to look for any.
    pub(crate) roots: u64,
}

impl StoredHead {
    pub(crate) fn new(created: Timestamp, facts_checksum: u64) -> Self {
        Self {
            revision: 0,
            last: Link::default(),
            tail: Position::new(1),
            expired_through: Position::START,
            base: Link::default(),
            last_time: created,
            facts_checksum,
            roots: 0,
        }
    }

    pub(crate) fn encode(&self, place: &[u8]) -> Vec<u8> {
        let version = if self.roots == 0 { VERSION } else { VERSION_WITH_ROOTS };
        let writer = Writer::new(version, 80)
            .number(self.revision)
            .position(self.last.position)
            .number(self.last.checksum)
            .position(self.tail)
            .position(self.expired_through)
            .position(self.base.position)
            .number(self.base.checksum)
            .time(self.last_time)
            .number(self.facts_checksum);
        let writer = if self.roots == 0 { writer } else { writer.number(self.roots) };
        writer.sealed(Kind::Head, place).0
    }

    pub(crate) fn decode(place: &[u8], value: &[u8]) -> Result<Self, Trouble> {
        let (mut reader, version, _) = Reader::open_any(Kind::Head, place, value)?;
        if version != VERSION && version != VERSION_WITH_ROOTS {
            return reader.unknown("version", version);
        }
        let head = Self {
            revision: reader.number()?,
            last: Link { position: reader.position()?, checksum: reader.number()? },
            tail: reader.position()?,
            expired_through: reader.position()?,
            base: Link { position: reader.position()?, checksum: reader.number()? },
            last_time: reader.time()?,
            facts_checksum: reader.number()?,
            roots: if version == VERSION { 0 } else { reader.number()? },
        };
        reader.end()?;
        let in_order = head.base.position <= head.expired_through
            && head.expired_through <= head.last.position
            && head.last.position < head.tail
            // Where there are none, the shorter layout is written.
            && (version == VERSION || head.roots > 0);
        if in_order { Ok(head) } else { Trouble::damaged("a head contradicts itself") }
    }

    pub(crate) fn into_head(self, facts: bytes::Bytes) -> Head {
        Head {
            last: self.last.position,
            tail: self.tail,
            expired_through: self.expired_through,
            last_time: self.last_time,
            facts,
        }
    }
}
