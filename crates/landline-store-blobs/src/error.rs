//! Why blobs cannot be kept where the operator wants them.

use std::io;
use std::path::PathBuf;

use url::Url;

/// Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenBlobsError {
    /// The folder cannot be made, or not be used.
    #[error("the folder of files {}: {error}; give the user that runs the server every right to it, or name another one", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has it.
    #[error("the folder of files {} is in use by another process; stop that one, or name another folder", .0.display())]
    InUse(PathBuf),
    /// What is said of a cloud is not enough, or contradicts itself.
    #[error("the files at {place}: {why}")]
    Cloud {
        /// Where.
        place: Url,
        /// Why, and what to do.
        why: String,
    },
}
