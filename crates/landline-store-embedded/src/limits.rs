//! Every bound of this engine, with its name and its reason. Those that an operator may change are in
//! [`EmbeddedOptions`](crate::EmbeddedOptions).

use std::time::Duration;

/// How many requests share one sync at the most. More gain little, and the first of them waits for the last.
pub(crate) const GROUP_REQUESTS: usize = 1024;

/// How many bytes share one sync at the most; one large request may exceed it.
pub(crate) const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// How many requests may wait for the committer. Beyond it, requests are refused: something is wrong with the disk.
pub(crate) const QUEUE_REQUESTS: usize = 16 * 1024;

/// How many bytes may wait for the committer.
pub(crate) const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// How large one append or create may be.
pub(crate) const REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// How long a store that has failed waits for its committer when it is closed.
pub(crate) const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// How many heads the committer remembers, so that it need not read them: about 200 bytes each.
pub(crate) const CACHED_HEADS: usize = 64 * 1024;

/// How many keys are forgotten in one commit; larger deletions take several, with others' appends after them.
pub(crate) const FORGOTTEN_KEYS: usize = 4096;

/// How often a reader looks again when a conversation was deleted or made anew between its two looks.
pub(crate) const LOOKS: usize = 8;

/// The size of the journals together at which the oldest is emptied into tables. It bounds how much has to be
/// replayed when the store is opened. The least that the LSM store takes.
pub(crate) const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// How much of one keyspace is kept in memory before it is written as a table.
pub(crate) const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// The size that tables are compacted to. Small, so that a compaction needs little room on a disk that is
/// nearly full.
pub(crate) const TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of the block cache the database of second heads gets, as a divisor: they are small and rarely read.
pub(crate) const SECOND_CACHE_SHARE: u64 = 8;

/// Below this part of the reserve, nothing at all is written, not even deletions.
pub(crate) const LAST_RESERVE_SHARE: u64 = 4;

/// How many files of the first and of the second database are kept open. Sockets need the rest.
pub(crate) const OPEN_FILES: usize = 256;
pub(crate) const SECOND_OPEN_FILES: usize = 32;

/// Threads that write tables: in the first database one for new tables and one for compaction, so that the first
/// never waits for the second; in the second there is little to do.
pub(crate) const WORKERS: usize = 2;
pub(crate) const SECOND_WORKERS: usize = 1;

/// How often it is looked whether the LSM store has given up in the background.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How often it is looked whether enough was taken away for its space to be got back.
pub(crate) const MERGE_INTERVAL: Duration = Duration::from_secs(5);

/// How many keys have to be taken away before all tables are merged to get their space back.
pub(crate) const MERGE_AFTER_KEYS: u64 = 100_000;

/// And which part of all keys that has to be, as a divisor: merging rewrites what is still there.
pub(crate) const MERGE_SHARE: u64 = 4;

/// How long a merge waits for what is in memory to be written first, and a store that is closed for a merge.
pub(crate) const MERGE_PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes are written at the most so that the LSM store begins a new journal, which it does behind 64 MB.
pub(crate) const PURGE_FILL_BYTES: usize = 96 * 1024 * 1024;

/// How large the keys are of which these bytes consist, and how many are written at a time; all under the largest key
/// that the LSM store takes.
pub(crate) const PURGE_KEY_BYTES: usize = 32 * 1024;
pub(crate) const PURGE_KEYS: usize = 128;

/// How long a purge waits for what is in memory to be written, and how often it tries again to get rid of files that
/// somebody still reads.
pub(crate) const PURGE_PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PURGE_TRIES: usize = 100;
