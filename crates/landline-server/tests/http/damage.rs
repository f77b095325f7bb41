//! Trouble in the store is 503, for as long as it lasts, and never 404: that would end the chat for good.

use std::time::Duration;

use hyper::Method;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{Call, Frame, Person, SECRET, TestServer, message};
use serde_json::json;

use crate::looks_like_a_refusal;

/// Every call about a conversation.
fn every_call(server: &TestServer, ann: &Person) -> Vec<Call> {
    let hello = json!({"type": "message", "text": "x"});
    vec![
        ann.call(Method::GET, ""),
        server.get(&ann.path("?watermark=")).bearer(SECRET),
        ann.call(Method::GET, "/activities"),
        ann.call(Method::GET, "/activities?watermark=1&wait=5"),
        ann.send(&message("ann", "x")),
        server.bot_actor().send(&ann.conversation, &hello),
        server.bot_actor().reply(&ann.conversation, "x", &hello),
        server.operator().generate(&json!({"conversationId": ann.conversation})),
        server.post("/v3/directline/conversations").bearer(&ann.token),
    ]
}

/// A conversation with something in it that is too large to be kept in memory, so that it must be read.
async fn with_history(builder: landline_testkit::in_process::Builder) -> (TestServer, Person) {
    let server = builder.start().await;
    let ann = server.person("ann").await;
    (server, ann)
}

#[tokio::test]
async fn a_conversation_that_is_found_damaged_after_a_restart_is_503_for_whoever_asks() {
    let (before, ann) = with_history(TestServer::builder()).await;
    let bob = before.person("bob").await;
    ann.say("there").await;
    before.disk.damage(&ann.conversation);

    let server = before.restarted().await;

    let (ann, bob) = (ann.at(server.address), bob.at(server.address));
    for call in every_call(&server, &ann) {
        let what = format!("{call:?}");
        let reply = call.send().await;
        assert_eq!(reply.refusal(), (503, "ServiceUnavailable".to_owned()), "{what}");
        looks_like_a_refusal(&reply, 503, "ServiceUnavailable");
    }
    let url = ann.stream_url.replace(&before.address.to_string(), &server.address.to_string());
    let refused = Opening::default().open(&url).await.expect_err("nothing to stream");
    looks_like_a_refusal(&refused, 503, "ServiceUnavailable");
    bob.say("unharmed").await;
    assert_eq!(bob.texts().await, ["unharmed"]);
}

#[tokio::test]
async fn a_damaged_conversation_is_503_for_whoever_asks() {
    let (server, ann) = with_history(TestServer::builder()).await;
    let bob = server.person("bob").await;
    // Too large to be kept in memory, so that it must be read.
    ann.say(&"x".repeat(100_000)).await;
    server.disk.damage(&ann.conversation);

    for call in [ann.call(Method::GET, "/activities"), ann.send(&message("ann", "x"))] {
        looks_like_a_refusal(&call.send().await, 503, "ServiceUnavailable");
    }
    server
        .post("/v3/directline/conversations")
        .bearer(&ann.token)
        .send()
        .await
        .refused(503, "ServiceUnavailable");
    let mut stream = Opening::default().open(&ann.stream_url).await.expect("an upgrade");
    let (end, texts) = stream.until_end().await;
    assert!(matches!(end, Frame::Closed(1013, _)) && texts.is_empty(), "{end:?} {texts:?}");
    bob.say("unharmed").await;
    assert_eq!(bob.texts().await, ["unharmed"]);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_503_and_heals() {
    let (server, ann) = with_history(TestServer::builder()).await;
    let secret_started = server.post("/v3/directline/conversations").bearer(SECRET).send().await.expect(201);
    let never =
        format!("/v3/directline/conversations/{}x/activities", &secret_started.text("conversationId")[1..]);
    ann.say(&"x".repeat(100_000)).await;

    server.disk.fail_reads(true);
    server.disk.fail_writes(true);
    // Of a conversation that is not in memory nobody can say that it does not exist.
    looks_like_a_refusal(&server.get(&never).bearer(SECRET).send().await, 503, "ServiceUnavailable");
    for call in [ann.call(Method::GET, "/activities"), ann.send(&message("ann", "lost"))] {
        looks_like_a_refusal(&call.send().await, 503, "ServiceUnavailable");
    }
    server.disk.fail_reads(false);
    server.disk.fail_writes(false);

    server.get(&never).bearer(SECRET).send().await.refused(404, "ResourceNotFound");
    for call in every_call(&server, &ann) {
        let what = format!("{call:?}");
        assert_eq!(call.send().await.status, 200, "{what}");
    }
    assert!(!ann.texts().await.contains(&"lost".to_owned()));
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_serves_what_is_old() {
    let (server, ann) = with_history(TestServer::builder()).await;
    ann.say("old").await;
    server.disk.fail_writes(true);
    ann.send(&message("ann", "new")).send().await.refused(503, "ServiceUnavailable");
    let hello = json!({"type": "message", "text": "x"});
    server.bot_actor().send(&ann.conversation, &hello).send().await.refused(503, "ServiceUnavailable");
    assert_eq!(ann.texts().await, ["old"]);
    assert_eq!(ann.stream("?watermark=").await.texts(1).await, ["old"]);
    server.disk.fail_writes(false);
    ann.say("healed").await;
    assert_eq!(ann.texts().await, ["old", "healed"]);
}

#[tokio::test]
async fn what_was_written_without_a_word_is_shown_to_a_socket_all_the_same() {
    let (server, ann) = with_history(TestServer::builder()).await;
    let mut stream = ann.stream("").await;
    // Written, but neither the append nor the look at the log after it said so: no wake-up.
    server.disk.then([landline_testkit::domain::Fault::WriteUnknown]);
    server.disk.fail_heads(true);
    ann.send(&message("ann", "quiet")).send().await.refused(503, "ServiceUnavailable");
    server.disk.fail_heads(false);
    // What a client sends must not keep the stream from looking again.
    for _ in 0..30 {
        stream.send(tokio_tungstenite::tungstenite::Message::text("")).await;
        if let Some(Frame::Set(set, _)) = stream.within(Duration::from_millis(200)).await {
            assert_eq!(set["activities"][0]["text"], "quiet");
            return;
        }
    }
    panic!("the stream never looked");
}

#[tokio::test]
async fn the_embedded_store_serves_the_same() {
    let (server, ann) = with_history(TestServer::builder().embedded()).await;
    let mut stream = ann.stream("").await;
    for n in 0..20 {
        ann.say(&n.to_string()).await;
    }
    let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(stream.texts(20).await, expected);
    assert_eq!(ann.texts().await, expected);
    let unknown =
        server.get("/v3/directline/conversations/neverWas0123456789abcd").bearer(SECRET).send().await;
    unknown.refused(404, "ResourceNotFound");
    server.stop().await.expect("a good end");
}
