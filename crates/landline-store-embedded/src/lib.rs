//! The default store: durable logs in one folder, on the LSM store `fjall`, of which nothing is seen outside.
//!
//! One thread, the committer, does all writing: it takes whatever is queued, makes one batch of it, and answers when
//! the batch is on disk, so that concurrent appends share one sync. Readers read snapshots.
//!
//! Invariants:
//! - Durable before acknowledged, durable before visible: a batch is synced before it is applied to what
//!   snapshots see.
//! - Every record holds a checksum over its content *and* its place; the head of each log is kept twice, in two
//!   databases. What is missing, cut, swapped or flipped is found when it is read, and hurts one conversation.
//! - A failed commit is final.
//!
//! Where to look: `schema` (every key and value on disk, explained in `docs/storage-format.md`), `folder` (what lies
//! where, and who may open it), `tables` (the two databases), `reading`, `committer`, `limits`.
//!
//! Not here: what a record means (`landline-core`).

#[cfg(test)]
mod bit_flips;
mod committer;
#[cfg(test)]
mod damage;
mod error;
mod folder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod heads;
mod limits;
mod merger;
mod options;
mod purge;
mod reading;
mod replacements;
mod schema;
mod space;
mod store;
mod tables;
mod watcher;

pub use error::OpenError;
pub use options::EmbeddedOptions;
pub use store::EmbeddedStore;
