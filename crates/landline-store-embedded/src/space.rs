//! How much room the disk has left, asked before each commit: a store that never meets the end of the disk has
//! nothing half-written, and heals when there is room again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use landline_core::store::StoreError;

use crate::limits::LAST_RESERVE_SHARE;

#[derive(Debug)]
pub(crate) struct Space {
    folder: PathBuf,
    reserve_bytes: AtomicU64,
}

/// What may be written now.
#[derive(Debug)]
pub(crate) enum Room {
    /// Everything.
    Enough,
    /// Only what takes data away or is small and ends something.
    Low(StoreError),
    /// Nothing.
    None(StoreError),
}

impl Room {
    /// Whether new data may be written.
    pub(crate) fn for_new(&self) -> Result<(), StoreError> {
        match self {
            Self::Enough => Ok(()),
            Self::Low(why) | Self::None(why) => Err(why.clone()),
        }
    }

    /// Whether data may be taken away.
    pub(crate) fn for_less(&self) -> Result<(), StoreError> {
        match self {
            Self::Enough | Self::Low(_) => Ok(()),
            Self::None(why) => Err(why.clone()),
        }
    }
}

impl Space {
    pub(crate) fn new(folder: PathBuf, reserve_bytes: u64) -> Self {
        Self { folder, reserve_bytes: AtomicU64::new(reserve_bytes) }
    }

    pub(crate) fn set_reserve(&self, bytes: u64) {
        self.reserve_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The reserve that is to stay free, in bytes.
    pub(crate) fn reserve(&self) -> u64 {
        self.reserve_bytes.load(Ordering::Relaxed)
    }

    /// How many bytes are free.
    pub(crate) fn free(&self) -> Result<u64, StoreError> {
        let stat = rustix::fs::statvfs(&self.folder);
        let stat = stat.map_err(|error| StoreError(format!("the free space cannot be told: {error}")))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    pub(crate) fn room(&self) -> Room {
        let reserve = self.reserve();
        let free = match self.free() {
            Ok(free) => free,
            Err(why) => return Room::None(why),
        };
        if free >= reserve {
            return Room::Enough;
        }
        let why = StoreError(format!("{free} bytes of free space are left, the reserve is {reserve} bytes"));
        if free >= reserve / LAST_RESERVE_SHARE { Room::Low(why) } else { Room::None(why) }
    }
}
