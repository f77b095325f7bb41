//! The built command, as a person or systemd runs it: what it prints, how it starts, how it ends.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests, helpers included")]
#![expect(clippy::disallowed_methods, reason = "other processes are waited for in real time, with a bound")]

mod check;
mod confined;
mod demo;
mod ending;
mod forget;
mod manage;
mod outbox;
mod process;
mod secrecy;
mod serve;
mod sockets;
mod stub;
mod tls;
mod unhappy;
