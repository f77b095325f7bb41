//! A bot that answers with a stream of events: what clients see of it, and when it ends.

use std::time::Duration;

use landline_core::{Begin, Delivered, Limits, Next, SendError};
use landline_protocol::ConversationId;
use landline_testkit::domain::{Behaviour, World};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

const NOW: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

fn says(pause: Duration, text: &str) -> (Duration, Option<(&'static str, Value)>) {
    (pause, Some(("activity", json!({"type": "message", "text": text}))))
}

fn question(kind: &str) -> Value {
    json!({"type": kind, "text": "q", "from": {"id": "ann"}, "deliveryMode": "stream"})
}

async fn world(behaviour: Behaviour) -> (World, ConversationId) {
    world_with(Limits::default(), behaviour).await
}

async fn world_with(limits: Limits, behaviour: Behaviour) -> (World, ConversationId) {
    let world = World::with(limits);
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then([behaviour]);
    (world, conversation)
}

#[tokio::test(start_paused = true)]
async fn the_client_is_answered_at_once_and_sees_each_activity_as_it_comes() {
    let (world, conversation) =
        world(Behaviour::Stream(vec![says(SECOND, "a"), says(SECOND, "b"), says(SECOND, "c")])).await;
    let begun = Instant::now();

    let id = world.send(&conversation, question("message")).await.unwrap();

    assert!(begun.elapsed() < SECOND, "the head says that it was taken");
    sleep(SECOND * 2 + SECOND / 2).await;
    assert_eq!(world.texts(&conversation).await, ["q", "a", "b"]);
    world.settle().await;
    assert_eq!(world.texts(&conversation).await, ["q", "a", "b", "c"]);
    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen[1]["replyToId"], id.as_str());
    assert_eq!(seen[1]["from"]["id"], "bot");
    assert_eq!(world.observer.ends(), ["Complete"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_goes_to_those_who_are_connected_and_not_into_history() {
    let typing = json!({"type": "typing", "text": "hel",
        "channelData": {"streamType": "streaming", "streamSequence": 1}});
    let (world, conversation) =
        world(Behaviour::Stream(vec![(SECOND, Some(("activity", typing))), says(SECOND, "hello")])).await;
    let begin = world.conversations.begin(&conversation, Begin::Now).await.unwrap();
    let mut follower = world.conversations.follow(&conversation, begin).await.unwrap();

    world.send(&conversation, question("message")).await.unwrap();

    let mut seen = Vec::new();
    while seen.len() < 3 {
        match timeout(SECOND * 60, follower.next()).await.unwrap().unwrap() {
            Next::Activities(page) => {
                seen.extend(page.iter().map(|one| serde_json::from_slice::<Value>(&one.activity).unwrap()));
            }
            Next::Transient(activity) => seen.push(serde_json::from_slice(&activity).unwrap()),
        }
    }
    let texts: Vec<_> = seen.iter().map(|activity| activity["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["q", "hel", "hello"]);
    assert_eq!(world.texts(&conversation).await, ["q", "hello"]);
}

#[tokio::test(start_paused = true)]
async fn an_invoke_may_be_answered_in_the_stream() {
    let response = ("invokeResponse", json!({"status": 200, "body": {"a": 2.0}}));
    for (kind, expected) in
        [("invoke", vec!["invoke", "message", "invokeResponse"]), ("message", vec!["message"; 2])]
    {
        let (world, conversation) =
            world(Behaviour::Stream(vec![says(NOW, "a"), (NOW, Some(response.clone()))])).await;
        world.send(&conversation, question(kind)).await.unwrap();
        world.settle().await;
        let (seen, _) = world.history(&conversation, 0).await.unwrap();
        let kinds: Vec<_> = seen.iter().map(|activity| activity["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, expected);
        if kind == "invoke" {
            assert_eq!(seen[2]["value"], response.1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_delivery_waits_for_the_end_as_for_any_turn() {
    for (pause, until) in [(SECOND, SECOND), (SECOND * 20, SECOND * 3)] {
        let (world, conversation) = world(Behaviour::Stream(vec![says(pause, "a")])).await;
        world.send(&conversation, question("message")).await.unwrap();
        let begun = Instant::now();
        world.say(&conversation, "ann", "next", None).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), until.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_leaves_what_came_before_it() {
    let not_an_activity = (NOW, Some(("activity", json!([1]))));
    for last in [(NOW, None), not_an_activity] {
        let (world, conversation) =
            world(Behaviour::Stream(vec![says(NOW, "a"), last, says(NOW, "never read")])).await;
        let id = world.send(&conversation, question("message")).await.unwrap();
        world.settle().await;
        assert_eq!(world.texts(&conversation).await, ["q", "a"]);
        assert_eq!(world.observer.ends(), ["Broken"]);
        assert!(!id.is_empty(), "the bot took it all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_nothing_to_clients_or_refused_costs_nobody_the_rest() {
    let limits = Limits { activity_bytes: 1000, ..Limits::default() };
    let (world, conversation) = world_with(
        limits,
        Behaviour::Stream(vec![
            (NOW, Some(("end", json!(null)))),
            (NOW, Some(("activity", json!({"text": "without a type"})))),
            says(NOW, &"x".repeat(1000)),
            says(NOW, "a"),
        ]),
    )
    .await;
    world.send(&conversation, question("message")).await.unwrap();
    world.settle().await;
    assert_eq!(world.texts(&conversation).await, ["q", "a"]);
    assert_eq!(world.observer.ends(), ["Complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_an_end_in_time_and_in_number() {
    let slow = vec![says(Duration::from_secs(60), "slow"); 100];
    let many = vec![(NOW, Some(("other", json!(null)))); 10_001];
    for (events, longest) in [(slow, Duration::from_secs(15 * 60)), (many, SECOND)] {
        let (world, conversation) = world(Behaviour::Stream(events)).await;
        let begun = Instant::now();
        world.send(&conversation, question("message")).await.unwrap();
        world.tasks.close();
        world.tasks.wait().await;
        assert!(begun.elapsed() <= longest + SECOND, "{:?}", begun.elapsed());
        assert_eq!(world.observer.ends(), ["Broken"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_a_stream_some_time_and_ends_it() {
    for (pause, texts, end) in [(SECOND, vec!["q", "a"], "Complete"), (SECOND * 30, vec!["q"], "Stopped")] {
        let (world, conversation) = world(Behaviour::Stream(vec![says(pause, "a")])).await;
        world.send(&conversation, question("message")).await.unwrap();
        let begun = Instant::now();
        world.conversations.deliveries_over().await;
        assert!(begun.elapsed() <= SECOND * 5, "{:?}", begun.elapsed());
        assert_eq!(world.texts(&conversation).await, texts);
        assert_eq!(world.observer.ends(), [end]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_not_delivered_again_while_its_answer_goes_on() {
    let (world, conversation) = world(Behaviour::Stream(vec![says(SECOND * 10, "a")])).await;
    let mut asked = question("message");
    asked["channelData"] = json!({"clientActivityID": "k"});
    let first = world.send(&conversation, asked.clone()).await.unwrap();
    assert_eq!(world.send(&conversation, asked.clone()).await.unwrap(), first);
    assert_eq!(world.restarted().send(&conversation, asked).await.unwrap(), first);
    assert_eq!(world.bot.texts(), ["q"]);
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_does_not_stream_may_answer_otherwise() {
    let replies = json!({"activities": [{"type": "message", "text": "a"}]}).to_string();
    for (said, texts) in [
        (replies.as_str(), vec!["q", "a"]),
        ("", vec!["q"]),
        ("ok", vec!["q"]),
        ("{\"id\":\"1\"}", vec!["q"]),
        ("{\"activities\":null}", vec!["q"]),
    ] {
        let (world, conversation) = world(Behaviour::Answer(200, said.into())).await;
        world.send(&conversation, question("message")).await.unwrap();
        assert_eq!(world.texts(&conversation).await, texts, "{said}");
    }
    let (world, conversation) = world(Behaviour::Answer(200, "{\"activities\":7}".into())).await;
    let refused = world.send(&conversation, question("message")).await;
    assert!(
        matches!(&refused, Err(SendError::Bot { delivered: Delivered::Unknown(_), .. })),
        "its replies are lost: {refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_queued_bot_may_stream_as_well() {
    for (pause, until) in [(SECOND, SECOND), (SECOND * 20, SECOND * 3)] {
        let world = World::queued();
        let conversation = world.start("c", Some("ann")).await;
        world.settle().await;
        world.bot.then([Behaviour::Stream(vec![says(SECOND / 2, "a"), says(pause - SECOND / 2, "b")])]);
        let begun = Instant::now();

        world.send(&conversation, question("message")).await.unwrap();
        world.say(&conversation, "ann", "next", None).await.unwrap();

        while world.bot.texts().len() < 2 {
            sleep(SECOND / 10).await;
        }
        assert_eq!(begun.elapsed().as_secs(), until.as_secs(), "what is behind it waits as for any turn");
        sleep(SECOND * 20).await;
        assert_eq!(world.texts(&conversation).await, ["q", "next", "a", "b"]);
        assert_eq!(world.bot.texts(), ["q", "next"], "what was taken is not delivered again");
        assert_eq!(world.observer.ends(), ["Complete"]);
    }
}
