//! What the tests of Landline share. A development crate: nothing that ships depends on it.
//!
//! - [`history`] and [`checker`]: what clients did and saw, one line per event, and the invariants
//!   judged over it. No I/O but reading and writing the file; for the crash campaign, and for whoever tests a
//!   server, an engine or a simulation.
//! - [`process`], [`client`], [`bot`]: a real `landline` process, and a client and a bot that speak to it over
//!   loopback; [`server::TestServer`] ties the three together.
//! - [`wire`]: the connection below a client, with TLS or without.
//! - [`mod@file`]: files made up from a seed, and the bodies in which they travel.
//! - [`bulk`]: bodies of any size over a bare socket, never held.
//! - [`bad_bot`]: a bot on a bare socket, which breaks the rules of HTTP as it is told.
//! - [`domain`]: the domain in this process, with a bot, a clock, randomness and a disk that a test decides.
//! - `in_process` (feature `in-process`): a server in this process, spoken to over loopback; bot, clock and disk are
//!   the test's.
//! - [`campaign`]: kill -9 at random under load, again and again, judged by the checker. `src/bin/crash.rs` runs it.
//!
//! The harness reads the wire on its own and shares no type with the server, so that a mistake in the server's
//! types cannot hide itself here.
//!
//! Not here: tests of one crate's insides (they stand in that crate), stock clients and bots (`e2e/`).

pub mod bad_bot;
pub mod bot;
pub mod bulk;
pub mod campaign;
pub mod checker;
pub mod client;
#[expect(clippy::expect_used, reason = "only tests call it, and a test fails by panicking")]
pub mod domain;
pub mod file;
pub mod history;
#[cfg(feature = "in-process")]
#[expect(clippy::expect_used, clippy::panic, reason = "only tests call it, and a test fails by panicking")]
pub mod in_process;
pub mod line;
pub mod process;
#[cfg(feature = "in-process")]
#[expect(clippy::expect_used, reason = "only a test calls it, and a test fails by panicking")]
pub mod secrets_timing;
pub mod server;
pub mod timing;
pub mod wire;
