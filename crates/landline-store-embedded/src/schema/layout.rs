//! Putting numbers into bytes, getting them out again, and the checksum around it all.

use landline_protocol::{Position, Timestamp};
use xxhash_rust::xxh3::Xxh3;

use crate::error::Trouble;

/// What kind of value a checksum is for; no two kinds can be taken for one another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Record = 1,
    Head = 2,
    Facts = 3,
    Key = 4,
    Delivery = 5,
    Entry = 6,
    Mark = 7,
    Newest = 8,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Head => "head",
            Self::Facts => "facts",
            Self::Key => "idempotency key",
            Self::Delivery => "delivery state",
            Self::Entry => "registry entry",
            Self::Mark => "mark",
            Self::Newest => "newest replacement",
        }
    }
}

const CHECKSUM_BYTES: usize = 8;

/// XXH3-64 over the place (the key on disk, with its length before it) and the content; the kind is the seed.
fn checksum(kind: Kind, place: &[u8], content: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(kind as u64);
    hash.update(&(place.len() as u64).to_be_bytes());
    hash.update(place);
    hash.update(content);
    hash.digest()
}

/// Any content with the checksum of a kind of this number.
#[cfg(feature = "fuzzing")]
pub(crate) fn seal(kind: u64, place: &[u8], content: &[u8]) -> Vec<u8> {
    let kinds = [Kind::Record, Kind::Head, Kind::Facts, Kind::Key, Kind::Delivery, Kind::Entry, Kind::Newest];
    let kind = kinds.into_iter().find(|known| *known as u64 == kind).unwrap_or(Kind::Mark);
    let mut value = content.to_vec();
    value.extend(checksum(kind, place, content).to_be_bytes());
    value
}

/// A value under construction.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(version: u8, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(1 + capacity + CHECKSUM_BYTES);
        bytes.push(version);
        Self(bytes)
    }

    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(super) fn short(mut self, number: u16) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn position(self, position: Position) -> Self {
        self.number(position.get())
    }

    pub(super) fn time(self, time: Timestamp) -> Self {
        self.number(time.as_millis().cast_unsigned())
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// The finished value, and its checksum.
    pub(super) fn sealed(mut self, kind: Kind, place: &[u8]) -> (Vec<u8>, u64) {
        let checksum = checksum(kind, place, &self.0);
        self.0.extend(checksum.to_be_bytes());
        (self.0, checksum)
    }
}

/// A value that is being taken apart; whatever the bytes are, this never panics.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    kind: Kind,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks the checksum and the version; hands out what is between them, and the checksum.
    pub(super) fn open(
        kind: Kind,
        version: u8,
        place: &[u8],
        value: &'a [u8],
    ) -> Result<(Self, u64), Trouble> {
        let (reader, found, sum) = Self::open_any(kind, place, value)?;
        if found == version { Ok((reader, sum)) } else { reader.unknown("version", found) }
    }

    /// As [`Reader::open`], for values of several versions: hands out the version as well.
    pub(super) fn open_any(kind: Kind, place: &[u8], value: &'a [u8]) -> Result<(Self, u8, u64), Trouble> {
        let Some((content, sum)) = value.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Trouble::damaged(format!("a {} is cut", kind.name()));
        };
        let sum = u64::from_be_bytes(*sum);
        if checksum(kind, place, content) != sum {
            return Trouble::damaged(format!("the checksum of a {} is wrong", kind.name()));
        }
        match content.split_first() {
            Some((version, rest)) => Ok((Self { kind, rest }, *version, sum)),
            None => Trouble::damaged(format!("a {} is empty", kind.name())),
        }
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Trouble> {
        match self.rest.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Trouble::damaged(format!("a {} is too short", self.kind.name())),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Trouble> {
        self.fixed().map(u8::from_be_bytes)
    }

    pub(super) fn short(&mut self) -> Result<u16, Trouble> {
        self.fixed().map(u16::from_be_bytes)
    }

    pub(super) fn number(&mut self) -> Result<u64, Trouble> {
        self.fixed().map(u64::from_be_bytes)
    }

    pub(super) fn position(&mut self) -> Result<Position, Trouble> {
        self.number().map(Position::new)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Trouble> {
        self.fixed().map(|bytes| Timestamp::from_millis(i64::from_be_bytes(bytes)))
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Trouble> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Trouble::damaged(format!("a {} is too long", self.kind.name()))
        }
    }

    pub(super) fn unknown<T>(&self, what: &str, found: u8) -> Result<T, Trouble> {
        Trouble::damaged(format!("a {} has the unknown {what} {found}", self.kind.name()))
    }
}
