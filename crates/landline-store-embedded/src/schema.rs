//! Everything that is on disk: keys and values, to the byte. `docs/storage-format.md` says the same in words.
//!
//! Every value begins with the version of its layout and ends with a checksum over the content *and* the key
//! that it belongs to, so that a value in a wrong place is found as well as a wrong value. All numbers are
//! big-endian.
//!
//! What changes here changes the format: raise [`FORMAT`], and keep reading the old one. A test holds values of
//! this format as bytes, so that no change goes unseen.
//!
//! Not here: files and folders (`folder`), who writes what when (`committer`).

mod entry;
mod head;
pub(crate) mod keys;
mod layout;
mod record;
mod small;

#[cfg(test)]
mod tests;

pub(crate) use entry::StoredEntry;
pub(crate) use head::{Link, StoredHead};
#[cfg(feature = "fuzzing")]
pub(crate) use layout::seal;
pub(crate) use record::StoredRecord;
pub(crate) use small::{
    Sent, decode_delivery, decode_facts, decode_newest, encode_delivery, encode_facts, encode_mark,
    encode_newest,
};

/// The version of the format as a whole.
pub(crate) const FORMAT: u32 = 2;

/// The oldest format that is opened. All of it is read as it is, and the folder says [`FORMAT`] from then on: an older
/// program would pass over what is new.
pub(crate) const OLDEST_FORMAT: u32 = 1;
