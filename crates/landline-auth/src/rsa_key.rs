//! One RSA key that signs what bots are shown.
//!
//! Invariants: it has [`IDENTITY_KEY_BITS`] bits; its id follows from its public part; nothing of its private part
//! appears in debug output or in an error.
//!
//! Not here: when a key signs and how long it is published (`identity_keys.rs`).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::IDENTITY_KEY_BITS;

/// An RSA key pair. Clones are cheap and share it.
#[derive(Clone)]
pub struct RsaKey(Arc<Inner>);

struct Inner {
    pair: KeyPair,
    kid: String,
    /// The modulus and the exponent, as a JSON Web Key spells them.
    n: String,
    e: String,
    /// What verifies its signatures, parsed once.
    public: Arc<ParsedPublicKey>,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RsaKeyError {
    /// These bytes are no private key, or one of another size.
    #[error("not an RSA private key of {IDENTITY_KEY_BITS} bits in PKCS #8")]
    NotAKey,
    /// The library could not make one.
    #[error("an RSA key could not be made; try again")]
    Failed,
}

impl RsaKey {
    /// Makes a new key of the machine's own randomness. Takes up to a second of computing: not for an async thread.
    ///
    /// # Errors
    /// [`RsaKeyError::Failed`] when the library cannot.
    pub fn generate() -> Result<Self, RsaKeyError> {
        KeyPair::generate(KeySize::Rsa2048).map_err(|_| RsaKeyError::Failed).and_then(Self::new)
    }

    /// Reads a private key, in PKCS #8 (DER).
    ///
    /// # Errors
    /// [`RsaKeyError::NotAKey`] for anything else, and for a key of another size.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, RsaKeyError> {
        KeyPair::from_pkcs8(der).map_err(|_| RsaKeyError::NotAKey).and_then(Self::new)
    }

    fn new(pair: KeyPair) -> Result<Self, RsaKeyError> {
        if pair.public_modulus_len() * 8 != IDENTITY_KEY_BITS {
            return Err(RsaKeyError::NotAKey);
        }
        let public = pair.public_key();
        let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        let kid = thumbprint(&n, &e);
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref());
        let public = Arc::new(parsed.map_err(|_| RsaKeyError::NotAKey)?);
        Ok(Self(Arc::new(Inner { pair, kid, n, e, public })))
    }

    /// The id, as the `kid` of what the key has signed.
    pub fn id(&self) -> &str {
        &self.0.kid
    }

    pub(crate) fn modulus(&self) -> &str {
        &self.0.n
    }

    pub(crate) fn exponent(&self) -> &str {
        &self.0.e
    }

    pub(crate) fn public(&self) -> &Arc<ParsedPublicKey> {
        &self.0.public
    }

    /// The private key, to be kept in the registry.
    pub(crate) fn to_pkcs8(&self) -> Result<Vec<u8>, RsaKeyError> {
        let der = AsDer::<Pkcs8V1Der<'static>>::as_der(&self.0.pair).map_err(|_| RsaKeyError::Failed)?;
        Ok(der.as_ref().to_vec())
    }

    /// The RS256 signature of this message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, RsaKeyError> {
        let mut signature = vec![0; self.0.pair.public_modulus_len()];
        // The padding of RS256 is not random; the library asks for a source and does not use it.
        self.0
            .pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| RsaKeyError::Failed)?;
        Ok(signature)
    }
}

/// The name of a public key. Source: RFC 7638, section 3.
fn thumbprint(n: &str, e: &str) -> String {
    let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

impl PartialEq for RsaKey {
    /// The id follows from the public part, and a public part has one private part.
    fn eq(&self, other: &Self) -> bool {
        self.0.kid == other.0.kid
    }
}

impl Eq for RsaKey {}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaKey").field("id", &self.0.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{FIRST, SMALL, key};

    #[test]
    fn a_key_reads_back() {
        let made = RsaKey::from_pkcs8(FIRST).unwrap();
        let again = RsaKey::from_pkcs8(&made.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again, made);
        assert_eq!(again.sign(b"a").unwrap(), made.sign(b"a").unwrap());
        assert_ne!(again.sign(b"a").unwrap(), key(1).sign(b"a").unwrap());
    }

    #[test]
    fn a_made_key_is_one_of_a_kind() {
        let (one, two) = (RsaKey::generate().unwrap(), RsaKey::generate().unwrap());
        assert_ne!(one, two);
        assert_eq!(URL_SAFE_NO_PAD.decode(one.modulus()).unwrap().len() * 8, IDENTITY_KEY_BITS);
        assert_eq!(RsaKey::from_pkcs8(&one.to_pkcs8().unwrap()).unwrap(), one);
    }

    #[test]
    fn what_is_no_key() {
        for bytes in [&b""[..], b"x", &FIRST[1..], &FIRST[..FIRST.len() - 1], SMALL] {
            assert_eq!(RsaKey::from_pkcs8(bytes), Err(RsaKeyError::NotAKey), "{} bytes", bytes.len());
        }
    }

    /// Source: RFC 7638, section 3.1.
    #[test]
    fn the_thumbprint_of_the_rfc() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(thumbprint(n, "AQAB"), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn debug_output_names_the_key_and_nothing_else() {
        assert_eq!(format!("{:?}", key(0)), format!("RsaKey {{ id: {:?}, .. }}", key(0).id()));
    }
}
