//! A folder does what the contract says.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use landline_core::store::BlobStore;
use landline_core::store::conformance::blobs::BlobRig;
use landline_store_blobs::FolderBlobs;
use tempfile::TempDir;

#[derive(Debug)]
struct FolderRig {
    blobs: FolderBlobs,
    folder: TempDir,
}

impl BlobRig for FolderRig {
    const LARGE: usize = 3 * 256 * 1024 + 17;
    const MANY: usize = 1200;

    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { blobs: FolderBlobs::open(folder.path(), 0).unwrap(), folder }
    }

    fn store(&self) -> Arc<dyn BlobStore> {
        Arc::new(self.blobs.clone())
    }

    async fn put_foreign(&self) -> bool {
        let root = self.folder.path();
        fs::create_dir_all(root.join("a/x.original")).unwrap();
        fs::create_dir_all(root.join("a/folder")).unwrap();
        fs::create_dir_all(root.join("lost+found")).unwrap();
        let not_text = std::ffi::OsStr::from_bytes(b"\xff.original");
        fs::write(root.join(not_text), "").unwrap();
        fs::write(root.join("a").join(not_text), "").unwrap();
        for name in
            ["b", "c.original", "a/d", "a/e.txt", "a/.original", "a/é.original", "a/folder/f.original"]
        {
            fs::write(root.join(name), "foreign").unwrap();
        }
        symlink(root.join("b"), root.join("a/link.original")).unwrap();
        true
    }

    async fn reopen(self) -> Result<Self, Self> {
        let Self { blobs, folder } = self;
        drop(blobs);
        Ok(Self { blobs: FolderBlobs::open(folder.path(), 0).unwrap(), folder })
    }
}

landline_core::blob_conformance!(super::FolderRig);
