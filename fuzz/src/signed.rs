//! The keys of the targets, and tokens with any header and any claims that one of these keys has signed: as nobody but
//! this server could make them, so that what is behind the signature is reached, too.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_auth::{KeyRing, TokenKey};
use landline_protocol::Timestamp;

/// 2026-09-21T14:13:20.120Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_120);

/// The newest key and the one before it.
pub(crate) static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    KeyRing::new(TokenKey::from_random(&[6; 32]))
        .rotate(TokenKey::from_random(&SECRET))
        .expect("a ring of two keys")
});

const SECRET: [u8; 32] = [7; 32];

/// `header.claims.signature`, signed with the newest key.
pub(crate) fn with_hmac(header: &[u8], claims: &[u8]) -> String {
    let said = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), said.as_bytes());
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The header that this server writes for a kind.
pub(crate) fn header(typ: &str) -> String {
    format!(r#"{{"typ":"{typ}","alg":"HS256","kid":"{}"}}"#, RING.signing().id())
}

/// Three parts, which are what base64url makes of the first two of them, and not empty.
pub(crate) fn has_the_form_of_a_token(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| URL_SAFE_NO_PAD.decode(part).is_ok_and(|bytes| !bytes.is_empty()))
}
