//! What a bot changes and takes away: in the old place for who comes, as a change for who was there.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use landline_core::{Limits, MemberError, Next, Retention, UpdateError};
use landline_protocol::{Activity, ConversationId, Position};
use landline_testkit::domain::{Fault, World, bot_name};
use serde_json::{Value, json};

async fn update(world: &World, of: &ConversationId, id: &str, to: Value) -> Result<String, UpdateError> {
    let activity = Activity::parse(to.to_string().as_bytes()).unwrap();
    world.conversations.update_from_bot(&bot_name(), of, id, activity).await
}

async fn retext(world: &World, of: &ConversationId, id: &str, text: &str) -> Result<String, UpdateError> {
    update(world, of, id, json!({"type": "message", "text": text})).await
}

async fn delete(world: &World, of: &ConversationId, id: &str) -> Result<(), UpdateError> {
    world.conversations.delete_from_bot(&bot_name(), of, id).await
}

async fn bot_says(world: &World, to: &ConversationId, text: &str) -> String {
    world.bot_says(to, json!({"type": "message", "text": text}), None).await.unwrap()
}

/// What a reader from a position gets, as `id:text`, and `id:-` for a deletion.
async fn read(world: &World, of: &ConversationId, after: u64) -> Vec<String> {
    let (activities, _) = world.history(of, after).await.unwrap();
    activities.iter().map(told).collect()
}

fn told(activity: &Value) -> String {
    let number = activity["id"].as_str().unwrap().split_once('|').unwrap().1.trim_start_matches('0');
    match activity["type"].as_str().unwrap() {
        "messageDelete" => format!("{number}:-"),
        _ => format!("{number}:{}", activity["text"].as_str().unwrap()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_stands_in_the_old_place_and_comes_as_a_change() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let first = world
        .bot_says(&c, json!({"type": "message", "text": "one", "value": 1, "from": {"name": "Bot"}}), None)
        .await
        .unwrap();
    world.say(&c, "ann", "two", None).await.unwrap();
    let (before, _) = world.history(&c, 0).await.unwrap();
    world.clock.advance(Duration::from_secs(5));

    let new = json!({"type": "message", "text": "ONE", "id": "x", "timestamp": "2001-01-01T00:00:00Z",
        "from": {"id": "liar", "name": "Liar"}, "conversation": {"id": "y"}, "channelId": "z"});
    assert_eq!(update(&world, &c, &first, new).await.unwrap(), first);

    assert_eq!(read(&world, &c, 0).await, ["2:ONE", "3:two"], "for who comes, once");
    assert_eq!(read(&world, &c, 3).await, ["2:ONE"], "for who was there, as a change");
    let (after, watermark) = world.history(&c, 0).await.unwrap();
    assert_eq!(watermark.get(), 4);
    for kept in ["id", "timestamp", "from", "channelId", "conversation"] {
        assert_eq!(after[0][kept], before[0][kept], "{kept}");
    }
    assert!(after[0].get("value").is_none(), "all else is replaced");
    assert_eq!(world.bot.texts(), ["two"], "the bot does not hear itself");
}

#[tokio::test(start_paused = true)]
async fn of_several_changes_the_newest_is_seen() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let first = bot_says(&world, &c, "a").await;
    bot_says(&world, &c, "b").await;
    retext(&world, &c, &first, "a2").await.unwrap();
    bot_says(&world, &c, "c").await;
    retext(&world, &c, &first, "a3").await.unwrap();
    for world in [&world, &world.restarted()] {
        assert_eq!(read(world, &c, 0).await, ["2:a3", "3:b", "5:c"]);
        assert_eq!(read(world, &c, 2).await, ["3:b", "5:c", "2:a3"]);
        assert_eq!(read(world, &c, 4).await, ["5:c", "2:a3"]);
        assert_eq!(read(world, &c, 5).await, ["2:a3"]);
        assert!(read(world, &c, 6).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_is_gone_and_those_who_saw_it_are_told() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let first = bot_says(&world, &c, "secret").await;
    bot_says(&world, &c, "b").await;
    retext(&world, &c, &first, "still secret").await.unwrap();
    delete(&world, &c, &first).await.unwrap();
    for world in [&world, &world.restarted()] {
        assert_eq!(read(world, &c, 0).await, ["3:b"]);
        assert_eq!(read(world, &c, 2).await, ["3:b", "2:-"]);
        assert_eq!(read(world, &c, 4).await, ["2:-"]);
        let (_, watermark) = world.history(&c, 0).await.unwrap();
        assert_eq!(watermark.get(), 5);
    }
    let (told, _) = world.history(&c, 4).await.unwrap();
    let mut properties: Vec<_> = told[0].as_object().unwrap().keys().map(String::as_str).collect();
    properties.sort_unstable();
    assert_eq!(properties, ["channelId", "conversation", "from", "id", "timestamp", "type"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_activity_stays_deleted() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let first = bot_says(&world, &c, "a").await;
    delete(&world, &c, &first).await.unwrap();
    for world in [&world, &world.restarted()] {
        let late = retext(world, &c, &first, "back").await;
        assert!(matches!(late, Err(UpdateError::NoSuchActivity)), "{late:?}");
        delete(world, &c, &first).await.unwrap();
        let members = world.conversations.members_of_activity(&bot_name(), &c, &first).await;
        assert!(matches!(members, Err(MemberError::NoSuchActivity)));
    }
    let (seen, watermark) = world.history(&c, 0).await.unwrap();
    assert_eq!((seen.len(), watermark.get()), (0, 3), "a repeat is not a second entry");
}

#[tokio::test(start_paused = true)]
async fn updates_and_deletions_at_once_leave_nothing_behind_a_deletion() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    for round in 0..20 {
        let id = bot_says(&world, &c, "a").await;
        world.disk.then([3, 1, 2].map(|ms| Fault::Slow(Duration::from_millis(ms))));
        let text = |n: u64| format!("{round}.{n}");
        let (texts, pause) = ([text(1), text(2), text(3)], Duration::from_millis(round % 5));
        let delete = async {
            tokio::time::sleep(pause).await;
            delete(&world, &c, &id).await
        };
        let (a, b, gone, d) = tokio::join!(
            retext(&world, &c, &id, &texts[0]),
            retext(&world, &c, &id, &texts[1]),
            delete,
            retext(&world, &c, &id, &texts[2]),
        );
        gone.unwrap();
        for outcome in [a, b, d] {
            assert!(matches!(outcome, Ok(_) | Err(UpdateError::NoSuchActivity)), "{outcome:?}");
        }
        assert!(read(&world, &c, 0).await.is_empty());
        assert!(read(&world.restarted(), &c, 0).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_bot_changes_only_what_it_said_itself() {
    let world = World::new();
    let (c, other) = (world.start("c", Some("ann")).await, world.start("other", Some("bob")).await);
    let theirs = world.say(&c, "ann", "mine", None).await.unwrap();
    let elsewhere = bot_says(&world, &other, "x").await;
    let own = bot_says(&world, &c, "a").await;
    retext(&world, &c, &own, "a2").await.unwrap();
    let not_theirs = [retext(&world, &c, &theirs, "x").await.map(drop), delete(&world, &c, &theirs).await];
    assert!(not_theirs.iter().all(|r| matches!(r, Err(UpdateError::NotTheirs))), "{not_theirs:?}");
    // Another conversation's, a conversationUpdate, the record of a change, one that is not there, and no id at all.
    for unknown in [&elsewhere, "c|0000001", "c|0000004", "c|0000900", "c|0000000", "x", ""] {
        for outcome in [retext(&world, &c, unknown, "x").await.map(drop), delete(&world, &c, unknown).await] {
            assert!(matches!(outcome, Err(UpdateError::NoSuchActivity)), "{unknown}: {outcome:?}");
        }
    }
    for (bad, missing) in [(json!({"text": "x"}), true), (json!({"type": "typing"}), false)] {
        let outcome = update(&world, &c, &own, bad).await;
        assert_eq!(matches!(outcome, Err(UpdateError::Missing("type"))), missing, "{outcome:?}");
        assert_eq!(matches!(outcome, Err(UpdateError::NotAllowed(_))), !missing, "{outcome:?}");
    }
    let other_bot = "other".parse().unwrap();
    let foreign = world.conversations.delete_from_bot(&other_bot, &c, &own).await;
    assert!(matches!(foreign, Err(UpdateError::NotLogged(_))), "{foreign:?}");
    world.disk.then([Fault::Refuse]);
    assert!(matches!(delete(&world, &c, &own).await, Err(UpdateError::NotLogged(_))));
    assert_eq!(read(&world, &c, 0).await, ["2:mine", "3:a2"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_reply_names_may_be_changed_and_not_deleted() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let (kept, gone) = (bot_says(&world, &c, "a").await, bot_says(&world, &c, "b").await);
    retext(&world, &c, &kept, "a2").await.unwrap();
    delete(&world, &c, &gone).await.unwrap();
    for named in [&kept, &gone, "c|0000004"] {
        world.bot_says(&c, json!({"type": "message", "text": "r"}), Some(named)).await.unwrap();
    }
    let (history, _) = world.history(&c, 5).await.unwrap();
    let named: Vec<_> = history.iter().map(|a| a.get("replyToId").and_then(Value::as_str)).collect();
    assert_eq!(named, [Some(kept.as_str()), None, None]);
}

/// What a client has on its screen: by id, as Web Chat keeps it.
fn apply(screen: &mut BTreeMap<String, String>, activities: &[Value]) {
    for activity in activities {
        let id = activity["id"].as_str().unwrap().to_owned();
        match activity["type"].as_str().unwrap() {
            "messageDelete" => drop(screen.remove(&id)),
            _ => drop(screen.insert(id, activity["text"].as_str().unwrap().to_owned())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_was_away_ends_up_with_what_everybody_sees() {
    for page_records in [2, 3, 7, 100] {
        let world = World::with(Limits { page_records, ..Limits::default() });
        let c = world.start("c", Some("ann")).await;
        let (mut ids, mut screens, mut random) = (Vec::new(), Vec::new(), page_records as u64 + 7);
        let mut dice = |sides: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(random >> 33).unwrap() % sides
        };
        for step in 0..150 {
            match dice(4) {
                0 | 1 => ids.push(bot_says(&world, &c, &format!("m{step}")).await),
                _ if ids.is_empty() => {}
                2 => drop(retext(&world, &c, &ids[dice(ids.len())], &format!("u{step}")).await),
                _ => delete(&world, &c, &ids[dice(ids.len())]).await.unwrap(),
            }
            let (seen, watermark) = world.history(&c, 0).await.unwrap();
            let mut screen = BTreeMap::new();
            apply(&mut screen, &seen);
            let ids: Vec<_> = seen.iter().map(|a| a["id"].as_str().unwrap()).collect();
            assert!(ids.windows(2).all(|two| two[0] < two[1]), "each once, in its old place: {ids:?}");
            assert!(seen.iter().all(|a| a["type"] == "message"), "no deletion of what was never seen");
            screens.push((watermark, screen));
        }
        let expected = screens.last().unwrap().1.clone();
        for world in [&world, &world.restarted()] {
            for (watermark, screen) in &screens {
                let mut screen = screen.clone();
                let (changes, _) = world.history(&c, watermark.get()).await.unwrap();
                apply(&mut screen, &changes);
                assert_eq!(screen, expected, "back from {watermark}");
            }
            let mut screen = BTreeMap::new();
            apply(&mut screen, &world.history(&c, Position::START.get()).await.unwrap().0);
            assert_eq!(screen, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_stays_small_though_what_it_shows_grew() {
    let world = World::with(Limits { page_bytes: 10_000, ..Limits::default() });
    let c = world.start("c", Some("ann")).await;
    let (mut ids, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        ids.push(bot_says(&world, &c, "x").await);
    }
    for (n, id) in ids.into_iter().enumerate() {
        let text = format!("{n}{}", "x".repeat(4_000));
        retext(&world, &c, &id, &text).await.unwrap();
        expected.push(text);
    }
    let mut reader = world.conversations.follow(&c, Position::START).await.unwrap();
    let mut texts = Vec::new();
    loop {
        let page = reader.history().await.unwrap().activities;
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3, "{}", page.len());
        texts.extend(page.iter().map(|seen| {
            let activity: Value = serde_json::from_slice(&seen.activity).unwrap();
            activity["text"].as_str().unwrap().to_owned()
        }));
    }
    assert_eq!(texts, expected);
}

/// How many pages one request may read: those that show nothing, and what the page of the root needs besides.
const READS_OF_A_REQUEST: usize = 20;

#[tokio::test(start_paused = true)]
async fn what_was_changed_ten_thousand_times_is_read_in_small_parts() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let id = bot_says(&world, &c, "0").await;
    for n in 1..=10_000 {
        retext(&world, &c, &id, &n.to_string()).await.unwrap();
    }

    // As one poll after the other.
    let world = world.restarted();
    let (mut after, mut polls, mut texts) = (Position::START, 0, Vec::new());
    let (_, bytes_before) = world.disk.pages_read();
    loop {
        let (before, _) = world.disk.pages_read();
        let mut reader = world.conversations.follow(&c, after).await.unwrap();
        let history = reader.history().await.unwrap();
        let reads = world.disk.pages_read().0 - before;
        assert!(reads <= READS_OF_A_REQUEST, "{reads} pages in one request");
        texts.extend(
            history.activities.iter().map(|seen| told(&serde_json::from_slice(&seen.activity).unwrap())),
        );
        if history.at_end {
            break;
        }
        assert!(history.watermark > after, "it goes on");
        (after, polls) = (history.watermark, polls + 1);
    }
    assert_eq!(texts, ["2:10000", "2:10000"], "in its old place, and where it was changed last");
    assert!(polls <= 10, "{polls}");
    let bytes = world.disk.pages_read().1 - bytes_before;
    assert!(bytes <= 10_100 * 400, "each record is read once, about: {bytes} bytes");

    // As a socket.
    let mut reader = world.conversations.follow(&c, Position::new(100)).await.unwrap();
    let (mut next, mut waits) = (pin!(reader.next()), 0);
    let next = poll_fn(|context| {
        let polled = next.as_mut().poll(context);
        waits += usize::from(polled.is_pending());
        polled
    });
    let Next::Activities(page) = next.await.unwrap() else { panic!() };
    assert_eq!(page.len(), 1);
    assert!(waits >= 5, "others had {waits} turns meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_which_nobody_knows_is_seen_where_it_was_written() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let id = bot_says(&world, &c, "secret").await;
    world.disk.then([Fault::WriteUnknown]);
    delete(&world, &c, &id).await.unwrap_err();
    // Behind the first record, which is in no memory.
    assert!(read(&world, &c, 1).await.is_empty());
    assert_eq!(read(&world, &c, 2).await, ["2:-"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_gone_with_its_changes() {
    let world = World::with(Limits { kept_activities: 3, ..Limits::default() });
    let c = world.start("c", Some("ann")).await;
    let id = bot_says(&world, &c, "a").await;
    bot_says(&world, &c, "b").await;
    bot_says(&world, &c, "c").await;
    retext(&world, &c, &id, "a2").await.unwrap();
    let retention = Retention { sites: HashMap::new(), default: Duration::MAX };
    world.conversations.sweep(&retention).await.unwrap();

    let world = world.restarted();
    assert_eq!(read(&world, &c, 0).await, ["3:b", "4:c"]);
    assert!(read(&world, &c, 4).await.is_empty());
    for outcome in [retext(&world, &c, &id, "a3").await.map(drop), delete(&world, &c, &id).await] {
        assert!(matches!(outcome, Err(UpdateError::NoSuchActivity)), "{outcome:?}");
    }
    bot_says(&world, &c, "d").await;
    assert_eq!(read(&world, &c, 4).await, ["6:d"]);
}
