//! How the bot hears who is in a conversation.

use landline_core::store::Created;
use landline_testkit::domain::{Behaviour, World, start};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_known_user_is_announced_once_together_with_the_bot() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    world.say(&conversation, "ann", "two", None).await.unwrap();
    world.settle().await;

    let taken = world.bot.taken();
    assert_eq!(taken.len(), 3);
    assert_eq!(taken[0]["type"], "conversationUpdate");
    assert_eq!(taken[0]["membersAdded"], json!([{"id": "bot"}, {"id": "ann"}]));
    assert_eq!(taken[0]["from"], json!({"id": "ann", "role": "user"}));
    assert_eq!(taken[0]["recipient"]["id"], "bot");
    assert_eq!(taken[0]["serviceUrl"], "http://landline.test/connector/unguessable/");
    assert_eq!(world.bot.texts(), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_user_is_announced_with_the_first_activity() {
    let world = World::new();
    let conversation = world.start("c", None).await;
    world.settle().await;
    assert_eq!(world.bot.taken()[0]["membersAdded"], json!([{"id": "bot"}]));

    world.say(&conversation, "ann", "one", None).await.unwrap();
    world.say(&conversation, "bob", "two", None).await.unwrap();
    world.say(&conversation, "ann", "three", None).await.unwrap();
    world.settle().await;

    let taken = world.bot.taken();
    let seen: Vec<_> = taken
        .iter()
        .map(|a| a["text"].as_str().unwrap_or_else(|| a["from"]["id"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, ["bot", "ann", "one", "bob", "two", "three"]);
    assert_eq!(taken[1]["membersAdded"], json!([{"id": "ann"}]));
}

#[tokio::test(start_paused = true)]
async fn clients_never_see_a_conversation_update() {
    let world = World::new();
    let conversation = world.start("c", None).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    world.bot_says(&conversation, json!({"type": "conversationUpdate"}), None).await.unwrap();

    let (seen, watermark) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(watermark.get(), 4, "the watermark stands behind what is not shown");
}

#[tokio::test(start_paused = true)]
async fn a_start_does_not_wait_for_a_bot_that_is_down() {
    let world = World::new();
    world.bot.then([Behaviour::Hang]);
    let before = tokio::time::Instant::now();
    world.start("c", Some("ann")).await;
    assert_eq!(before.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_start_changes_nothing() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();

    let again = world.conversations.start(start("c", Some("bob"))).await.unwrap();

    world.settle().await;
    assert_eq!(again, Created::Existed);
    assert_eq!(world.texts(&conversation).await, ["one"]);
    assert_eq!(world.bot.taken().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_first_message_waits_for_the_greeting() {
    let world = World::new();
    world.bot.then([Behaviour::Slow(std::time::Duration::from_secs(1), 200)]);
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    assert_eq!(world.bot.taken()[0]["type"], "conversationUpdate");
    assert_eq!(world.bot.taken()[1]["text"], "one");
}
