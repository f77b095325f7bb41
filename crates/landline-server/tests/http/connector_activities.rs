//! What a bot changes, takes away and uploads, as clients get to see it: connected, away, or new.

use hyper::Method;
use landline_testkit::in_process::{BotActor, Person, TestServer, message};
use serde_json::{Value, json};

use crate::looks_like_a_refusal;

/// What a set holds, as `text`, or `-` for a deletion.
fn told(set: &Value) -> Vec<String> {
    let text = |activity: &Value| match activity["type"].as_str() {
        Some("messageDelete") => "-".to_owned(),
        _ => activity["text"].as_str().unwrap_or("?").to_owned(),
    };
    set["activities"].as_array().expect("an array").iter().map(text).collect()
}

async fn polled(ann: &Person, watermark: &str) -> Vec<String> {
    told(&ann.poll(&format!("?watermark={watermark}")).await.expect(200).json())
}

/// A conversation in which the bot said `one`, the user `two`, and the bot `three`; and the watermark behind it.
async fn begun(server: &TestServer) -> (Person, BotActor, String, String) {
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let id = bot.say(&ann.conversation, "one").await;
    ann.say("two").await;
    bot.say(&ann.conversation, "three").await;
    let watermark = ann.poll("").await.expect(200).text("watermark");
    (ann, bot, id, watermark)
}

#[tokio::test]
async fn an_update_reaches_who_is_there_who_was_away_and_who_is_new() {
    let server = TestServer::builder().embedded().start().await;
    let (ann, bot, id, watermark) = begun(&server).await;
    let mut there = ann.stream("?watermark=").await;
    assert_eq!(there.texts(3).await, ["one", "two", "three"]);
    let before = ann.history().await[0].clone();
    let held = async { ann.poll(&format!("?watermark={watermark}&wait=10")).await };
    let update = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        bot.retext(&ann.conversation, &id.replace('|', "%7C"), "ONE").send().await.expect(200)
    };

    let (held, updated) = tokio::join!(held, update);

    assert_eq!(updated.json(), json!({"id": id}));
    assert_eq!(told(&held.json()), ["ONE"]);
    let change = there.set().await;
    assert_eq!((told(&change), change["watermark"].as_str()), (vec!["ONE".to_owned()], Some("5")));
    let change = &change["activities"][0];
    for kept in ["id", "timestamp", "from"] {
        assert_eq!(change[kept], before[kept], "{kept}");
    }
    let (after, mut readers) = (server.restarted().await, Vec::new());
    for server in [&server, &after] {
        let ann = ann.at(server.address);
        assert_eq!(polled(&ann, "").await, ["ONE", "two", "three"], "the history has it in its old place");
        assert_eq!(polled(&ann, &watermark).await, ["ONE"]);
        assert_eq!(polled(&ann, "5").await, [""; 0]);
        let mut back = ann.stream(&format!("?watermark={watermark}")).await;
        assert_eq!(back.texts_and_watermark(1).await, (vec!["ONE".to_owned()], "5".to_owned()));
        let mut new = ann.stream("?watermark=").await;
        assert_eq!(new.texts_and_watermark(3).await.1, "5");
        readers = vec![back, new];
    }
    after.bot_actor().say(&ann.conversation, "next").await;
    for reader in &mut readers {
        assert_eq!(reader.texts(1).await, ["next"]);
    }
}

#[tokio::test]
async fn a_deletion_reaches_who_is_there_who_was_away_and_not_who_is_new() {
    let server = TestServer::builder().embedded().start().await;
    let (ann, bot, id, watermark) = begun(&server).await;
    let mut there = ann.stream("?watermark=").await;
    there.texts(3).await;
    bot.retext(&ann.conversation, &id, "still secret").send().await.expect(200);
    assert_eq!(there.texts(1).await, ["still secret"]);

    let deleted = bot.delete(&ann.conversation, &id).send().await.expect(200);

    assert!(deleted.body.is_empty(), "{deleted:?}");
    let change = there.set().await;
    assert_eq!((told(&change), change["watermark"].as_str()), (vec!["-".to_owned()], Some("6")));
    assert_eq!(change["activities"][0]["id"], id.as_str());
    for server in [&server, &server.restarted().await] {
        let ann = ann.at(server.address);
        let history = ann.poll("").await.expect(200);
        assert_eq!(
            (told(&history.json()), history.text("watermark")),
            (vec!["two".into(), "three".into()], "6".into())
        );
        for from in [watermark.as_str(), "5"] {
            assert_eq!(polled(&ann, from).await, ["-"], "{from}");
            let set = ann.stream(&format!("?watermark={from}")).await.set().await;
            assert_eq!(told(&set), ["-"], "{from}");
        }
        assert_eq!(ann.stream("?watermark=").await.texts(2).await, ["two", "three"]);
        for query in ["", "?watermark=1", "?watermark=2", "?watermark=4", "?watermark=5"] {
            let body = ann.poll(query).await.body;
            assert!(!String::from_utf8_lossy(&body).contains("secret"), "{query}");
        }
        // Once more is no error and no second entry; it does not come back.
        let bot = server.bot_actor();
        bot.delete(&ann.conversation, &id).send().await.expect(200);
        let late = bot.retext(&ann.conversation, &id, "back").send().await;
        looks_like_a_refusal(&late, 404, "ResourceNotFound");
        assert!(polled(&ann, "6").await.is_empty());
    }
}

#[tokio::test]
async fn what_a_bot_may_not_change() {
    let server = TestServer::start().await;
    let (ann, bot, own, _) = begun(&server).await;
    let theirs = ann.history().await[1]["id"].as_str().expect("an id").to_owned();
    let other = server.person("bob").await;
    let elsewhere = bot.say(&other.conversation, "x").await;
    let c = &ann.conversation;
    for (id, status, code) in [
        (theirs.as_str(), 403, "BadArgument"),
        (&elsewhere, 404, "ResourceNotFound"),
        (&format!("{c}|0000001"), 404, "ResourceNotFound"),
        (&format!("{c}|0000900"), 404, "ResourceNotFound"),
        ("made-up", 404, "ResourceNotFound"),
        ("%00", 404, "ResourceNotFound"),
    ] {
        looks_like_a_refusal(&bot.retext(c, id, "x").send().await, status, code);
        looks_like_a_refusal(&bot.delete(c, id).send().await, status, code);
    }
    let put = || bot.at(Method::PUT, &bot.path(c, &format!("/activities/{own}")));
    for (call, status, code) in [
        (put(), 400, "MissingProperty"),
        (put().json(&json!({"text": "x"})), 400, "MissingProperty"),
        (put().json(&json!({"type": "typing"})), 400, "BadArgument"),
        (put().json(&json!({"type": "messageDelete"})), 400, "BadArgument"),
        (put().json_text("{"), 400, "MalformedData"),
        (put().json(&message("x", &"x".repeat(256 * 1024))), 413, "MessageSizeTooBig"),
        (put().header("content-type", "text/plain").body("{}"), 415, "NotSupported"),
    ] {
        looks_like_a_refusal(&call.send().await, status, code);
    }
    put()
        .json(&json!({"type": "message", "text": null, "from": null, "entities": null}))
        .send()
        .await
        .expect(200);
    assert_eq!(polled(&ann, "").await, ["?", "two", "three"]);
}

#[tokio::test]
async fn a_transcript_is_shown_as_it_was_said() {
    let server = TestServer::builder().embedded().start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let mut there = ann.stream("?watermark=").await;
    let transcript = json!({"activities": [
        {"type": "message", "text": "q", "id": "1", "from": {"id": "zoe", "role": "user"}, "timestamp": "2020-01-02T03:04:05Z"},
        {"type": "message", "text": "a", "id": "2", "from": {"id": "old bot", "role": "bot"}, "replyToId": "1", "serviceUrl": "http://evil"},
    ]});
    let path = bot.path(&ann.conversation, "/activities/history");

    let uploaded = bot.at(Method::POST, &path).json(&transcript).send().await.expect(200);

    assert_eq!(uploaded.json(), json!({"id": format!("{}|0000003", ann.conversation)}));
    assert_eq!(there.texts(2).await, ["q", "a"]);
    for server in [&server, &server.restarted().await] {
        let history = ann.at(server.address).history().await;
        assert_eq!(history[0]["from"], json!({"id": "zoe", "role": "user"}));
        assert_eq!(history[0]["timestamp"], "2020-01-02T03:04:05.000Z");
        assert_eq!((&history[1]["replyToId"], history[1].get("serviceUrl")), (&history[0]["id"], None));
    }
    assert!(server.bot.texts().is_empty(), "the bot gets none of it");
    // It is nobody's to change but the bot's, who said the one and not the other.
    let theirs = format!("{}|0000002", ann.conversation);
    looks_like_a_refusal(&bot.delete(&ann.conversation, &theirs).send().await, 403, "BadArgument");
}

#[tokio::test]
async fn transcripts_that_are_not_taken() {
    let server = TestServer::start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let path = bot.path(&ann.conversation, "/activities/history");
    let post = || bot.at(Method::POST, &path);
    let said = json!({"type": "message", "text": "x"});
    let large = json!({"type": "message", "text": "x".repeat(300 * 1024)});
    for (call, status, code) in [
        (post(), 400, "MissingProperty"),
        (post().json(&json!({})), 400, "MissingProperty"),
        (post().json(&json!({"activities": []})), 400, "MissingProperty"),
        (post().json(&json!({"activities": null})), 400, "MissingProperty"),
        (post().json(&json!({"activities": [said, {"text": "no type"}]})), 400, "MissingProperty"),
        (post().json(&json!({"activities": {}})), 400, "BadArgument"),
        (post().json(&json!({"activities": [said, 7]})), 400, "MalformedData"),
        (post().json(&json!({"activities": [said, {"type": 7}]})), 400, "BadArgument"),
        (post().json(&json!({"activities": vec![said.clone(); 501]})), 400, "BadArgument"),
        (post().json(&json!({"activities": [said, large]})), 413, "MessageSizeTooBig"),
        (post().json_text(vec![b' '; 1024 * 1024 + 1]), 413, "MessageSizeTooBig"),
        (post().json_text("{"), 400, "MalformedData"),
        (bot.at(Method::GET, &path), 405, "NotSupported"),
    ] {
        looks_like_a_refusal(&call.send().await, status, code);
    }
    assert!(ann.history().await.is_empty());
    let many = json!({"activities": vec![message("x", &"x".repeat(1_900)); 500]});
    post().json(&many).send().await.expect(200);
    assert_eq!(ann.history().await.len(), 500);
}
