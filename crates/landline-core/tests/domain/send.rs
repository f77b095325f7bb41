//! What becomes of what a client sends.

use std::time::Duration;

use landline_core::{ClientSend, Delivered, NotLogged, SendError, Unavailable};
use landline_protocol::{Activity, ChannelAccount};
use landline_testkit::domain::{Behaviour, Fault, World};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn what_only_the_server_says_is_overwritten_and_the_rest_survives() {
    let world = World::new();
    let conversation = world.start("c", None).await;
    let sent = json!({
        "type": "message", "zeta": 1.5, "id": "mine", "from": {"id": "ann", "role": "bot", "badge": 7},
        "conversation": {"id": "other"}, "serviceUrl": "http://evil", "channelId": "webchat", "timestamp": "1999",
        "recipient": {"id": "someone"}, "entities": [{"type": "x", "n": null}], "alpha": {"b": 1, "a": 2},
    });

    let id = world.send(&conversation, sent).await.unwrap();

    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen[0]["id"], id.as_str());
    assert_eq!(seen[0]["from"], json!({"id": "ann", "role": "user", "badge": 7}));
    assert_eq!(seen[0]["conversation"], json!({"id": "c"}));
    assert_eq!(seen[0]["channelId"], "directline");
    assert_eq!(seen[0]["timestamp"], "2026-09-21T14:13:20.000Z");
    assert_eq!(seen[0]["entities"], json!([{"type": "x", "n": null}]));
    assert_eq!(seen[0].get("serviceUrl"), None);
    assert_eq!(seen[0].get("recipient"), None);
    let bot_saw = world.bot.taken().pop().unwrap();
    assert_eq!(bot_saw["recipient"]["id"], "bot");
    assert_eq!(bot_saw["serviceUrl"], "http://landline.test/connector/unguessable/");
    assert_eq!((bot_saw["id"].as_str(), &bot_saw["zeta"]), (Some(id.as_str()), &json!(1.5)));
}

#[tokio::test(start_paused = true)]
async fn the_user_of_the_token_wins() {
    let world = World::new();
    let conversation = world.start("c", None).await;
    let user = ChannelAccount { id: "ann".parse().unwrap(), name: Some("Ann".into()) };
    let activity = Activity::parse(br#"{"type":"message","from":{"id":"mallory"}}"#).unwrap();
    let send =
        ClientSend { conversation: conversation.clone(), user: Some(user), activity, idempotency_key: None };

    world.conversations.send_from_client(send).await.unwrap();

    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen[0]["from"], json!({"id": "ann", "role": "user", "name": "Ann"}));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_in_no_log() {
    let world = World::new();
    let conversation = world.start("c", None).await;
    for refused in [
        json!({"from": {"id": "ann"}}),
        json!({"type": "message"}),
        json!({"type": "message", "from": {"id": ""}}),
        json!({"type": "message", "from": {"id": "a\nb"}}),
        json!({"type": "message", "from": {"id": "bot"}}),
        json!({"type": "conversationUpdate", "from": {"id": "ann"}}),
        json!({"type": "contactRelationUpdate", "from": {"id": "ann"}}),
        json!({"type": "message", "from": {"id": "ann"}, "channelData": {"clientActivityID": "x".repeat(513)}}),
    ] {
        let error = world.send(&conversation, refused.clone()).await.unwrap_err();
        assert!(matches!(error, SendError::Missing(_) | SendError::NotAllowed(_)), "{refused}: {error}");
    }
    world.settle().await;
    assert!(world.history(&conversation, 0).await.unwrap().0.is_empty());
    assert!(world.bot.texts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_not_a_second_message() {
    let world = World::new();
    let conversation = world.start("c", None).await;

    let first = world.say(&conversation, "ann", "one", Some("k1")).await.unwrap();
    let repeat = world.say(&conversation, "ann", "one", Some("k1")).await.unwrap();
    let after_restart = world.restarted().say(&conversation, "ann", "one", Some("k1")).await.unwrap();
    let other_user = world.say(&conversation, "bob", "two", Some("k1")).await.unwrap();

    assert_eq!((&first, &first), (&repeat, &after_restart));
    assert_ne!(first, other_user);
    assert_eq!(world.texts(&conversation).await, ["one", "two"]);
    assert_eq!(world.bot.texts(), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_the_window_is_a_new_message() {
    let world = World::new();
    let conversation = world.start("c", None).await;
    let first = world.say(&conversation, "ann", "one", Some("k1")).await.unwrap();
    world.clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_ne!(first, world.say(&conversation, "ann", "one", Some("k1")).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_while_the_first_is_under_way_joins_it() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then([Behaviour::Slow(Duration::from_secs(5), 200)]);

    let (first, repeat) = tokio::join!(world.say(&conversation, "ann", "one", Some("k1")), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.say(&conversation, "ann", "one", Some("k1")).await
    });

    assert_eq!(first.unwrap(), repeat.unwrap());
    assert_eq!(world.bot.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_gives_a_bot_that_refused_one_more_chance() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    world.bot.then([Behaviour::Answer(500, String::new())]);

    let refused = world.say(&conversation, "ann", "one", Some("k1")).await.unwrap_err();
    let id = world.say(&conversation, "ann", "one", Some("k1")).await.unwrap();

    assert!(
        matches!(refused, SendError::Bot { id: first, delivered: Delivered::Refused { status: 500 } } if first == id)
    );
    assert_eq!(world.bot.texts(), ["one", "one"]);
    assert_eq!(world.texts(&conversation).await, ["one"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_in_the_log_once_or_not_at_all() {
    for (fault, logged) in [(Fault::WriteUnknown, 1), (Fault::LoseUnknown, 0)] {
        let world = World::new();
        let conversation = world.start("c", Some("ann")).await;
        world.say(&conversation, "ann", "before", None).await.unwrap();
        world.disk.then([fault]);

        let error = world.say(&conversation, "ann", "one", Some("k1")).await.unwrap_err();
        assert!(matches!(error, SendError::NotLogged(NotLogged::Unknown(_))), "{error}");
        let texts = world.texts(&conversation).await;
        assert_eq!(texts.iter().filter(|text| *text == "one").count(), logged, "{fault:?}");

        world.say(&conversation, "ann", "one", Some("k1")).await.unwrap();
        world.say(&conversation, "ann", "after", None).await.unwrap();
        assert_eq!(world.texts(&conversation).await, ["before", "one", "after"], "{fault:?}");
        assert_eq!(world.bot.texts(), ["before", "one", "after"], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_and_heals() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.disk.then([Fault::Refuse, Fault::Refuse]);
    for _ in 0..2 {
        let error = world.say(&conversation, "ann", "lost", None).await.unwrap_err();
        assert!(matches!(error, SendError::NotLogged(NotLogged::Nothing(Unavailable::Store(_)))), "{error}");
    }
    world.say(&conversation, "ann", "kept", None).await.unwrap();
    assert_eq!(world.texts(&conversation).await, ["kept"]);
}

#[tokio::test(start_paused = true)]
async fn concurrent_sends_stand_once_each_also_when_some_writes_fail() {
    let world = std::sync::Arc::new(World::new());
    let conversation = world.start("c", Some("ann")).await;
    world.disk.then((0..200).map(|n| match n % 7 {
        3 => Fault::Refuse,
        5 => Fault::Slow(Duration::from_millis(3)),
        6 => Fault::WriteUnknown,
        _ => Fault::None,
    }));
    let sends = (0..50).map(|n| {
        let (world, conversation) = (std::sync::Arc::clone(&world), conversation.clone());
        async move {
            let (text, key) = (format!("m{n}"), format!("k{n}"));
            while world.say(&conversation, "ann", &text, Some(&key)).await.is_err() {}
        }
    });
    futures_util::future::join_all(sends).await;

    let mut texts = world.texts(&conversation).await;
    texts.sort();
    let mut expected: Vec<_> = (0..50).map(|n| format!("m{n}")).collect();
    expected.sort();
    assert_eq!(texts, expected);
    let mut at_bot = world.bot.texts();
    at_bot.sort();
    assert_eq!(at_bot, expected);
}

#[tokio::test(start_paused = true)]
async fn a_sender_who_hangs_up_cancels_nothing() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.disk.then([Fault::Slow(Duration::from_secs(1))]);
    let hung_up =
        tokio::time::timeout(Duration::from_millis(10), world.say(&conversation, "ann", "one", None)).await;
    assert!(hung_up.is_err());
    world.settle().await;
    assert_eq!(world.texts(&conversation).await, ["one"]);
    assert_eq!(world.bot.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn timestamps_never_go_back() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    world.clock.set_back(Duration::from_secs(3600));
    world.restarted().say(&conversation, "ann", "two", None).await.unwrap();
    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen[0]["timestamp"], seen[1]["timestamp"]);
}

#[tokio::test(start_paused = true)]
async fn typing_reaches_the_bot_and_no_log() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.send(&conversation, json!({"type": "typing", "from": {"id": "ann"}})).await.unwrap();
    assert_eq!(world.bot.taken().pop().unwrap()["type"], "typing");
    assert!(world.history(&conversation, 0).await.unwrap().0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reply_refers_only_to_what_clients_can_see() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    let said = world.say(&conversation, "ann", "one", None).await.unwrap();
    let other = world.start("d", Some("ann")).await;
    let elsewhere = world.say(&other, "ann", "one", None).await.unwrap();

    for (in_body, in_path, kept) in [
        (None, Some(said.as_str()), Some(said.as_str())),
        (Some(said.as_str()), None, Some(said.as_str())),
        (Some("made up"), None, None),
        (None, Some("c|0000001"), None), // the conversationUpdate
        (None, Some("c|0000099"), None),
        (None, Some(elsewhere.as_str()), None),
        (None, None, None),
    ] {
        let mut activity = json!({"type": "message"});
        if let Some(id) = in_body {
            activity["replyToId"] = json!(id);
        }
        let id = world.bot_says(&conversation, activity, in_path).await.unwrap();
        let (seen, _) = world.history(&conversation, 0).await.unwrap();
        let seen = seen.iter().find(|activity| activity["id"] == id.as_str()).unwrap();
        assert_eq!(seen.get("replyToId").and_then(|id| id.as_str()), kept, "{in_body:?} {in_path:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bot_speaks_as_itself_and_only_in_its_own_conversations() {
    let world = World::new();
    let conversation = world.start("c", None).await;
    world
        .bot_says(&conversation, json!({"type": "message", "from": {"id": "ann", "name": "Robby"}}), None)
        .await
        .unwrap();
    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen[0]["from"], json!({"id": "bot", "name": "Robby", "role": "bot"}));

    let activity = Activity::parse(br#"{"type":"message"}"#).unwrap();
    let other = "other".parse().unwrap();
    let error = world.conversations.send_from_bot(&other, &conversation, activity, None).await.unwrap_err();
    assert_eq!(error.to_string(), "conversation not found");
    assert_eq!(world.history(&conversation, 0).await.unwrap().0.len(), 1);
}
