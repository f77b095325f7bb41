//! Every bound of the HTTP side, with its name and its reason. Those that an operator may change are in
//! [`ServerLimits`]; the rest are constants.
//!
//! Not here: bounds of the domain, such as the size of an activity (`landline_core::limits`).

mod overload;

use std::time::Duration;

pub use overload::*;

/// Bounds that an operator may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How many connections may be open on the public listener, sockets included. At the cap, the one that rests
    /// longest is closed for each new one; where none rests, new ones wait a little and are closed then. Default 16,384.
    pub connections: usize,
    /// How many of them may come from one address (of IPv6: from one /64); 0: any number. The trusted proxies and this
    /// machine's own 127.0.0.1 and ::1 are not counted. Default 200: an office behind one address fits, and it takes some
    /// eighty addresses to fill `connections`.
    pub connections_per_address: usize,
    /// How long a client may take to send the head of a request. It fits into one packet or two, so that even a line
    /// that loses packets brings it in a few seconds. Default 10 s.
    pub header_timeout: Duration,
    /// How long a connection is kept open for the next request. Longer than proxies keep theirs (60 s), so that it is
    /// they who close first, and no request is lost on a line that closes just then. Default 75 s.
    pub idle_timeout: Duration,
    /// How long a token can be refreshed, counted from when the first of its line was issued. Default ten years, which is as
    /// good as without end: the stock client refreshes for as long as its page is open.
    pub token_max_age: Duration,
    /// How long the handshake of TLS may take, from the first byte that is waited for to the last. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long a client may take to send the body of a request, besides a second for each [`BODY_BYTES_PER_SECOND`]
    /// of it. Default 30 s.
    pub body_timeout: Duration,
    /// How long a shutdown waits for requests that are under way. Longer than the bot has to answer, or accepted
    /// sends are cut off. Default 20 s.
    pub drain: Duration,
    /// After how long of silence a stream shows by an empty frame and a ping that it lives. Proxies drop lines that
    /// are silent for 30 s or 60 s. Default 15 s.
    pub stream_idle: Duration,
    /// How long one frame may take to leave for a slow client before its stream is closed. Default 10 s.
    pub stream_frame_timeout: Duration,
    /// How long a client may take nothing of what is sent to it before its connection is closed, and for how long it
    /// may take less than [`WRITE_BYTES_PER_SECOND`]. The system's buffers are seen to empty in steps of some 100 KiB, so
    /// that a shorter time cuts off slow lines. Default 30 s.
    pub write_timeout: Duration,
    /// At which size, in bytes, the file of the audit log is put aside and a new one begun. Default 64 MiB.
    pub audit_log_bytes: u64,
    /// How many files of the audit log that were put aside are kept. Default 8.
    pub audit_log_files: usize,
    /// How often what may come.
    pub rates: Rates,
    /// How many bytes requests and streams may hold together. Zero: as many as they like. Default 1 GiB.
    pub memory_bytes: u64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 200,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            token_max_age: Duration::from_secs(3650 * 24 * 3600),
            handshake_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(20),
            stream_idle: Duration::from_secs(15),
            stream_frame_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            audit_log_bytes: 64 * 1024 * 1024,
            audit_log_files: 8,
            rates: Rates::default(),
            memory_bytes: 1024 * 1024 * 1024,
        }
    }
}

/// The largest file with a certificate or a key, in bytes: a chain of dozens fits.
pub const TLS_FILE_BYTES: u64 = 256 * 1024;

/// How often the files of the certificate are looked at. What a renewal leaves is in use so much later, without a hook.
pub const TLS_FILES_POLL: Duration = Duration::from_secs(30);

/// How much later files that do not fit each other are looked at once more: one is written after the other.
pub const TLS_FILES_SETTLE: Duration = Duration::from_secs(2);

/// How long before its end a certificate is worth a warning. Renewals are tried a month before.
pub const CERTIFICATE_ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// How often that is said again.
pub const CERTIFICATE_REMINDER: Duration = Duration::from_secs(24 * 3600);

/// The largest head of a request, in bytes: a token and a cookie jar fit, a flood does not.
pub const REQUEST_HEAD_BYTES: usize = 32 * 1024;

/// The longest request line, in bytes. A stream URL with its ticket takes a tenth of it.
pub const REQUEST_LINE_BYTES: usize = 8 * 1024;

/// How many header fields a request may have. Browsers send some twenty, proxies add some ten.
pub const REQUEST_HEADERS: usize = 100;

/// How many empty lines may stand before a request. Source: RFC 9112, 2.2, asks for one.
pub const REQUEST_LEADING_LINES: usize = 4;

/// The longest extension of one chunk of a body, in bytes. There is none that anybody needs.
pub const CHUNK_EXTENSION_BYTES: usize = 256;

/// The size of all trailers of a body, in bytes. None is looked at.
pub const TRAILER_BYTES: usize = 4 * 1024;

/// How much is read at a time of what may be the head of a request, in bytes.
pub const HEAD_PIECE_BYTES: usize = 4 * 1024;

/// How much is read and thrown away behind a request that was refused, so that its sender gets to see why: a connection
/// that is closed with unread data behind it is reset, and the answer is lost with it.
pub const REFUSED_DISCARD_BYTES: usize = 256 * 1024;

/// For how long that is done.
pub const REFUSED_DISCARD_TIME: Duration = Duration::from_secs(1);

/// How many connections the admin listener takes: an operator, a probe and a scraper or two.
pub const ADMIN_CONNECTIONS: usize = 64;

/// How long a connection waits for a place where all are taken by such that are at work, before it is closed.
pub const PLACE_WAIT: Duration = Duration::from_secs(2);

/// How long a connection that was asked to leave for another one may take to send what it still has to.
pub const LEAVE_TIME: Duration = Duration::from_secs(1);

/// How often the log says that connections were closed for want of room, at the most.
pub const SHED_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How long to wait before accepting again after the machine ran out of descriptors or memory; doubled each time.
pub const ACCEPT_BACKOFF_MIN: Duration = Duration::from_millis(10);

/// The longest wait before accepting again.
pub const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How slowly a body may come, on the average, in bytes a second, once `body_timeout` is over: a bad line does better.
pub const BODY_BYTES_PER_SECOND: u64 = 1024;

/// How long a body may take, however steadily it comes.
pub const BODY_TIME: Duration = Duration::from_secs(10 * 60);

/// How much room is made for a body that is announced and has not come, in bytes: most messages fit.
pub const BODY_ROOM_BEFORE: usize = 8 * 1024;

/// How slowly a client may take what is sent to it, on the average, in bytes a second, once `write_timeout` is over.
pub const WRITE_BYTES_PER_SECOND: u64 = 1024;

/// How much of a body that is too large is read and thrown away, so that the sender gets to see the 413: a
/// connection that is closed with unread data behind it is reset, and the answer is lost with it.
pub const OVERSIZE_DISCARD_BYTES: usize = 16 * 1024 * 1024;

/// How long such a body is read and thrown away.
pub const OVERSIZE_DISCARD_TIME: Duration = Duration::from_secs(5);

/// How long an upload may take, however steadily it comes: the files of one upload on a slow line.
pub const UPLOAD_TIME: Duration = Duration::from_secs(10 * 60);

/// How slowly an upload may come, on the average, in bytes a second; with [`UPLOAD_SLOW_TIME`], what a bad line does.
pub const UPLOAD_BYTES_PER_SECOND: u64 = 1024;

/// How much longer it may take than at that rate.
pub const UPLOAD_SLOW_TIME: Duration = Duration::from_secs(60);

/// How many uploads are read at a time. Each holds some tens of KiB and an open file.
pub const UPLOADS_AT_ONCE: usize = 256;

/// How many of them one conversation may have.
pub const UPLOADS_PER_CONVERSATION: usize = UPLOADS_AT_ONCE / 2;

/// The longest head of a part of an upload, in bytes: room for a name that nobody would give a file.
pub const UPLOAD_PART_HEAD_BYTES: usize = 16 * 1024;

/// How much of an upload is looked at at a time, in bytes. With [`UPLOAD_PART_HEAD_BYTES`], what is in memory of it.
pub const UPLOAD_PIECE_BYTES: usize = 16 * 1024;

/// The longest boundary between parts. Source: RFC 2046, 5.1.1.
pub const UPLOAD_BOUNDARY_CHARS: usize = 70;

/// The longest text that stands for a file in a log, in bytes: two ids, and a name of 255 bytes that are escaped.
pub const LOGGED_FILE_BYTES: usize = 1024;

/// How long a browser may remember a preflight.
pub const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3600);

/// How long one connection to a bot may take to come up; shorter than the bot's deadline, so that there is time for
/// another attempt.
pub const BOT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many idle connections to one bot are kept.
pub const BOT_IDLE_CONNECTIONS: usize = 32;

/// How long an idle connection to a bot is kept. Shorter than what stock bots do (Node closes after 5 s), so that it
/// is we who close first.
pub const BOT_IDLE_TIME: Duration = Duration::from_secs(3);

/// The largest head of a bot's answer, in bytes.
pub const BOT_ANSWER_HEAD_BYTES: usize = 64 * 1024;

/// How many header fields a bot's answer may have.
pub const BOT_ANSWER_HEADERS: usize = 100;

/// How many bytes a bot may send in one answer that goes on.
pub const BOT_EVENTS_BYTES: usize = 32 * 1024 * 1024;

/// How long a bot may be silent in such an answer. A comment is a sign of life, too.
pub const BOT_EVENTS_IDLE: Duration = Duration::from_secs(120);

/// How long the rest of a bot's answer is read that nobody wants, so that its line can be kept.
pub const BOT_UNWANTED_BODY_TIME: Duration = Duration::from_millis(500);

/// The longest that a bot may ask to be left alone (`retry-after`); a longer time counts as this one.
pub const BOT_RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How much of an answer about keys or tokens is read: an issuer of many keys has some tens of KiB.
pub const OUTBOUND_ANSWER_BYTES: usize = 1024 * 1024;

/// How long a request for the token of a bot may take; shorter than the bot's deadline, so that there is time for
/// another one.
pub const TOKEN_FETCH_TIME: Duration = Duration::from_secs(5);

/// How long a token endpoint that failed is left alone.
pub const TOKEN_FAILURE_PAUSE: Duration = Duration::from_secs(3);

/// The longest token that is shown to a bot: servers of bots take heads of 16 KiB.
pub const FETCHED_TOKEN_BYTES: usize = 12 * 1024;

/// How long before its end a fetched token is replaced, at most: clocks differ, and requests take time.
pub const TOKEN_EARLY: Duration = Duration::from_secs(5 * 60);

/// How long a fetched token is taken to live that does not say so.
pub const TOKEN_LIFE_UNKNOWN: Duration = Duration::from_secs(5 * 60);

/// How long a fetched token is kept at the most, whatever it says.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// How many interim answers (1xx) a bot may send before its answer.
pub const BOT_INTERIM_ANSWERS: usize = 16;

/// When to try again after a 503.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);

/// After how many pings in a row without any sign of life from the client its stream is closed.
pub const STREAM_PINGS_UNANSWERED: u32 = 3;

/// The largest message that a client may send on a stream. None is part of the protocol.
pub const STREAM_IN_BYTES: usize = 64 * 1024;

/// How many bytes may wait to leave on one stream: a page, and one activity over it.
pub const STREAM_OUT_BYTES: usize = 4 * 1024 * 1024;

/// How many tickets that have opened a stream are remembered for the minute in which they could open another: a thousand
/// sockets a second, in ten megabytes.
pub const USED_TICKETS: usize = 65_536;

/// The read buffer of one stream. Clients send next to nothing, and the library's own default costs 128 KiB a socket.
pub const STREAM_READ_BUFFER: usize = 2048;

/// How many messages a client may send on a stream each second. The stock client sends one each 20 s, and a pong for each
/// ping.
pub const STREAM_IN_MESSAGES_PER_SECOND: u32 = 10;

/// Each so many bytes of a message count as one more: at [`STREAM_IN_BYTES_PER_SECOND`], a flood of the largest messages is
/// one by this, too.
pub const STREAM_IN_MESSAGE_BYTES: usize = 512;

/// How many it may send at once.
pub const STREAM_IN_MESSAGES_BURST: u32 = 50;

/// For how long a client may send more than that, and be read more slowly than it sends, before its stream is closed.
pub const STREAM_FLOOD_TIME: Duration = Duration::from_secs(10);

/// How many bytes a client may send on a stream at once: two of the largest messages.
pub const STREAM_IN_BURST: usize = 2 * STREAM_IN_BYTES;

/// How many bytes of a client are read each second on a stream beyond that. The stock client sends six each 20 s, and six
/// for each ping.
pub const STREAM_IN_BYTES_PER_SECOND: u32 = 8 * 1024;

/// How long a stream waits for the client's goodbye after its own.
pub const STREAM_PARTING: Duration = Duration::from_secs(2);

/// How many pages a stream that is far behind still gets when the server stops.
pub const DRAIN_FLUSH_PAGES: usize = 16;

/// How long streams and deliveries that are under way when the server stops may take to end, once no request is left.
pub const STREAM_DRAIN: Duration = Duration::from_secs(20);

/// The longest app id of a bot. Those of Microsoft are UUIDs of 36 characters.
pub const MAX_APP_ID_CHARS: usize = 128;

/// The longest tenant of a bot. Those of Microsoft are UUIDs or domain names.
pub const MAX_TENANT_CHARS: usize = 128;

/// The longest issuer.
pub const MAX_ISSUER_CHARS: usize = 256;

/// The longest secret of a bot at somebody else's token endpoint.
pub const MAX_CLIENT_SECRET_CHARS: usize = 512;

/// The longest scope that is asked for at somebody else's token endpoint.
pub const MAX_SCOPE_CHARS: usize = 512;

/// How many origins a site with enhanced authentication may name. Each call of a browser is compared with them.
pub const MAX_TRUSTED_ORIGINS: usize = 32;

/// The longest origin that a site may name, in characters.
pub const MAX_ORIGIN_CHARS: usize = 256;

/// How many tables of trusted issuers there may be, and how many issuers each names. Each has keys to be fetched.
pub const MAX_TRUSTED_ISSUERS: usize = 16;

/// The largest request for a token, in bytes: an app id, a secret and a scope fit several times.
pub const TOKEN_REQUEST_BYTES: usize = 8 * 1024;

/// How long the keys of a trusted issuer are used before they are fetched again. Issuers publish a key days before it
/// signs.
pub const ISSUER_KEYS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// How long after a fetch the keys of an issuer are not fetched again, however many tokens name a key that it does not
/// publish: anybody can make such a token.
pub const ISSUER_KEYS_UNKNOWN: Duration = Duration::from_secs(5 * 60);

/// The same where no fetch has brought any keys yet, so that none of its tokens can be checked.
pub const ISSUER_KEYS_RETRY: Duration = Duration::from_secs(30);

/// How long fetching the keys of an issuer may take, metadata and keys together. Calls whose token names an unknown key
/// wait for it.
pub const ISSUER_KEYS_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest life of a token. The stock client refreshes every 15 minutes: less is for tests.
pub const TOKEN_LIFETIME_MIN: Duration = Duration::from_secs(1);

/// The longest life of a token.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// The shortest time for which a conversation is kept.
pub const RETENTION_MIN: Duration = Duration::from_secs(60);

/// How many bots there may be. Each costs some hundred bytes, and a look at each when an app id is looked up.
pub const MAX_BOTS: usize = 1000;

/// How many sites there may be. Each costs some hundred bytes, and a comparison when a secret is looked up.
pub const MAX_SITES: usize = 1000;

/// How many entries of the registry are read at a time.
pub const REGISTRY_PAGE: usize = 100;

/// The largest body of a request to the admin API.
pub const ADMIN_BODY_BYTES: usize = 16 * 1024;

/// How many sites the refusal to remove their bot names.
pub const NAMED_SITES: usize = 5;

/// How many entries one page of the outbox has.
pub const OUTBOX_PAGE: usize = 100;

/// How many members of a conversation a bot gets at a time, where it asks for pages.
pub const MEMBERS_PAGE: usize = 100;

/// How far a site that is added lies behind whatever was issued before, in the counting of its tokens. Tokens and tickets
/// count in whole seconds, tickets round up: with less, those of the last second of a removed site would open the one
/// that follows under its name.
pub const SITES_APART: Duration = Duration::from_secs(2);

/// The largest file that a bot may send, whatever a file may have otherwise: it comes as text in JSON, which is in memory
/// as a whole.
pub const BOT_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How many bytes one byte of such a file may take in JSON: `"1234567":255,`, as one of the SDKs spells it.
pub const BOT_FILE_BYTES_AS_TEXT: usize = 14;

/// The largest body with such a file: base64 text always fits, the longest spelling for files of four and a half MiB.
pub const BOT_FILE_BODY_BYTES: usize = 64 * 1024 * 1024;

/// How many bytes of such bodies may be in memory at a time; as much again for what is read from them. No less than one
/// body may have.
pub const BOT_FILES_IN_MEMORY: usize = 128 * 1024 * 1024;

/// How long a bot waits for room in that memory before it is told to come again.
pub const BOT_FILE_WAIT: Duration = Duration::from_secs(10);

/// In which pieces a file of a bot is handed to the store of files.
pub const BOT_FILE_PIECE: usize = 64 * 1024;

/// How long the start waits for what keeps the files to take away what was never finished.
pub const CLEAR_UNFINISHED: Duration = Duration::from_secs(30);

/// How many records of the audit log wait for its disk; further ones are lost, and counted.
pub const AUDIT_QUEUE: usize = 4096;

/// How many of them are written at a time.
pub const AUDIT_BATCH: usize = 256;

/// How many changes stand in the record of one call of an operator. A call makes one, as a rule.
pub const AUDIT_CHANGES: usize = 16;

/// For how long refusals are counted before what was counted is told.
pub const AUDIT_WINDOW: Duration = Duration::from_secs(10);

/// How many refusals of one address are told one by one in that time.
pub const AUDIT_DENIALS_OF_ONE: u32 = 30;

/// How many refusals are told one by one in that time: some 6 KiB a second at the most.
pub const AUDIT_DENIALS: u32 = 200;

/// How many addresses are told apart in that time. The rest is counted together.
pub const AUDIT_DENIED_ADDRESSES: usize = 4096;

/// Of how many of them it is told how often they were refused beyond what was told one by one: those with the most.
pub const AUDIT_DENIED_SHOWN: usize = 50;

/// How often it is said that the audit log cannot be written.
pub const AUDIT_COMPLAINTS: Duration = Duration::from_secs(60);

/// How long the end of the server waits for the last records to be written.
pub const AUDIT_END: Duration = Duration::from_secs(5);
