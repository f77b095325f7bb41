//! Keeps the bytes of files: in a folder of this machine.
//!
//! Not here: which files there are, for how long, and what they are called (`landline_core`).

mod error;
mod folder;
mod limits;
mod names;

pub use self::error::OpenBlobsError;
pub use self::folder::FolderBlobs;
