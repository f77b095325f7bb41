//! Small values: facts, idempotency keys, delivery states, newest replacements.

use bytes::Bytes;
use landline_core::store::{DeliveryState, Parked, Queued};
use landline_protocol::{Position, Timestamp};

use super::layout::{Kind, Reader, Writer};
use crate::error::Trouble;

const VERSION: u8 = 1;

/// The value of facts, and its checksum, which also stands in the head.
pub(crate) fn encode_facts(place: &[u8], facts: &[u8]) -> (Vec<u8>, u64) {
    Writer::new(VERSION, facts.len()).bytes(facts).sealed(Kind::Facts, place)
}

/// The facts, and their checksum.
pub(crate) fn decode_facts(place: &[u8], value: &[u8]) -> Result<(Bytes, u64), Trouble> {
    let (reader, checksum) = Reader::open(Kind::Facts, VERSION, place, value)?;
    Ok((Bytes::copy_from_slice(reader.rest()), checksum))
}

/// What was sent under an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) position: Position,
    pub(crate) time: Timestamp,
}

impl Sent {
    pub(crate) fn encode(&self, place: &[u8]) -> Vec<u8> {
        Writer::new(VERSION, 16).position(self.position).time(self.time).sealed(Kind::Key, place).0
    }

    pub(crate) fn decode(place: &[u8], value: &[u8]) -> Result<Self, Trouble> {
        let (mut reader, _) = Reader::open(Kind::Key, VERSION, place, value)?;
        let sent = Self { position: reader.position()?, time: reader.time()? };
        reader.end().map(|()| sent)
    }
}

/// `version state status [attempts since [waited due]] checksum`; the status is 0 where there is none.
pub(crate) fn encode_delivery(place: &[u8], state: DeliveryState) -> Vec<u8> {
    let (number, status) = match state {
        DeliveryState::Pending => (0, None),
        DeliveryState::Attempted => (1, None),
        DeliveryState::Refused { status: None } => (2, None),
        DeliveryState::Refused { status } => (3, status),
        DeliveryState::Queued(Queued { last_status: None, .. }) => (4, None),
        DeliveryState::Queued(Queued { last_status, .. }) => (5, last_status),
        DeliveryState::Parked(Parked { last_status: None, .. }) => (6, None),
        DeliveryState::Parked(Parked { last_status, .. }) => (7, last_status),
    };
    let writer = Writer::new(VERSION, 31).byte(number).short(status.unwrap_or_default());
    let writer = match state {
        DeliveryState::Pending | DeliveryState::Attempted | DeliveryState::Refused { .. } => writer,
        DeliveryState::Queued(Queued { attempts, due, since, waited_ms, last_status: _ }) => {
            writer.number(attempts.into()).time(since).number(waited_ms).time(due)
        }
        DeliveryState::Parked(Parked { attempts, since, last_status: _ }) => {
            writer.number(attempts.into()).time(since)
        }
    };
    writer.sealed(Kind::Delivery, place).0
}

pub(crate) fn decode_delivery(place: &[u8], value: &[u8]) -> Result<DeliveryState, Trouble> {
    let (mut reader, _) = Reader::open(Kind::Delivery, VERSION, place, value)?;
    let state = match (reader.byte()?, reader.short()?) {
        (0, 0) => DeliveryState::Pending,
        (1, 0) => DeliveryState::Attempted,
        (2, 0) => DeliveryState::Refused { status: None },
        (3, status) => DeliveryState::Refused { status: Some(status) },
        (4, 0) => DeliveryState::Queued(queued(&mut reader, None)?),
        (5, status) => DeliveryState::Queued(queued(&mut reader, Some(status))?),
        (6, 0) => DeliveryState::Parked(parked(&mut reader, None)?),
        (7, status) => DeliveryState::Parked(parked(&mut reader, Some(status))?),
        (other, _) => return reader.unknown("state", other),
    };
    reader.end().map(|()| state)
}

fn queued(reader: &mut Reader<'_>, last_status: Option<u16>) -> Result<Queued, Trouble> {
    let (attempts, since) = (attempts(reader)?, reader.time()?);
    Ok(Queued { attempts, since, waited_ms: reader.number()?, due: reader.time()?, last_status })
}

fn parked(reader: &mut Reader<'_>, last_status: Option<u16>) -> Result<Parked, Trouble> {
    Ok(Parked { attempts: attempts(reader)?, since: reader.time()?, last_status })
}

fn attempts(reader: &mut Reader<'_>) -> Result<u32, Trouble> {
    let attempts = reader.number()?;
    u32::try_from(attempts).or_else(|_| Trouble::damaged("a delivery state has too many attempts"))
}

/// `version position checksum`: the newest record that replaces a root.
pub(crate) fn encode_newest(place: &[u8], newest: Position) -> Vec<u8> {
    Writer::new(VERSION, 8).position(newest).sealed(Kind::Newest, place).0
}

pub(crate) fn decode_newest(place: &[u8], value: &[u8]) -> Result<Position, Trouble> {
    let (mut reader, _) = Reader::open(Kind::Newest, VERSION, place, value)?;
    let newest = reader.position()?;
    reader.end().map(|()| newest)
}

/// A mark says all it has to say by being there.
pub(crate) fn encode_mark(place: &[u8]) -> Vec<u8> {
    Writer::new(VERSION, 0).sealed(Kind::Mark, place).0
}
