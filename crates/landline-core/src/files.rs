//! Files: what is uploaded into a conversation, and what is kept of it.
//!
//! Not here: the bytes (`store::BlobStore`), HTTP (`landline-server`).

mod kind;
mod life;
mod name;

pub use kind::{KIND_BYTES, OCTET_STREAM, is_shown_inline, served_type};
pub use life::FileLife;
pub use name::{MAX_NAME_BYTES, clean_name};
