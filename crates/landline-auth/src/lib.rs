//! Who may do what: site secrets, conversation tokens, stream tickets, trusted origins.
//!
//! Pure: the moment is an argument (`now`), random bytes are arguments, and nothing here reads a
//! file or a socket. What verifies here was signed by a key of the ring and has not expired.
//!
//! Invariants: no message and no debug output holds a secret, a key, a token or a part of one.
//! A token is never accepted as a ticket, nor a ticket as a token.
//!
//! Not here: where digests and keys are kept (`landline-core`'s registry), which route asks for which
//! credential and which status a refusal becomes (`landline-server`).

mod bearer;
mod client_token;
mod jwt;
mod key_ring;
mod limits;
mod origin;
mod secret;
mod secret_text;
mod ticket;

#[cfg(test)]
mod tampering;

pub use bearer::{BearerError, bearer};
pub use client_token::{ClientToken, TokenUser};
pub use jwt::{SignError, TokenError};
pub use key_ring::{KeyRing, KeyRingError, TokenKey};
pub use limits::{
    MAX_BEARER_BYTES, MAX_SECRET_CHARS, MAX_TOKEN_BYTES, MAX_TOKEN_KEYS, MIN_SECRET_CHARS, NOT_BEFORE_LEEWAY,
    STREAM_TICKET_TTL,
};
pub use origin::{is_origin, origin_allowed};
pub use secret::{InvalidDigest, SecretDigest, SiteSecrets};
pub use secret_text::{SiteSecret, WeakSecret};
pub use ticket::StreamTicket;
