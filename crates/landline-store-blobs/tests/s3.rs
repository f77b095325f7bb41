//! A server that speaks like S3 does what the contract says. `cargo xtask blobs` starts one and runs this.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::TryStreamExt as _;
use landline_core::store::conformance::blobs::BlobRig;
use landline_core::store::{BlobKey, BlobStore, View};
use landline_outbound::Trust;
use landline_store_blobs::CloudBlobs;

/// Where the server is: `127.0.0.1:PORT`, without TLS, with any credentials.
const SERVER: &str = "LANDLINE_TEST_S3";

#[derive(Debug)]
struct S3Rig {
    blobs: CloudBlobs,
    bucket: String,
}

fn server() -> String {
    std::env::var(SERVER).expect("run `cargo xtask blobs`, which starts a server and says where it is")
}

/// Asks as whoever else uses the bucket.
fn ask(method: &str, path: &str, body: &str) -> String {
    let server = server();
    let mut line = TcpStream::connect(&server).unwrap();
    let length = body.len();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {server}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    line.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

fn put(path: &str, body: &str) {
    ask("PUT", path, body);
}

/// Uploads in parts that were begun and neither completed nor taken back, as XML.
fn unfinished(bucket: &str) -> String {
    ask("GET", &format!("{bucket}?uploads"), "")
}

fn open(bucket: &str) -> CloudBlobs {
    open_as("owner", bucket)
}

fn open_as(owner: &str, bucket: &str) -> CloudBlobs {
    let endpoint = format!("http://{}", server());
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    CloudBlobs::open(
        &format!("s3://{bucket}/some/prefix").parse().unwrap(),
        owner,
        environment,
        Arc::default(),
        Trust::default(),
    )
    .unwrap()
}

impl BlobRig for S3Rig {
    const LARGE: usize = 11 * 1024 * 1024 + 17;
    const MANY: usize = 1100;

    async fn fresh() -> Self {
        static BUCKETS: AtomicU32 = AtomicU32::new(0);
        let number = BUCKETS.fetch_add(1, Ordering::Relaxed);
        let bucket = format!("landline-{}-{number}", process::id());
        put(&bucket, "");
        Self { blobs: open(&bucket), bucket }
    }

    fn store(&self) -> Arc<dyn BlobStore> {
        Arc::new(self.blobs.clone())
    }

    async fn put_foreign(&self) -> bool {
        let bucket = &self.bucket;
        for name in
            ["a/other.original", "some/a.original", "some/prefixa/x.original", "some/prefix-b/a/x.original"]
        {
            put(&format!("{bucket}/{name}"), "foreign");
        }
        for name in
            ["b", "c.original", "a/d", "a/e.txt", "a/.original", "a/%C3%A9.original", "a/folder/f.original"]
        {
            put(&format!("{bucket}/some/prefix/{name}"), "foreign");
        }
        true
    }

    async fn reopen(self) -> Result<Self, Self> {
        Ok(Self { blobs: open(&self.bucket), bucket: self.bucket })
    }
}

landline_core::blob_conformance!(
    #[ignore = "needs a server that speaks like S3; run `cargo xtask blobs`"]
    super::S3Rig
);

#[tokio::test]
#[ignore = "needs a server that speaks like S3; run `cargo xtask blobs`"]
async fn parts_that_no_blob_becomes_of_are_taken_back() {
    let rig = S3Rig::fresh().await;
    let key =
        BlobKey { conversation: "a".parse().unwrap(), file: "file".parse().unwrap(), view: View::Original };
    let mut writer = rig.blobs.create(&key).await.unwrap();
    writer.write(vec![1; S3Rig::LARGE].into()).await.unwrap();
    assert!(unfinished(&rig.bucket).contains("file.original"));

    drop(writer);
    rig.blobs.close().await;

    assert!(!unfinished(&rig.bucket).contains("file.original"));
}

#[tokio::test]
#[ignore = "needs a server that speaks like S3; run `cargo xtask blobs`"]
async fn a_bucket_that_is_not_there_is_told_with_what_to_do() {
    let blobs = open("landline-nowhere");
    let conversation = "secret-conversation".parse().unwrap();

    let error = blobs.clear_unfinished().await.unwrap_err().to_string();
    assert!(error.contains("s3://landline-nowhere/some/prefix") && error.contains("NoSuchBucket"), "{error}");
    assert!(error.contains("make the bucket"), "{error}");
    let key = BlobKey { conversation, file: "file".parse().unwrap(), view: View::Original };
    let mut writer = blobs.create(&key).await.unwrap();
    writer.write("x".into()).await.unwrap();
    let error = writer.finish().await.unwrap_err().to_string();
    assert!(error.contains("make the bucket") && !error.contains("secret"), "{error}");
}

#[tokio::test]
#[ignore = "needs a server that speaks like S3; run `cargo xtask blobs`"]
async fn the_files_of_another_server_are_neither_listed_nor_added_to() {
    let rig = S3Rig::fresh().await;
    let key =
        BlobKey { conversation: "a".parse().unwrap(), file: "file".parse().unwrap(), view: View::Original };
    let write = async |blobs: &CloudBlobs, length: usize| {
        let mut writer = blobs.create(&key).await?;
        writer.write(vec![1; length].into()).await?;
        writer.finish().await
    };
    write(&rig.blobs, 10).await.unwrap();
    let other = open_as("another", &rig.bucket);

    let troubles = [
        other.clear_unfinished().await.unwrap_err(),
        other.list(None).try_collect::<Vec<_>>().await.unwrap_err(),
        write(&other, 10).await.unwrap_err(),
        write(&other, S3Rig::LARGE).await.unwrap_err(),
    ];

    for trouble in troubles.map(|trouble| trouble.0) {
        assert!(trouble.contains("those of another server"), "{trouble}");
        assert!(trouble.contains("delete the object some/prefix/owner.landline"), "{trouble}");
    }
    let again = open(&rig.bucket);
    again.clear_unfinished().await.unwrap();
    assert_eq!(again.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
}
