//! Polling: pages, watermarks, and waiting.

use std::time::Duration;

use landline_testkit::in_process::{Person, TestServer};
use serde_json::json;
use tokio::time::Instant;

#[tokio::test]
async fn where_a_poll_begins() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for text in ["one", "two", "three"] {
        ann.say(text).await;
    }
    let check = async |query: &str, texts: &[&str], watermark: &str| {
        let reply = ann.poll(query).await.expect(200);
        assert_eq!(
            (reply.texts(), reply.text("watermark")),
            (texts.iter().map(|t| (*t).to_owned()).collect(), watermark.to_owned()),
            "{query}"
        );
        assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
        assert!(!reply.headers.contains_key("x-landline-history-expired"));
    };
    // The conversationUpdate of the start has the first place.
    for all in ["", "?", "?watermark=", "?watermark", "?watermark=-", "?watermark=0", "?watermark=1", "?x=2"]
    {
        check(all, &["one", "two", "three"], "4").await;
    }
    check("?watermark=2", &["two", "three"], "4").await;
    check("?watermark=3&watermark=0", &["three"], "4").await;
    check("?watermark=4", &[], "4").await;
    check("?watermark=400", &[], "4").await;
}

#[tokio::test]
async fn an_empty_conversation_has_a_watermark() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let empty = ann.poll("").await.expect(200);
    assert_eq!(empty.json(), json!({"activities": [], "watermark": "1"}));
    let watermark = empty.text("watermark");
    ann.say("one").await;
    assert_eq!(ann.poll(&format!("?watermark={watermark}")).await.texts(), ["one"]);
}

#[tokio::test]
async fn a_page_ends_at_a_hundred_activities() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for n in 0..250 {
        server.bot_actor().say(&ann.conversation, &n.to_string()).await;
    }
    let (mut sizes, mut all, mut watermark) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = ann.poll(&format!("?watermark={watermark}")).await.expect(200);
        watermark = page.text("watermark");
        let texts = page.texts();
        if texts.is_empty() {
            break;
        }
        sizes.push(texts.len());
        all.extend(texts);
    }
    assert!(sizes.iter().all(|size| *size <= 100) && sizes.len() == 3, "{sizes:?}");
    assert_eq!(all, (0..250).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_ends_at_a_mebibyte() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let large = "x".repeat(200 * 1024);
    for _ in 0..12 {
        server.bot_actor().say(&ann.conversation, &large).await;
    }
    let (mut count, mut watermark) = (0, String::new());
    loop {
        let page = ann.poll(&format!("?watermark={watermark}")).await.expect(200);
        watermark = page.text("watermark");
        if page.texts().is_empty() {
            break;
        }
        assert!(page.body.len() < 1024 * 1024 + 256 * 1024, "{} bytes", page.body.len());
        count += page.texts().len();
    }
    assert_eq!(count, 12);
}

async fn waiting(ann: &Person, query: &str) -> (Vec<String>, String, Duration) {
    let began = Instant::now();
    let reply = ann.poll(query).await.expect(200);
    (reply.texts(), reply.text("watermark"), began.elapsed())
}

#[tokio::test]
async fn a_poll_that_waits_is_answered_when_something_comes() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.bot_actor().say(&ann.conversation, "there").await;
    };

    let ((texts, watermark, took), ()) = tokio::join!(waiting(&ann, "?watermark=1&wait=15"), later);

    assert_eq!((texts, watermark.as_str()), (vec!["there".to_owned()], "2"));
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(5), "{took:?}");
    let (texts, _, took) = waiting(&ann, "?watermark=1&wait=15").await;
    assert_eq!(texts, ["there"]);
    assert!(took < Duration::from_secs(5), "it waited for what was there");
}

#[tokio::test]
async fn a_wait_is_bounded_and_may_be_none() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let (texts, watermark, took) = waiting(&ann, "?watermark=1&wait=1").await;
    assert_eq!((texts, watermark.as_str()), (vec![], "1"));
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
    assert!(waiting(&ann, "?wait=0").await.2 < Duration::from_millis(900));
    for bad in ["20", "-1", "", "1.5", "x", "99999999999999999999999", "%31%00"] {
        ann.poll(&format!("?wait={bad}")).await.refused(400, "BadArgument");
    }
}

#[tokio::test]
async fn typing_may_be_shown_to_a_poll_that_waits_and_moves_nothing() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.bot_actor().send(&ann.conversation, &json!({"type": "typing"})).send().await.expect(200);
    };
    let (reply, ()) = tokio::join!(ann.poll("?watermark=1&wait=15"), later);
    assert_eq!(reply.json()["activities"][0]["type"], "typing");
    assert_eq!(reply.text("watermark"), "1");
}

#[tokio::test]
async fn a_poll_that_waits_is_answered_when_the_server_stops() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.begin_stop();
    };
    let ((texts, watermark, took), ()) = tokio::join!(waiting(&ann, "?watermark=1&wait=15"), stop);
    assert_eq!((texts, watermark.as_str()), (vec![], "1"));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_while_it_waits_loses_nothing() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for n in 0..10 {
        let hung_up = tokio::time::timeout(Duration::from_millis(30), ann.poll("?watermark=1&wait=15")).await;
        assert!(hung_up.is_err() || n > 0);
        server.bot_actor().say(&ann.conversation, &n.to_string()).await;
    }
    assert_eq!(ann.texts().await, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_same_poll_again_gives_the_same_again() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    ann.say("one").await;
    let first = ann.poll("?watermark=1").await.expect(200).body;
    assert_eq!(ann.poll("?watermark=1").await.expect(200).body, first);
    ann.say("two").await;
    let longer = ann.poll("?watermark=1").await.expect(200);
    assert_eq!(longer.texts(), ["one", "two"]);
}
