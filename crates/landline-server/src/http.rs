//! How HTTP comes in: our own accept loop, what stands on every answer, and how a body is read.
//!
//! HTTP/1.1 only: the stock clients speak nothing else through their WebSockets, and its faults are well known.
//!
//! Not here: routes and handlers (`client_api`, `connector_api`, `admin_api`), what an error says (`error`).

mod accept;
mod body;
mod client_address;
mod connection;
mod cors;
mod fallback;
mod layers;
mod serve;

pub use body::read_body;
pub(crate) use body::{discard, discard_body};
pub use client_address::{ClientAddress, TrustedProxies, with_client_address};
pub use connection::Peer;
pub(crate) use cors::HISTORY_EXPIRED;
pub use layers::{RequestId, with_layers};
pub(crate) use layers::{with_fallbacks, with_inner_layers};
pub use serve::{ServeLimits, serve};

#[cfg(test)]
mod tests;
