//! The keys that tokens and tickets are signed with.
//!
//! The newest key signs; all keys of the ring verify. So a rotation ends nobody's chat: what an older
//! key has signed works until it expires, or until that key falls off the end of the ring.
//!
//! Invariants: a ring is never empty, holds at most [`MAX_TOKEN_KEYS`] keys, and no two of one id.
//!
//! On disk (serde, version 1): `{"version":1,"keys":[{"id":"…","key":"…"},…]}`, oldest first, the key
//! in base64url without padding.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::limits::MAX_TOKEN_KEYS;

/// The version of the layout on disk.
const VERSION: u32 = 1;

/// How many bytes of the digest make the id of a key.
const ID_BYTES: usize = 8;

/// One key, of 256 bits.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredKey", into = "StoredKey")]
pub struct TokenKey {
    id: String,
    key: [u8; 32],
}

/// Why keys do not make a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// Nothing could be signed.
    #[error(
        "a key ring without keys; restore the registry from a backup, or remove the ring to have a new one made"
    )]
    Empty,
    /// More than are kept.
    #[error("a key ring of {actual} keys, the limit is {MAX_TOKEN_KEYS}")]
    TooMany {
        /// How many there are.
        actual: usize,
    },
    /// It would be unclear which of them verifies.
    #[error("two keys of one id in a key ring; each random key is used once")]
    SameId,
    /// Not the key that was stored.
    #[error("a key of a key ring is damaged; restore the registry from a backup")]
    Damaged,
    /// A newer release has written it.
    #[error(
        "a key ring of layout version {actual}, this release reads {VERSION}; use the release that wrote it"
    )]
    Version {
        /// The version that was found.
        actual: u32,
    },
}

impl TokenKey {
    /// Makes a key of 256 random bits. Its id follows from them.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self { id: id_of(bytes), key: *bytes }
    }

    /// The id, as the `kid` of what the key has signed.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }
}

/// A short name for the key that tells nothing useful about it: 64 bits of a digest of 256 random bits.
fn id_of(key: &[u8; 32]) -> String {
    let named = Zeroizing::new([b"landline token key id\0".as_slice(), key].concat());
    let id = digest(&SHA256, &named);
    URL_SAFE_NO_PAD.encode(id.as_ref().get(..ID_BYTES).unwrap_or_default())
}

impl Drop for TokenKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.key, &other.key).is_ok()
    }
}

impl Eq for TokenKey {}

/// The keys of an installation, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredRing", into = "StoredRing")]
pub struct KeyRing {
    /// All but the newest.
    older: Vec<TokenKey>,
    signing: TokenKey,
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(key: TokenKey) -> Self {
        Self { older: Vec::new(), signing: key }
    }

    /// A ring of these keys, oldest first.
    ///
    /// # Errors
    /// [`KeyRingError`] for none, for too many, and for two of one id.
    pub fn with(mut keys: Vec<TokenKey>) -> Result<Self, KeyRingError> {
        if keys.len() > MAX_TOKEN_KEYS {
            return Err(KeyRingError::TooMany { actual: keys.len() });
        }
        let again = |(at, key): (usize, &TokenKey)| keys.iter().skip(at + 1).any(|later| later.id == key.id);
        if keys.iter().enumerate().any(again) {
            return Err(KeyRingError::SameId);
        }
        let signing = keys.pop().ok_or(KeyRingError::Empty)?;
        Ok(Self { older: keys, signing })
    }

    /// This ring with one more key, which signs from now on. Where the ring is full, its oldest key goes.
    ///
    /// # Errors
    /// [`KeyRingError::SameId`] when the ring has this key already.
    pub fn rotate(&self, key: TokenKey) -> Result<Self, KeyRingError> {
        let from = (self.older.len() + 2).saturating_sub(MAX_TOKEN_KEYS);
        Self::with(self.keys().skip(from).cloned().chain([key]).collect())
    }

    /// The keys, oldest first; the last one signs.
    pub fn keys(&self) -> impl Iterator<Item = &TokenKey> {
        self.older.iter().chain([&self.signing])
    }

    /// The key that signs.
    pub fn signing(&self) -> &TokenKey {
        &self.signing
    }

    /// The key of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&TokenKey> {
        self.keys().find(|key| key.id == id)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    id: String,
    key: String,
}

impl Drop for StoredKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRing {
    version: u32,
    keys: Vec<TokenKey>,
}

impl From<TokenKey> for StoredKey {
    fn from(key: TokenKey) -> Self {
        Self { id: key.id.clone(), key: URL_SAFE_NO_PAD.encode(key.key) }
    }
}

impl TryFrom<StoredKey> for TokenKey {
    type Error = KeyRingError;

    /// The id follows from the key, so it shows whether both are as they were written.
    fn try_from(stored: StoredKey) -> Result<Self, KeyRingError> {
        let bytes = URL_SAFE_NO_PAD.decode(&stored.key).map_err(|_| KeyRingError::Damaged)?;
        let bytes = Zeroizing::new(bytes);
        let key = Self::from_random(bytes.as_slice().try_into().map_err(|_| KeyRingError::Damaged)?);
        if key.id == stored.id { Ok(key) } else { Err(KeyRingError::Damaged) }
    }
}

impl From<KeyRing> for StoredRing {
    fn from(ring: KeyRing) -> Self {
        Self { version: VERSION, keys: ring.keys().cloned().collect() }
    }
}

impl TryFrom<StoredRing> for KeyRing {
    type Error = KeyRingError;

    fn try_from(stored: StoredRing) -> Result<Self, KeyRingError> {
        if stored.version != VERSION {
            return Err(KeyRingError::Version { actual: stored.version });
        }
        Self::with(stored.keys)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> TokenKey {
        TokenKey::from_random(&[seed; 32])
    }

    fn ids(ring: &KeyRing) -> Vec<&str> {
        ring.keys().map(TokenKey::id).collect()
    }

    #[test]
    fn the_newest_key_signs_and_all_verify() {
        let ring = KeyRing::new(key(1)).rotate(key(2)).unwrap().rotate(key(3)).unwrap();
        assert_eq!(ring.signing(), &key(3));
        assert_eq!(ids(&ring), [key(1).id(), key(2).id(), key(3).id()]);
        for seed in 1..=3 {
            assert_eq!(ring.get(key(seed).id()), Some(&key(seed)));
        }
        assert_eq!(ring.get(key(4).id()), None);
        assert_eq!(ring.get(""), None);
    }

    #[test]
    fn a_full_ring_loses_its_oldest_key() {
        let full = (2..=8).fold(KeyRing::new(key(1)), |ring, seed| ring.rotate(key(seed)).unwrap());
        assert_eq!(full.keys().count(), MAX_TOKEN_KEYS);
        let next = full.rotate(key(9)).unwrap();
        assert_eq!(next.keys().count(), MAX_TOKEN_KEYS);
        assert_eq!(next.get(key(1).id()), None);
        assert_eq!(next.get(key(2).id()), Some(&key(2)));
        assert_eq!(next.signing(), &key(9));
    }

    #[test]
    fn what_is_no_ring() {
        check((1..=8).map(key).collect(), None);
        check(vec![], Some(KeyRingError::Empty));
        check((1..=9).map(key).collect(), Some(KeyRingError::TooMany { actual: 9 }));
        check(vec![key(1), key(1)], Some(KeyRingError::SameId));
        check(vec![key(1), key(2), key(1)], Some(KeyRingError::SameId));
        check(vec![key(1), key(1), key(2), key(3)], Some(KeyRingError::SameId));
        assert_eq!(KeyRing::new(key(1)).rotate(key(1)), Err(KeyRingError::SameId));
    }

    #[track_caller]
    fn check(keys: Vec<TokenKey>, expected: Option<KeyRingError>) {
        assert_eq!(KeyRing::with(keys).err(), expected);
    }

    /// What release 0.1.0 wrote.
    const FIXTURE: &str = r#"{"version":1,"keys":[{"id":"G6ZLLXEA8Fk","key":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"},{"id":"HB-9Aiwqmbs","key":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"}]}"#;

    #[test]
    fn the_layout_on_disk() {
        let ring = KeyRing::with(vec![key(1), key(2)]).unwrap();
        assert_eq!(serde_json::to_string(&ring).unwrap(), FIXTURE);
        assert_eq!(serde_json::from_str::<KeyRing>(FIXTURE).unwrap(), ring);
    }

    #[test]
    fn damage_on_disk_is_noticed_and_not_quoted() {
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"version\":1,", ""),
            ("AQEBAQEBAQ", "BQEBAQEBAQ"),
            ("AQEBAQE\"", "AQEBAQE=\""),
            ("AQEBAQE\"", "AQEBAQF\""), // the same bits, with others behind them that do not count
            ("AQEBAQEBAQ", ""),
            ("\"version\"", "\"more\":0,\"version\""),
        ] {
            let text = FIXTURE.replacen(from, to, 1);
            assert_ne!(text, FIXTURE);
            let error = serde_json::from_str::<KeyRing>(&text).unwrap_err().to_string();
            assert!(!error.contains("QEBAQEB"), "{error}");
        }
        assert!(serde_json::from_str::<KeyRing>(r#"{"version":1,"keys":[]}"#).is_err());
    }

    #[test]
    fn debug_output_names_keys_by_id_only() {
        let text = format!("{:?}", KeyRing::new(key(1)));
        assert!(text.contains(key(1).id()), "{text}");
        assert!(!text.contains("1, 1") && !text.contains("AQEB"), "{text}");
    }

    proptest! {
        #[test]
        fn a_stored_ring_reads_back(seeds in proptest::collection::hash_set(any::<[u8; 32]>(), 1..=8)) {
            let ring = KeyRing::with(seeds.iter().map(TokenKey::from_random).collect()).unwrap();
            let json = serde_json::to_string(&ring).unwrap();
            prop_assert_eq!(serde_json::from_str::<KeyRing>(&json).unwrap(), ring);
        }

        #[test]
        fn any_text_is_a_ring_or_not(text in ".*") {
            prop_assert!(serde_json::from_str::<KeyRing>(&text).is_err());
        }
    }
}
