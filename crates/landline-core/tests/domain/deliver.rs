//! How often, when and in which order the bot gets what was sent.

use std::time::Duration;

use futures_util::future::join_all;
use landline_core::store::{DeliveryState, LogStore};
use landline_core::{Delivered, DeliveryMode, SendError, StartConversation};
use landline_protocol::Position;
use landline_testkit::domain::{Behaviour, World, start};
use serde_json::json;
use tokio::time::{Instant, sleep};

fn refusal(sent: Result<String, SendError>) -> Delivered {
    match sent {
        Err(SendError::Bot { delivered, .. }) => delivered,
        other => panic!("the bot was to be the trouble: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_never_reached_the_bot_are_made_again() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then([Behaviour::Away, Behaviour::Away, Behaviour::Away]);
    let begun = Instant::now();

    world.say(&conversation, "ann", "one", None).await.unwrap();

    assert_eq!(world.bot.texts(), ["one"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_stays_away_is_given_up_in_time() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then(vec![Behaviour::Away; 50]);
    let begun = Instant::now();

    let delivered = refusal(world.say(&conversation, "ann", "one", None).await);

    assert!(matches!(delivered, Delivered::NotReached(_)), "{delivered:?}");
    assert!(begun.elapsed() <= Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(world.texts(&conversation).await, ["one"], "it is in the conversation all the same");
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_attempt_is_not_repeated() {
    for (behaviour, expected) in [
        (Behaviour::Break, Delivered::Unknown("reset".into())),
        (Behaviour::Hang, Delivered::TimedOut),
        (Behaviour::Answer(503, String::new()), Delivered::Refused { status: 503 }),
        (Behaviour::Answer(302, String::new()), Delivered::Refused { status: 302 }),
    ] {
        let world = World::new();
        let conversation = world.start("c", Some("ann")).await;
        world.settle().await;
        world.bot.then([behaviour]);
        let begun = Instant::now();

        let delivered = refusal(world.say(&conversation, "ann", "one", None).await);

        assert_eq!(delivered, expected);
        assert!(begun.elapsed() <= Duration::from_secs(15));
        world.restarted().conversations.list_untried().await.unwrap();
        assert_eq!(world.bot.texts(), ["one"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_tried_before_a_crash_is_tried_after_it() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then(vec![Behaviour::Away; 50]);
    // The process dies while it waits to try again.
    let sent =
        tokio::time::timeout(Duration::from_secs(3), world.say(&conversation, "ann", "one", None)).await;
    assert!(sent.is_err());
    let state = world.disk.delivery(&conversation, Position::new(2)).await.unwrap();
    assert_eq!(state, Some(DeliveryState::Pending));

    let restarted = world.restarted_with_another_bot();
    let untried = restarted.conversations.list_untried().await.unwrap();
    restarted.conversations.deliver_untried(untried);
    restarted.settle().await;

    assert_eq!(restarted.bot.texts(), ["one"]);
    let state = world.disk.delivery(&conversation, Position::new(2)).await.unwrap();
    assert_eq!(state, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_in_a_crash_is_not_repeated_by_itself() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then([Behaviour::Hang]);
    let sent =
        tokio::time::timeout(Duration::from_secs(3), world.say(&conversation, "ann", "one", Some("k"))).await;
    assert!(sent.is_err());

    let restarted = world.restarted();
    let untried = restarted.conversations.list_untried().await.unwrap();
    restarted.conversations.deliver_untried(untried);
    restarted.settle().await;
    assert_eq!(world.bot.texts(), ["one"]);

    restarted.say(&conversation, "ann", "one", Some("k")).await.unwrap();
    assert_eq!(world.bot.texts(), ["one", "one"], "a repeat by the client is one more attempt");
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_is_not_given_to_the_bot_again_even_after_a_crash_at_once() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.disk.slow_next_outcome(Duration::from_secs(1));
    let first = world.say(&conversation, "ann", "one", Some("k")).await.unwrap();
    let repeat = world.restarted().say(&conversation, "ann", "one", Some("k")).await.unwrap();
    assert_eq!(first, repeat);
    assert_eq!(world.bot.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn the_bot_gets_a_conversation_in_the_order_of_its_log() {
    let world = std::sync::Arc::new(World::new());
    let conversation = world.start("c", Some("ann")).await;
    world.bot.then((0..21).map(|n| Behaviour::Slow(Duration::from_millis(50 - 2 * n), 200)));
    let sends = (0..20).map(|n| {
        let (world, conversation) = (std::sync::Arc::clone(&world), conversation.clone());
        async move { world.say(&conversation, "ann", &format!("m{n}"), None).await.unwrap() }
    });
    join_all(sends).await;
    assert_eq!(world.bot.texts(), world.texts(&conversation).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_turn_delays_the_next_one_only_for_a_while() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then([Behaviour::Slow(Duration::from_secs(14), 200)]);
    let begun = Instant::now();
    let (slow, next) = tokio::join!(world.say(&conversation, "ann", "slow", None), async {
        sleep(Duration::from_millis(10)).await;
        let sent = world.say(&conversation, "ann", "next", None).await;
        (sent, begun.elapsed())
    });
    slow.unwrap();
    next.0.unwrap();
    assert!(next.1 > Duration::from_secs(2) && next.1 < Duration::from_secs(4), "{:?}", next.1);
}

#[tokio::test(start_paused = true)]
async fn replies_in_the_answer_are_logged_before_the_client_is_answered() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    let answer = json!({"activities": [{"type": "message", "text": "a"}, {"type": "message", "text": "b"}]});
    world.bot.then([Behaviour::Answer(200, answer.to_string())]);

    let sent =
        json!({"type": "message", "text": "q", "from": {"id": "ann"}, "deliveryMode": "expectReplies"});
    let id = world.send(&conversation, sent).await.unwrap();

    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    let texts: Vec<_> = seen.iter().map(|activity| activity["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["q", "a", "b"]);
    assert_eq!(seen[1]["replyToId"], id.as_str());
    assert_eq!(seen[1]["from"]["id"], "bot");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_an_invoke_is_logged() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then([
        Behaviour::Answer(200, r#"{"value":{"b":1,"a":2.0}}"#.into()),
        Behaviour::Answer(501, String::new()),
    ]);

    let invoke = json!({"type": "invoke", "name": "task/fetch", "from": {"id": "ann"}});
    world.send(&conversation, invoke.clone()).await.unwrap();
    let refused = refusal(world.send(&conversation, invoke).await);

    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen[1]["type"], "invokeResponse");
    assert_eq!(seen[1]["value"], json!({"status": 200, "body": {"value": {"b": 1, "a": 2.0}}}));
    assert_eq!(refused, Delivered::Refused { status: 501 });
    assert_eq!(seen.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn whatever_a_bot_answers_to_an_invoke_is_kept() {
    for (said, kept) in [
        ("", None),
        ("[1, 2.0]", Some(json!([1, 2.0]))),
        ("\"yes\"", Some(json!("yes"))),
        ("null", Some(json!(null))),
        ("plain text", Some(json!("plain text"))),
    ] {
        let world = World::new();
        let conversation = world.start("c", Some("ann")).await;
        world.settle().await;
        world.bot.then([Behaviour::Answer(202, said.into())]);
        world.send(&conversation, json!({"type": "invoke", "from": {"id": "ann"}})).await.unwrap();
        let (seen, _) = world.history(&conversation, 0).await.unwrap();
        assert_eq!(seen[1]["value"]["status"], 202, "{said}");
        assert_eq!(seen[1]["value"].get("body"), kept.as_ref(), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_makes_no_sense_is_not_a_success() {
    let many = json!({"activities": vec![json!({"type": "message"}); 101]}).to_string();
    for bad in ["", "[]", "{\"activities\":7}", "<html>", "{\"activities\":[{}]}", &many] {
        let world = World::new();
        let conversation = world.start("c", Some("ann")).await;
        world.settle().await;
        world.bot.then([Behaviour::Answer(200, bad.into())]);
        let sent = json!({"type": "message", "from": {"id": "ann"}, "deliveryMode": "expectReplies"});
        let delivered = refusal(world.send(&conversation, sent).await);
        assert!(matches!(delivered, Delivered::Unknown(_)), "{bad}: {delivered:?}");
        assert_eq!(world.history(&conversation, 0).await.unwrap().0.len(), 1, "{bad}");
    }
}

/// As many as a bot may have under way, and then some.
#[tokio::test(start_paused = true)]
async fn a_bot_that_hangs_takes_a_bounded_part_and_refuses_the_rest_before_it_is_logged() {
    let world = World::new();
    world.bots.set("hung", DeliveryMode::Wait);
    let begins = StartConversation { bot: "hung".parse().unwrap(), ..start("h", Some("ann")) };
    world.conversations.start(begins).await.unwrap();
    let hung = "h".parse().unwrap();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.always("hung", Behaviour::Hang);
    let full = join_all((0..4096).map(|_| world.say(&hung, "ann", "taken in", None)));
    let mut full = std::pin::pin!(full);
    tokio::select! {
        _ = &mut full => panic!("the bot hangs"),
        () = sleep(Duration::from_secs(1)) => {}
    }

    let begun = Instant::now();
    let refused = world.say(&hung, "ann", "too much", None).await;
    world.say(&conversation, "ann", "to another bot", None).await.unwrap();

    assert!(matches!(refused, Err(SendError::Busy)), "{refused:?}");
    // Of the others, each waits for the one before it.
    assert_eq!(world.bot.texts(), ["taken in", "to another bot"]);
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    for sent in full.await {
        assert_eq!(refusal(sent), Delivered::TimedOut);
    }
    let logged = world.texts(&hung).await;
    assert!(logged.len() == 4096 && logged.iter().all(|text| text == "taken in"), "{}", logged.len());
    world.bot.always("hung", Behaviour::Answer(200, String::new()));
    world.say(&hung, "ann", "there is room again", None).await.unwrap();
}
