//! A record: `version flags previous previous-checksum time [digest] [replaces] body checksum`.

use bytes::Bytes;
use landline_core::store::{Audience, NewRecord, Record};
use landline_protocol::Position;

use super::Link;
use super::layout::{Kind, Reader, Writer};
use crate::error::Trouble;

const VERSION: u8 = 1;
const FOR_BOT: u8 = 1;
const WITH_KEY: u8 = 2;
const REPLACES: u8 = 4;

/// A record as it is kept. What replaces it stands elsewhere; here `replaced_by` is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    pub(crate) record: Record,
    /// The checksum of the record before it.
    pub(crate) previous_checksum: u64,
    /// The idempotency key that it was sent with.
    pub(crate) digest: Option<[u8; 16]>,
    pub(crate) checksum: u64,
}

impl StoredRecord {
    /// Its place and checksum: what the next record is chained to.
    pub(crate) fn link(&self) -> Link {
        Link { position: self.record.position, checksum: self.checksum }
    }

    /// What the record says it is chained to.
    pub(crate) fn previous(&self) -> Link {
        Link { position: self.record.previous, checksum: self.previous_checksum }
    }

    /// The value of a new record behind `previous`, and its checksum.
    pub(crate) fn encode(
        place: &[u8],
        previous: Link,
        digest: Option<&[u8; 16]>,
        record: &NewRecord,
    ) -> (Vec<u8>, u64) {
        let for_bot = if record.audience == Audience::Bot { FOR_BOT } else { 0 };
        let with_key = if digest.is_some() { WITH_KEY } else { 0 };
        let replaces = if record.replaces.is_some() { REPLACES } else { 0 };
        let root = record.replaces.map(|root| root.get().to_be_bytes());
        Writer::new(VERSION, 49 + record.body.len())
            .byte(for_bot | with_key | replaces)
            .position(previous.position)
            .number(previous.checksum)
            .time(record.time)
            .bytes(digest.map_or(&[], |digest| digest))
            .bytes(root.as_ref().map_or(&[], |root| root))
            .bytes(&record.body)
            .sealed(Kind::Record, place)
    }

    pub(crate) fn decode(place: &[u8], position: Position, value: &[u8]) -> Result<Self, Trouble> {
        let (mut reader, checksum) = Reader::open(Kind::Record, VERSION, place, value)?;
        let flags = reader.byte()?;
        if flags & !(FOR_BOT | WITH_KEY | REPLACES) != 0 {
            return reader.unknown("flags", flags);
        }
        let previous = reader.position()?;
        let previous_checksum = reader.number()?;
        let time = reader.time()?;
        let digest = if flags & WITH_KEY == 0 { None } else { Some(reader.fixed()?) };
        let replaces = if flags & REPLACES == 0 { None } else { Some(reader.position()?) };
        let audience = if flags & FOR_BOT == 0 { Audience::Everyone } else { Audience::Bot };
        let body = Bytes::copy_from_slice(reader.rest());
        let record = Record { position, previous, time, audience, body, replaces, replaced_by: None };
        Ok(Self { record, previous_checksum, digest, checksum })
    }
}
