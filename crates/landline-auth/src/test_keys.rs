//! Keys for tests, made once with OpenSSL (PKCS #8, DER), so that no test waits for a new one.

use crate::RsaKey;

pub(crate) const FIRST: &[u8] = include_bytes!("test_keys/0.der");
const SECOND: &[u8] = include_bytes!("test_keys/1.der");
const THIRD: &[u8] = include_bytes!("test_keys/2.der");

/// One of 1,024 bits, which is too few.
pub(crate) const SMALL: &[u8] = include_bytes!("test_keys/small.der");

/// Key 0, 1 or 2.
pub(crate) fn key(which: usize) -> RsaKey {
    RsaKey::from_pkcs8([FIRST, SECOND, THIRD][which]).unwrap()
}
