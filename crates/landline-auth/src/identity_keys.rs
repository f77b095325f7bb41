//! The keys that prove to bots who calls them, and that sign the tokens which are issued to bots.
//!
//! A key is made, published, signs from a moment on, and stays published for a while after the next one signs.
//! Bots fetch the published keys rarely, so a key that is published a day before it signs is known to all of them.
//!
//! Invariants: a ring is never empty, holds at most [`MAX_IDENTITY_KEYS`] keys, no two of one id, in the order in
//! which they sign. At every moment exactly one of them signs, and that one is published.
//!
//! On disk (serde, version 1): `{"version":1,"keys":[{"kid":"…","created":ms,"signs_from":ms,"pkcs8":"…"},…]}`, in
//! the order in which they sign, the private key in base64url without padding.

use std::cmp::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use crate::jwks::{JwkSet, PublishedKeys};
use crate::limits::{IDENTITY_PUBLISH_AFTER, MAX_IDENTITY_KEYS};
use crate::rsa_key::RsaKey;

/// The version of the layout on disk.
const VERSION: u32 = 1;

/// A key and its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredKey", into = "StoredKey")]
pub struct IdentityKey {
    key: RsaKey,
    /// When it was made.
    pub created: Timestamp,
    /// From this moment on it signs, until the next one does.
    pub signs_from: Timestamp,
    /// As on disk, so that writing cannot fail.
    pkcs8: Stored,
}

/// What an identity key does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and will sign later.
    Next,
    /// Published, and signs.
    Signing,
    /// Published, and signs no more.
    Published,
}

/// Why keys do not make a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityKeysError {
    /// Nothing could be signed.
    #[error("a ring without identity keys; restore the registry from a backup")]
    Empty,
    /// More than are kept.
    #[error(
        "a ring of {actual} identity keys, the limit is {MAX_IDENTITY_KEYS}; rotate again when the oldest has dropped out, a day after it signed last"
    )]
    TooMany {
        /// How many there are.
        actual: usize,
    },
    /// It would be unclear which of them verifies.
    #[error("two identity keys of one id; each key is used once")]
    SameId,
    /// Not the keys that were stored.
    #[error("the identity keys are damaged; restore the registry from a backup")]
    Damaged,
    /// A newer release has written it.
    #[error(
        "identity keys of layout version {actual}, this release reads {VERSION}; use the release that wrote them"
    )]
    Version {
        /// The version that was found.
        actual: u32,
    },
    /// The library cannot spell the private key: a bug.
    #[error("the new identity key cannot be stored; try again")]
    Failed,
}

impl IdentityKey {
    /// A key that signs from `signs_from` on.
    ///
    /// # Errors
    /// [`IdentityKeysError::Failed`] when the library cannot spell the key for the registry.
    fn new(key: RsaKey, created: Timestamp, signs_from: Timestamp) -> Result<Self, IdentityKeysError> {
        let pkcs8 = key.to_pkcs8().map_err(|_| IdentityKeysError::Failed)?;
        Ok(Self { key, created, signs_from, pkcs8: Stored(URL_SAFE_NO_PAD.encode(pkcs8)) })
    }

    /// The `kid`.
    pub fn id(&self) -> &str {
        self.key.id()
    }

    pub(crate) fn key(&self) -> &RsaKey {
        &self.key
    }
}

/// The identity keys of an installation, in the order in which they sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredRing", into = "StoredRing")]
pub struct IdentityKeys {
    first: IdentityKey,
    later: Vec<IdentityKey>,
}

impl IdentityKeys {
    /// A ring of one key, which signs from now on.
    ///
    /// # Errors
    /// [`IdentityKeysError::Failed`] when the library cannot spell the key for the registry.
    pub fn new(key: RsaKey, now: Timestamp) -> Result<Self, IdentityKeysError> {
        Ok(Self { first: IdentityKey::new(key, now, now)?, later: Vec::new() })
    }

    fn with(mut keys: Vec<IdentityKey>) -> Result<Self, IdentityKeysError> {
        if keys.len() > MAX_IDENTITY_KEYS {
            return Err(IdentityKeysError::TooMany { actual: keys.len() });
        }
        let again =
            |(at, key): (usize, &IdentityKey)| keys.iter().skip(at + 1).any(|later| later.id() == key.id());
        if keys.iter().enumerate().any(again) {
            return Err(IdentityKeysError::SameId);
        }
        // Stable: of two that sign from one moment on, the one that was put in last wins.
        keys.sort_by_key(|key| key.signs_from);
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(IdentityKeysError::Empty)?;
        Ok(Self { first, later: keys.collect() })
    }

    /// This ring with one more key, published from now on, which signs from `publish_ahead` later on. Keys whose
    /// time is over go.
    ///
    /// With `publish_ahead` zero the new key signs at once, and all others are revoked: from now on they verify nothing
    /// here and are not published. That is for keys that others may know. Bots that keep the keys which they fetched
    /// refuse what the new one has signed until they fetch again, and tokens that were issued to bots are refused.
    ///
    /// # Errors
    /// [`IdentityKeysError::SameId`] when the ring has this key already, [`IdentityKeysError::TooMany`] when it is full.
    pub fn rotate(
        &self,
        key: RsaKey,
        now: Timestamp,
        publish_ahead: Duration,
    ) -> Result<Self, IdentityKeysError> {
        if self.keys().any(|known| known.id() == key.id()) {
            return Err(IdentityKeysError::SameId);
        }
        if publish_ahead.is_zero() {
            return Self::new(key, now);
        }
        let mut keys: Vec<_> = self.published(now).map(|(key, _)| key.clone()).collect();
        // Also where the clock was set back, the new one is the last to begin.
        let not_before = keys.last().map_or(now, |last| last.signs_from);
        keys.push(IdentityKey::new(key, now, now.plus(publish_ahead).max(not_before))?);
        Self::with(keys)
    }

    /// The key that signs at this moment: of those whose time has come, the last. Where the clock was set back to
    /// before all of them, the first.
    pub fn signing(&self, now: Timestamp) -> &IdentityKey {
        self.keys().nth(self.place_of_signing(now)).unwrap_or(&self.first)
    }

    fn place_of_signing(&self, now: Timestamp) -> usize {
        self.later.iter().rposition(|key| key.signs_from <= now).map_or(0, |place| place + 1)
    }

    /// The keys that bots get to see at this moment, in the order in which they sign.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = (&IdentityKey, KeyState)> {
        // By place: of two keys, both may sign from the same moment on.
        let signing = self.place_of_signing(now);
        let nexts = self.later.iter().map(Some).chain([None]);
        self.keys().zip(nexts).enumerate().filter_map(move |(place, (key, next))| match place.cmp(&signing) {
            Ordering::Less => {
                let until = next.map_or(now, |next| next.signs_from.plus(IDENTITY_PUBLISH_AFTER));
                (now < until).then_some((key, KeyState::Published))
            }
            Ordering::Equal => Some((key, KeyState::Signing)),
            Ordering::Greater => Some((key, KeyState::Next)),
        })
    }

    /// The published keys as a JSON Web Key Set, for bots.
    pub fn jwks(&self, now: Timestamp) -> PublishedKeys {
        PublishedKeys::of(self.published(now).map(|(key, _)| key.key()))
    }

    /// The published keys as what verifies tokens that they have signed.
    pub fn verifying(&self, now: Timestamp) -> JwkSet {
        JwkSet::of(self.published(now).map(|(key, _)| key.key()))
    }

    fn keys(&self) -> impl Iterator<Item = &IdentityKey> {
        [&self.first].into_iter().chain(&self.later)
    }
}

/// A private key as text, which debug output does not show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Stored(String);

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redacted")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    created: Timestamp,
    signs_from: Timestamp,
    pkcs8: Stored,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRing {
    version: u32,
    keys: Vec<IdentityKey>,
}

impl From<IdentityKey> for StoredKey {
    fn from(key: IdentityKey) -> Self {
        let kid = key.id().to_owned();
        Self { kid, created: key.created, signs_from: key.signs_from, pkcs8: key.pkcs8 }
    }
}

impl TryFrom<StoredKey> for IdentityKey {
    type Error = IdentityKeysError;

    /// The id follows from the key, so it shows whether both are as they were written.
    fn try_from(stored: StoredKey) -> Result<Self, IdentityKeysError> {
        let der = URL_SAFE_NO_PAD.decode(&stored.pkcs8.0).map_err(|_| IdentityKeysError::Damaged)?;
        let key = RsaKey::from_pkcs8(&der).map_err(|_| IdentityKeysError::Damaged)?;
        if key.id() != stored.kid {
            return Err(IdentityKeysError::Damaged);
        }
        Ok(Self { key, created: stored.created, signs_from: stored.signs_from, pkcs8: stored.pkcs8 })
    }
}

impl From<IdentityKeys> for StoredRing {
    fn from(ring: IdentityKeys) -> Self {
        Self { version: VERSION, keys: ring.keys().cloned().collect() }
    }
}

impl TryFrom<StoredRing> for IdentityKeys {
    type Error = IdentityKeysError;

    fn try_from(stored: StoredRing) -> Result<Self, IdentityKeysError> {
        if stored.version != VERSION {
            return Err(IdentityKeysError::Version { actual: stored.version });
        }
        Self::with(stored.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::IDENTITY_PUBLISH_AHEAD;
    use crate::test_keys::{FIRST, key};

    const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn ring() -> IdentityKeys {
        IdentityKeys::new(key(0), START).unwrap()
    }

    /// The published keys, by number, each with the first letter of what it does.
    fn shown(ring: &IdentityKeys, now: Timestamp) -> String {
        let number = |id: &str| (0..3).find(|number| key(*number).id() == id).unwrap();
        let letter = |state| match state {
            KeyState::Next => 'n',
            KeyState::Signing => 's',
            KeyState::Published => 'p',
        };
        ring.published(now).map(|(key, state)| format!("{}{}", number(key.id()), letter(state))).collect()
    }

    #[test]
    fn a_new_key_is_published_a_day_before_it_signs() {
        let rotated = ring().rotate(key(1), START, IDENTITY_PUBLISH_AHEAD).unwrap();
        let signs = START.plus(IDENTITY_PUBLISH_AHEAD);
        let before = Timestamp::from_millis(signs.as_millis() - 1);
        let gone = signs.plus(IDENTITY_PUBLISH_AFTER);
        for (now, expected, signing) in [
            (START, "0s1n", 0),
            (before, "0s1n", 0),
            (signs, "0p1s", 1),
            (signs.plus(24 * HOUR), "0p1s", 1),
            (Timestamp::from_millis(gone.as_millis() - 1), "0p1s", 1),
            (gone, "1s", 1),
            (Timestamp::from_millis(i64::MAX), "1s", 1),
            (Timestamp::from_millis(0), "0s1n", 0), // the clock was set back
        ] {
            assert_eq!(shown(&rotated, now), expected, "{now}");
            assert_eq!(rotated.signing(now).id(), key(signing).id(), "{now}");
            assert_eq!(rotated.verifying(now).len(), expected.len() / 2, "{now}");
        }
    }

    #[test]
    fn a_rotation_at_once_revokes_every_other_key() {
        let waiting = ring().rotate(key(1), START, IDENTITY_PUBLISH_AHEAD).unwrap();
        for now in [START, START.plus(HOUR), START.plus(25 * HOUR)] {
            let rotated = waiting.rotate(key(2), now, Duration::ZERO).unwrap();
            assert_eq!(shown(&rotated, now), "2s");
            for number in 0..3 {
                let known = rotated.verifying(now).get(key(number).id()).is_some();
                assert_eq!(known, number == 2, "{number}");
            }
            let stored = serde_json::to_string(&rotated).unwrap();
            assert!(!stored.contains(key(0).id()) && !stored.contains(key(1).id()), "{stored}");
        }
        assert_eq!(waiting.rotate(key(1), START, Duration::ZERO), Err(IdentityKeysError::SameId));
    }

    #[test]
    fn a_rotation_while_the_clock_is_behind() {
        // The clock was two days ahead when the first key was made.
        let ahead = IdentityKeys::new(key(0), START.plus(48 * HOUR)).unwrap();
        let at_once = ahead.rotate(key(1), START, Duration::ZERO).unwrap();
        assert_eq!(shown(&at_once, START), "1s");
        assert_eq!(at_once.signing(START).signs_from, START);

        let later = ahead.rotate(key(1), START, IDENTITY_PUBLISH_AHEAD).unwrap();
        assert_eq!(shown(&later, START), "0s1n");
        assert_eq!(later.signing(START).id(), key(0).id());
        assert_eq!(shown(&later, START.plus(48 * HOUR)), "0p1s");
    }

    #[test]
    fn rotations_in_a_row_sign_in_a_row() {
        let twice = ring().rotate(key(1), START, IDENTITY_PUBLISH_AHEAD).unwrap();
        let twice = twice.rotate(key(2), START.plus(HOUR), IDENTITY_PUBLISH_AHEAD).unwrap();
        assert_eq!(shown(&twice, START.plus(HOUR)), "0s1n2n");
        assert_eq!(shown(&twice, START.plus(24 * HOUR)), "0p1s2n");
        assert_eq!(shown(&twice, START.plus(25 * HOUR)), "0p1p2s");
        // A rotation that is written down by a clock which runs behind does not change the order.
        let behind = ring().rotate(key(1), START, HOUR).unwrap();
        let behind = behind.rotate(key(2), Timestamp::from_millis(0), HOUR).unwrap();
        assert_eq!(shown(&behind, START), "0s1n2n");
        assert_eq!(shown(&behind, START.plus(HOUR)), "0p1p2s");
    }

    #[test]
    fn keys_whose_time_is_over_are_not_stored_for_ever() {
        let mut ring = ring();
        let mut now = START;
        for number in [1, 2, 0, 1, 2, 0, 1, 2, 0, 1] {
            now = now.plus(72 * HOUR);
            ring = ring.rotate(key(number), now, IDENTITY_PUBLISH_AHEAD).unwrap();
            assert_eq!(ring.keys().count(), 2, "{now}");
        }
    }

    #[test]
    fn what_is_no_ring() {
        assert_eq!(ring().rotate(key(0), START, HOUR), Err(IdentityKeysError::SameId));
        assert_eq!(IdentityKeys::with(vec![]), Err(IdentityKeysError::Empty));
        let one = IdentityKey::new(key(0), START, START).unwrap();
        assert_eq!(
            IdentityKeys::with(vec![one; MAX_IDENTITY_KEYS + 1]),
            Err(IdentityKeysError::TooMany { actual: MAX_IDENTITY_KEYS + 1 })
        );
    }

    #[test]
    fn the_layout_on_disk() {
        let ring = ring().rotate(key(1), START.plus(HOUR), HOUR).unwrap();
        let json = serde_json::to_string(&ring).unwrap();
        assert_eq!(serde_json::from_str::<IdentityKeys>(&json).unwrap(), ring);
        let pkcs8 = URL_SAFE_NO_PAD.encode(FIRST);
        let expected = format!(
            r#"{{"version":1,"keys":[{{"kid":"{}","created":1790000000000,"signs_from":1790000000000,"pkcs8":"{pkcs8}"}},"#,
            key(0).id(),
        );
        assert!(json.starts_with(&expected), "{json}");
    }

    #[test]
    fn damage_on_disk_is_noticed_and_not_quoted() {
        let json = serde_json::to_string(&ring()).unwrap();
        let kid = key(0).id().to_owned();
        let secret = &URL_SAFE_NO_PAD.encode(FIRST)[600..640];
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"version\":1,", ""),
            (&*kid, key(1).id()),
            (secret, &secret.to_lowercase()),
            (secret, ""),
            ("\"kid\"", "\"more\":0,\"kid\""),
            ("\"created\":1790000000000,", ""),
        ] {
            let text = json.replacen(from, to, 1);
            assert_ne!(text, json, "{from}");
            let error = serde_json::from_str::<IdentityKeys>(&text).unwrap_err().to_string();
            assert!(!error.contains(&secret[..12]), "{error}");
        }
        assert!(serde_json::from_str::<IdentityKeys>(r#"{"version":1,"keys":[]}"#).is_err());
    }

    #[test]
    fn debug_output_names_keys_by_id_only() {
        let text = format!("{:?}", ring());
        assert!(text.contains(key(0).id()), "{text}");
        let secret = URL_SAFE_NO_PAD.encode(FIRST);
        assert!(!text.contains(&secret[100..120]) && text.len() < 400, "{text}");
    }
}
