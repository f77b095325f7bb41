//! Every bound of this crate.

use std::time::Duration;

/// The fewest characters that a site secret has. 32 random letters and digits are 190 bits.
pub const MIN_SECRET_CHARS: usize = 32;

/// The most characters that a site secret has: far more than anybody needs, far less than a header may hold.
pub const MAX_SECRET_CHARS: usize = 512;

/// The longest `Authorization` header that is read, in bytes.
///
/// Common reverse proxies pass no longer header line either.
pub const MAX_BEARER_BYTES: usize = 8 * 1024;

/// The longest token or ticket that is signed or verified, in bytes.
///
/// A ticket travels in the request line, which common reverse proxies cut at 8 KiB; this leaves room
/// for the path. What makes a token long is its list of trusted origins.
pub const MAX_TOKEN_BYTES: usize = 6 * 1024;

/// The most signing keys that a ring holds; one more pushes out the oldest.
///
/// What the oldest key had signed stops working then, so rotate at most this often within a token's life.
pub const MAX_TOKEN_KEYS: usize = 8;

/// How far in the future the start of a token's life may lie.
///
/// A machine whose clock is set back a little must not refuse the tokens that it has just issued.
pub const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(60);

/// How long a stream URL can be used to open a socket after it is handed out.
///
/// Source: Direct Line 3.0, "Reconnect to a conversation": connect within 60 seconds, or ask for a new URL.
pub const STREAM_TICKET_TTL: Duration = Duration::from_secs(60);
