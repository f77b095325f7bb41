//! Keeps the bytes of files: in a folder of this machine, or in the object storage of a cloud.
//!
//! Not here: which files there are, for how long, and what they are called (`landline_core`).

mod cloud;
mod error;
mod folder;
mod limits;
mod names;

pub use self::cloud::CloudBlobs;
pub use self::error::OpenBlobsError;
pub use self::folder::FolderBlobs;
