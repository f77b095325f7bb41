//! What tokens and tickets have in common: a JWT, signed with HMAC-SHA-256 by a key of the ring.
//!
//! Invariants: one algorithm, fixed here and never taken from the token. The header holds `alg`, `typ` and
//! `kid` and nothing else, so no key travels in a token and none is fetched for it. Each kind has a `typ`
//! and an `aud` of its own. Nothing of the claims is looked at before the signature is found right,
//! so [`TokenError::Expired`] is said only of what was once valid.
//!
//! Time is the caller's `now`; the library's own check, which asks the system clock, is off.
//!
//! Not here: which claims a kind has (`client_token.rs`, `ticket.rs`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use landline_protocol::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::key_ring::KeyRing;
use crate::limits::{MAX_TOKEN_BYTES, NOT_BEFORE_LEEWAY};

/// Who issues tokens and tickets. Installations are told apart by their keys, not by this.
const ISSUER: &str = "landline";

/// Why a token or ticket is not accepted.
///
/// At the edge, `Invalid` must read exactly like an unknown secret; the reason in it is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was signed here, and its time is over. The caller has to get a new one.
    #[error("the token has expired")]
    Expired,
    /// It was signed here, for a time that has not come: this machine's clock was set back.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It was not signed here, or not for this use.
    #[error("the token is not valid")]
    Invalid(&'static str),
}

/// Why a token or ticket could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A client could not send it. What makes it long are origins and names.
    #[error(
        "the token would be {actual} bytes, the limit is {MAX_TOKEN_BYTES} bytes; use fewer trusted origins or a shorter name"
    )]
    TooLong {
        /// How long it would be, in bytes.
        actual: usize,
    },
    /// It would expire before anybody has it.
    #[error("the token would have expired already; use a longer lifetime")]
    Expired,
    /// The library could not sign: a bug.
    #[error("the token could not be signed")]
    Failed,
}

/// What tells a token from a ticket.
pub(crate) struct Kind {
    pub(crate) typ: &'static str,
    pub(crate) audience: &'static str,
}

/// The claims that every kind has. Seconds since the epoch, as JWTs count.
#[derive(Serialize, Deserialize)]
pub(crate) struct Life {
    nbf: i64,
    exp: i64,
}

/// The two claims that are the same for all of a kind.
#[derive(Serialize)]
struct Signed<'a, C> {
    #[serde(flatten)]
    claims: &'a C,
    iss: &'a str,
    aud: &'a str,
}

/// The whole header. Whatever else one may hold would change what a signature means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl Life {
    /// From `now` (rounded down to the second) until `expires` (rounded up, so that no promise of so many seconds is broken).
    pub(crate) fn new(now: Timestamp, expires: Timestamp) -> Result<Self, SignError> {
        if expires <= now {
            return Err(SignError::Expired);
        }
        Ok(Self { nbf: now.as_seconds(), exp: whole_seconds_up(expires) })
    }

    /// The end of this life, when `now` is in it.
    pub(crate) fn check(&self, now: Timestamp) -> Result<Timestamp, TokenError> {
        let begin = from_seconds(self.nbf)?;
        let end = from_seconds(self.exp)?;
        if now.plus(NOT_BEFORE_LEEWAY) < begin {
            return Err(TokenError::NotYetValid);
        }
        if now >= end { Err(TokenError::Expired) } else { Ok(end) }
    }
}

fn whole_seconds_up(moment: Timestamp) -> i64 {
    moment.as_seconds() + i64::from(moment.as_millis().rem_euclid(1000) > 0)
}

/// The moment so many seconds after the epoch; absurd numbers are no moments.
pub(crate) fn from_seconds(seconds: i64) -> Result<Timestamp, TokenError> {
    seconds.checked_mul(1000).map(Timestamp::from_millis).ok_or(TokenError::Invalid("a time is out of range"))
}

/// Signs these claims with the newest key of the ring.
pub(crate) fn sign<C: Serialize>(kind: &Kind, claims: &C, ring: &KeyRing) -> Result<String, SignError> {
    let key = ring.signing();
    let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
    header.typ = Some(kind.typ.to_owned());
    header.kid = Some(key.id().to_owned());
    let claims = Signed { claims, iss: ISSUER, aud: kind.audience };
    let text = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key.bytes()))
        .map_err(|_| SignError::Failed)?;
    if text.len() > MAX_TOKEN_BYTES {
        return Err(SignError::TooLong { actual: text.len() });
    }
    Ok(text)
}

/// The claims of this text, when a key of the ring has signed it as one of this kind. Time is not looked at.
pub(crate) fn verify<C: DeserializeOwned>(kind: &Kind, text: &str, ring: &KeyRing) -> Result<C, TokenError> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Invalid("it is too long"));
    }
    let header = read_header(text).ok_or(TokenError::Invalid("it has no header that we write"))?;
    if header.alg != "HS256" {
        return Err(TokenError::Invalid("another algorithm"));
    }
    if header.typ != kind.typ {
        return Err(TokenError::Invalid("another kind of token"));
    }
    let key = ring.get(&header.kid).ok_or(TokenError::Invalid("an unknown key"))?;
    let key = DecodingKey::from_secret(key.bytes());
    let data = jsonwebtoken::decode::<C>(text, &key, &validation(kind)).map_err(|error| refused(&error))?;
    Ok(data.claims)
}

/// The first of three parts, strictly: base64url without padding and without stray bits at its end.
fn read_header(text: &str) -> Option<Header> {
    let (header, _) = text.split_once('.')?;
    let json = URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice(&json).ok()
}

fn validation(kind: &Kind) -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[kind.audience]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "nbf"]);
    // `Life::check` does both, with the caller's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

/// The library's errors can quote a token, so only their kind goes on.
fn refused(error: &jsonwebtoken::errors::Error) -> TokenError {
    TokenError::Invalid(match error.kind() {
        ErrorKind::InvalidSignature => "the signature is wrong",
        ErrorKind::InvalidIssuer => "another issuer",
        ErrorKind::InvalidAudience => "another audience",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        ErrorKind::Json(_) => "its claims are not those that we write",
        ErrorKind::Base64(_) | ErrorKind::InvalidToken | ErrorKind::Utf8(_) => "it is no token",
        _ => "it cannot be verified",
    })
}
