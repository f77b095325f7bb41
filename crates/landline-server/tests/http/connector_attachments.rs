//! Files that bots keep here and fetch.
//!
//! On every base, and who may: `connector_routes`, `connector_tokens`.

use std::time::Duration;

use hyper::Method;
use landline_testkit::domain::{BlobCall, BlobFault};
use landline_testkit::in_process::{BotActor, Call, Person, Reply, TestServer};
use serde_json::{Value, json};

use crate::looks_like_a_refusal;

/// 1 by 1.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

const NEVER: &str = "NeverWas0123456789abcd";

fn base64(bytes: &[u8]) -> String {
    use base64::prelude::*;
    BASE64_STANDARD.encode(bytes)
}

async fn keep(bot: &BotActor, conversation: &str, body: &Value) -> Reply {
    bot.at(Method::POST, &bot.path(conversation, "/attachments")).json(body).send().await
}

/// Its path, below the bot's base.
fn attachment(server: &TestServer, rest: &str) -> String {
    let base = server.service_url.splitn(4, '/').nth(3).expect("a path");
    format!("/{base}v3/attachments/{rest}")
}

async fn get(server: &TestServer, bot: &BotActor, rest: &str) -> Reply {
    bot.at(Method::GET, &attachment(server, rest)).send().await
}

async fn stage() -> (TestServer, Person, BotActor) {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let bot = server.bot_actor();
    (server, ann, bot)
}

#[tokio::test]
async fn a_bot_keeps_a_file_and_fetches_it() {
    let (server, ann, bot) = stage().await;
    let body = json!({
        "type": "image/png", "name": "../a b.png", "originalBase64": base64(PNG), "thumbnailBase64": base64(b"GIF89a"),
    });

    let kept = keep(&bot, &ann.conversation, &body).await.expect(200);

    let id = kept.text("id");
    assert_eq!(kept.json().as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(
        id.split_once('.').map(|(conversation, file)| (conversation, file.len())),
        Some((&*ann.conversation, 22))
    );
    let info = get(&server, &bot, &id).await.expect(200).json();
    let views = json!([{"viewId": "original", "size": PNG.len()}, {"viewId": "thumbnail", "size": 6}]);
    assert_eq!(info, json!({"name": "a b.png", "type": "image/png", "views": views}));
    let original = get(&server, &bot, &format!("{id}/views/original")).await.expect(200);
    assert_eq!((&*original.body, original.header("content-type")), (PNG, "image/png"));
    assert_eq!(original.header("content-length"), PNG.len().to_string());
    let thumbnail = get(&server, &bot, &format!("{id}/views/thumbnail")).await.expect(200);
    assert_eq!((&*thumbnail.body, thumbnail.header("content-type")), (&b"GIF89a"[..], "image/gif"));
    let part = bot.at(Method::GET, &attachment(&server, &format!("{id}/views/original")));
    let part = part.header("range", "bytes=1-3").send().await.expect(206);
    assert_eq!(
        (&*part.body, part.header("content-range")),
        (&b"PNG"[..], &*format!("bytes 1-3/{}", PNG.len()))
    );
    let head =
        bot.at(Method::HEAD, &attachment(&server, &format!("{id}/views/original"))).send().await.expect(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, &*PNG.len().to_string()));
    assert_eq!(ann.history().await, [Value::Null; 0], "nobody was told of it");
}

#[tokio::test]
async fn every_sdk_spells_bytes_so_that_they_are_understood() {
    let (server, ann, bot) = stage().await;
    let bytes = [0_u8, 62, 63, 250, 251, 252, 253, 254, 255, 10];
    let by_index: serde_json::Map<_, _> =
        bytes.iter().enumerate().map(|(at, byte)| (at.to_string(), json!(byte))).collect();
    for spelling in [
        json!("AD4/+vv8/f7/Cg=="),
        json!("AD4_-vv8_f7_Cg"),
        json!({"type": "Buffer", "data": bytes}),
        Value::Object(by_index),
    ] {
        let body = json!({"type": null, "name": null, "originalBase64": spelling, "thumbnailBase64": null, "more": {}});
        let id = keep(&bot, &ann.conversation, &body).await.expect(200).text("id");
        let original = get(&server, &bot, &format!("{id}/views/original")).await.expect(200);
        assert_eq!(&*original.body, bytes, "{spelling}");
        let views = json!([{"viewId": "original", "size": bytes.len()}]);
        let info = get(&server, &bot, &id).await.expect(200).json();
        assert_eq!(
            info,
            json!({"name": "file", "type": "application/octet-stream", "views": views}),
            "{spelling}"
        );
        for view in ["thumbnail", "Original", "x"] {
            let reply = get(&server, &bot, &format!("{id}/views/{view}")).await;
            looks_like_a_refusal(&reply, 404, "ResourceNotFound");
        }
    }
}

#[tokio::test]
async fn what_is_no_attachment_is_refused_and_leaves_nothing() {
    let (server, ann, bot) = stage().await;
    for (body, status, code) in [
        (json!({}), 400, "MissingProperty"),
        (json!({"originalBase64": null, "thumbnailBase64": "AQ=="}), 400, "MissingProperty"),
        (json!({"originalBase64": "canary!"}), 400, "BadArgument"),
        (json!({"originalBase64": 7}), 400, "BadArgument"),
        (json!({"originalBase64": {"0": 256}}), 400, "BadArgument"),
        (json!({"originalBase64": "AQ==", "thumbnailBase64": "canary!"}), 400, "BadArgument"),
        (json!({"originalBase64": "AQ==", "name": ["canary"]}), 400, "BadArgument"),
        (json!(["canary"]), 400, "MalformedData"),
    ] {
        let reply = keep(&bot, &ann.conversation, &body).await;
        looks_like_a_refusal(&reply, status, code);
        assert!(!String::from_utf8_lossy(&reply.body).contains("canary"), "{body}");
    }
    let path = bot.path(&ann.conversation, "/attachments");
    for body in ["", "{", "{\"originalBase64\":\"AQ==\"", "\u{feff}{}"] {
        let reply = bot.at(Method::POST, &path).json_text(body.to_owned()).send().await;
        let code = if body.is_empty() { "MissingProperty" } else { "MalformedData" };
        looks_like_a_refusal(&reply, 400, code);
    }
    let reply =
        bot.at(Method::POST, &path).header("content-type", "image/png").body("{\"originalBase64\":\"AQ==\"}");
    looks_like_a_refusal(&reply.send().await, 415, "NotSupported");
    assert_eq!(server.blobs.all().await, []);
}

#[tokio::test]
async fn what_is_too_large_or_too_much_leaves_nothing() {
    let server = TestServer::builder()
        .configure(|config| {
            config.limits.domain.file_bytes = 1000;
            config.limits.domain.conversation_files = 1;
        })
        .start()
        .await;
    let (ann, bob, bot) = (server.person("ann").await, server.person("bob").await, server.bot_actor());
    let file = |bytes: usize| json!({"originalBase64": base64(&vec![7; bytes])});
    for body in [
        file(1001),
        json!({"originalBase64": base64(&[7; 10]), "thumbnailBase64": base64(&[7; 1001])}),
        // More than any spelling of such a file takes.
        file(100_000),
    ] {
        let reply = keep(&bot, &ann.conversation, &body).await;
        looks_like_a_refusal(&reply, 413, "MessageSizeTooBig");
    }
    let path = bot.path(&ann.conversation, "/attachments");
    let chunked = bot.at(Method::POST, &path).json(&file(100_000)).chunked(1000).send().await;
    looks_like_a_refusal(&chunked, 413, "MessageSizeTooBig");
    nothing_is_left(&server).await;

    // In the longest spelling, too.
    let numbers: Vec<u8> = (0..1000).map(|_| 255).collect();
    let by_index: Vec<_> = numbers.iter().enumerate().map(|(at, byte)| format!("\"{at}\":{byte}")).collect();
    let body = format!("{{\"originalBase64\":{{{}}}}}", by_index.join(","));
    bot.at(Method::POST, &path).json_text(body).send().await.expect(200);
    let full = keep(&bot, &ann.conversation, &file(1)).await;
    looks_like_a_refusal(&full, 413, "QuotaExceeded");
    keep(&bot, &bob.conversation, &file(1)).await.expect(200);
    assert_eq!(server.blobs.all().await.len(), 2);
    let page = Call::new(server.admin, Method::GET, "/metrics").send().await.expect(200);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    for line in [
        r#"landline_files_refused_total{reason="TooBig"} 4"#,
        r#"landline_files_refused_total{reason="ConversationQuota"} 1"#,
        r#"landline_files_kept_total{from="Bot"} 2"#,
        "landline_files_received_bytes_total 1001",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing from {page}");
    }
}

/// What is taken away goes in a task of its own.
async fn nothing_is_left(server: &TestServer) {
    for _ in 0..200 {
        if server.blobs.all().await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", server.blobs.all().await);
}

#[tokio::test]
async fn a_store_that_cannot_take_it_is_503() {
    let (server, ann, bot) = stage().await;
    let body = json!({"originalBase64": base64(PNG)});
    for call in [BlobCall::Create, BlobCall::Write, BlobCall::Finish] {
        server.blobs.then(call, BlobFault::Refuse);
        let reply = keep(&bot, &ann.conversation, &body).await;
        looks_like_a_refusal(&reply, 503, "ServiceUnavailable");
        nothing_is_left(&server).await;
    }
    let id = keep(&bot, &ann.conversation, &body).await.expect(200).text("id");
    server.blobs.then(BlobCall::Read, BlobFault::Refuse);
    let reply = get(&server, &bot, &format!("{id}/views/original")).await;
    looks_like_a_refusal(&reply, 503, "ServiceUnavailable");
    get(&server, &bot, &format!("{id}/views/original")).await.expect(200);
}

#[tokio::test]
async fn what_never_was_what_is_over_and_what_was_deleted_are_the_same() {
    let (server, ann, bot) = stage().await;
    let id = keep(&bot, &ann.conversation, &json!({"originalBase64": "AQID"})).await.expect(200).text("id");
    let (conversation, file) = id.split_once('.').expect("two parts");
    let gone = |rest: String| {
        let (server, bot) = (&server, &bot);
        async move {
            let reply = get(server, bot, &rest).await;
            looks_like_a_refusal(&reply, 404, "ResourceNotFound");
            reply.json()
        }
    };
    let never = gone(format!("{conversation}.{NEVER}")).await;
    for other in [
        format!("{NEVER}.{file}"),
        file.to_owned(),
        format!("{conversation}."),
        format!(".{file}"),
        format!("{id}.x"),
        "a%20b.c".to_owned(),
        "..".to_owned(),
    ] {
        if other != ".." {
            assert_eq!(gone(other.clone()).await, never, "{other}");
            assert_eq!(gone(format!("{other}/views/original")).await, never, "{other}");
        }
    }
    server.clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(gone(id.clone()).await, never, "its time is over");

    let id = keep(&bot, &ann.conversation, &json!({"originalBase64": "AQID"})).await.expect(200).text("id");
    get(&server, &bot, &id).await.expect(200);
    let path = format!("/conversations/{}", ann.conversation);
    server.admin(Method::DELETE, &path).send().await.expect(204);
    assert_eq!(gone(id.clone()).await, never);
    let reply = keep(&bot, &ann.conversation, &json!({"originalBase64": "AQID"})).await;
    looks_like_a_refusal(&reply, 404, "ResourceNotFound");
}
