//! An entry of the registry: `version count kept value checksum`. One that was taken away stays behind as its count.

use bytes::Bytes;
use landline_core::store::{Version, Versioned};

use super::layout::{Kind, Reader, Writer};
use crate::error::Trouble;

const VERSION: u8 = 1;

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    /// Counts the writes, deletions included; the copy with more of them is the newer one.
    pub(crate) writes: u64,
    /// The version that callers see: counts the values.
    pub(crate) version: Version,
    /// `None` when it was taken away.
    pub(crate) value: Option<Bytes>,
}

impl StoredEntry {
    pub(crate) fn live(self) -> Option<Versioned> {
        let version = self.version;
        self.value.map(|value| Versioned { value, version })
    }

    pub(crate) fn encode(&self, place: &[u8]) -> Vec<u8> {
        let value = self.value.as_deref().unwrap_or_default();
        Writer::new(VERSION, 17 + value.len())
            .number(self.writes)
            .number(self.version.0)
            .byte(u8::from(self.value.is_some()))
            .bytes(value)
            .sealed(Kind::Entry, place)
            .0
    }

    pub(crate) fn decode(place: &[u8], value: &[u8]) -> Result<Self, Trouble> {
        let (mut reader, _) = Reader::open(Kind::Entry, VERSION, place, value)?;
        let writes = reader.number()?;
        let version = Version(reader.number()?);
        let kept = reader.byte()?;
        let rest = Bytes::copy_from_slice(reader.rest());
        match kept {
            0 if rest.is_empty() => Ok(Self { writes, version, value: None }),
            1 => Ok(Self { writes, version, value: Some(rest) }),
            _ => Trouble::damaged("a registry entry is neither there nor gone"),
        }
    }
}
