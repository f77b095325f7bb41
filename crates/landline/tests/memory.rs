//! What the built server has in memory while a file goes through it that is larger than that.

#![expect(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::path::Path;
use std::time::Duration;

use landline_testkit::bot::{Bot, Mode};
use landline_testkit::bulk::Bulk;
use landline_testkit::client::Client;
use landline_testkit::process::{ServerOptions, ServerProcess};
use serde_json::json;
use tokio::time::timeout;

const MIB: u64 = 1024 * 1024;
const FILE_BYTES: u64 = 64 * MIB;
/// What buffers on the way, and the allocator's leavings, may make; mostly it is less than 1 MiB.
const ALLOWED_KIB: u64 = 8 * 1024;
const SECRET: &str = "memory-secret-0123456789-0123456789-0123456789";
/// On a machine that does much else; alone it takes less than two seconds.
const WITHIN: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_file_of_64_mib_goes_up_and_comes_down_through_a_few() {
    timeout(WITHIN, up_and_down()).await.unwrap();
}

async fn up_and_down() {
    let folder = tempfile::tempdir().unwrap();
    let bot = Bot::start(Mode::Accept).await.unwrap();
    let options = ServerOptions {
        binary: Path::new(env!("CARGO_BIN_EXE_landline")).to_owned(),
        folder: folder.path().to_owned(),
        bot: bot.endpoint(),
        secret: SECRET.to_owned(),
        queued: None,
        more: "[limits]\nfile_size = \"65MiB\"\n".to_owned(),
        ready_within: Duration::from_secs(30),
    };
    let (server, _) = ServerProcess::start(options).await.unwrap();
    // What the first file makes once and for all is not what the second one costs.
    let small = upload(&server, MIB).await;
    download(&server, &small, MIB).await;

    let before = forget(&server);
    let large = upload(&server, FILE_BYTES).await;
    let up = server.memory().unwrap().peak_kib.saturating_sub(before);
    let before = forget(&server);
    download(&server, &large, FILE_BYTES).await;
    let down = server.memory().unwrap().peak_kib.saturating_sub(before);

    assert!(up < ALLOWED_KIB, "the upload of {FILE_BYTES} bytes took {up} KiB");
    assert!(down < ALLOWED_KIB, "its download took {down} KiB");
}

fn forget(server: &ServerProcess) -> u64 {
    server.forget_peak().unwrap();
    server.memory().unwrap().now_kib
}

/// Into a conversation of its own. Gives path and query of the link.
async fn upload(server: &ServerProcess, bytes: u64) -> String {
    let mut client = Client::new(server.address());
    let seat = client.start(SECRET, Some(&json!({"user": {"id": "ann"}}))).await.unwrap();
    let path = format!("/v3/directline/conversations/{}/upload?userId=ann", seat.conversation_id);
    let authorization = format!("Bearer {}", seat.token);
    let mut bulk = Bulk::connect(server.address()).await.unwrap();
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/octet-stream"),
        ("content-disposition", "name=\"file\"; filename=\"large.bin\""),
    ];
    bulk.head("POST", &path, &headers, bytes).await.unwrap();
    bulk.body(bytes).await.unwrap();
    let answer = bulk.answer().await.unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.start));

    let page = client.poll(&seat.token, &seat.conversation_id, Some("0"), None).await.unwrap();
    let link = page.activities[0]["attachments"][0]["contentUrl"].as_str().unwrap();
    let (_, rest) = link.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

async fn download(server: &ServerProcess, link: &str, bytes: u64) {
    let mut bulk = Bulk::connect(server.address()).await.unwrap();
    bulk.head("GET", link, &[], 0).await.unwrap();
    let answer = bulk.answer().await.unwrap();
    assert_eq!((answer.status, answer.bytes), (200, bytes));
}
