//! The bot's side: sending, replying, and whose conversation it is.

use hyper::Method;
use landline_testkit::domain::Fault;
use landline_testkit::in_process::{BOT, OTHER_BOT, TestServer, raw};
use serde_json::{Value, json};

use crate::looks_like_a_refusal;

#[tokio::test]
async fn a_bot_sends_and_replies() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let question = ann.say("q").await;
    let bot = server.bot_actor();
    let hello =
        json!({"type": "message", "text": "a", "from": {"id": "liar", "name": "Bot", "role": "user"}});

    let sent = bot.send(&ann.conversation, &hello).send().await.expect(200);
    assert_eq!(sent.json(), json!({"id": format!("{}|0000003", ann.conversation)}));
    for id in [question.clone(), question.replace('|', "%7C"), question.replace('|', "%7c")] {
        bot.reply(&ann.conversation, &id, &hello).send().await.expect(200);
    }

    let history = ann.history().await;
    assert_eq!(history[1]["from"], json!({"id": "main", "name": "Bot", "role": "bot"}));
    assert!(history[1].get("replyToId").is_none());
    assert_eq!(history.len(), 5);
    for reply in &history[2..] {
        assert_eq!(reply["replyToId"], question.as_str());
    }
}

#[tokio::test]
async fn a_bot_can_repeat_a_send_of_unknown_outcome_under_its_name() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let question = ann.say("q").await;
    let bot = server.bot_actor();
    let faults = [Fault::WriteUnknown, Fault::LoseUnknown, Fault::Refuse];
    for (n, fault) in faults.into_iter().enumerate() {
        let answer = json!({"type": "message", "text": format!("a{n}")});
        for is_reply in [false, true] {
            let send = || {
                let call = match is_reply {
                    false => bot.send(&ann.conversation, &answer),
                    true => bot.reply(&ann.conversation, &question, &answer),
                };
                call.header("idempotency-key", &format!("{n} {is_reply}"))
            };
            server.disk.then([fault]);
            let unknown = send().send().await.refused(503, "ServiceUnavailable");
            let words = String::from_utf8_lossy(&unknown.body).into_owned();
            assert!(!words.contains("clientActivityID"), "that is for clients: {words}");
            let id = send().send().await.expect(200).text("id");
            assert_eq!(send().send().await.expect(200).text("id"), id);
        }
    }
    assert_eq!(ann.texts().await, ["q", "a0", "a0", "a1", "a1", "a2", "a2"]);

    let first = ann.history().await[1]["id"].as_str().expect("an id").to_owned();
    server.disk.then([Fault::WriteUnknown]);
    let unknown = bot.retext(&ann.conversation, &first, "a0").send().await.refused(503, "ServiceUnavailable");
    assert!(unknown.body.windows(7).any(|words| words == b"no harm"), "{unknown:?}");
    bot.retext(&ann.conversation, &first, "a0").send().await.expect(200);

    // Named by nobody, or by somebody else, it is another one.
    let again = json!({"type": "message", "text": "again"});
    for name in ["", "new"] {
        bot.send(&ann.conversation, &again).header("idempotency-key", name).send().await.expect(200);
    }
    ann.send(&again).header("idempotency-key", "new").send().await.expect(200);
    assert_eq!(ann.texts().await[7..], ["again", "again", "again"]);
    for bad in ["é".to_owned(), "k".repeat(513)] {
        let send = bot.send(&ann.conversation, &again).raw_header("idempotency-key", bad.as_bytes());
        send.send().await.refused(400, "BadArgument");
    }
}

#[tokio::test]
async fn what_a_reply_names_must_be_there_for_clients_to_see() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let (known, other) = (ann.say("q").await, bob.say("q").await);
    let conversation_update = format!("{}|0000001", ann.conversation);
    let later = format!("{}|0000900", ann.conversation);
    for (path, body, expected) in [
        (known.as_str(), None, Some(&known)),
        ("made-up", None, None),
        ("made-up", Some(known.as_str()), Some(&known)),
        (known.as_str(), Some("made-up"), None),
        (other.as_str(), None, None),
        (conversation_update.as_str(), None, None),
        (later.as_str(), None, None),
        ("%F0%9F%98%80", None, None),
    ] {
        let mut reply = json!({"type": "message", "text": "a"});
        if let Some(body) = body {
            reply["replyToId"] = json!(body);
        }
        server.bot_actor().reply(&ann.conversation, path, &reply).send().await.expect(200);
        let last = ann.history().await.pop().expect("one");
        assert_eq!(last["replyToId"].as_str(), expected.map(String::as_str), "{path} {body:?}");
    }
}

#[tokio::test]
async fn whose_conversation_it_is() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let bot = server.bot_actor();
    let hello = json!({"type": "message", "text": "in"});
    let path = bot.path(&ann.conversation, "/activities");
    let capability = path.split('/').nth(2).expect("a capability").to_owned();
    let other = server.other_service_url.split('/').nth(4).expect("a capability").to_owned();
    assert_ne!(capability, other);
    let with = async |path: String| server.post(&path).json(&hello).send().await;

    let last = if capability.ends_with('A') { "B" } else { "A" };
    let wrong = [
        other.clone(),
        format!("{}{last}", &capability[..capability.len() - 1]),
        format!("{capability}x"),
        capability[1..].to_owned(),
        capability.to_uppercase(),
        BOT.to_owned(),
        OTHER_BOT.to_owned(),
        "%00".to_owned(),
        "x".repeat(2000),
    ];
    for wrong in wrong {
        looks_like_a_refusal(&with(path.replace(&capability, &wrong)).await, 404, "ResourceNotFound");
        let reply = format!("{}/x", path.replace(&capability, &wrong));
        looks_like_a_refusal(&with(reply).await, 404, "ResourceNotFound");
    }
    for conversation in ["never", "neverWas0123456789abcd", "a%20b", "..", "%2e%2e", &"x".repeat(65), "%FF"] {
        let reply = with(bot.path(conversation, "/activities")).await;
        assert_eq!(reply.refusal(), (404, "ResourceNotFound".to_owned()), "{conversation}");
    }
    assert!(ann.texts().await.is_empty());
    // A client's credentials are of no use there, and do no harm.
    server.post(&path).bearer(&ann.token).json(&hello).send().await.expect(200);
}

#[tokio::test]
async fn bodies_that_a_bot_may_not_send() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = server.bot_actor().path(&ann.conversation, "/activities");
    for path in [path.clone(), format!("{path}/{}|0000001", ann.conversation)] {
        let post = || server.post(&path);
        for (call, status, code) in [
            (post(), 400, "MissingProperty"),
            (post().json(&json!({})), 400, "MissingProperty"),
            (post().json(&json!({"type": null})), 400, "MissingProperty"),
            (post().json(&json!({"type": []})), 400, "BadArgument"),
            (post().json_text("{"), 400, "MalformedData"),
            (post().json_text("7"), 400, "MalformedData"),
            (post().json_text(&b"{\"type\":\"\xff\"}"[..]), 400, "MalformedData"),
            (
                post().json(&json!({"type": "message", "text": "x".repeat(256 * 1024)})),
                413,
                "MessageSizeTooBig",
            ),
            (post().header("content-type", "text/plain").body("{}"), 415, "NotSupported"),
            (server.call(Method::GET, &path), 405, "NotSupported"),
        ] {
            looks_like_a_refusal(&call.send().await, status, code);
        }
    }
    assert!(ann.history().await.is_empty());
}

#[tokio::test]
async fn nulls_are_taken_and_a_conversation_update_is_not_shown() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let bot = server.bot_actor();
    let nulls = json!({"type": "message", "text": null, "from": null, "recipient": null, "conversation": null, "id": null});
    bot.send(&ann.conversation, &nulls).send().await.expect(200);
    bot.send(&ann.conversation, &json!({"type": "conversationUpdate"})).send().await.expect(200);
    bot.say(&ann.conversation, "shown").await;
    let kinds: Vec<Value> = ann.history().await.iter().map(|a| a["type"].clone()).collect();
    assert_eq!(kinds, ["message", "message"]);
}

#[tokio::test]
async fn a_raw_bar_in_the_path_is_read() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let question = ann.say("q").await;
    let path = server.bot_actor().path(&ann.conversation, &format!("/activities/{question}"));
    let body = r#"{"type":"message","text":"raw"}"#;
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let mut bytes = raw::request("POST", path.as_bytes(), &headers);
    bytes.extend_from_slice(body.as_bytes());

    let reply = raw::exchange(server.address, &bytes).await;

    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(ann.history().await[1]["replyToId"], question.as_str());
}

#[tokio::test]
async fn the_address_that_bots_are_told() {
    let table = [
        (None, None, None),
        (Some("https://out.example/x"), None, Some("https://out.example/x/connector/")),
        (
            Some("https://out.example"),
            Some("http://inside.example:3000/"),
            Some("http://inside.example:3000/connector/"),
        ),
    ];
    for (public, connector, expected) in table {
        let server = TestServer::builder()
            .configure(|config| {
                config.public_url = public.map(|url| url.parse().unwrap());
                config.connector_url = connector.map(|url| url.parse().unwrap());
            })
            .start()
            .await;
        let expected =
            expected.map_or_else(|| format!("http://{}/connector/", server.address), str::to_owned);
        assert!(
            server.service_url.starts_with(&expected) && server.service_url.ends_with('/'),
            "{}",
            server.service_url
        );
        let capability = server.service_url.trim_end_matches('/').rsplit('/').next().expect("a capability");
        assert!(capability.len() >= 43, "too easy to guess");
    }
}
