//! The two databases, and reading from them.
//!
//! The first, `log`, holds everything. The second, `heads`, holds the newest head and facts of every conversation
//! and all of the registry once more; it is written *after* the first and without a sync of its own, so it may lag
//! behind the first (after a power cut), but is never ahead of it, unless the first lost something.
//!
//! Not here: how they are opened (`folder`), what their keys and values mean (`schema`).

use std::fs::File;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{Database, Guard, Keyspace, PersistMode, Readable as _, Snapshot, UserKey, UserValue};

use crate::error::Trouble;
use crate::space::Space;

/// A keyspace of the first database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Keep {
    /// Records, by conversation and position.
    Records = 0,
    /// Everything else that has a name.
    State = 1,
    /// Deliveries that were not begun; apart, so that they are listed without passing over others.
    Pending = 2,
}

impl Keep {
    pub(crate) const ALL: [Self; 3] = [Self::Records, Self::State, Self::Pending];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::State => "state",
            Self::Pending => "pending",
        }
    }
}

/// The name of the only keyspace of the second database.
pub(crate) const HEADS: &str = "heads";

/// Keys of the first database.
pub(crate) type Keys = Vec<(Keep, Vec<u8>)>;

/// A key and what is to become of it; `None` takes it away.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);

/// A key and its value, as the LSM store lends them.
pub(crate) type Pair = Result<(UserKey, UserValue), Trouble>;

pub(crate) struct Tables {
    pub(crate) log: Database,
    pub(crate) keeps: [Keyspace; 3],
    pub(crate) second: Database,
    pub(crate) heads: Keyspace,
    pub(crate) space: Space,
    /// How many keys were taken away since the tables of each keyspace were merged.
    pub(crate) removed: [AtomicU64; 3],
    /// How many deletions there were: told after they took the second head, before they take the first.
    pub(crate) deletions: AtomicU64,
    /// How many values of the first database were asked for by key.
    #[cfg(test)]
    pub(crate) gets: AtomicU64,
    /// Held until everything above is closed, so it has to be the last field.
    pub(crate) _lock: File,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("space", &self.space).finish_non_exhaustive()
    }
}

impl Tables {
    pub(crate) fn keyspace(&self, keep: Keep) -> &Keyspace {
        &self.keeps[keep as usize]
    }

    /// How many keys were taken away from this keyspace since its tables were merged.
    pub(crate) fn removed(&self, keep: Keep) -> &AtomicU64 {
        &self.removed[keep as usize]
    }

    /// The first database as it is now; what is written later is not seen in it.
    pub(crate) fn view(&self) -> View<'_> {
        View { tables: self, snapshot: self.log.snapshot() }
    }

    /// A value of the second database.
    pub(crate) fn second(&self, key: &[u8]) -> Result<Option<UserValue>, Trouble> {
        Ok(self.heads.get(key)?)
    }

    /// Keys and values of the second database.
    pub(crate) fn second_range(
        &self,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
    ) -> impl Iterator<Item = Pair> + use<> {
        self.heads.range((from, to)).map(pair)
    }

    /// Writes all of it, or nothing, and syncs it to disk. Visible only when that is done.
    pub(crate) fn commit(&self, writes: impl Iterator<Item = (Keep, Write)>) -> Result<(), fjall::Error> {
        let mut batch = self.log.batch().durability(Some(PersistMode::SyncData));
        for (keep, (key, value)) in writes {
            match value {
                Some(value) => batch.insert(self.keyspace(keep), key, value),
                None => {
                    self.removed(keep).fetch_add(1, Ordering::Relaxed);
                    batch.remove(self.keyspace(keep), key);
                }
            }
        }
        batch.commit()
    }

    /// Writes to the second database; with a sync only where asked for.
    pub(crate) fn commit_second(
        &self,
        writes: impl Iterator<Item = Write>,
        sync: bool,
    ) -> Result<(), fjall::Error> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.second.batch().durability(Some(mode));
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&self.heads, key, value),
                None => batch.remove(&self.heads, key),
            }
        }
        batch.commit()
    }
}

/// The first database at one moment.
pub(crate) struct View<'a> {
    tables: &'a Tables,
    snapshot: Snapshot,
}

impl View<'_> {
    pub(crate) fn get(&self, keep: Keep, key: &[u8]) -> Result<Option<UserValue>, Trouble> {
        #[cfg(test)]
        self.tables.gets.fetch_add(1, Ordering::Relaxed);
        Ok(self.snapshot.get(self.tables.keyspace(keep), key)?)
    }

    pub(crate) fn contains(&self, keep: Keep, key: &[u8]) -> Result<bool, Trouble> {
        Ok(self.snapshot.contains_key(self.tables.keyspace(keep), key)?)
    }

    pub(crate) fn range(
        &self,
        keep: Keep,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
    ) -> impl DoubleEndedIterator<Item = Pair> + use<> {
        self.snapshot.range(self.tables.keyspace(keep), (from, to)).map(pair)
    }

    /// The keys that begin so; their values are not looked at.
    pub(crate) fn keys(
        &self,
        keep: Keep,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<UserKey, Trouble>> + use<> {
        self.snapshot.prefix(self.tables.keyspace(keep), prefix).map(|guard| Ok(guard.key()?))
    }
}

fn pair(guard: Guard) -> Pair {
    Ok(guard.into_inner()?)
}
