//! Every bound of the engines of blobs, with its name and its reason.

/// How much is written to a disk, and read from it, in one step. A writer holds at most one of these beside the piece
/// that it was handed, a reader one.
pub(crate) const FOLDER_PIECE_BYTES: usize = 256 * 1024;

/// How many entries of a folder are listed in one step.
pub(crate) const FOLDER_PAGE: usize = 1024;

/// How many locks the conversations of a folder share. Two that share one wait for each other's directory to be synced.
pub(crate) const FOLDER_STRIPES: usize = 64;
