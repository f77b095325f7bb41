//! The fuzz targets: everything that reads bytes from outside, and what must hold whatever the bytes are.
//!
//! A target is a function of bytes that panics where a claim is broken. libFuzzer calls it with whatever reaches new
//! code (`main.rs`); `tests/replay.rs` calls it with the inputs that are kept.
//!
//! Invariant: a target depends on nothing but its input: no clock, no randomness, no network, nothing kept between two
//! inputs that could change an outcome. So an input that fails once fails always.
//!
//! Not here: how targets are run and what came of it (`xtask`, docs/fuzzing.md).

mod activity;
mod bodies;
mod bot_answer;
mod bot_http;
mod bot_token;
mod config;
mod file_link;
mod file_names;
mod folder;
mod framing;
mod input;
mod jwks;
mod origin;
mod records;
mod request;
mod sequence;
mod server;
mod signed;
mod stream;
mod ticket;
mod token;
mod upload;
mod url_rules;
mod watermark;

/// A parser, and what is claimed of it.
#[derive(Debug)]
pub struct Target {
    /// What it is called; also the folder of its inputs.
    pub name: &'static str,
    /// How many bytes an input has at the most.
    pub longest: usize,
    /// How much of a long run it gets, beside those that get 1: more where an input costs more, and reaches further.
    pub share: u32,
    /// What must hold, for the documentation.
    pub claim: &'static str,
    /// Panics where that is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    token::TARGET,
    ticket::TARGET,
    file_link::TARGET,
    watermark::TARGET,
    activity::TARGET,
    bodies::TARGET,
    file_names::TARGET,
    url_rules::TARGET,
    origin::TARGET,
    bot_token::TARGET,
    jwks::TARGET,
    bot_answer::TARGET,
    records::TARGET,
    config::TARGET,
    framing::TARGET,
    request::TARGET,
    upload::TARGET,
    stream::TARGET,
    bot_http::TARGET,
    folder::TARGET,
    sequence::TARGET,
];
