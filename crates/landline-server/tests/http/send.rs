//! Sending: ids, what the bot does with it, repeats, and what is refused.

use std::time::Duration;

use hyper::Method;
use landline_testkit::domain::{Behaviour, Fault};
use landline_testkit::in_process::{Person, SECRET, TestServer, message};
use serde_json::{Value, json};

#[tokio::test]
async fn an_activity_gets_an_id_a_time_and_a_place() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;

    let reply = ann.send(&message("ann", "hello")).send().await.expect(200);

    let id = reply.text("id");
    assert_eq!(reply.json(), json!({"id": format!("{}|0000002", ann.conversation)}));
    let kept = ann.history().await.remove(0);
    assert_eq!(kept["id"], id.as_str());
    assert_eq!(kept["conversation"], json!({"id": ann.conversation}));
    assert_eq!(kept["channelId"], "directline");
    assert_eq!(kept["timestamp"], "2026-09-21T14:13:20.000Z");
    assert!(kept.get("serviceUrl").is_none() && kept.get("recipient").is_none(), "{kept}");
    let at_the_bot = server.bot.taken().into_iter().find(|a| a["id"] == id.as_str()).expect("the bot got it");
    assert_eq!(at_the_bot["serviceUrl"], server.service_url.as_str());
    assert_eq!(at_the_bot["recipient"], json!({"id": "main", "name": "main", "role": "bot"}));
    assert_eq!(at_the_bot["from"], json!({"id": "ann", "role": "user"}));
}

#[tokio::test]
async fn what_only_the_server_says_cannot_be_forged() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let forged = json!({
        "type": "message", "text": "x", "id": "mine", "timestamp": "1970-01-01T00:00:00Z", "channelId": "msteams",
        "conversation": {"id": "other"}, "serviceUrl": "http://evil.example/", "from": {"id": "eve", "role": "bot"},
        "recipient": {"id": "eve"}
    });
    let id = ann.send(&forged).send().await.expect(200).text("id");
    let kept = ann.history().await.remove(0);
    let at_the_bot = server.bot.taken().into_iter().find(|a| a["text"] == "x").expect("the bot got it");
    for seen in [&kept, &at_the_bot] {
        assert_eq!(seen["id"], id.as_str());
        assert_eq!(seen["channelId"], "directline");
        assert_eq!(seen["conversation"]["id"], ann.conversation.as_str());
        assert_eq!(seen["from"], json!({"id": "ann", "role": "user"}));
        assert_ne!(seen["timestamp"], "1970-01-01T00:00:00Z");
        assert!(!seen.to_string().contains("evil.example"), "{seen}");
    }
    assert_eq!(at_the_bot["recipient"]["id"], "main");
}

#[tokio::test]
async fn the_activity_stays_whatever_the_bot_does() {
    let server = TestServer::builder()
        .configure(|config| config.limits.domain.bot_deadline = Duration::from_millis(400))
        .start()
        .await;
    let ann = server.person("ann").await;
    let table = [
        (Behaviour::Answer(200, String::new()), 200, Value::Null),
        (Behaviour::Answer(201, "created".into()), 200, Value::Null),
        (Behaviour::Answer(202, String::new()), 200, Value::Null),
        (Behaviour::Answer(204, String::new()), 200, Value::Null),
        (Behaviour::Answer(301, String::new()), 502, json!(301)),
        (Behaviour::Answer(400, String::new()), 502, json!(400)),
        (Behaviour::Answer(404, String::new()), 502, json!(404)),
        (Behaviour::Answer(429, String::new()), 502, json!(429)),
        (Behaviour::Answer(501, String::new()), 502, json!(501)),
        (Behaviour::Break, 502, Value::Null),
        (Behaviour::Hang, 504, Value::Null),
        (Behaviour::Away, 200, Value::Null), // reached at the second attempt
    ];
    let mut said = Vec::new();
    for (n, (behaviour, status, bot_status)) in table.into_iter().enumerate() {
        let text = format!("{n} {behaviour:?}");
        server.bot.then([behaviour]);
        let reply = ann.send(&message("ann", &text)).send().await.expect(status);
        assert_eq!(reply.json()["httpStatusCode"], bot_status, "{text}");
        said.push(text);
        assert_eq!(ann.texts().await, said);
    }
    server.bot.then(std::iter::repeat_n(Behaviour::Away, 50));
    let reply = ann.send(&message("ann", "nobody")).send().await.refused(502, "BotError");
    assert!(reply.json().get("httpStatusCode").is_none());
}

/// How often the bot took a text.
fn taken(server: &TestServer, text: &str) -> usize {
    server.bot.texts().iter().filter(|t| *t == text).count()
}

fn named(text: &str, id: &str) -> Value {
    json!({"type": "message", "text": text, "channelData": {"clientActivityID": id}})
}

#[tokio::test]
async fn a_repeat_is_not_a_second_message() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let first = ann.send(&named("hi", "k1")).send().await.expect(200).text("id");
    for _ in 0..3 {
        assert_eq!(ann.send(&named("hi", "k1")).send().await.expect(200).text("id"), first);
    }
    let other = ann.send(&named("hi", "k2")).send().await.expect(200).text("id");
    assert_ne!(other, first);
    assert_eq!(ann.texts().await, ["hi", "hi"]);
    assert_eq!(taken(&server, "hi"), 2);

    let by_header = |key: &'static str, text: &'static str| {
        ann.send(&message("ann", text)).header("idempotency-key", key).send()
    };
    let first = by_header("h1", "yo").await.expect(200).text("id");
    assert_eq!(by_header("h1", "yo").await.expect(200).text("id"), first);
    assert_ne!(by_header("h2", "yo").await.expect(200).text("id"), first);
    assert_eq!(taken(&server, "yo"), 2);
    // Without a name, two are two.
    assert_ne!(ann.say("same").await, ann.say("same").await);
    // Of somebody else, it is another one.
    let bob =
        server.operator().token(&json!({"conversationId": ann.conversation, "user": {"id": "bob"}})).await;
    let of_bob = server.post(&ann.path("/activities")).bearer(&bob).json(&named("hi", "k1")).send().await;
    assert_ne!(of_bob.expect(200).text("id"), first);
    // In another conversation too.
    let elsewhere = server.person("ann").await;
    elsewhere.send(&named("hi", "k1")).send().await.expect(200);
    assert_eq!(elsewhere.texts().await, ["hi"]);
}

#[tokio::test]
async fn a_repeat_is_known_for_as_long_as_configured() {
    let server = TestServer::builder()
        .configure(|config| config.limits.domain.idempotency_window = Duration::from_secs(600))
        .start()
        .await;
    let ann = server.person("ann").await;
    let send = || ann.send(&named("hi", "k1")).send();
    let first = send().await.expect(200).text("id");
    server.clock.advance(Duration::from_secs(600));
    assert_eq!(send().await.expect(200).text("id"), first);
    server.clock.advance(Duration::from_secs(1));
    assert_ne!(send().await.expect(200).text("id"), first);
}

#[tokio::test]
async fn a_repeat_reaches_a_bot_that_never_took_it() {
    let server = TestServer::builder()
        .configure(|config| config.limits.domain.bot_deadline = Duration::from_millis(300))
        .start()
        .await;
    let ann = server.person("ann").await;
    for (n, behaviour) in
        [Behaviour::Answer(500, String::new()), Behaviour::Hang, Behaviour::Break].into_iter().enumerate()
    {
        let activity = named(&format!("m{n}"), &format!("k{n}"));
        server.bot.then([behaviour]);
        let refused = ann.send(&activity).send().await;
        assert!(refused.status == 502 || refused.status == 504);
        let id = ann.send(&activity).send().await.expect(200).text("id");
        let kept = ann.history().await;
        assert_eq!(kept.iter().filter(|a| a["text"] == format!("m{n}")).count(), 1);
        assert_eq!(kept.last().expect("one").get("id").and_then(Value::as_str), Some(id.as_str()));
        let attempts: Vec<_> =
            server.bot.taken().into_iter().filter(|a| a["text"] == format!("m{n}")).collect();
        assert_eq!(attempts.len(), 2);
        assert_eq!(attempts[0]["id"], attempts[1]["id"], "the same activity");
        ann.send(&activity).send().await.expect(200);
        assert_eq!(taken(&server, &format!("m{n}")), 2, "the bot has it now");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_while_the_first_is_under_way_make_one_delivery() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for round in 0..10 {
        server.bot.then([Behaviour::Slow(Duration::from_millis(30), 200)]);
        let activity = named(&format!("r{round}"), &format!("k{round}"));
        let sends = (0..8).map(|_| ann.send(&activity).send());
        let replies = futures_util::future::join_all(sends).await;
        let ids: std::collections::HashSet<_> =
            replies.into_iter().map(|r| r.expect(200).text("id")).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(taken(&server, &format!("r{round}")), 1);
    }
    assert_eq!(ann.texts().await.len(), 10);
}

#[tokio::test]
async fn an_unknown_outcome_can_be_repeated_safely() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for (n, fault) in [Fault::WriteUnknown, Fault::LoseUnknown, Fault::Refuse].into_iter().enumerate() {
        let activity = named(&format!("m{n}"), &format!("k{n}"));
        server.disk.then([fault]);
        ann.send(&activity).send().await.refused(503, "ServiceUnavailable");
        ann.send(&activity).send().await.expect(200);
        ann.send(&activity).send().await.expect(200);
    }
    assert_eq!(ann.texts().await, ["m0", "m1", "m2"]);
    for n in 0..3 {
        assert_eq!(taken(&server, &format!("m{n}")), 1);
    }
}

#[tokio::test]
async fn what_is_refused_is_in_no_log_and_the_bot_hears_nothing() {
    let server = TestServer::start().await;
    // Nobody has spoken yet, so that a member who joins by a refused send would be seen.
    let started = server.post("/v3/directline/conversations").bearer(SECRET).send().await.expect(201);
    let conversation = started.text("conversationId");
    let path = format!("/v3/directline/conversations/{conversation}/activities");
    let post = || server.post(&path).bearer(SECRET);
    let long = "k".repeat(513);
    let activity = |more: Value| {
        let mut activity = message("ann", "x");
        activity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        activity
    };
    let refusals = [
        (post().json(&activity(json!({"type": "conversationUpdate"}))), 400, "BadArgument"),
        (post().json(&activity(json!({"type": "contactRelationUpdate"}))), 400, "BadArgument"),
        (post().json(&activity(json!({"type": null}))), 400, "MissingProperty"),
        (post().json(&activity(json!({"type": ""}))), 400, "MissingProperty"),
        (post().json(&activity(json!({"type": 1}))), 400, "BadArgument"),
        (post().json(&activity(json!({"from": null}))), 400, "MissingProperty"),
        (post().json(&activity(json!({"from": "ann"}))), 400, "BadArgument"),
        (post().json(&activity(json!({"from": {"id": 5}}))), 400, "BadArgument"),
        (post().json(&activity(json!({"from": {"id": "x".repeat(257)}}))), 400, "BadArgument"),
        (post().json(&activity(json!({"from": {"id": "main"}}))), 400, "BadArgument"),
        (post().json(&activity(json!({"text": 5}))), 400, "BadArgument"),
        (post().json(&activity(json!({"channelData": {"clientActivityID": long}}))), 400, "BadArgument"),
        (post().json(&message("ann", "x")).header("idempotency-key", &long), 400, "BadArgument"),
        (post().json(&message("ann", "x")).raw_header("idempotency-key", b"\xff"), 400, "BadArgument"),
        (post(), 400, "MissingProperty"),
        (post().json_text(" \n"), 400, "MissingProperty"),
        (post().json_text("null"), 400, "MalformedData"),
        (post().json_text("[]"), 400, "MalformedData"),
        (post().json(&message("ann", &"x".repeat(256 * 1024))), 413, "MessageSizeTooBig"),
        (post().json(&message("ann", &"x".repeat(256 * 1024))).chunked(10_000), 413, "MessageSizeTooBig"),
        (post().header("content-type", "application/xml").body("<x/>"), 415, "NotSupported"),
        (post().header("content-type", "application/json; charset=utf-16").body("{}"), 415, "NotSupported"),
    ];
    for (call, status, code) in refusals {
        let what = format!("{call:?}");
        let reply = call.send().await;
        assert_eq!(
            reply.refusal(),
            (status, code.to_owned()),
            "{}: {:?}",
            &what[..what.len().min(400)],
            reply.body
        );
    }
    let poll = server.get(&path).bearer(SECRET).send().await.expect(200);
    assert_eq!(poll.json(), json!({"activities": [], "watermark": "1"}));
    let kinds: Vec<_> = server.bot.taken().iter().map(|a| a["type"].clone()).collect();
    assert_eq!(kinds, ["conversationUpdate"]);
}

#[tokio::test]
async fn sizes_up_to_the_limit_are_taken() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let empty = message("ann", "").to_string().len();
    let largest = message("ann", &"x".repeat(256 * 1024 - empty));
    assert_eq!(largest.to_string().len(), 256 * 1024);
    ann.send(&largest).send().await.expect(200);
    ann.send(&largest).chunked(4096).send().await.expect(200);
    let larger = message("ann", &"x".repeat(256 * 1024 - empty + 1));
    ann.send(&larger).send().await.refused(413, "MessageSizeTooBig");
    assert_eq!(ann.texts().await.len(), 2);
}

#[tokio::test]
async fn json_may_be_called_by_its_other_names() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
        "application/x+json",
    ] {
        let call = ann.call(Method::POST, "/activities").header("content-type", kind);
        call.body(message("ann", kind).to_string()).send().await.expect(200);
    }
    ann.call(Method::POST, "/activities").body(message("ann", "none").to_string()).send().await.expect(200);
    assert_eq!(ann.texts().await.len(), 5);
}

#[tokio::test]
async fn replies_in_the_http_answer_are_appended() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let answer = json!({"activities": [{"type": "message", "text": "a"}, {"type": "message", "text": "b", "x": 1.50}]});
    let mut question = message("ann", "q");
    question["deliveryMode"] = json!("expectReplies");
    server.bot.then([Behaviour::Answer(200, answer.to_string())]);

    let id = ann.send(&question).send().await.expect(200).text("id");

    let history = ann.history().await;
    assert_eq!(ann.texts().await, ["q", "a", "b"]);
    for reply in &history[1..] {
        assert_eq!(reply["from"]["id"], "main");
        assert_eq!(reply["replyToId"], id.as_str());
    }
    for (answer, status) in
        [("", 502), ("[]", 502), ("{\"activities\":5}", 502), ("{}", 200), ("{\"activities\":[]}", 200)]
    {
        server.bot.then([Behaviour::Answer(200, answer.into())]);
        ann.send(&question).send().await.expect(status);
    }
    assert_eq!(ann.texts().await.len(), 3 + 5);
    // What a bot says in an answer nobody asked for is not taken for activities.
    server.bot.then([Behaviour::Answer(
        200,
        json!({"activities": [{"type": "message", "text": "c"}]}).to_string(),
    )]);
    ann.say("plain").await;
    assert!(!ann.texts().await.contains(&"c".to_owned()));
}

#[tokio::test]
async fn an_invoke_is_answered_in_the_conversation() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let invoke = json!({"type": "invoke", "name": "adaptiveCard/action", "value": {"n": 1}});
    server.bot.then([Behaviour::Answer(200, "{\"result\":[1.0]}".into())]);
    let id = ann.send(&invoke).send().await.expect(200).text("id");
    let history = ann.history().await;
    assert_eq!(history[1]["type"], "invokeResponse");
    assert_eq!(history[1]["value"], json!({"status": 200, "body": {"result": [1.0]}}));
    assert_eq!(history[1]["replyToId"], id.as_str());
    server.bot.then([Behaviour::Answer(501, String::new())]);
    let nobody = ann.send(&invoke).send().await.refused(502, "BotError");
    assert_eq!(nobody.json()["httpStatusCode"], 501);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_cancels_nothing() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let until = async |so_many: &dyn Fn() -> bool| {
        let reached = async {
            while !so_many() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("what is waited for within 30 s");
    };
    // While the bot has the first one, the others wait for their turn, and have nobody any more who waits for them.
    server.bot.then([Behaviour::Slow(Duration::from_secs(3), 200)]);
    let hang_up = async {
        until(&|| server.bot.texts().len() == 1).await;
        for n in 1..3 {
            let is_logged = async {
                while ann.texts().await.len() <= n {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                answer = ann.send(&message("ann", &n.to_string())).try_send() => {
                    panic!("it was answered already: {answer:?}")
                }
                () = is_logged => {}
            }
        }
        assert_eq!(server.bot.texts(), ["0"], "the others wait for their turn");
    };
    let (_, ()) = tokio::join!(ann.say("0"), hang_up);
    until(&|| server.bot.texts().len() == 3).await;
    assert_eq!(server.bot.texts(), ["0", "1", "2"]);
    assert_eq!(ann.texts().await, ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_at_once_lose_and_double_nothing() {
    let server = TestServer::start().await;
    let ann: Person = server.person("ann").await;
    let mut stream = ann.stream("?watermark=").await;
    let sends = (0..100).map(|n| {
        let ann = ann.clone();
        async move { ann.send(&named(&n.to_string(), &n.to_string())).send().await.expect(200).text("id") }
    });
    let ids = futures_util::future::join_all(sends).await;
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 100);
    let history = ann.history().await;
    let kept: Vec<&str> = history.iter().map(|a| a["id"].as_str().expect("an id")).collect();
    let mut sorted = kept.clone();
    sorted.sort_unstable();
    assert_eq!(kept, sorted, "ids are in the order of the log");
    for (n, id) in ids.iter().enumerate() {
        let at = kept.iter().position(|known| known == id).expect("an acknowledged activity is there");
        assert_eq!(history[at]["text"], n.to_string());
    }
    assert_eq!(stream.texts(100).await, ann.texts().await);
    let mut at_the_bot = server.bot.texts();
    at_the_bot.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(at_the_bot, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_at_once_of_what_the_bot_refused_reach_it_once_more() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for round in 0..40 {
        let text = format!("r{round}");
        let activity = named(&text, &text);
        server.bot.then([Behaviour::Answer(500, String::new())]);
        ann.send(&activity).send().await.expect(502);
        let replies = futures_util::future::join_all((0..8).map(|_| ann.send(&activity).send())).await;
        for reply in replies {
            reply.expect(200);
        }
        assert_eq!(taken(&server, &text), 2, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_of_something_else_lets_nobody_overtake() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    ann.send(&named("old", "old")).send().await.expect(200);
    server.bot.then([Behaviour::Slow(Duration::from_millis(900), 200)]);
    let slow = ann.send(&message("ann", "slow")).send();
    let others = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        for _ in 0..3 {
            ann.send(&named("old", "old")).send().await.expect(200);
        }
        let next = ann.send(&message("ann", "next")).send();
        let look = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(server.bot.texts(), ["old", "slow"], "it overtook");
        };
        let (next, ()) = tokio::join!(next, look);
        next.expect(200);
    };
    let (slow, ()) = tokio::join!(slow, others);
    slow.expect(200);
    assert_eq!(server.bot.texts(), ["old", "slow", "next"]);
}
