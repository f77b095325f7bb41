//! What operators see of the outbox, and what they do with it.

use std::time::Duration;

use landline_core::store::{DeliveryKind, DeliveryState, LogStore};
use landline_core::{
    DeliveryMode, InvalidOutboxCursor, OutboxCursor, OutboxEntry, OutboxFilter, OutboxState, OutboxTarget,
    StartConversation,
};
use landline_protocol::{ActivityId, ConversationId, Position};
use landline_testkit::domain::{Behaviour, World, bot_name, start};
use tokio::time::{Instant, sleep};

const GONE: Behaviour = Behaviour::RetryAfter(410, Duration::ZERO);

/// A conversation with a bot in `queued` mode, which has heard of it.
async fn begun(id: &str) -> (World, ConversationId) {
    let world = World::queued();
    let conversation = world.start(id, Some("ann")).await;
    world.settle().await;
    (world, conversation)
}

async fn say(world: &World, to: &ConversationId, text: &str) -> ActivityId {
    world.say(to, "ann", text, None).await.unwrap().parse().unwrap()
}

async fn state(world: &World, id: &ActivityId) -> Option<DeliveryState> {
    world.disk.delivery(&id.conversation, id.position).await.unwrap()
}

async fn all(world: &World, filter: &OutboxFilter, limit: usize) -> Vec<OutboxEntry> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = world.conversations.outbox_list(filter, after, limit).await.unwrap();
        assert!(page.entries.len() <= limit);
        entries.extend(page.entries);
        match page.next {
            // As a text, because that is how it comes back.
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => return entries,
        }
    }
}

fn one(id: &ActivityId) -> OutboxTarget {
    OutboxTarget::Activity(id.clone())
}

#[tokio::test(start_paused = true)]
async fn entries_are_listed_by_state_and_bot_and_in_pages() {
    let world = World::queued();
    world.bots.set("other", DeliveryMode::Queued);
    world.bot.always("bot", Behaviour::Answer(503, String::new()));
    world.bot.always("other", GONE);
    for n in 0..5 {
        let conversation = world.start(&format!("c{n}"), Some("ann")).await;
        say(&world, &conversation, "one").await;
        let other =
            StartConversation { bot: "other".parse().unwrap(), ..start(&format!("o{n}"), Some("ann")) };
        world.conversations.start(other).await.unwrap();
    }
    sleep(Duration::from_millis(10)).await;

    let everything = all(&world, &OutboxFilter::default(), 100).await;
    let ids: Vec<_> = everything.iter().map(|entry| entry.id.to_string()).collect();
    let queued = |n| [format!("c{n}|0000001"), format!("c{n}|0000002")];
    let expected: Vec<_> = (0..5).flat_map(queued).chain((0..5).map(|n| format!("o{n}|0000001"))).collect();
    assert_eq!(ids, expected);
    let first = &everything[0];
    assert_eq!((first.state, first.attempts, first.last_status), (OutboxState::Queued, 1, Some(503)));
    let rests = first.due.unwrap().as_millis() - first.since.as_millis();
    assert!((900..=1100).contains(&rests), "{rests}");
    let last = &everything[14];
    assert_eq!((last.bot.as_str(), last.state, last.due), ("other", OutboxState::Parked, None));
    assert_eq!((last.attempts, last.last_status), (1, Some(410)));

    for limit in [1, 2, 5, 10, 14, 15] {
        assert_eq!(all(&world, &OutboxFilter::default(), limit).await, everything, "in pages of {limit}");
    }
    let parked = OutboxFilter { bot: None, state: Some(OutboxState::Parked) };
    assert_eq!(all(&world, &parked, 2).await, everything[10..]);
    let of_bot = OutboxFilter { bot: Some(bot_name()), state: None };
    assert_eq!(all(&world, &of_bot, 3).await, everything[..10]);
    let none = OutboxFilter { bot: Some(bot_name()), state: Some(OutboxState::Parked) };
    assert_eq!(all(&world, &none, 3).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_search_through_a_large_outbox_is_made_in_bounded_pieces() {
    let (world, conversation) = begun("c").await;
    world.bot.always("bot", Behaviour::Hang);
    for _ in 0..5000 {
        drop(say(&world, &conversation, "x").await);
    }
    let none = OutboxFilter { bot: Some("nobody".parse().unwrap()), state: None };

    let (mut pieces, mut after) = (1, None);
    while let Some(next) = world.conversations.outbox_list(&none, after, 10).await.unwrap().next {
        (pieces, after) = (pieces + 1, Some(next));
    }

    assert_eq!(pieces, 3);
}

#[test]
fn a_place_in_the_list_is_read_back_or_refused() {
    for good in ["queued:c|0000001", "parked:c|0000012"] {
        assert_eq!(good.parse::<OutboxCursor>().unwrap().to_string(), good);
    }
    for bad in ["", "queued", "queued:", "queued:c", "pending:c|0000001", "c|0000001"] {
        assert_eq!(bad.parse::<OutboxCursor>(), Err(InvalidOutboxCursor), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_sent_again_in_its_place() {
    let (world, conversation) = begun("c").await;
    world.bot.then([GONE, Behaviour::Away, Behaviour::Away]);
    let parked = say(&world, &conversation, "parked").await;
    let resting = say(&world, &conversation, "resting").await;
    sleep(Duration::from_secs(3)).await;
    assert!(matches!(state(&world, &parked).await, Some(DeliveryState::Parked(_))));
    assert!(matches!(state(&world, &resting).await, Some(DeliveryState::Queued(_))));
    let began = Instant::now();

    assert_eq!(world.conversations.outbox_retry(one(&parked)).await.unwrap(), 1);
    sleep(Duration::from_millis(1)).await;

    assert_eq!(world.bot.texts().last().unwrap(), "parked", "{:?} after it was asked for", began.elapsed());
    world.settle().await;
    assert_eq!(world.bot.texts(), ["parked", "parked", "resting"]);
    assert_eq!(state(&world, &parked).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_has_all_its_time_again() {
    let (world, conversation) = begun("c").await;
    world.bot.then([GONE, Behaviour::Away, Behaviour::Away]);
    let id = say(&world, &conversation, "one").await;
    world.settle().await;

    assert_eq!(world.conversations.outbox_retry(one(&id)).await.unwrap(), 1);
    sleep(Duration::from_millis(1)).await;
    assert!(
        matches!(state(&world, &id).await, Some(DeliveryState::Queued(q)) if (q.attempts, q.waited_ms) == (1, 1000))
    );
    world.settle().await;
    assert_eq!(world.bot.texts(), ["one", "one"]);
}

#[tokio::test(start_paused = true)]
async fn what_rests_is_tried_at_once_when_somebody_asks() {
    let (world, conversation) = begun("c").await;
    world.bot.then(vec![Behaviour::Away; 5]);
    let id = say(&world, &conversation, "one").await;
    sleep(Duration::from_secs(200)).await;
    assert_eq!(world.bot.texts(), [""; 0]);

    assert_eq!(world.conversations.outbox_retry(one(&id)).await.unwrap(), 1);
    sleep(Duration::from_millis(1)).await;

    assert_eq!(world.bot.texts(), ["one"]);
    world.settle().await;
    assert_eq!(world.bot.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_not_delivered_and_the_next_goes() {
    let (world, conversation) = begun("c").await;
    world.bot.then(vec![Behaviour::Away; 5]);
    let dropped = say(&world, &conversation, "dropped").await;
    say(&world, &conversation, "next").await;
    sleep(Duration::from_secs(200)).await;

    assert_eq!(world.conversations.outbox_drop(one(&dropped)).await.unwrap(), 1);
    sleep(Duration::from_millis(1)).await;

    assert_eq!(world.bot.texts(), ["next"]);
    assert_eq!(world.texts(&conversation).await, ["dropped", "next"], "it stays in the conversation");
    assert_eq!(world.conversations.outbox_drop(one(&dropped)).await.unwrap(), 0);
    assert_eq!(world.conversations.outbox_retry(one(&dropped)).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_while_it_is_tried_does_not_come_back() {
    for behaviour in [Behaviour::Hang, Behaviour::Slow(Duration::from_secs(5), 410)] {
        let (world, conversation) = begun("c").await;
        world.bot.then([behaviour]);
        let dropped = say(&world, &conversation, "dropped").await;
        say(&world, &conversation, "next").await;
        sleep(Duration::from_secs(1)).await;

        assert_eq!(world.conversations.outbox_drop(one(&dropped)).await.unwrap(), 1);
        assert_eq!(state(&world, &dropped).await, None);
        world.settle().await;

        assert_eq!(world.bot.texts(), ["dropped", "next"]);
        for kind in [DeliveryKind::Queued, DeliveryKind::Parked] {
            assert_eq!(world.disk.deliveries(kind, None, 9).await.unwrap(), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_was_given_up_for_a_bot_is_sent_again_or_dropped_together() {
    let world = World::queued();
    world.bots.set("other", DeliveryMode::Queued);
    world.bot.always("bot", GONE);
    world.bot.always("other", GONE);
    let other = StartConversation { bot: "other".parse().unwrap(), ..start("other", Some("ann")) };
    world.conversations.start(other).await.unwrap();
    for n in 0..300 {
        world.start(&format!("c{n}"), Some("ann")).await;
    }
    world.settle().await;
    let parked = || world.disk.deliveries(DeliveryKind::Parked, None, 999);
    assert_eq!(parked().await.unwrap().len(), 301);

    let retried = world.conversations.outbox_retry(OutboxTarget::Parked(bot_name())).await.unwrap();
    world.settle().await;
    assert_eq!((retried, world.bot.attempts().len()), (300, 601));
    world.bot.always("bot", Behaviour::Answer(200, String::new()));
    let dropped = world.conversations.outbox_drop(OutboxTarget::Parked(bot_name())).await.unwrap();
    world.settle().await;

    assert_eq!((dropped, world.bot.attempts().len()), (300, 601));
    let left = parked().await.unwrap();
    assert_eq!((left.len(), left[0].place()), (1, ("other".parse().unwrap(), Position::new(1))));
}

/// Whatever the disk reads first.
#[tokio::test(start_paused = true)]
async fn what_is_sent_again_together_keeps_the_order_of_its_conversation() {
    let (world, conversation) = begun("c").await;
    world.bot.then([GONE, GONE, GONE]);
    for text in ["one", "two", "three"] {
        say(&world, &conversation, text).await;
    }
    world.settle().await;
    world.disk.slow_next_state(Duration::from_secs(1));

    let retried = world.conversations.outbox_retry(OutboxTarget::Parked(bot_name())).await.unwrap();
    world.settle().await;

    assert_eq!(retried, 3);
    assert_eq!(world.bot.texts()[3..], ["one", "two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_outbox_is_nothing_to_be_done() {
    let (world, conversation) = begun("c").await;
    let delivered = say(&world, &conversation, "one").await;
    world.settle().await;
    world.bots.set("bot", DeliveryMode::Wait);
    world.bot.then([Behaviour::Answer(500, String::new())]);
    world.say(&conversation, "ann", "refused in the other mode", None).await.unwrap_err();

    let nobody: ActivityId = "nobody|0000001".parse().unwrap();
    let refused = ActivityId { position: Position::new(3), ..delivered.clone() };
    let before = state(&world, &refused).await;
    for id in [delivered, nobody, refused.clone()] {
        assert_eq!(world.conversations.outbox_retry(one(&id)).await.unwrap(), 0);
        assert_eq!(world.conversations.outbox_drop(one(&id)).await.unwrap(), 0);
    }
    assert!(before.is_some() && state(&world, &refused).await == before);
}
