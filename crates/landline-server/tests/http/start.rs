//! Starting a conversation: what is answered, what the bot hears, and by which address the stream is reached.

use std::time::Duration;

use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::raw;
use landline_testkit::in_process::{SECRET, Socket, TestServer, message, start};
use serde_json::{Value, json};

const START: &str = "/v3/directline/conversations";

/// Waits until the bot has taken so many activities.
async fn taken(server: &TestServer, count: usize) -> Vec<Value> {
    for _ in 0..500 {
        if server.bot.taken().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let taken = server.bot.taken();
    assert_eq!(taken.len(), count, "{taken:?}");
    taken
}

#[tokio::test]
async fn the_answer_to_a_start_and_to_a_second_one() {
    let server = TestServer::start().await;
    let token = server.operator().token(&json!({"user": {"id": "ann"}})).await;

    let first = start(server.address, &token).send().await.expect(201);
    let second = start(server.address, &token).send().await.expect(200);

    for reply in [&first, &second] {
        let json = reply.json();
        let names: Vec<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["conversationId", "expires_in", "referenceGrammarId", "streamUrl", "token"]);
        assert_eq!(json["conversationId"], first.json()["conversationId"]);
        let path = format!("ws://{}{START}/{}/stream?", server.address, reply.text("conversationId"));
        assert!(reply.text("streamUrl").starts_with(&path), "{json}");
        assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    }
    taken(&server, 1).await;
}

#[tokio::test]
async fn the_bot_hears_once_who_is_there() {
    let server = TestServer::start().await;
    let body = json!({"user": {"id": "ann", "name": "Ann"}, "locale": "de-AT"});

    let started = start(server.address, SECRET).json(&body).send().await.expect(201);

    let update = taken(&server, 1).await.remove(0);
    assert_eq!(update["type"], "conversationUpdate");
    assert_eq!(update["membersAdded"], json!([{"id": "main"}, {"id": "ann", "name": "Ann"}]));
    assert_eq!(update["locale"], "de-AT");
    assert_eq!(update["recipient"]["id"], "main");
    assert_eq!(update["from"]["id"], "ann");
    assert_eq!(update["channelId"], "directline");
    assert_eq!(update["serviceUrl"], server.service_url.as_str());
    assert_eq!(update["conversation"]["id"], started.text("conversationId"));
    let path = format!("{START}/{}/activities", started.text("conversationId"));
    server.post(&path).bearer(SECRET).json(&message("ann", "hi")).send().await.expect(200);
    server.post(&path).bearer(SECRET).json(&message("bob", "hi")).send().await.expect(200);
    let all = taken(&server, 4).await;
    let kinds: Vec<_> =
        all.iter().map(|a| (a["type"].as_str().unwrap(), a["from"]["id"].as_str().unwrap())).collect();
    assert!(kinds.contains(&("conversationUpdate", "bob")), "{kinds:?}");
    let poll = server.get(&path).bearer(SECRET).send().await.expect(200);
    assert_eq!(poll.texts(), ["hi", "hi"], "no client sees a conversationUpdate");
}

#[tokio::test]
async fn without_a_user_the_bot_is_told_of_them_with_their_first_activity() {
    let server = TestServer::start().await;
    let started = start(server.address, SECRET).send().await.expect(201);
    let update = taken(&server, 1).await.remove(0);
    assert_eq!(update["membersAdded"], json!([{"id": "main"}]));

    let path = format!("{START}/{}/activities", started.text("conversationId"));
    server.post(&path).bearer(SECRET).json(&message("ann", "hi")).send().await.expect(200);

    let all = taken(&server, 3).await;
    assert_eq!(all[1]["type"], "conversationUpdate");
    assert_eq!(all[1]["membersAdded"], json!([{"id": "ann"}]));
    assert_eq!(all[2]["text"], "hi");
}

#[tokio::test]
async fn a_bot_that_is_down_fails_no_start() {
    for behaviour in
        [Behaviour::Away, Behaviour::Hang, Behaviour::Answer(500, String::new()), Behaviour::Break]
    {
        let server = TestServer::start().await;
        server.bot.then([behaviour]);
        let began = tokio::time::Instant::now();
        start(server.address, SECRET).send().await.expect(201);
        assert!(began.elapsed() < Duration::from_secs(5), "it waited for the bot");
    }
}

#[tokio::test]
async fn bodies_of_a_start() {
    let server = TestServer::start().await;
    for good in [
        "",
        "{}",
        "null",
        r#"{"User":{"Id":"x"},"LOCALE":"fr"}"#,
        r#"{"bot":"nobody knows why"}"#,
        r#"{"user":{}}"#,
        r#"{"user":{"id":""}}"#,
    ] {
        server.post(START).bearer(SECRET).json_text(good).send().await.expect(201);
    }
    for (bad, code) in [
        ("{", "MalformedData"),
        ("[]", "MalformedData"),
        (r#"{"user":1}"#, "BadArgument"),
        (r#"{"locale":5}"#, "BadArgument"),
    ] {
        server.post(START).bearer(SECRET).json_text(bad).send().await.refused(400, code);
    }
    server
        .post(START)
        .bearer(SECRET)
        .header("content-type", "text/xml")
        .body("<x/>")
        .send()
        .await
        .refused(415, "NotSupported");
}

#[tokio::test]
async fn a_start_that_is_refused_starts_nothing() {
    let server = TestServer::start().await;
    let token = server.operator().token(&json!({"user": {"id": "ann"}})).await;
    let request = format!("POST {START} HTTP/1.0\r\nauthorization: Bearer {token}\r\n\r\n");

    // Without a host, which HTTP/1.0 allows, there is no stream URL to hand out.
    let refused = raw::exchange(server.address, request.as_bytes()).await;

    assert_eq!((refused.status, refused.code().as_str()), (400, "BadArgument"), "{refused:?}");
    start(server.address, &token).send().await.expect(201);
    let many: Vec<String> = (0..32).map(|n| format!("https://{}.example{n:02}", "o".repeat(230))).collect();
    let body = json!({"user": {"id": "ann"}, "trustedOrigins": many});
    start(server.address, SECRET).json(&body).send().await.refused(400, "BadArgument");
    taken(&server, 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    taken(&server, 1).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_during_the_start_leaves_a_conversation_that_the_bot_knows() {
    let server = TestServer::start().await;
    let token = server.operator().token(&json!({"user": {"id": "ann"}})).await;
    server.disk.slow_creates(Duration::from_millis(200));

    let hung_up =
        tokio::time::timeout(Duration::from_millis(100), start(server.address, &token).try_send()).await;

    assert!(hung_up.is_err(), "the client waited for the answer");
    let update = taken(&server, 1).await.remove(0);
    assert_eq!(update["type"], "conversationUpdate");
    start(server.address, &token).send().await.expect(200);
    tokio::time::sleep(Duration::from_millis(100)).await;
    taken(&server, 1).await;
}

#[tokio::test]
async fn a_start_that_the_store_refuses_is_503_and_can_be_made_again() {
    let server = TestServer::start().await;
    let token = server.operator().token(&json!({"user": {"id": "ann"}})).await;
    server.disk.fail_writes(true);
    start(server.address, &token).send().await.refused(503, "ServiceUnavailable");
    server.disk.fail_writes(false);
    start(server.address, &token).send().await.expect(201);
}

#[tokio::test]
async fn the_stream_of_a_start_begins_at_the_first_activity() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    ann.say("one").await;
    server.bot_actor().say(&ann.conversation, "two").await;

    let mut stream = Socket::open(&ann.stream_url).await;

    assert_eq!(stream.texts(2).await, ["one", "two"]);
}

#[tokio::test]
async fn the_address_of_the_stream() {
    struct Case<'a> {
        public_url: Option<&'a str>,
        trusted: &'a str,
        headers: &'a [(&'a str, &'a str)],
        host: &'a str,
        expected: &'a str,
    }
    let said = [("x-forwarded-proto", "https"), ("x-forwarded-host", "outer.example")];
    let cases = [
        Case {
            public_url: None,
            trusted: "10.0.0.0/8",
            headers: &[],
            host: "line.example:81",
            expected: "ws://line.example:81",
        },
        Case {
            public_url: None,
            trusted: "10.0.0.0/8",
            headers: &said,
            host: "in.example",
            expected: "ws://in.example",
        },
        Case {
            public_url: None,
            trusted: "127.0.0.0/8",
            headers: &said,
            host: "in.example",
            expected: "wss://outer.example",
        },
        Case {
            public_url: None,
            trusted: "127.0.0.1/32",
            headers: &[("forwarded", "for=1.2.3.4;host=near.example;proto=https")],
            host: "in.example",
            expected: "wss://near.example",
        },
        Case {
            public_url: Some("https://fixed.example/line"),
            trusted: "127.0.0.1/32",
            headers: &said,
            host: "in.example",
            expected: "wss://fixed.example/line",
        },
    ];
    for case in cases {
        let server = TestServer::builder()
            .configure(|config| {
                config.public_url = case.public_url.map(|url| url.parse().unwrap());
                config.trusted_proxies = vec![case.trusted.parse().unwrap()];
            })
            .start()
            .await;
        let mut call = start(server.address, SECRET).host(Some(case.host));
        for (name, value) in case.headers {
            call = call.header(name, value);
        }
        let url = call.send().await.expect(201).text("streamUrl");
        let expected = format!("{}/v3/directline/conversations/", case.expected);
        assert!(url.starts_with(&expected), "{url} does not begin with {expected}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_starts_at_once_are_one() {
    let server = TestServer::start().await;
    for _ in 0..10 {
        let token = server.operator().token(&json!({"user": {"id": "ann"}})).await;
        let before = server.bot.taken().len();
        let starts = (0..10).map(|_| start(server.address, &token).send());
        let replies = futures_util::future::join_all(starts).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 9, "{statuses:?}");
        taken(&server, before + 1).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    taken(&server, 10).await;
}
