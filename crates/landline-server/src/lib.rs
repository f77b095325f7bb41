//! Everything HTTP: the client API, the Connector API, the admin listener, how bots are reached, the configuration,
//! and the composition root.
//!
//! Not here: what a conversation is (`landline-core`), what may be done with which credentials (`landline-auth`),
//! the command line (`landline`).

pub mod admin_api;
pub mod app;
pub mod audit;
mod body;
pub mod bot_client;
pub mod client_api;
pub mod config;
pub mod connector_api;
pub mod directory;
pub mod error;
mod errors;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod identity;
pub mod limits;
pub mod openapi;
pub mod outbound;
mod overload;
mod public_url;
mod send_name;
pub mod state;
mod system_entropy;
pub mod telemetry;
pub mod tls;
pub mod token_keys;

pub use public_url::PublicUrl;
pub use system_entropy::SystemEntropy;
