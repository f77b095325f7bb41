//! The memory engine of blobs does what the contract says.

use std::sync::Arc;

use landline_core::SystemClock;
use landline_core::store::BlobStore;
use landline_core::store::conformance::blobs::BlobRig;
use landline_core::store::memory::MemoryBlobs;

#[derive(Debug)]
struct MemoryRig(Arc<MemoryBlobs>);

impl BlobRig for MemoryRig {
    const LARGE: usize = 300_007;
    const MANY: usize = 1000;

    async fn fresh() -> Self {
        Self(Arc::new(MemoryBlobs::new(Arc::new(SystemClock))))
    }

    fn store(&self) -> Arc<dyn BlobStore> {
        Arc::clone(&self.0) as Arc<dyn BlobStore>
    }

    async fn put_foreign(&self) -> bool {
        false
    }

    async fn reopen(self) -> Result<Self, Self> {
        Err(self)
    }
}

landline_core::blob_conformance!(super::MemoryRig);
