//! What is kept of a site's secrets, and how a presented one is compared with them.
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
use serde::{Deserialize, Serialize};

use crate::limits::MAX_SECRET_CHARS;

/// The SHA-256 digest of a site secret.
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

/// The secrets of a site: two, so that one can be exchanged while the other works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteSecrets {
    /// The first, where there is one.
    pub first: Option<SecretDigest>,
    /// The second, where there is one.
    pub second: Option<SecretDigest>,
}

impl SiteSecrets {
    /// True when this text is one of the two secrets. A site without secrets accepts nothing.
    pub fn accepts(&self, presented: &str) -> bool {
        if presented.len() > MAX_SECRET_CHARS {
            return false;
        }
        let presented = SecretDigest::of(presented);
        let first = is(self.first.as_ref(), &presented);
        let second = is(self.second.as_ref(), &presented);
        // Not `||`, which would skip the second.
        first | second
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
