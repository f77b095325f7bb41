//! No log line, at any level, and no metric holds a secret, a token, a ticket, a capability, or what people say.
//!
//! A program of its own: what is logged at which level is decided once per process.

use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::logs::Logs;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{SECRET, TestServer, message};

const CANARY: &str = "canary-in-the-text";
const PERSON: &str = "canary-as-a-person";

#[tokio::test]
async fn nothing_that_opens_a_door_is_logged() {
    let logs = Logs::capture();
    let server = TestServer::start().await;
    let ann = server.person(PERSON).await;
    let mut stream = ann.stream("").await;
    ann.say(CANARY).await;
    stream.texts(1).await;
    let bot = server.bot_actor();
    bot.say(&ann.conversation, CANARY).await;

    // Whatever may be reported as a problem.
    server.bot.then([Behaviour::Answer(500, CANARY.into()), Behaviour::Break]);
    for _ in 0..2 {
        ann.send(&message(PERSON, CANARY)).send().await.expect(502);
    }
    server.disk.fail_writes(true);
    ann.send(&message(PERSON, CANARY)).send().await.expect(503);
    bot.send(&ann.conversation, &message("x", CANARY)).send().await.expect(503);
    server.disk.fail_writes(false);
    server.get("/v3/directline/conversations").bearer(SECRET).send().await.expect(405);
    server.post("/v3/directline/conversations").bearer(&format!("{SECRET}x")).send().await.expect(403);
    server.get(&format!("/{SECRET}?t={}", ann.token)).send().await.expect(404);
    ann.poll(&format!("?watermark={CANARY}")).await.expect(400);
    ann.call(hyper::Method::POST, "/activities")
        .json_text(format!("{{\"{CANARY}\""))
        .send()
        .await
        .expect(400);
    assert!(Opening::default().open(&ann.stream_url.replace("t=", "t=x")).await.is_err());
    let metrics =
        landline_testkit::in_process::Call::new(server.admin, hyper::Method::GET, "/metrics").send().await;
    let metrics = String::from_utf8(metrics.expect(200).body.to_vec()).expect("UTF-8");
    let ticket = ann.stream_url.split("t=").nth(1).expect("a ticket").to_owned();
    let capability = server.service_url.split('/').nth(4).expect("a capability").to_owned();
    server.stop().await.expect("a good end");

    let logged = logs.text();
    assert!(logged.contains("answered 502"), "nothing was captured: {logged}");
    for text in [&logged, &metrics] {
        for hidden in [SECRET, CANARY, PERSON, &ann.token, &ticket, &capability] {
            assert!(!text.contains(hidden), "{hidden} stands in:\n{}", line_with(text, hidden));
        }
    }
    assert!(!metrics.contains(&ann.conversation), "a label per conversation would never end");
}

fn line_with<'a>(text: &'a str, hidden: &str) -> &'a str {
    text.lines().find(|line| line.contains(hidden)).unwrap_or_default()
}
