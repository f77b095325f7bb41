//! A small text that a caller carries for us and can neither read nor change: where a list of theirs goes on.
//!
//! AES-256-GCM with a key that is derived from one of the ring. What it is for (the *use*) is bound to it: what was
//! sealed for one bot opens for no other.
//!
//! As text: base64url without padding of version 1 (one byte), the id of the key (8 bytes), the nonce (12), what is
//! sealed, and the tag (16).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::key_ring::{KeyRing, TokenKey};
use crate::limits::MAX_SEALED_BYTES;

/// The version of the layout.
const VERSION: u8 = 1;
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Why nothing was sealed, or nothing opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More than is carried this way.
    #[error("{actual} bytes to seal, the limit is {MAX_SEALED_BYTES} bytes")]
    TooLong {
        /// How long it is, in bytes.
        actual: usize,
    },
    /// It was not sealed here, or for another use, or with a key that is gone.
    #[error("not one of ours, or too old; begin again without it")]
    Invalid,
    /// The library could not seal: a bug.
    #[error("it could not be sealed")]
    Failed,
}

/// Seals a text for one use. Each `nonce` is random and used once.
///
/// # Errors
/// [`SealError::TooLong`] for more than [`MAX_SEALED_BYTES`].
pub fn seal(
    ring: &KeyRing,
    usage: &str,
    plain: &[u8],
    nonce: [u8; NONCE_BYTES],
) -> Result<String, SealError> {
    if plain.len() > MAX_SEALED_BYTES {
        return Err(SealError::TooLong { actual: plain.len() });
    }
    let key = ring.signing();
    let mut head = vec![VERSION];
    head.extend(id_bytes(key).ok_or(SealError::Failed)?);
    let mut body = plain.to_vec();
    let aad = Aad::from(bound(&head, usage));
    aead(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
        .map_err(|_| SealError::Failed)?;
    Ok(URL_SAFE_NO_PAD.encode([&*head, &nonce, &body].concat()))
}

/// What was sealed for this use, with any key of the ring.
///
/// # Errors
/// [`SealError::Invalid`]; why, is nobody's business.
pub fn open(ring: &KeyRing, usage: &str, text: &str) -> Result<Vec<u8>, SealError> {
    let longest = (1 + ID_BYTES + NONCE_BYTES + MAX_SEALED_BYTES + TAG_BYTES).div_ceil(3) * 4;
    if text.len() > longest {
        return Err(SealError::Invalid);
    }
    open_known(ring, usage, text).ok_or(SealError::Invalid)
}

fn open_known(ring: &KeyRing, usage: &str, text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (head, rest) = bytes.split_at_checked(1 + ID_BYTES)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let (version, id) = head.split_first()?;
    if *version != VERSION {
        return None;
    }
    let key = ring.keys().find(|key| id_bytes(key).is_some_and(|known| known == id))?;
    let mut body = body.to_vec();
    let aad = Aad::from(bound(head, usage));
    let plain = aead(key).ok()?.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut body).ok()?;
    Some(plain.to_vec())
}

fn id_bytes(key: &TokenKey) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(key.id()).ok().filter(|id| id.len() == ID_BYTES)
}

/// What the tag vouches for beside the text. The head has a fixed length, so no two pairs are spelled the same.
fn bound(head: &[u8], usage: &str) -> Vec<u8> {
    [head, usage.as_bytes()].concat()
}

/// A key of its own, so that what is sealed and what is signed with a key of the ring have nothing in common.
fn aead(key: &TokenKey) -> Result<LessSafeKey, SealError> {
    let derived = Salt::new(HKDF_SHA256, b"landline sealed text 1").extract(key.bytes());
    let expanded = derived.expand(&[b"aes-256-gcm"], &AES_256_GCM).map_err(|_| SealError::Failed)?;
    Ok(LessSafeKey::new(UnboundKey::from(expanded)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: [u8; 12] = [9; 12];

    fn ring() -> KeyRing {
        KeyRing::new(TokenKey::from_random(&[7; 32]))
    }

    #[test]
    fn what_was_sealed_opens_for_its_use_alone() {
        let text = seal(&ring(), "list bot-a", b"conversation 7", NONCE).unwrap();
        assert_eq!(open(&ring(), "list bot-a", &text).unwrap(), b"conversation 7");
        for other in ["list bot-b", "", "list bot-a ", "xlist bot-a"] {
            assert_eq!(open(&ring(), other, &text), Err(SealError::Invalid), "{other}");
        }
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!bytes.windows(5).any(|part| part == b"conve"));
    }

    #[test]
    fn a_rotation_ends_nothing_and_a_foreign_key_opens_nothing() {
        let text = seal(&ring(), "list", b"a", NONCE).unwrap();
        let rotated = ring().rotate(TokenKey::from_random(&[8; 32])).unwrap();
        assert_eq!(open(&rotated, "list", &text).unwrap(), b"a");
        let new = seal(&rotated, "list", b"a", NONCE).unwrap();
        assert_ne!(new, text);
        assert_eq!(open(&rotated, "list", &new).unwrap(), b"a");
        assert_eq!(open(&ring(), "list", &new), Err(SealError::Invalid));
    }

    #[test]
    fn every_bit_counts() {
        let text = seal(&ring(), "list", b"position 42", NONCE).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let other = URL_SAFE_NO_PAD.encode(other);
            assert_eq!(open(&ring(), "list", &other), Err(SealError::Invalid), "bit {bit}");
        }
        for length in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            assert_eq!(open(&ring(), "list", &cut), Err(SealError::Invalid), "{length}");
        }
    }

    #[test]
    fn how_much_is_carried() {
        let most = vec![1; MAX_SEALED_BYTES];
        let text = seal(&ring(), "list", &most, NONCE).unwrap();
        assert_eq!(open(&ring(), "list", &text).unwrap(), most);
        let more = vec![1; MAX_SEALED_BYTES + 1];
        let refused = seal(&ring(), "list", &more, NONCE);
        assert_eq!(refused, Err(SealError::TooLong { actual: MAX_SEALED_BYTES + 1 }));
        assert_eq!(open(&ring(), "list", &"A".repeat(100_000)), Err(SealError::Invalid));
    }

    proptest! {
        #[test]
        fn any_text_reads_back(plain in proptest::collection::vec(any::<u8>(), 0..200), usage in ".{0,40}", nonce: [u8; 12]) {
            let text = seal(&ring(), &usage, &plain, nonce).unwrap();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(open(&ring(), &usage, &text).unwrap(), plain);
        }

        #[test]
        fn any_other_text_opens_nothing(text in ".*|[A-Za-z0-9_-]{0,200}") {
            prop_assert_eq!(open(&ring(), "list", &text), Err(SealError::Invalid));
        }
    }
}
