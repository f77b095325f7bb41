//! How HTTP comes in: our own accept loop, what stands on every answer, and how a body is read.
//!
//! The way of a connection: `accept` takes it, `crowd` says whether there is room and who has to leave for it, `serve`
//! holds both together; `connection` runs it: bytes come through the `gate`, which lets in what `head` and `framing` find
//! in order, to hyper, and as requests through the `layers` to the routes.
//!
//! HTTP/1.1 only: the stock clients speak nothing else through their WebSockets, and its faults are well known.
//!
//! Not here: routes and handlers (`client_api`, `connector_api`, `admin_api`), what an error says (`error`).

mod accept;
mod body;
mod client_address;
mod connection;
mod cors;
mod crowd;
mod exchange;
mod fallback;
mod framing;
mod gate;
mod guards;
mod handshake;
mod head;
mod layers;
#[cfg(feature = "fuzzing")]
mod line;
mod meter;
mod serve;
mod shed;

pub(crate) use body::{discard, discard_body, read_body};
pub use client_address::{ClientAddress, TrustedProxies, with_client_address};
pub use connection::Peer;
pub(crate) use cors::HISTORY_EXPIRED;
pub(crate) use guards::CROSS_ORIGIN_RESOURCE_POLICY;
pub use layers::{Observed, RequestId, with_layers};
pub(crate) use layers::{with_fallbacks, with_inner_layers, with_refusals};
#[cfg(feature = "fuzzing")]
pub(crate) use line::serve_line;
pub use serve::{ServeLimits, serve};

#[cfg(test)]
mod tests;
