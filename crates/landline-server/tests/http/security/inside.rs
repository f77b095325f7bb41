//! What refusals tell, and what lies on the disk (S18, S79).
//!
//! Every refusal of the whole suite is looked at (`landline_testkit::in_process::inside`); here are those that have the
//! most to tell.

use std::path::Path;

use hyper::Method;
use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::inside::of_the_inside;
use landline_testkit::in_process::{OTHER_SECRET, SECOND_SECRET, SECRET, TestServer, message};
use serde_json::json;

use super::World;

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
