//! Everything HTTP: the client API, the Connector API, the admin listener, how bots are reached, the configuration,
//! and the composition root.
//!
//! Not here: what a conversation is (`landline-core`), what may be done with which credentials (`landline-auth`),
//! the command line (`landline`).

pub mod admin_api;
pub mod error;
pub mod http;
pub mod limits;
pub mod telemetry;
