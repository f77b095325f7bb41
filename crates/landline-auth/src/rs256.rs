//! A JWT, signed with RS256: what bots are shown, and what they show.
//!
//! Invariants: one algorithm, fixed here and never taken from the token, so that neither `none` nor an HMAC with a
//! public key for its secret is a signature. No key travels in a token, and none is fetched from where it says.
//!
//! The library that makes our own tokens (`jwt.rs`) reads a private key again for each signature and a public one
//! for each verification; here both are read once, so the frame of a JWT is put together and taken apart here.
//!
//! Not here: which claims there are and what they must say (`channel_token.rs`, `access_token.rs`, `bot_token.rs`).

use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::jwt::SignError;
use crate::limits::{MAX_BEARER_BYTES, MAX_KEY_ID_BYTES};
use crate::rsa_key::RsaKey;

/// The header that we write. SDKs look for `alg` and `kid`.
#[derive(Serialize)]
struct WrittenHeader<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// What matters in a header. Anything else that it may hold (`x5t`, `jku`, …) does not: the key is found by its id
/// in a set that was there before.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    /// Extensions that whoever does not understand them must refuse; none is understood. Source: RFC 7515, 4.1.11.
    crit: Option<Box<RawValue>>,
}

/// A token whose frame is right. Nothing is known of its signature.
pub(crate) struct Unverified<'a> {
    pub(crate) kid: String,
    /// The claims, as JSON that nobody vouches for yet.
    pub(crate) claims: String,
    message: &'a str,
    signature: Vec<u8>,
}

/// The claims as a token, signed with this key.
pub(crate) fn sign<C: Serialize>(key: &RsaKey, claims: &C) -> Result<String, SignError> {
    let header = WrittenHeader { alg: "RS256", typ: "JWT", kid: key.id() };
    let header = serde_json::to_vec(&header).map_err(|_| SignError::Failed)?;
    let claims = serde_json::to_vec(claims).map_err(|_| SignError::Failed)?;
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut text);
    let signature = key.sign(text.as_bytes()).map_err(|_| SignError::Failed)?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(text)
}

impl<'a> Unverified<'a> {
    /// Takes a token apart, strictly: three parts in base64url without padding and without stray bits, of which the first
    /// two are UTF-8, also where a property stands that is not read here (RFC 7519, 7.2); a header that says RS256 and
    /// names a key.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub(crate) fn parse(text: &'a str) -> Result<Self, &'static str> {
        if text.len() > MAX_BEARER_BYTES {
            return Err("it is too long");
        }
        let (message, signature) = text.rsplit_once('.').ok_or("it is no token")?;
        let (header, claims) = message.split_once('.').ok_or("it is no token")?;
        let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| "it is no token");
        let (no_header, no_claims) =
            ("it has no header that can be read", "it has no claims that can be read");
        let header = String::from_utf8(decode(header)?).map_err(|_| no_header)?;
        let header: Header = serde_json::from_str(&header).map_err(|_| no_header)?;
        if header.alg != "RS256" {
            return Err("another algorithm than RS256");
        }
        if header.crit.is_some() {
            return Err("an extension that is not known");
        }
        if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err("another kind of token");
        }
        let kid = header.kid.filter(|kid| !kid.is_empty() && kid.len() <= MAX_KEY_ID_BYTES);
        Ok(Self {
            kid: kid.ok_or("it names no key")?,
            claims: String::from_utf8(decode(claims)?).map_err(|_| no_claims)?,
            message,
            signature: decode(signature)?,
        })
    }

    /// True when this key has signed it.
    pub(crate) fn is_signed_by(&self, key: &ParsedPublicKey) -> bool {
        key.verify_sig(self.message.as_bytes(), &self.signature).is_ok()
    }
}
