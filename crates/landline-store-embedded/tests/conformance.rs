//! The embedded engine does what the contract says.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use landline_core::store::conformance::Rig;
use landline_store_embedded::{EmbeddedOptions, EmbeddedStore};
use tempfile::TempDir;

#[derive(Debug)]
struct EmbeddedRig {
    store: EmbeddedStore,
    folder: TempDir,
}

fn open(folder: &TempDir) -> EmbeddedStore {
    EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap()
}

impl Rig for EmbeddedRig {
    type Store = EmbeddedStore;

    const SEQUENCES: u32 = 32;

    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: open(&folder), folder }
    }

    fn store(&self) -> &EmbeddedStore {
        &self.store
    }

    async fn reopen(self) -> Result<Self, Self> {
        let Self { store, folder } = self;
        drop(store);
        Ok(Self { store: open(&folder), folder })
    }
}

landline_core::store_conformance!(super::EmbeddedRig);
