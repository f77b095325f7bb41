//! The memory engine does what the contract says.

use landline_core::store::conformance::Rig;
use landline_core::store::memory::MemoryStore;

#[derive(Debug)]
struct MemoryRig(MemoryStore);

impl Rig for MemoryRig {
    type Store = MemoryStore;

    // Compared with itself: this only shows that the comparison works.
    const SEQUENCES: u32 = 32;

    async fn fresh() -> Self {
        Self(MemoryStore::new())
    }

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    async fn reopen(self) -> Result<Self, Self> {
        Err(self)
    }
}

landline_core::store_conformance!(super::MemoryRig);
