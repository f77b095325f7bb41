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
/// What the oldest key had signed stops working then, so the server refuses to rotate before all of that has expired.
pub const MAX_TOKEN_KEYS: usize = 8;

/// How far in the future the start of a token's life may lie.
///
/// A machine whose clock is set back a little must not refuse the tokens that it has just issued.
pub const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(60);

/// How long a stream URL can be used to open a socket after it is handed out.
///
/// Source: Direct Line 3.0, "Reconnect to a conversation": connect within 60 seconds, or ask for a new URL.
pub const STREAM_TICKET_TTL: Duration = Duration::from_secs(60);

/// For how many seconds a link to a file stays the same text, so that whoever polls twice reads the same: a day.
pub const FILE_LINK_DAY_SECONDS: i64 = 24 * 3600;

/// For how many seconds a link works after the end of the day on which it was made.
pub const FILE_LINK_EXTRA_SECONDS: i64 = 24 * 3600;

/// How many bits a key has that signs what bots are shown. All SDKs take it, and a signature costs about a millisecond.
pub const IDENTITY_KEY_BITS: usize = 2048;

/// The most keys that a ring of identity keys holds; a rotation beyond that is refused until an old one drops out.
pub const MAX_IDENTITY_KEYS: usize = 8;

/// How long a new identity key is published before it signs.
///
/// Source: the SDKs of bots keep the keys that they fetched for 24 hours, and the one for Python fails on a key that
/// it does not know.
pub const IDENTITY_PUBLISH_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// How long an identity key stays published after the next one signs: a day for bots that fetch keys rarely, on top
/// of [`ACCESS_TOKEN_LIFE`], the longest life of what it has signed, and [`BOT_TOKEN_LEEWAY`].
pub const IDENTITY_PUBLISH_AFTER: Duration = Duration::from_secs(24 * 3600 + 3600 + 300);

/// How long a token that is shown to a bot can be used.
pub const CHANNEL_TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long a token that is issued to a bot can be used.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// How far the clocks of bots, of their issuers and of this machine may lie apart.
///
/// Source: the SDKs of bots allow the same.
pub const BOT_TOKEN_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// The most keys that are read of a published key set. Entra ID publishes about ten.
pub const MAX_JWKS_KEYS: usize = 64;

/// The longest `kid` that is looked at, in bytes.
pub(crate) const MAX_KEY_ID_BYTES: usize = 256;

/// How many random bytes say which browser it is. Guessing one is as hard as guessing a key.
pub const BROWSER_SESSION_BYTES: usize = 32;

/// The longest text that is sealed, in bytes: a place in a list, never a document.
pub const MAX_SEALED_BYTES: usize = 1024;
