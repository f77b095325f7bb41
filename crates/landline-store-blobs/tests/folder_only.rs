//! What a folder promises beyond the contract.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use landline_core::store::{BlobKey, BlobStore as _, View};
use landline_store_blobs::FolderBlobs;
use tokio::time::{Instant, sleep};

fn key(file: &str) -> BlobKey {
    BlobKey { conversation: "a".parse().unwrap(), file: file.parse().unwrap(), view: View::Original }
}

async fn put(blobs: &FolderBlobs, file: &str) -> Result<u64, landline_core::store::StoreError> {
    let mut writer = blobs.create(&key(file)).await?;
    writer.write("some bytes".into()).await?;
    writer.finish().await
}

async fn listed(blobs: &FolderBlobs) -> usize {
    blobs.list(None).try_collect::<Vec<_>>().await.unwrap().len()
}

/// What is removed behind the scenes is gone soon.
async fn assert_soon_empty(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while fs::read_dir(folder).unwrap().count() > 0 {
        assert!(Instant::now() < deadline, "{} is not empty", folder.display());
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nothing_is_written_into_the_reserve_and_it_heals() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path(), 0).unwrap();
    put(&blobs, "before").await.unwrap();
    let mut begun = blobs.create(&key("begun")).await.unwrap();

    blobs.set_reserve_bytes(u64::MAX);

    let refused = put(&blobs, "refused").await.unwrap_err().to_string();
    assert!(refused.contains("free space") && refused.contains("make room"), "{refused}");
    let refused = begun.write(vec![0; 1 << 20].into()).await.unwrap_err().to_string();
    assert!(refused.contains("free space"), "{refused}");
    assert!(begun.write("more".into()).await.is_ok(), "what is only collected needs no room");
    assert!(begun.finish().await.is_err(), "a part of it is missing");
    assert_eq!(listed(&blobs).await, 1);
    assert_soon_empty(&folder.path().join(".unfinished")).await;
    assert!(blobs.read(&key("before"), None).await.unwrap().is_some());

    blobs.set_reserve_bytes(0);

    put(&blobs, "refused").await.unwrap();
    assert_eq!(listed(&blobs).await, 2);
}

#[tokio::test]
async fn what_is_made_is_for_its_owner_alone() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("new/files");
    let blobs = FolderBlobs::open(&folder, 0).unwrap();
    put(&blobs, "file").await.unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for made in ["", ".unfinished", "a"] {
        assert_eq!(mode(&folder.join(made)), 0o700, "{made}");
    }
    assert_eq!(mode(&folder.join("a/file.original")), 0o600);
}

#[tokio::test]
async fn the_folder_of_a_conversation_goes_with_its_last_blob() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path(), 0).unwrap();
    put(&blobs, "one").await.unwrap();
    put(&blobs, "two").await.unwrap();

    blobs.delete(&key("one")).await.unwrap();
    assert!(folder.path().join("a").exists());
    blobs.delete(&key("two")).await.unwrap();
    assert!(!folder.path().join("a").exists());

    // As a process leaves it that dies between the blob and the folder.
    fs::create_dir(folder.path().join("b")).unwrap();
    fs::create_dir_all(folder.path().join("foreign folder")).unwrap();
    blobs.clear_unfinished().await.unwrap();
    assert!(!folder.path().join("b").exists());
    assert!(folder.path().join("foreign folder").exists());
}

#[tokio::test]
async fn a_blob_that_was_cut_is_an_error_for_who_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path(), 0).unwrap();
    let mut writer = blobs.create(&key("file")).await.unwrap();
    writer.write(vec![7; 1 << 20].into()).await.unwrap();
    writer.finish().await.unwrap();
    let mut read = blobs.read(&key("file"), None).await.unwrap().unwrap();
    read.pieces.try_next().await.unwrap().unwrap();

    let file = fs::File::options().write(true).open(folder.path().join("a/file.original")).unwrap();
    file.set_len(300_000).unwrap();

    let outcome = read.pieces.try_collect::<Vec<_>>().await;
    assert!(matches!(&outcome, Err(why) if why.0.contains("shorter")), "{outcome:?}");
}

#[test]
fn a_folder_that_cannot_be_is_told_with_what_to_do() {
    let above = tempfile::tempdir().unwrap();
    fs::write(above.path().join("file"), "").unwrap();
    let refused = FolderBlobs::open(&above.path().join("file/files"), 0).unwrap_err().to_string();
    assert!(refused.contains("file/files") && refused.contains("name another one"), "{refused}");
}
