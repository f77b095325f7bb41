//! Files as they go over HTTP: the links by which clients and bots reach them, and what keeps those in order.
//!
//! In a log, a signed text stands for a file. On its way out, to a client or to a bot, each such text becomes a link
//! that works for whoever gets it, without credentials, for a day or two. So a log holds no address of this server,
//! which may change, and no link that has expired.
//!
//! Not here: what is kept of a file, and for how long (`landline_core::files`); what is signed
//! (`landline_auth::FileLinkKeys`); the routes (`client_api`).

mod checked;
mod disposition;
mod keys;
mod links;
mod range;
mod refused;
mod rendering;
mod serve;
mod to_bots;

#[cfg(feature = "fuzzing")]
pub(crate) use disposition::disposition;
pub(crate) use keys::open_file_keys;
pub(crate) use links::{Links, Presented};
#[cfg(feature = "fuzzing")]
pub(crate) use range::{Wanted, wanted};
pub(crate) use refused::refused_because;
pub(crate) use serve::{ServedView, serve};
pub(crate) use to_bots::WithLinks;
