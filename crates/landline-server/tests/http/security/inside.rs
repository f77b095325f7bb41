//! What refusals tell, and what lies on the disk (S18, S79).
//!
//! Every refusal of the whole suite is looked at (`landline_testkit::in_process::inside`, and `raw` for those to bytes);
//! here are those that have the most to tell.

use std::path::Path;

use hyper::Method;
use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::inside::of_the_inside;
use landline_testkit::in_process::{OTHER_SECRET, SECOND_SECRET, SECRET, TestServer, message};
use serde_json::json;

use super::World;
use super::raw::Line;

#[tokio::test]
async fn s79_what_broke_inside_is_for_the_operator_alone() {
    let World { server, ann, .. } = World::start().await;
    let trouble = "disk I/O at /var/lib/landline in fjall: os error 5";
    server.bot.then([Behaviour::Answer(500, trouble.into()), Behaviour::Break]);
    let mut refusals = Vec::new();
    for _ in 0..2 {
        refusals.push(ann.send(&message("ann", "x")).send().await.expect(502));
    }
    server.disk.fail_writes(true);
    refusals.push(ann.send(&message("ann", "x")).send().await.expect(503));
    server.disk.fail_writes(false);
    server.disk.damage(&ann.conversation);
    refusals.push(ann.poll("").await.expect(503));
    for refusal in &refusals {
        let body = String::from_utf8_lossy(&refusal.body).into_owned();
        assert_eq!(of_the_inside(&body), None, "{body}");
        assert!(body.contains(refusal.header("x-request-id")), "the operator finds it by its id: {body}");
    }
    assert!(of_the_inside(trouble).is_some(), "what is looked for is found");
}

/// Whoever asks there has the machine or the operator's network, and is still told no more, and in the same form.
#[tokio::test]
async fn s79_the_listener_of_the_operator_refuses_as_the_other_one_does() {
    let world = World::start().await;
    for (bytes, status, code) in [
        ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, "ResourceNotFound"),
        ("GET /openapi/directline.json HTTP/1.1\r\nHost: x\r\n\r\n", 404, "ResourceNotFound"),
        ("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, "NotSupported"),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400, "MalformedData"),
        (
            "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            400,
            "MalformedData",
        ),
        ("GET /admin/v1/sites HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "MalformedData"),
    ] {
        for address in [world.server.admin, world.server.address] {
            let mut line = Line::open(address).await;
            line.write(bytes.as_bytes()).await;
            let answer = line.answer("GET").await;
            let is_for_operators = address == world.server.admin;
            if is_for_operators || !bytes.contains("POST /healthz") && !bytes.contains("/openapi/") {
                assert_eq!(answer.refusal(), (status, code.to_owned()), "{bytes:?}: {answer:?}");
            }
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{bytes:?}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn s18_only_digests_of_secrets_lie_on_the_disk() {
    let server = TestServer::builder().embedded().start().await;
    let post = async |path: &str, body| server.admin(Method::POST, path).json(&body).send().await.expect(201);
    let bot =
        json!({"name": "scanned", "endpoint": "http://127.0.0.1:9/", "appId": true, "credential": true});
    let credential = post("/bots", bot).await.text("credential");
    let second = post("/bots/scanned/credentials", json!({})).await.text("credential");
    let secret = post("/sites", json!({"name": "scanned", "bot": "scanned"})).await.text("secret");
    let other = post("/sites/scanned/secrets", json!({})).await.text("secret");
    let ann = server.person("ann").await;
    ann.say("hello").await;
    for (made, prefix) in [(&credential, "llb_"), (&second, "llb_"), (&secret, "lls_"), (&other, "lls_")] {
        let body = made.strip_prefix(prefix).expect("what it is, so that scanners find it");
        assert!(body.len() == 49 && body.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{made}");
    }

    let data = server.data_folder().expect("it has one");
    let digest = landline_auth::SiteSecret::from_text(&secret).expect("a secret").digest().to_string();
    assert!(stands_in(data, digest.as_bytes()), "it is not looked for where it lies");
    let ticket = ann.stream_url.split_once("t=").expect("a ticket").1.to_owned();
    let mut hidden = vec![credential, second, secret, other, ann.token.clone(), ticket];
    hidden.extend([SECRET, SECOND_SECRET, OTHER_SECRET].map(str::to_owned));
    for text in &hidden {
        assert!(!stands_in(data, text.as_bytes()), "{text} lies on the disk");
    }
}

/// Whether a file below the folder holds these bytes.
fn stands_in(folder: &Path, bytes: &[u8]) -> bool {
    let mut entries =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.any(|path| {
        if path.is_dir() {
            return stands_in(&path, bytes);
        }
        std::fs::read(&path).is_ok_and(|held| memchr::memmem::find(&held, bytes).is_some())
    })
}
