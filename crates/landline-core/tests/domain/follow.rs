//! Readers: nothing skipped, nothing twice, nothing early.

use std::time::Duration;

use landline_core::store::{Append, Audience, LogStore, NewRecord};
use landline_core::{Begin, Limits, Next, Seen, Unavailable};
use landline_protocol::{Position, Timestamp, Watermark};
use landline_testkit::domain::{Fault, World};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

fn texts(activities: &[Seen]) -> Vec<String> {
    let text = |seen: &Seen| {
        serde_json::from_slice::<Value>(&seen.activity).unwrap()["text"].as_str().unwrap().to_owned()
    };
    activities.iter().map(text).collect()
}

#[test]
fn where_a_watermark_begins() {
    let after = |n| Begin::After(Position::new(n));
    for (watermark, history, expected) in [
        (Watermark::After(Position::new(7)), true, after(7)),
        (Watermark::After(Position::START), true, after(0)),
        (Watermark::Empty, true, after(0)),
        (Watermark::Empty, false, Begin::Now),
        (Watermark::Absent, true, Begin::Now),
        (Watermark::Absent, false, Begin::Now),
    ] {
        assert_eq!(Begin::of_reconnect(watermark, history), expected, "{watermark:?} {history}");
    }
    assert_eq!(Begin::of_poll(Watermark::Absent), after(0));
    assert_eq!(Begin::of_poll(Watermark::Empty), after(0));
    assert_eq!(Begin::of_poll(Watermark::After(Position::new(7))), after(7));
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_history_and_then_what_comes() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    let mut reader = world.conversations.follow(&conversation, Position::START).await.unwrap();

    let Next::Activities(page) = reader.next().await.unwrap() else { panic!() };
    assert_eq!((texts(&page), page[0].watermark.get()), (vec!["one".to_owned()], 2));
    assert!(timeout(Duration::from_secs(60), reader.next()).await.is_err(), "nothing comes twice");

    world.say(&conversation, "ann", "two", None).await.unwrap();
    let Next::Activities(page) = reader.next().await.unwrap() else { panic!() };
    assert_eq!((texts(&page), page[0].watermark.get()), (vec!["two".to_owned()], 3));
}

#[tokio::test(start_paused = true)]
async fn a_wake_up_that_is_lost_costs_time_and_nothing_else() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    let elsewhere = world.restarted();
    let mut reader = elsewhere.conversations.follow(&conversation, Position::START).await.unwrap();
    let (begun, read) = (Instant::now(), tokio::spawn(async move { (reader.next().await, reader) }));
    tokio::time::sleep(Duration::from_millis(100)).await;

    world.say(&conversation, "ann", "one", None).await.unwrap();

    let (next, _) = read.await.unwrap();
    let Next::Activities(page) = next.unwrap() else { panic!() };
    assert_eq!(texts(&page), ["one"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_disturbed_all_the_time_looks_into_the_log_all_the_same() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    let elsewhere = world.restarted();
    let mut reader = elsewhere.conversations.follow(&conversation, Position::START).await.unwrap();
    for _ in 0..10 {
        assert!(timeout(Duration::from_secs(10), reader.next()).await.is_err());
    }
    world.say(&conversation, "ann", "one", None).await.unwrap();

    for second in 0..20 {
        if let Ok(next) = timeout(Duration::from_secs(1), reader.next()).await {
            assert!(matches!(next, Ok(Next::Activities(_))), "{next:?} after {second} s");
            return;
        }
    }
    panic!("not seen within the longest poll");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shown_before_it_is_durable() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    let mut reader = world.conversations.follow(&conversation, Position::START).await.unwrap();
    world.disk.then([Fault::Refuse]);
    world.say(&conversation, "ann", "refused", None).await.unwrap_err();
    assert!(timeout(Duration::from_secs(60), reader.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn pages_are_bounded_and_complete() {
    let world = World::with(Limits { page_records: 3, ..Limits::default() });
    let conversation = world.start("c", Some("ann")).await;
    let mut expected = Vec::new();
    for n in 0..200 {
        expected.push(format!("m{n}"));
        world
            .bot_says(&conversation, json!({"type": "message", "text": format!("m{n}")}), None)
            .await
            .unwrap();
    }
    let mut reader = world.conversations.follow(&conversation, Position::START).await.unwrap();
    let mut read = Vec::new();
    while read.len() < 200 {
        let Next::Activities(page) = reader.next().await.unwrap() else { panic!() };
        assert!(page.len() <= 3);
        read.extend(texts(&page));
    }
    assert_eq!(read, expected, "first from the store, then from memory");
}

#[tokio::test(start_paused = true)]
async fn many_readers_see_the_same_while_writers_write() {
    let world = std::sync::Arc::new(World::new());
    let conversation = world.start("c", None).await;
    let readers = (0..8).map(|_| {
        let (world, conversation) = (std::sync::Arc::clone(&world), conversation.clone());
        tokio::spawn(async move {
            let mut reader = world.conversations.follow(&conversation, Position::START).await.unwrap();
            let mut seen = Vec::new();
            while seen.len() < 200 {
                // Dropped again and again in the middle of waiting, as by a socket that is pinged.
                let Ok(next) = timeout(Duration::from_millis(1), reader.next()).await else { continue };
                if let Next::Activities(page) = next.unwrap() {
                    seen.extend(texts(&page));
                }
            }
            seen
        })
    });
    let readers: Vec<_> = readers.collect();
    let writers = (0..4).map(|w| {
        let (world, conversation) = (std::sync::Arc::clone(&world), conversation.clone());
        async move {
            for n in 0..50 {
                world.say(&conversation, &format!("u{w}"), &format!("{w}:{n}"), None).await.unwrap();
            }
        }
    });
    futures_util::future::join_all(writers).await;
    let truth = world.texts(&conversation).await;
    assert_eq!(truth.len(), 200);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), truth);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watermark_ahead_of_the_log_is_taken_back_to_its_end() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    assert_eq!(world.history(&conversation, 1_000_000).await.unwrap(), (vec![], Position::new(2)));
    let begin =
        world.conversations.begin(&conversation, Begin::After(Position::new(u64::MAX))).await.unwrap();
    assert_eq!(begin.get(), 2);
    assert_eq!(world.conversations.begin(&conversation, Begin::Now).await.unwrap().get(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_jump_any_older_watermark_gets_what_is_new() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    world.disk.repair(&conversation).await.unwrap();
    let restarted = world.restarted();
    restarted.say(&conversation, "ann", "two", None).await.unwrap();
    for watermark in [2, 3, 500, 1_000_000] {
        let (seen, at) = restarted.history(&conversation, watermark).await.unwrap();
        assert_eq!(seen.len(), 1, "{watermark}");
        assert!(at.get() > Position::JUMP);
    }
}

#[tokio::test(start_paused = true)]
async fn typing_is_for_those_who_are_there_and_moves_no_watermark() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.settle().await;
    let mut reader = world.conversations.follow(&conversation, Position::new(1)).await.unwrap();
    world.bot_says(&conversation, json!({"type": "typing"}), None).await.unwrap();
    let Next::Transient(typing) = reader.next().await.unwrap() else { panic!() };
    let typing: Value = serde_json::from_slice(&typing).unwrap();
    assert_eq!((typing["type"].as_str(), typing["from"]["id"].as_str()), (Some("typing"), Some("bot")));
    assert_eq!(reader.position().get(), 1);
    assert!(world.history(&conversation, 0).await.unwrap().0.is_empty());

    for _ in 0..100 {
        world.bot_says(&conversation, json!({"type": "typing"}), None).await.unwrap();
    }
    world.bot_says(&conversation, json!({"type": "message", "text": "done"}), None).await.unwrap();
    let mut typings = 0;
    let page = loop {
        match timeout(Duration::from_secs(60), reader.next()).await.unwrap().unwrap() {
            Next::Transient(_) => typings += 1,
            Next::Activities(page) => break page,
        }
    };
    assert_eq!(texts(&page), ["done"]);
    assert!(typings <= 8, "a slow reader is owed no typing: {typings}");
}

#[tokio::test(start_paused = true)]
async fn seats_for_sockets_are_limited_and_given_back() {
    let world = World::with(Limits { sockets_per_conversation: 2, ..Limits::default() });
    let conversation = world.start("c", Some("ann")).await;
    let reader = world.conversations.follow(&conversation, Position::START).await.unwrap();
    let first = reader.take_seat();
    let second = reader.take_seat();
    assert!(first.is_some() && second.is_some() && reader.take_seat().is_none());
    drop(first);
    assert!(reader.take_seat().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_deleted_conversation_is_told() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    let mut reader = world.conversations.follow(&conversation, Position::START).await.unwrap();
    world.conversations.delete(&conversation).await.unwrap();
    let told = timeout(Duration::from_secs(1), reader.next()).await.unwrap();
    assert!(matches!(told, Err(Unavailable::NotFound)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_store_said_before_a_deletion_is_not_believed_after_it() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    let restarted = world.restarted();
    restarted.disk.slow_next_head(Duration::from_secs(1));
    let (followed, deleted) =
        tokio::join!(restarted.conversations.follow(&conversation, Position::START), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            restarted.conversations.delete(&conversation).await
        });
    deleted.unwrap();
    assert!(matches!(followed, Err(Unavailable::NotFound)), "{followed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_append_from_elsewhere_is_respected() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.say(&conversation, "ann", "one", None).await.unwrap();
    let record = NewRecord {
        time: Timestamp::from_millis(1_790_000_000_000),
        audience: Audience::Everyone,
        body: r#"{"type":"message","text":"elsewhere"}"#.into(),
        replaces: None,
    };
    let append = Append {
        conversation: conversation.clone(),
        expected_tail: Position::new(3),
        records: vec![(record, None)],
        idempotency: None,
        facts: None,
    };
    world.disk.append(append).await.unwrap();
    world.say(&conversation, "ann", "two", None).await.unwrap();
    assert_eq!(world.texts(&conversation).await, ["one", "elsewhere", "two"]);
}
