//! The error table, row by row: status, code, and what stands on the answer.

use std::time::Duration;

use hyper::Method;
use landline_testkit::domain::{Behaviour, Fault};
use landline_testkit::in_process::{Person, Reply, SECRET, TestServer, message};
use serde_json::json;

use crate::looks_like_a_refusal;

#[tokio::test]
async fn every_row_looks_as_it_must() {
    let server = TestServer::builder()
        .configure(|config| config.limits.domain.bot_deadline = Duration::from_millis(300))
        .start()
        .await;
    let ann = server.person("ann").await;
    let send = |text: &str| ann.send(&message("ann", text)).origin("https://page.example");
    let conversations = "/v3/directline/conversations";
    let check = |reply: &Reply, status, code| {
        looks_like_a_refusal(reply, status, code);
        assert_eq!(reply.header("access-control-allow-origin"), "https://page.example", "{reply:?}");
    };
    let page = |call: landline_testkit::in_process::Call| call.origin("https://page.example").send();

    let no_type = page(ann.send(&json!({"from": {"id": "ann"}}))).await;
    check(&no_type, 400, "MissingProperty");
    let no_json = page(ann.call(Method::POST, "/activities").json_text("{")).await;
    check(&no_json, 400, "MalformedData");
    let no_watermark = page(ann.call(Method::GET, "/activities?watermark=x")).await;
    check(&no_watermark, 400, "BadArgument");
    let nobody = page(server.post(conversations)).await;
    check(&nobody, 401, "Unauthorized");
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
    let stranger = page(server.post(conversations).bearer("not-a-secret-of-any-site-0123456789")).await;
    check(&stranger, 403, "BadArgument");
    let gone = page(server.get("/v3/directline/conversations/never-was").bearer(SECRET)).await;
    check(&gone, 404, "ResourceNotFound");
    let nowhere = page(server.get("/v3/directline/nowhere").bearer(SECRET)).await;
    check(&nowhere, 404, "ResourceNotFound");
    let method = page(ann.call(Method::DELETE, "/activities")).await;
    check(&method, 405, "NotSupported");
    assert_eq!(method.header("allow"), "GET,HEAD,POST");
    let big = "x".repeat(256 * 1024);
    check(&send(&big).send().await, 413, "MessageSizeTooBig");
    let plain =
        page(ann.call(Method::POST, "/activities").header("content-type", "text/plain").body("{}")).await;
    check(&plain, 415, "NotSupported");

    server.bot.then([Behaviour::Answer(500, String::new())]);
    let refused = send("refused").send().await;
    check(&refused, 502, "BotError");
    assert_eq!(refused.json()["httpStatusCode"], 500);
    server.bot.then([Behaviour::Break]);
    let broken = send("broken").send().await;
    check(&broken, 502, "BotError");
    assert!(broken.json().get("httpStatusCode").is_none());
    server.bot.then([Behaviour::Hang]);
    check(&send("slow").send().await, 504, "BotError");
    server.disk.then([Fault::Refuse]);
    let full = send("full").send().await;
    check(&full, 503, "ServiceUnavailable");
    assert_eq!(full.header("retry-after"), "2");

    // Last, because nothing that ann does works after it.
    server.clock.advance(Duration::from_secs(3600));
    check(&send("late").send().await, 403, "TokenExpired");
}

#[tokio::test]
async fn a_credential_is_looked_at_before_anything_else() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let every_call: [(Method, String); 6] = [
        (Method::POST, "/v3/directline/tokens/generate".into()),
        (Method::POST, "/v3/directline/tokens/refresh".into()),
        (Method::POST, "/v3/directline/conversations".into()),
        (Method::GET, ann.path("?watermark=bad")),
        (Method::GET, ann.path("/activities?watermark=bad")),
        (Method::POST, ann.path("/activities")),
    ];
    for (method, path) in every_call {
        let call = || server.call(method.clone(), &path).json_text("not json");
        looks_like_a_refusal(&call().send().await, 401, "Unauthorized");
        for malformed in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "BotConnector x"] {
            let reply = call().header("authorization", malformed).send().await;
            looks_like_a_refusal(&reply, 401, "Unauthorized");
        }
        let twice = call().bearer(SECRET).bearer(SECRET).send().await;
        looks_like_a_refusal(&twice, 401, "Unauthorized");
        let bytes = call().raw_header("authorization", b"Bearer \xff\xfe").send().await;
        looks_like_a_refusal(&bytes, 401, "Unauthorized");
        let unknown = call().bearer("unknown-secret-0123456789-0123456789").send().await;
        looks_like_a_refusal(&unknown, 403, "BadArgument");
    }
}

#[tokio::test]
async fn the_scheme_is_read_whatever_its_case() {
    let server = TestServer::start().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let call = server
            .post("/v3/directline/tokens/generate")
            .header("authorization", &format!("{scheme} {SECRET}"));
        call.send().await.expect(200);
    }
}

#[tokio::test]
async fn only_get_opens_a_stream_and_only_post_gets_a_token() {
    let server = TestServer::start().await;
    let ann: Person = server.person("ann").await;
    let stream = ann.path("/stream");
    let table: [(&str, Method, &str); 5] = [
        ("/v3/directline/tokens/generate", Method::GET, "POST"),
        ("/v3/directline/tokens/refresh", Method::PUT, "POST"),
        ("/v3/directline/conversations", Method::GET, "POST"),
        (&ann.path(""), Method::POST, "GET,HEAD"),
        (&stream, Method::POST, "GET,HEAD"),
    ];
    for (path, method, allowed) in table {
        let reply = server.call(method, path).bearer(SECRET).send().await;
        looks_like_a_refusal(&reply, 405, "NotSupported");
        assert_eq!(reply.header("allow"), allowed, "{path}");
    }
}

#[tokio::test]
async fn a_refusal_can_be_read_though_the_body_was_not() {
    let server = TestServer::start().await;
    let big = format!("{{\"text\":\"{}\"}}", "x".repeat(200 * 1024));
    for _ in 0..5 {
        let reply =
            server.post("/v3/directline/conversations").bearer("wrong").json_text(big.clone()).send().await;
        looks_like_a_refusal(&reply, 403, "BadArgument");
    }
}

#[tokio::test]
async fn request_ids_differ() {
    let server = TestServer::start().await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..20 {
        let reply = server.get("/v3/directline/conversations").send().await;
        assert!(ids.insert(reply.header("x-request-id").to_owned()));
    }
}
