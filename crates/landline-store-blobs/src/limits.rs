//! Every bound of the engines of blobs, with its name and its reason.

use std::time::Duration;

/// How much is written to a disk, and read from it, in one step. A writer holds at most one of these beside the piece
/// that it was handed, a reader one.
pub(crate) const FOLDER_PIECE_BYTES: usize = 256 * 1024;

/// How many entries of a folder are listed in one step.
pub(crate) const FOLDER_PAGE: usize = 1024;

/// How many locks the conversations of a folder share. Two that share one wait for each other's directory to be synced.
pub(crate) const FOLDER_STRIPES: usize = 64;

/// The parts that a large blob is sent to a cloud in. S3 and Google take none below 5 MiB, and at most 10,000 of them.
pub(crate) const CLOUD_PART_BYTES: usize = 5 * 1024 * 1024;

/// How much of a part is allocated at a time, so that a small blob does not cost a whole part.
pub(crate) const CLOUD_BLOCK_BYTES: usize = 256 * 1024;

/// How many blobs are written to a cloud at the same time. Each holds one part in memory, so this bounds the memory:
/// 160 MiB, where all of them are as large as a part.
pub(crate) const CLOUD_WRITERS: usize = 32;

/// How long a writer waits until it is among [`CLOUD_WRITERS`].
pub(crate) const CLOUD_WRITER_PATIENCE: Duration = Duration::from_secs(20);

/// How long a connection to a cloud may take to come up, TLS included.
pub(crate) const CLOUD_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one request to a cloud may take until the head of its answer is there: long enough for a part on a slow line.
pub(crate) const CLOUD_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a cloud may be silent in the middle of an answer.
pub(crate) const CLOUD_SILENCE_TIMEOUT: Duration = Duration::from_secs(20);

/// How often a request to a cloud is repeated.
pub(crate) const CLOUD_RETRIES: usize = 4;

/// No repeat is begun later than this after the first try.
pub(crate) const CLOUD_RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest pause before a repeat.
pub(crate) const CLOUD_LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How long a connection to a cloud is kept when it is not used.
pub(crate) const CLOUD_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How many connections to a cloud are kept when they are not used.
pub(crate) const CLOUD_IDLE_CONNECTIONS: usize = 32;

/// How much of what a cloud says about an error is told on, in bytes.
pub(crate) const CLOUD_ERROR_BYTES: usize = 200;

/// The largest note that says whose a place in a cloud is; ours are a quarter of it.
pub(crate) const CLOUD_OWNER_BYTES: u64 = 1024;

/// The largest answer of a cloud that is no blob, in bytes: a page of a thousand blobs has some hundred KiB.
pub(crate) const CLOUD_TEXT_BYTES: usize = 8 * 1024 * 1024;
