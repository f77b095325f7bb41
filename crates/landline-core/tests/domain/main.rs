//! The domain over the memory engine, with a bot, a clock and a disk that the tests decide. Time is paused: nothing
//! here waits for real.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests may")]

mod answer_stream;
mod connector;
mod deliver;
mod files;
mod follow;
mod live;
mod members;
mod outbox;
mod queued;
mod retain;
mod send;
mod start;
mod update;
