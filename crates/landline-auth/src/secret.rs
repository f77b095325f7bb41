//! What is kept of secrets, and how a presented one is compared with them: those of a site, and those of a bot.
//!
//! Invariants: only digests are kept, never a text. A comparison takes the same time whatever is
//! presented, and both secrets are always compared, so time tells nothing about either.
//!
//! A plain SHA-256 suffices for a secret of 256 random bits. Whoever chooses a text of their own is
//! asked for 32 characters at least, because a digest of something guessable could be reversed.
//!
//! Not here: which texts may be secrets (`secret_text.rs`), where digests are kept (`landline-core`).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use landline_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use crate::limits::MAX_SECRET_CHARS;

/// The SHA-256 digest of a secret.
///
/// `Display`, `FromStr` and serde spell it as 64 hexadecimal digits; `==` takes the same time for all values.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretDigest([u8; 32]);

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of a secret; it has 64 hexadecimal digits in lower case")]
pub struct InvalidDigest;

impl SecretDigest {
    /// The digest of this text.
    pub(crate) fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        // A SHA-256 digest has 32 bytes, so nothing is cut off.
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SecretDigest {}

impl fmt::Display for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The digest of a chosen secret could be searched for, so logs do not get it by accident.
impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(redacted)")
    }
}

impl FromStr for SecretDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(InvalidDigest);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, InvalidDigest> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidDigest),
    }
}

impl TryFrom<String> for SecretDigest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<SecretDigest> for String {
    fn from(digest: SecretDigest) -> Self {
        digest.to_string()
    }
}

/// A digest, and when its secret was made.
///
/// Serde spells it `{"digest":"…","created":ms}`, or as the digest alone where the moment is not known; so what an
/// earlier release has written reads as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredDigest", into = "StoredDigest")]
pub struct DatedDigest {
    /// The digest.
    pub digest: SecretDigest,
    /// When the secret was made; unknown for one from a configuration file.
    pub created: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredDigest {
    Bare(SecretDigest),
    Dated { digest: SecretDigest, created: Timestamp },
}

impl From<StoredDigest> for DatedDigest {
    fn from(stored: StoredDigest) -> Self {
        match stored {
            StoredDigest::Bare(digest) => digest.into(),
            StoredDigest::Dated { digest, created } => Self { digest, created: Some(created) },
        }
    }
}

impl From<DatedDigest> for StoredDigest {
    fn from(DatedDigest { digest, created }: DatedDigest) -> Self {
        created.map_or(Self::Bare(digest), |created| Self::Dated { digest, created })
    }
}

impl From<SecretDigest> for DatedDigest {
    fn from(digest: SecretDigest) -> Self {
        Self { digest, created: None }
    }
}

impl AsRef<SecretDigest> for DatedDigest {
    fn as_ref(&self) -> &SecretDigest {
        &self.digest
    }
}

impl AsRef<Self> for SecretDigest {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Two secrets, so that one can be exchanged while the other works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretPair<D> {
    /// The first, where there is one.
    pub first: Option<D>,
    /// The second, where there is one.
    pub second: Option<D>,
}

/// The secrets of a site.
pub type SiteSecrets = SecretPair<SecretDigest>;

/// The credentials of a bot; also secrets of a site of which it is known when they were made.
pub type DatedSecrets = SecretPair<DatedDigest>;

/// One of the two places of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    First,
    /// The second.
    Second,
}

impl Slot {
    /// 1 or 2.
    pub const fn number(self) -> u8 {
        match self {
            Self::First => 1,
            Self::Second => 2,
        }
    }

    /// The place of this number.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::First),
            2 => Some(Self::Second),
            _ => None,
        }
    }
}

impl<D> Default for SecretPair<D> {
    fn default() -> Self {
        Self { first: None, second: None }
    }
}

impl<D: AsRef<SecretDigest>> SecretPair<D> {
    /// True when this text is one of the two secrets. Without any secret, nothing is accepted.
    pub fn accepts(&self, presented: &str) -> bool {
        if presented.len() > MAX_SECRET_CHARS {
            return false;
        }
        self.holds(&SecretDigest::of(presented))
    }

    /// True when this is the digest of one of the two. For whoever asks many pairs about one text.
    pub fn holds(&self, presented: &SecretDigest) -> bool {
        let first = is(self.first.as_ref().map(D::as_ref), presented);
        let second = is(self.second.as_ref().map(D::as_ref), presented);
        // Not `||`, which would skip the second.
        first | second
    }
}

impl<D> SecretPair<D> {
    /// The secrets that there are, with their places.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &D)> {
        let first = self.first.as_ref().map(|secret| (Slot::First, secret));
        first.into_iter().chain(self.second.as_ref().map(|secret| (Slot::Second, secret)))
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.second.is_none()
    }

    /// Puts a secret into this place, or takes the one there away.
    pub fn set(&mut self, slot: Slot, secret: Option<D>) {
        match slot {
            Slot::First => self.first = secret,
            Slot::Second => self.second = secret,
        }
    }
}

impl DatedSecrets {
    /// Puts a new secret into the free place, or else into that of the older one; says which. One whose age is not
    /// known is the older one.
    pub fn add(&mut self, secret: DatedDigest) -> Slot {
        let slot = match (&self.first, &self.second) {
            (None, _) => Slot::First,
            (_, None) => Slot::Second,
            (Some(first), Some(second)) if first.created <= second.created => Slot::First,
            _ => Slot::Second,
        };
        self.set(slot, Some(secret));
        slot
    }
}

/// Compares even when there is nothing to compare with, so that time does not tell.
fn is(kept: Option<&SecretDigest>, presented: &SecretDigest) -> bool {
    let same = kept.unwrap_or(&SecretDigest([0; 32])) == presented;
    same & kept.is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SiteSecret;

    fn secret(seed: u8) -> SiteSecret {
        SiteSecret::from_random(&[seed; 32])
    }

    fn site(first: Option<u8>, second: Option<u8>) -> SiteSecrets {
        SiteSecrets {
            first: first.map(|seed| secret(seed).digest()),
            second: second.map(|seed| secret(seed).digest()),
        }
    }

    #[test]
    fn either_secret_opens_the_site() {
        check(&site(Some(1), Some(2)), 1, true);
        check(&site(Some(1), Some(2)), 2, true);
        check(&site(Some(1), Some(2)), 3, false);
        check(&site(Some(1), None), 1, true);
        check(&site(None, Some(1)), 1, true);
        check(&site(Some(1), None), 2, false);
        check(&site(None, Some(1)), 2, false);
        check(&site(None, None), 1, false);
    }

    #[track_caller]
    fn check(site: &SiteSecrets, seed: u8, expected: bool) {
        assert_eq!(site.accepts(secret(seed).expose()), expected, "{seed} at {site:?}");
    }

    #[test]
    fn a_digest_is_no_secret() {
        let site = site(Some(1), Some(2));
        assert!(!site.accepts(&secret(1).digest().to_string()));
        assert!(!site.accepts(""));
        assert!(!site.accepts(&"x".repeat(100_000)));
    }

    #[test]
    fn what_is_not_there_equals_nothing() {
        let zero = SecretDigest([0; 32]);
        assert!(is(Some(&zero), &zero));
        assert!(!is(None, &zero));
    }

    fn dated(seed: u8, created: Option<i64>) -> DatedDigest {
        DatedDigest { digest: secret(seed).digest(), created: created.map(Timestamp::from_millis) }
    }

    #[test]
    fn a_new_secret_takes_the_free_place_or_that_of_the_older_one() {
        let mut pair = DatedSecrets::default();
        assert!(pair.is_empty());
        for (seed, slot) in [(1, Slot::First), (2, Slot::Second), (3, Slot::First), (4, Slot::Second)] {
            assert_eq!(pair.add(dated(seed, Some(i64::from(seed)))), slot, "{seed}");
            assert!(pair.accepts(secret(seed).expose()), "{seed}");
        }
        assert!(pair.accepts(secret(3).expose()) && !pair.accepts(secret(2).expose()));
        pair.set(Slot::First, None);
        assert_eq!(pair.iter().map(|(slot, _)| slot.number()).collect::<Vec<_>>(), [2]);
        assert!(!pair.accepts(secret(3).expose()));
        assert_eq!(pair.add(dated(5, Some(5))), Slot::First);

        let mut unknown = DatedSecrets { first: Some(dated(1, Some(1))), second: Some(dated(2, None)) };
        assert_eq!(unknown.add(dated(3, Some(3))), Slot::Second);
        for number in 0..4 {
            assert_eq!(
                Slot::of_number(number).map(Slot::number),
                (1..=2).contains(&number).then_some(number)
            );
        }
    }

    #[test]
    fn what_is_written_of_a_pair() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest: SecretDigest = hex.parse().unwrap();
        let pair = DatedSecrets {
            first: Some(DatedDigest { digest, created: Some(Timestamp::from_millis(7)) }),
            second: Some(digest.into()),
        };
        let text = format!(r#"{{"first":{{"digest":"{hex}","created":7}},"second":"{hex}"}}"#);
        assert_eq!(serde_json::to_string(&pair).unwrap(), text);
        assert_eq!(serde_json::from_str::<DatedSecrets>(&text).unwrap(), pair);
        // What release 0.1.0 wrote of a site.
        let old = format!(r#"{{"first":"{hex}","second":null}}"#);
        let site = SiteSecrets { first: Some(digest), second: None };
        assert_eq!(serde_json::to_string(&site).unwrap(), old);
        assert_eq!(serde_json::from_str::<SiteSecrets>(&old).unwrap(), site);
        let read = serde_json::from_str::<DatedSecrets>(&old).unwrap();
        assert_eq!(read, DatedSecrets { first: Some(digest.into()), second: None });
    }

    #[test]
    fn what_is_too_long_for_a_secret_is_none_even_where_its_digest_is_kept() {
        for (length, expected) in [(MAX_SECRET_CHARS, true), (MAX_SECRET_CHARS + 1, false)] {
            let text = "x".repeat(length);
            let site = SiteSecrets { first: Some(SecretDigest::of(&text)), second: None };
            assert_eq!(site.accepts(&text), expected, "{length}");
        }
    }

    #[test]
    fn a_known_digest_in_hexadecimal() {
        let digest = SecretDigest::of("abc");
        // FIPS 180-4, example of SHA-256.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{text}\""));
        for bad in ["", &text[1..], &format!("{text}00"), &text.to_uppercase(), &text.replace('b', "g"), "é"]
        {
            assert_eq!(bad.parse::<SecretDigest>(), Err(InvalidDigest), "{bad:?}");
        }
    }

    #[test]
    fn debug_output_holds_nothing_of_them() {
        let text = format!("{:?}", site(Some(1), None));
        assert!(!text.contains(&secret(1).digest().to_string()[..8]), "{text}");
    }

    proptest! {
        #[test]
        fn a_printed_digest_reads_back(text in ".*") {
            let digest = SecretDigest::of(&text);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            let json = serde_json::to_string(&digest).unwrap();
            prop_assert_eq!(serde_json::from_str::<SecretDigest>(&json).unwrap(), digest);
        }

        #[test]
        fn any_text_is_a_digest_or_not(text in "[0-9a-fA-F]{63,65}|.*") {
            if let Ok(digest) = text.parse::<SecretDigest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }

        #[test]
        fn any_other_text_is_refused(text in ".*") {
            prop_assert!(!site(Some(1), Some(2)).accepts(&text));
        }

        #[test]
        fn a_digest_that_differs_in_one_bit_is_another(seed: u8, bit in 0_usize..256) {
            let digest = secret(seed).digest();
            let mut other = digest;
            other.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(digest, other);
        }
    }
}
