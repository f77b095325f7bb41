//! Another process over the same data: everything is where it was.

use std::time::Duration;

use landline_core::store::{DeliveryState, LogStore};
use landline_protocol::Position;
use landline_testkit::in_process::{SECRET, Socket, TestServer, message, start};
use serde_json::json;

#[tokio::test]
async fn everything_is_where_it_was() {
    let before = TestServer::start().await;
    let ann = before.person("ann").await;
    let named = json!({"type": "message", "text": "one", "channelData": {"clientActivityID": "k1"}});
    let id = ann.send(&named).send().await.expect(200).text("id");
    let bot = before.bot_actor();
    bot.say(&ann.conversation, "two").await;
    let watermark = ann.poll("").await.expect(200).text("watermark");
    bot.say(&ann.conversation, "three").await;
    let history = ann.poll("").await.expect(200).body;
    let heard = before.bot.taken().len();

    let server = before.restarted().await;
    let ann = ann.at(server.address);

    assert_eq!(ann.poll("").await.expect(200).body, history, "byte for byte");
    assert_eq!(ann.stream(&format!("?watermark={watermark}")).await.texts(1).await, ["three"]);
    assert_eq!(ann.send(&named).send().await.expect(200).text("id"), id, "a repeat is still one");
    start(server.address, &ann.token).send().await.expect(200);
    let ticket = ann.stream_url.replace(&before.address.to_string(), &server.address.to_string());
    assert_eq!(Socket::open(&ticket).await.texts(3).await, ["one", "two", "three"]);
    // The bot knows the old address only by its port; the rest of it must be the same.
    let capability = |url: &str| url.split('/').nth(4).map(str::to_owned);
    assert_eq!(capability(&server.service_url), capability(&before.service_url));
    server.bot_actor().say(&ann.conversation, "four").await;
    server
        .post(&ann.path("/activities"))
        .bearer(SECRET)
        .json(&message("ann", "five"))
        .send()
        .await
        .expect(200);
    assert_eq!(ann.texts().await, ["one", "two", "three", "four", "five"]);
    let ids: Vec<_> = ann.history().await.iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    let all = server.bot.texts();
    assert_eq!(all, ["one", "five"], "and the bot hears nothing again");
    assert_eq!(server.bot.taken().len(), heard + 1);
}

#[tokio::test]
async fn what_was_accepted_and_never_tried_is_delivered_once() {
    let before = TestServer::start().await;
    let ann = before.person("ann").await;
    let named = json!({"type": "message", "text": "untried", "channelData": {"clientActivityID": "k1"}});
    ann.send(&named).send().await.expect(200);
    ann.say("tried").await;
    // As a crash right after the append, and one in the middle of the attempt, would have left them.
    let conversation = ann.conversation.parse().expect("an id");
    for (position, state) in [(2, DeliveryState::Pending), (3, DeliveryState::Attempted)] {
        before.disk.set_delivery(&conversation, Position::new(position), Some(state)).await.expect("a state");
    }

    let server = before.restarted().await;

    let ann = ann.at(server.address);
    let asked_again = ann.send(&named).send().await;
    asked_again.expect(200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let of = |text: &str| server.bot.texts().iter().filter(|t| *t == text).count();
    assert_eq!(of("untried"), 2, "once before the crash, once after it, whoever asks");
    assert_eq!(of("tried"), 1, "what was under way is not repeated by itself");
    assert_eq!(ann.texts().await, ["untried", "tried"]);
}
