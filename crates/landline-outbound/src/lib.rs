//! The door through which this process connects to others: bots, issuers, token endpoints, the storage of a cloud.
//!
//! Invariants:
//! - Every connection that Landline opens by itself is opened by [`TcpConnector`], which checks the address that it
//!   connects to: link-local addresses and metadata services never, others as [`AddressPolicy`] says.
//! - A name is looked up once for a connection, and what was checked is what is connected to: an answer that changes
//!   between check and connection changes nothing.
//! - Whoever is at the other end of TLS shows a certificate of an authority that the machine or the operator trusts.
//!   There is no switch to do without.
//!
//! Not here: what is said on a connection and for how long (`landline_server::bot_client`, `landline_store_blobs`), where
//! addresses come from (`landline_server::config`).

mod addresses;
mod authorities;
mod connector;
mod limits;
mod lookup;
mod policy;
mod problem;
mod trust;

pub use addresses::{Refused, check_never};
pub use authorities::{Authorities, BadAuthorities};
pub use connector::TcpConnector;
pub use limits::{ADDRESS_RULES, AUTHORITIES_BYTES, LOOKUPS_AT_ONCE};
pub use lookup::{Lookup, LookupFuture, SystemLookup};
pub use policy::{AddressPolicy, BadRule, Rule};
pub use problem::{RefusedAddress, address_problem, certificate_problem};
pub use trust::{NoAuthorities, Trust};
