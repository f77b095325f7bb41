//! Who may do what: site secrets, conversation tokens, stream tickets, links to files, trusted origins; and the trust between this
//! server and bots: identity keys, what bots are shown, and what they show.
//!
//! Pure: the moment is an argument (`now`), random bytes are arguments, and nothing here reads a
//! file or a socket. What verifies here was signed by a key of the ring and has not expired.
//!
//! Invariants: no message and no debug output holds a secret, a key, a token or a part of one.
//! A token is never accepted as a ticket, nor a ticket as a token.
//!
//! Not here: where digests and keys are kept (`landline-core`'s registry), which route asks for which
//! credential and which status a refusal becomes (`landline-server`).

mod access_token;
mod bearer;
mod bot_token;
mod browser_session;
mod channel_token;
mod client_token;
mod file_link;
mod identity_keys;
mod jwks;
mod jwt;
mod key_ring;
mod limits;
mod openid;
mod origin;
mod rs256;
mod rsa_key;
mod sealed;
mod secret;
mod secret_text;
mod ticket;

#[cfg(test)]
mod bot_tampering;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod test_keys;

pub use access_token::{AccessToken, CONNECTOR_AUDIENCE, issuer};
pub use bearer::{BearerError, bearer};
pub use bot_token::{BotIdentity, BotTokenError, TrustedIssuer, verify_bot_token};
pub use browser_session::BrowserSession;
pub use channel_token::ChannelToken;
pub use client_token::{ClientToken, TokenUser};
pub use file_link::{FileLinkError, FileLinkKeys, LOGGED_FILE, LinkSignature, LinkedFile, escaped_file_name};
pub use identity_keys::{IdentityKey, IdentityKeys, IdentityKeysError, KeyState};
pub use jwks::{InvalidJwks, JwkSet, PublishedKeys};
pub use jwt::{SignError, TokenError};
pub use key_ring::{KeyRing, KeyRingError, TokenKey};
pub use limits::{
    ACCESS_TOKEN_LIFE, BOT_TOKEN_LEEWAY, BROWSER_SESSION_BYTES, CHANNEL_TOKEN_LIFE, FILE_LINK_DAY_SECONDS,
    FILE_LINK_EXTRA_SECONDS, IDENTITY_KEY_BITS, IDENTITY_PUBLISH_AFTER, IDENTITY_PUBLISH_AHEAD,
    MAX_BEARER_BYTES, MAX_IDENTITY_KEYS, MAX_JWKS_KEYS, MAX_SEALED_BYTES, MAX_SECRET_CHARS, MAX_TOKEN_BYTES,
    MAX_TOKEN_KEYS, MIN_SECRET_CHARS, NOT_BEFORE_LEEWAY, STREAM_TICKET_TTL,
};
pub use openid::{DEFAULT_CHANNEL_ISSUER, OpenIdMetadata};
pub use origin::{is_origin, origin_allowed};
pub use rsa_key::{RsaKey, RsaKeyError};
pub use sealed::{SealError, open, seal};
pub use secret::{DatedDigest, DatedSecrets, InvalidDigest, SecretDigest, SecretPair, SiteSecrets, Slot};
pub use secret_text::{
    AdminToken, BotCredential, OfAdmin, OfBot, OfSite, SecretOwner, SecretText, SiteSecret, WeakSecret,
};
pub use ticket::StreamTicket;
