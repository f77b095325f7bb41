//! Live streaming of an answer, over sockets and held polls.

use std::time::Duration;

use landline_testkit::in_process::TestServer;
use serde_json::{Value, json};

use crate::looks_like_a_refusal;

/// A chunk as the Agents SDKs spell it.
fn chunk(stream: Option<&str>, sequence: u64, text: &str) -> Value {
    let mut info = json!({"type": "streaminfo", "streamType": "streaming", "streamSequence": sequence});
    if let Some(stream) = stream {
        info["streamId"] = json!(stream);
    }
    json!({"type": "typing", "text": text, "entities": [info]})
}

#[tokio::test]
async fn an_answer_is_shown_while_it_is_written() {
    let server = TestServer::start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let question = ann.say("q").await;
    let mut early = ann.stream("?watermark=").await;
    assert_eq!(early.texts(1).await, ["q"]);

    let reply = |activity: Value| bot.reply(&ann.conversation, &question, &activity).send();
    let stream = reply(chunk(None, 1, "a")).await.expect(200).text("id");
    reply(chunk(Some(&stream), 2, "ab")).await.expect(200);
    assert_eq!(early.texts(2).await, ["a", "ab"]);

    let mut late = ann.stream("?watermark=").await;
    assert_eq!(late.texts(1).await, ["q"]);
    let set = late.set().await;
    assert!(set.get("watermark").is_none(), "{set}");
    let shown = &set["activities"][0];
    assert_eq!(
        (&shown["text"], &shown["id"], &shown["type"]),
        (&json!("ab"), &json!(stream), &json!("typing"))
    );
    assert_eq!(shown["channelData"]["streamId"], stream.as_str());
    assert_eq!(shown["replyToId"], question.as_str());

    let mut done = chunk(Some(&stream), 3, "abc");
    (done["type"], done["entities"][0]["streamType"]) = (json!("message"), json!("final"));
    let id = reply(done).await.expect(200).text("id");
    assert_eq!(id, format!("{}|0000003", ann.conversation));
    reply(chunk(Some(&stream), 4, "too late")).await.expect(200);
    bot.say(&ann.conversation, "next").await;
    for mut socket in [early, late] {
        let set = socket.set().await;
        assert_eq!(set["activities"][0]["id"], id.as_str());
        assert_eq!(set["activities"][0]["channelData"]["streamId"], stream.as_str());
        assert_eq!(socket.texts(1).await, ["next"]);
    }
    assert_eq!(ann.texts().await, ["q", "abc", "next"]);
}

#[tokio::test]
async fn a_held_poll_gets_what_comes_while_it_is_held() {
    let server = TestServer::start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let stream = bot.send(&ann.conversation, &chunk(None, 1, "a")).send().await.expect(200).text("id");
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        bot.send(&ann.conversation, &chunk(Some(&stream), 2, "ab")).send().await.expect(200);
    };
    // Not the chunk that is there already: whoever polls again and again would get it each time, at once.
    let (reply, ()) = tokio::join!(ann.poll("?watermark=1&wait=10"), later);
    assert_eq!(reply.json()["activities"][0]["text"], "ab");
    assert_eq!(reply.text("watermark"), "1");
    assert!(ann.texts().await.is_empty());
}

#[tokio::test]
async fn an_answer_may_not_take_the_name_of_an_activity() {
    let server = TestServer::start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let said = ann.say("q").await;
    let refused = bot.send(&ann.conversation, &chunk(Some(&said), 1, "a")).send().await;
    looks_like_a_refusal(&refused, 400, "BadArgument");
}
