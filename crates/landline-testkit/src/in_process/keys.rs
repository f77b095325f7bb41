//! RSA keys that were made once, with OpenSSL, so that no test waits for a new one. They are public: never for more
//! than a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use landline_auth::RsaKey;
use landline_server::identity::MakeIdentityKey;

/// Each in PKCS #8 (DER), of 2048 bits.
pub const KEYS: [&[u8]; 6] = [
    include_bytes!("keys/0.der"),
    include_bytes!("keys/1.der"),
    include_bytes!("keys/2.der"),
    include_bytes!("keys/3.der"),
    include_bytes!("keys/4.der"),
    include_bytes!("keys/5.der"),
];

/// The one of them that no server gets, for whoever a server must not trust.
pub const FOREIGN: usize = KEYS.len() - 1;

/// One of the keys.
pub fn key(which: usize) -> RsaKey {
    RsaKey::from_pkcs8(KEYS[which]).expect("a key")
}

/// Gives one key after the other, but for the foreign one. The first process of a test begins with the first key;
/// those that follow it begin later, because the registry holds what the ones before were given.
pub fn maker(process: u64) -> MakeIdentityKey {
    let next = AtomicUsize::new(usize::try_from(process.saturating_sub(1)).unwrap_or_default());
    Arc::new(move || Ok(key(next.fetch_add(1, Ordering::Relaxed) % FOREIGN)))
}
