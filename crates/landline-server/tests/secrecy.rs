//! No log line, at any level, and no metric holds a secret, a token, a ticket, a capability, or what people say.
//!
//! A program of its own: what is logged at which level is decided once per process.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use hyper::Method;
use landline_testkit::domain::{Behaviour, BlobCall, BlobFault};
use landline_testkit::in_process::logs::Logs;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{ADMIN_TOKEN, Call, Person, SECRET, TestServer, message};
use serde_json::{Value, json};

const CANARY: &str = "canary-in-the-text";
const PERSON: &str = "canary-as-a-person";
/// Would be a line of its own where it is printed as it is.
const FORGED: &str = "x\n2026-01-01T00:00:00Z ERROR canary-of-a-forged-line\r\n\u{1b}[31m";

#[tokio::test]
async fn nothing_that_opens_a_door_is_logged() {
    let logs = Logs::capture();
    let server = TestServer::start().await;
    let ann = server.person(PERSON).await;
    let mut stream = ann.stream("").await;
    ann.say(CANARY).await;
    stream.texts(1).await;
    ann.say(FORGED).await;
    stream.texts(1).await;
    let bot = server.bot_actor();
    bot.say(&ann.conversation, CANARY).await;

    // Whatever may be reported as a problem.
    server.bot.then([Behaviour::Answer(500, CANARY.into()), Behaviour::Break]);
    for _ in 0..2 {
        ann.send(&message(PERSON, CANARY)).send().await.expect(502);
    }
    ann.poll("?watermark=%0a%1b[31mcanary-of-a-forged-line").await.expect(400);
    ann.send(&json!({"type": FORGED, "from": 7})).send().await.expect(400);
    server.post("/v3/directline/conversations").bearer("canary-of-a-forged-line").send().await.expect(403);
    server.disk.fail_writes(true);
    ann.send(&message(PERSON, CANARY)).send().await.expect(503);
    bot.send(&ann.conversation, &message("x", CANARY)).send().await.expect(503);
    server.disk.fail_writes(false);
    server.get("/v3/directline/conversations").bearer(SECRET).send().await.expect(405);
    server.post("/v3/directline/conversations").bearer(&format!("{SECRET}x")).send().await.expect(403);
    server.get(&format!("/{SECRET}?t={}", ann.token)).send().await.expect(404);
    ann.poll(&format!("?watermark={CANARY}")).await.expect(400);
    ann.call(Method::POST, "/activities").json_text(format!("{{\"{CANARY}\"")).send().await.expect(400);
    assert!(Opening::default().open(&ann.stream_url.replace("t=", "t=x")).await.is_err());
    // A token that was good, one that follows it, and a secret where a token should be.
    let refreshed = server.post("/v3/directline/tokens/refresh").bearer(&ann.token).send().await;
    let refreshed = refreshed.expect(200).text("token");
    server.get(&ann.path("/activities")).header("cookie", CANARY).bearer(SECRET).send().await;
    let link = bring_files(&server, &ann).await;
    let mut made = administer(&server).await;
    made.push(link);
    server.clock.advance(std::time::Duration::from_secs(24 * 3600));
    ann.poll("").await.refused(403, "TokenExpired");
    assert!(Opening::default().open(&ann.stream_url).await.is_err());
    let metrics = Call::new(server.admin, Method::GET, "/metrics").send().await;
    let metrics = String::from_utf8(metrics.expect(200).body.to_vec()).expect("UTF-8");
    let ticket = ann.stream_url.split("t=").nth(1).expect("a ticket").to_owned();
    let capability = server.service_url.split('/').nth(4).expect("a capability").to_owned();
    server.stop().await.expect("a good end");
    made.push(refreshed);
    made.extend([SECRET, ADMIN_TOKEN, CANARY, PERSON, &ann.token, &ticket, &capability].map(str::to_owned));

    made.push("canary-of-a-forged-line".to_owned());

    let logged = logs.text();
    assert!(logged.contains("answered 502"), "nothing was captured: {logged}");
    assert!(logged.contains("Changed by the admin API: CredentialAdded added"), "changes are logged");
    assert!(logged.contains("landline::audit") && logged.contains("TokenExpired"), "so is who was refused");
    for text in [&logged, &metrics] {
        for hidden in &made {
            assert!(!text.contains(hidden.as_str()), "{hidden} stands in:\n{}", line_with(text, hidden));
        }
    }
    assert!(!metrics.contains(&ann.conversation), "a label per conversation would never end");
}

/// Uploads, and fetches what was uploaded, well and badly; gives what opens the file.
async fn bring_files(server: &TestServer, ann: &Person) -> String {
    let upload =
        |kind: &str, body: String| ann.call(Method::POST, "/upload").header("content-type", kind).body(body);
    let named = upload("text/plain", CANARY.into());
    let named = named.header("content-disposition", &format!("file; filename=\"{CANARY}\""));
    named.send().await.expect(200);
    let newest = ann.history().await.pop().expect("an activity");
    let link = newest["attachments"][0]["contentUrl"].as_str().expect("a link").to_owned();
    let path = link.split_once(&server.address.to_string()).expect("ours").1;
    server.get(path).send().await.expect(200);
    server.get(&format!("{path}x")).send().await.expect(403);
    server.blobs.then(BlobCall::Read, BlobFault::Refuse);
    server.get(path).send().await.expect(503);
    server.blobs.then(BlobCall::Write, BlobFault::Refuse);
    upload("text/plain", CANARY.into()).send().await.expect(503);
    for bad in [CANARY.to_owned(), format!("--b\r\n{CANARY}"), format!("--b\r\n{CANARY}\0: x\r\n\r\n")] {
        upload("multipart/form-data; boundary=b", bad).send().await.expect(400);
    }
    link.rsplit_once("s=").expect("a signature").1.to_owned()
}

/// Has everything made and refused that the admin API can make; gives what must not be told again.
async fn administer(server: &TestServer) -> Vec<String> {
    let post = async |path: &str, body: Value| server.admin(Method::POST, path).json(&body).send().await;
    let bot = json!({
        "name": "added", "endpoint": "http://127.0.0.1:9/", "appId": true, "credential": true,
        "outgoing": {"clientSecret": CANARY},
    });
    let credential = post("/bots", bot.clone()).await.expect(201).text("credential");
    post("/bots", bot).await.expect(409);
    post("/bots", json!({"name": CANARY, "endpoint": CANARY, "credential": CANARY})).await.expect(400);
    post("/bots", json!({"name": "x", "endpoint": "http://x/", "outgoing": {"clientSecret": [CANARY]}}))
        .await
        .expect(400);
    let second = post("/bots/added/credentials", json!({})).await.expect(201).text("credential");
    post("/bots", json!({"name": "plain", "endpoint": "http://127.0.0.1:9/"})).await.expect(201);
    let secret = post("/sites", json!({"name": "added", "bot": "added"})).await.expect(201).text("secret");
    let other = post("/sites/added/secrets", json!({})).await.expect(201).text("secret");
    post("/keys/tokens", json!({})).await.expect(200);
    post("/keys/identity", json!({})).await.expect(200);
    server.admin(Method::DELETE, "/sites/added").send().await.expect(204);
    server.admin(Method::DELETE, "/bots/added").send().await.expect(204);
    server.admin(Method::GET, &format!("/bots/{CANARY}%20")).send().await.expect(404);
    Call::new(server.admin, Method::GET, "/admin/v1/bots").bearer(CANARY).send().await.expect(401);
    let plain =
        server.directory.snapshot().bots[&"plain".parse().expect("a name")].service_url.expose().to_string();
    let capability = plain.split('/').nth(4).expect("a capability").to_owned();
    vec![credential, second, secret, other, capability]
}

fn line_with<'a>(text: &'a str, hidden: &str) -> &'a str {
    text.lines().find(|line| line.contains(hidden)).unwrap_or_default()
}
