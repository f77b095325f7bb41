//! Every bound of the command itself. Those of the server are in `landline_server::limits`.

use std::time::Duration;

/// How long one call of the demo's page may take: our own server, on this machine.
pub(crate) const DEMO_CALL: Duration = Duration::from_secs(10);

/// How much of an answer to such a call is read.
pub(crate) const DEMO_ANSWER_BYTES: usize = 64 * 1024;

/// How long one call of the admin API may take. A change is one durable write, also on a slow disk.
pub(crate) const ADMIN_CALL: Duration = Duration::from_secs(30);

/// The same for a purge, which reads and writes everything.
pub(crate) const PURGE_CALL: Duration = Duration::from_secs(6 * 3600);

/// How much of an answer of the admin API is read: some ten thousand bots.
pub(crate) const ADMIN_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How much of `admin.json` is read. It holds an address and a token.
pub(crate) const ADMIN_FILE_BYTES: u64 = 64 * 1024;

/// How much is read where a secret should be. Those of Entra ID have 40 characters.
pub(crate) const SECRET_BYTES: u64 = 4096;

/// How many pages of the outbox are read for one list, so that a server that goes on for ever does not hold us.
pub(crate) const OUTBOX_PAGES: usize = 10_000;

/// The same for the list of conversations.
pub(crate) const CONVERSATION_PAGES: usize = 10_000;

/// How many bots and sites are shown at the start; `landline bot list` shows all.
pub(crate) const BANNER_LINES: usize = 10;

/// How many connections wait in the kernel until they are accepted; it may take fewer (`net.core.somaxconn`).
pub(crate) const LISTEN_QUEUE: i32 = 4096;

/// The largest file of certificate authorities that is sent to the server, in bytes: five of them. The admin API takes
/// bodies of 16 KiB.
pub(crate) const CERTIFICATES_BYTES: u64 = 12 * 1024;
