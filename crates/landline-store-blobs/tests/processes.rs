//! Other processes: one that is killed while it writes, one that may write no large file, one that wants the folder too.
//!
//! The other process is this test binary again, running the ignored test named `child`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "these are tests; when a process is killed is left to chance"
)]

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use landline_core::store::{BlobKey, BlobStore as _, StoreError, View};
use landline_store_blobs::{FolderBlobs, OpenBlobsError};
use rand::RngExt as _;

const FOLDER: &str = "LANDLINE_TEST_FOLDER";
const WHAT: &str = "LANDLINE_TEST_WHAT";
const WRITERS: usize = 8;
const CYCLES: usize = 8;

fn open(folder: &Path) -> FolderBlobs {
    FolderBlobs::open(folder, 0).unwrap()
}

fn key(writer: usize, number: usize) -> BlobKey {
    let conversation = format!("conversation{}", writer % 3).parse().unwrap();
    BlobKey { conversation, file: format!("{writer}-{number}").parse().unwrap(), view: View::Original }
}

/// What is written under a key: as long as the number says, and told apart from every other.
fn content(key: &BlobKey) -> Bytes {
    let name = key.file.to_string();
    let number: usize = name.split_once('-').unwrap().1.parse().unwrap();
    name.bytes().cycle().take(number % 7 * 150_000).collect()
}

async fn put(blobs: &FolderBlobs, key: &BlobKey) -> Result<u64, StoreError> {
    let mut writer = blobs.create(key).await?;
    let mut rest = content(key);
    while !rest.is_empty() {
        writer.write(rest.split_to(rest.len().min(70_000))).await?;
    }
    writer.finish().await
}

async fn all(blobs: &FolderBlobs, key: &BlobKey) -> Option<Bytes> {
    let read = blobs.read(key, None).await.unwrap()?;
    let pieces: Vec<Bytes> = read.pieces.try_collect().await.unwrap();
    Some(pieces.concat().into())
}

fn start(folder: &Path, what: &str, shell: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" --exact child --ignored --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder)
        .env(WHAT, what)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the other process of the tests here"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let blobs = open(Path::new(&folder));
    println!("ready");
    if std::env::var(WHAT).unwrap() == "large" {
        let too_large = key(0, 6);
        println!("refused: {}", put(&blobs, &too_large).await.unwrap_err());
        assert_eq!(all(&blobs, &too_large).await, None);
        println!("small: {:?}", put(&blobs, &key(0, 7)).await);
        return;
    }
    join_all((0..WRITERS).map(|writer| write(&blobs, writer))).await;
}

/// Writes until it is killed, and says what was finished; takes every third away again.
async fn write(blobs: &FolderBlobs, writer: usize) {
    for number in 0.. {
        let key = key(writer, number);
        put(blobs, &key).await.unwrap();
        if number % 3 == 0 {
            blobs.delete(&key).await.unwrap();
        } else {
            println!("done {writer} {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_has_finished_is_there_and_nothing_of_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut cleared = 0;
    for _ in 0..CYCLES {
        let mut child = start(folder.path(), "much", "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ready")));
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(30..300))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let mut done = HashSet::new();
        for line in lines.map_while(Result::ok) {
            let words: Vec<_> = line.split(' ').collect();
            if let ["done", writer, number] = words[..] {
                done.insert(key(writer.parse().unwrap(), number.parse().unwrap()));
            }
        }

        let blobs = open(folder.path());
        cleared += blobs.clear_unfinished().await.unwrap();

        assert_eq!(fs::read_dir(folder.path().join(".unfinished")).unwrap().count(), 0);
        let listed: Vec<_> = blobs.list(None).try_collect().await.unwrap();
        for blob in &listed {
            assert!(all(&blobs, &blob.key).await.unwrap() == content(&blob.key), "{:?}", blob.key);
            done.remove(&blob.key);
        }
        assert!(done.is_empty(), "lost: {done:?}");
        for blob in listed {
            blobs.delete(&blob.key).await.unwrap();
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "conversations without blobs are left: {left:?}");
    }
    assert!(cleared > 0, "no process was killed while it wrote");
}

#[tokio::test]
async fn a_file_that_the_disk_does_not_take_leaves_nothing_and_the_next_one_may_fit() {
    let folder = tempfile::tempdir().unwrap();
    // In blocks of 512 bytes or of 1024, as the shell likes it.
    let mut child = start(folder.path(), "large", "trap '' XFSZ; ulimit -f 700;");
    let said: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
    assert!(child.wait().unwrap().success(), "{said:?}");

    let refused = said.iter().find(|line| line.contains("refused:")).unwrap();
    assert!(refused.contains("File too large") && refused.contains("the folder of files"), "{refused}");
    assert!(said.iter().any(|line| line.contains("small: Ok(0)")), "{said:?}");
    let blobs = open(folder.path());
    let listed: Vec<_> = blobs.list(None).try_collect().await.unwrap();
    assert_eq!(listed.into_iter().map(|blob| blob.key).collect::<Vec<_>>(), [key(0, 7)]);
    assert_eq!(fs::read_dir(folder.path().join(".unfinished")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_another_process_has_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "much", "");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")));

    let refused = FolderBlobs::open(folder.path(), 0);

    assert!(matches!(&refused, Err(OpenBlobsError::InUse(path)) if path == folder.path()), "{refused:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    open(folder.path());
}
