//! What an operator may choose about the store.

/// Sizes of the embedded store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Memory for blocks that were read, in bytes. Too little: readers that come back wait for the disk.
    pub cache_bytes: u64,
    /// Free space, in bytes, below which nothing new is accepted. Too little: what is written in the background
    /// finds a full disk, and the store has to stop. Reads and deletions go on below it.
    pub reserve_bytes: u64,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, reserve_bytes: 64 * 1024 * 1024 }
    }
}
