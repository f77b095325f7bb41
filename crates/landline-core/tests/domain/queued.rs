//! A bot in `queued` mode: it gets everything at least once and in order, however it behaves and whenever we die.

use std::time::Duration;

use landline_core::store::{DeliveryKind, DeliveryState, LogStore};
use landline_core::{DeliveryMode, StartConversation};
use landline_protocol::{ConversationId, Position};
use landline_testkit::domain::{Behaviour, Fault, World, start};
use serde_json::json;
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A conversation with a bot in `queued` mode, which has heard of it.
async fn begun(id: &str) -> (World, ConversationId) {
    let world = World::queued();
    let conversation = world.start(id, Some("ann")).await;
    world.settle().await;
    (world, conversation)
}

async fn say(world: &World, to: &ConversationId, text: &str) -> String {
    let began = Instant::now();
    let id = world.say(to, "ann", text, None).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waits for the bot");
    id
}

async fn state(world: &World, of: &ConversationId, position: u64) -> Option<DeliveryState> {
    world.disk.delivery(of, Position::new(position)).await.unwrap()
}

/// The texts of all attempts, also of those that did not reach the bot.
fn tried(world: &World) -> Vec<String> {
    world.bot.attempts().iter().filter_map(|a| a["text"].as_str().map(str::to_owned)).collect()
}

/// How long after the first attempt at a text each of the others came.
fn gaps(world: &World, text: &str) -> Vec<Duration> {
    let (attempts, times) = (world.bot.attempts(), world.bot.times());
    let of: Vec<_> =
        attempts.iter().zip(times).filter(|(a, _)| a["text"] == text).map(|(_, time)| time).collect();
    of.windows(2).map(|two| two[1] - two[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_send_is_answered_when_it_is_durable_whatever_the_bot_does() {
    for behaviour in [Behaviour::Away, Behaviour::Hang, Behaviour::Answer(500, String::new())] {
        let (world, conversation) = begun("c").await;
        world.bot.always("bot", behaviour);

        let id = say(&world, &conversation, "one").await;

        assert!(matches!(state(&world, &conversation, 2).await, Some(DeliveryState::Queued(_))));
        let (seen, _) = world.history(&conversation, 0).await.unwrap();
        assert_eq!((seen[0]["id"].as_str(), seen.len()), (Some(id.as_str()), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_is_well_gets_it_once() {
    let (world, conversation) = begun("c").await;

    let id = say(&world, &conversation, "one").await;
    world.settle().await;

    assert_eq!(tried(&world), ["one"]);
    assert_eq!(world.bot.taken()[1]["id"], id.as_str());
    assert_eq!(world.bot.taken()[1]["serviceUrl"], "http://landline.test/connector/unguessable/");
    assert_eq!(world.bot.taken()[0]["type"], "conversationUpdate");
    assert_eq!(state(&world, &conversation, 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_made_as_promised_and_then_no_more() {
    let (world, conversation) = begun("c").await;
    world.bot.always("bot", Behaviour::Away);
    let id = say(&world, &conversation, "one").await;

    sleep(Duration::from_secs(40)).await;
    let queued = match state(&world, &conversation, 2).await {
        Some(DeliveryState::Queued(queued)) => queued,
        other => panic!("{other:?}"),
    };
    assert_eq!((queued.attempts, queued.waited_ms), (4, 156_000));
    sleep(30 * HOUR).await;

    let mut expected = vec![1, 5, 30, 120, 600, 1800];
    expected.extend(vec![3600; 23]);
    let found = gaps(&world, "one");
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        let tenths = found.as_millis() * 10 / Duration::from_secs(expected).as_millis();
        assert!((9..=11).contains(&tenths), "{found:?} instead of {expected} s");
    }
    assert!(found.iter().any(|gap| gap.subsec_millis() != 0), "by chance");
    let parked = match state(&world, &conversation, 2).await {
        Some(DeliveryState::Parked(parked)) => parked,
        other => panic!("{other:?}"),
    };
    assert_eq!((parked.attempts, parked.last_status, parked.since), (30, None, queued.since));
    assert!(world.bot.attempts()[1..].iter().all(|attempt| attempt["id"] == id.as_str()));
    sleep(10 * DAY).await;
    assert_eq!(tried(&world).len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_delivered_in_order_one_at_a_time() {
    let (world, conversation) = begun("c").await;
    let times: Vec<_> = (0..20).map(|n| Duration::from_millis(50 - 2 * n)).collect();
    world.bot.then(times.iter().map(|time| Behaviour::Slow(*time, 200)));

    for n in 0..20 {
        say(&world, &conversation, &format!("m{n}")).await;
    }
    world.settle().await;

    assert_eq!(tried(&world), world.texts(&conversation).await);
    let began = world.bot.times();
    for (two, time) in began[1..].windows(2).zip(times) {
        assert!(two[1] - two[0] >= time, "one was begun before the one before it was over");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_one_that_is_tried_again() {
    let (world, conversation) = begun("c").await;
    let refused = Behaviour::Answer(500, String::new());
    world.bot.then([Behaviour::Away, Behaviour::Break, refused]);

    say(&world, &conversation, "one").await;
    say(&world, &conversation, "two").await;
    sleep(MINUTE).await;

    assert_eq!(tried(&world), ["one", "one", "one", "one", "two"]);
    assert_eq!(world.disk.deliveries(DeliveryKind::Queued, None, 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_asks_for_more_time_gets_it_within_bounds() {
    let (world, conversation) = begun("c").await;
    let asks = |seconds| Behaviour::RetryAfter(503, Duration::from_secs(seconds));
    world.bot.then([asks(100), asks(1), asks(100_000)]);

    say(&world, &conversation, "one").await;
    sleep(3 * HOUR).await;

    let gaps = gaps(&world, "one");
    assert!(gaps[0] >= Duration::from_secs(100) && gaps[0] < Duration::from_secs(101), "{gaps:?}");
    assert!(gaps[1] >= Duration::from_millis(4_500) && gaps[1] <= Duration::from_millis(5_500), "{gaps:?}");
    assert!(gaps[2] >= HOUR && gaps[2] < HOUR + Duration::from_secs(1), "{gaps:?}");
    assert_eq!(gaps.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_bot_does_not_want_any_more_is_parked_at_once_and_the_next_goes() {
    let (world, conversation) = begun("c").await;
    world.bot.then([Behaviour::RetryAfter(410, HOUR)]);

    say(&world, &conversation, "one").await;
    say(&world, &conversation, "two").await;
    world.settle().await;

    assert_eq!(tried(&world), ["one", "two"]);
    match state(&world, &conversation, 2).await {
        Some(DeliveryState::Parked(parked)) => {
            assert_eq!((parked.attempts, parked.last_status), (1, Some(410)))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_after_a_day_does_not_hold_up_the_next() {
    let (world, conversation) = begun("c").await;
    world.bot.then(vec![Behaviour::Answer(502, String::new()); 30]);
    say(&world, &conversation, "one").await;
    say(&world, &conversation, "two").await;

    sleep(27 * HOUR).await;

    assert!(matches!(state(&world, &conversation, 2).await, Some(DeliveryState::Parked(_))));
    assert_eq!(tried(&world)[30..], ["two"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_in_a_crash_is_tried_again_after_it() {
    let (world, conversation) = begun("c").await;
    world.bot.then([Behaviour::Hang]);
    let id = say(&world, &conversation, "one").await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(tried(&world), ["one"]);

    let world = world.killed();
    world.conversations.resume_outbox();
    world.settle().await;

    assert_eq!(tried(&world), ["one", "one"]);
    assert!(world.bot.taken()[1..].iter().all(|taken| taken["id"] == id.as_str()));
    assert_eq!(state(&world, &conversation, 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_rested_in_a_crash_is_tried_when_it_is_due() {
    for (off, expected) in [(Duration::ZERO, 30), (Duration::from_secs(20), 10), (3 * DAY, 0)] {
        let (world, conversation) = begun("c").await;
        world.bot.then([Behaviour::Away, Behaviour::Away, Behaviour::Away]);
        say(&world, &conversation, "one").await;
        say(&world, &conversation, "two").await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(tried(&world).len(), 3);

        let world = world.killed();
        // The clock stood still while the process ran: all of the pause is left.
        world.clock.advance(off);
        world.conversations.resume_outbox();
        let began = Instant::now();
        sleep(Duration::from_millis(1)).await;
        while tried(&world).len() == 3 && began.elapsed() < MINUTE {
            sleep(Duration::from_millis(100)).await;
        }

        let waited = began.elapsed().as_secs();
        assert!(waited.abs_diff(expected) <= 3, "{waited} s after {off:?} instead of {expected} s");
        world.settle().await;
        assert_eq!(tried(&world)[3..], ["one", "two"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_just_before_a_crash_is_tried_after_it() {
    let (world, conversation) = begun("c").await;
    let world = world.killed();
    world.disk.then([Fault::WriteUnknown]);
    let sent = world.say(&conversation, "ann", "one", Some("k")).await;
    sent.unwrap_err();

    let world = world.killed();
    let id = world.say(&conversation, "ann", "one", Some("k")).await.unwrap();
    world.settle().await;

    assert_eq!(world.texts(&conversation).await, ["one"]);
    assert_eq!(world.bot.taken().last().unwrap()["id"], id.as_str());
    assert_eq!(state(&world, &conversation, 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn many_conversations_are_found_after_a_crash() {
    let world = World::queued();
    world.bot.always("bot", Behaviour::Away);
    let mut conversations = Vec::new();
    for n in 0..600 {
        let conversation = world.start(&format!("c{n}"), Some("ann")).await;
        say(&world, &conversation, "one").await;
        say(&world, &conversation, "two").await;
        conversations.push(conversation);
    }
    world.bot.always("bot", Behaviour::Answer(200, String::new()));
    let taken = world.bot.taken().len();

    let world = world.killed();
    world.clock.advance(HOUR);
    world.conversations.resume_outbox();
    world.settle().await;

    assert_eq!(world.bot.taken().len() - taken, 3 * 600);
    assert_eq!(world.disk.deliveries(DeliveryKind::Queued, None, 9).await.unwrap(), []);
    assert_eq!(world.conversations.outbox_lines(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_was_refused_is_in_no_outbox() {
    let (world, conversation) = begun("c").await;
    world.disk.then([Fault::Refuse]);

    world.say(&conversation, "ann", "one", None).await.unwrap_err();
    world.settle().await;

    assert_eq!(world.texts(&conversation).await, [""; 0]);
    assert_eq!(tried(&world), [""; 0]);
    assert_eq!(world.disk.deliveries(DeliveryKind::Queued, None, 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_send_of_unknown_outcome_is_delivered_if_it_was_logged() {
    let (world, conversation) = begun("c").await;
    for (fault, expected) in [(Fault::LoseUnknown, 0), (Fault::WriteUnknown, 1)] {
        world.disk.then([fault]);
        world.say(&conversation, "ann", "one", None).await.unwrap_err();
        world.settle().await;
        assert_eq!((tried(&world).len(), world.texts(&conversation).await.len()), (expected, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_send_is_the_same_in_every_state() {
    let (world, conversation) = begun("c").await;
    world.bot.always("bot", Behaviour::Away);
    let first = world.say(&conversation, "ann", "one", Some("k")).await.unwrap();
    let repeat = || world.say(&conversation, "ann", "one", Some("k"));

    assert_eq!(repeat().await.unwrap(), first);
    sleep(3 * MINUTE).await;
    let attempts = tried(&world).len();
    assert_eq!(repeat().await.unwrap(), first, "while it rests");
    sleep(27 * HOUR).await;
    assert!(matches!(state(&world, &conversation, 2).await, Some(DeliveryState::Parked(_))));
    assert_eq!(repeat().await.unwrap(), first, "after it was given up");
    sleep(MINUTE).await;

    assert_eq!((attempts, tried(&world).len()), (5, 30), "a repeat is no attempt");
    assert_eq!(world.texts(&conversation).await, ["one"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_logged_once_however_often_the_activity_is_delivered() {
    let (world, conversation) = begun("c").await;
    let answer = json!({"activities": [{"type": "message", "text": "a"}, {"type": "message", "text": "b"}]});
    world.bot.always("bot", Behaviour::Answer(200, answer.to_string()));
    let outcome_takes = 10 * MINUTE;
    world.disk.slow_next_outcome(outcome_takes);
    let sent =
        json!({"type": "message", "text": "q", "from": {"id": "ann"}, "deliveryMode": "expectReplies"});
    let id = world.send(&conversation, sent).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(world.texts(&conversation).await, ["q", "a", "b"]);

    let world = world.killed();
    world.conversations.resume_outbox();
    world.settle().await;

    assert_eq!(tried(&world), ["q", "q"]);
    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    let texts: Vec<_> = seen.iter().map(|activity| activity["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["q", "a", "b"]);
    assert!(seen[1..].iter().all(|seen| seen["replyToId"] == id.as_str() && seen["from"]["id"] == "bot"));
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_an_invoke_is_logged_when_it_comes() {
    let (world, conversation) = begun("c").await;
    world.bot.then([Behaviour::Away, Behaviour::Answer(200, "[1]".into())]);

    world.send(&conversation, json!({"type": "invoke", "from": {"id": "ann"}})).await.unwrap();
    assert_eq!(world.history(&conversation, 0).await.unwrap().0.len(), 1);
    world.settle().await;

    let (seen, _) = world.history(&conversation, 0).await.unwrap();
    assert_eq!(seen[1]["value"], json!({"status": 200, "body": [1]}));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_logged_is_asked_for_again() {
    let (world, conversation) = begun("c").await;
    world.bot.always("bot", Behaviour::Answer(200, "{}".into()));
    // The send itself, then its answer.
    world.disk.then([Fault::None, Fault::Refuse]);

    world.send(&conversation, json!({"type": "invoke", "from": {"id": "ann"}})).await.unwrap();
    world.settle().await;

    assert_eq!(world.history(&conversation, 0).await.unwrap().0.len(), 2);
    assert_eq!(state(&world, &conversation, 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_makes_no_sense_is_not_asked_for_again() {
    let (world, conversation) = begun("c").await;
    world.bot.always("bot", Behaviour::Answer(200, "<html>".into()));

    let sent =
        json!({"type": "message", "text": "q", "from": {"id": "ann"}, "deliveryMode": "expectReplies"});
    world.send(&conversation, sent).await.unwrap();
    world.settle().await;

    assert_eq!(tried(&world), ["q"]);
    assert_eq!(state(&world, &conversation, 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn typing_is_one_attempt_and_never_kept() {
    let (world, conversation) = begun("c").await;
    for behaviour in [Behaviour::Away, Behaviour::Hang, Behaviour::Slow(Duration::from_secs(1), 200)] {
        let before = world.bot.attempts().len();
        world.bot.then([behaviour]);
        let began = Instant::now();

        world.send(&conversation, json!({"type": "typing", "from": {"id": "ann"}})).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        world.settle().await;

        assert_eq!(world.bot.attempts().len() - before, 1);
        assert_eq!(world.disk.deliveries(DeliveryKind::Queued, None, 9).await.unwrap(), []);
    }
    assert_eq!(world.disk.head(&conversation).await.unwrap().last, Position::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_new_user_is_told_of_before_what_they_say() {
    let (world, conversation) = begun("c").await;
    world.bot.then([Behaviour::Away]);

    world.say(&conversation, "bob", "hello", None).await.unwrap();
    world.settle().await;

    let kinds: Vec<_> = world.bot.taken().iter().map(|taken| taken["type"].clone()).collect();
    assert_eq!(kinds, ["conversationUpdate", "conversationUpdate", "message"]);
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_hangs_takes_a_bounded_part_and_holds_up_no_other() {
    let world = World::queued();
    world.bots.set("hung", DeliveryMode::Queued);
    world.bot.always("hung", Behaviour::Hang);
    for n in 0..500 {
        let hung = StartConversation { bot: "hung".parse().unwrap(), ..start(&format!("h{n}"), Some("ann")) };
        world.conversations.start(hung).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.bot.attempts().len(), 64);
    let began = Instant::now();

    for n in 0..200 {
        let conversation = world.start(&format!("c{n}"), Some("ann")).await;
        say(&world, &conversation, "one").await;
    }
    while world.bot.texts().len() < 200 {
        sleep(Duration::from_millis(1)).await;
    }

    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(world.conversations.outbox_lines(), 500);
    sleep(4 * MINUTE).await;
    let ids: std::collections::HashSet<_> =
        world.bot.attempts().iter().map(|attempt| attempt["id"].to_string()).collect();
    assert_eq!(ids.len(), 500 + 400, "each has its turn");
}

#[tokio::test(start_paused = true)]
async fn what_the_bot_has_is_not_given_again_because_the_disk_is_full() {
    let (world, conversation) = begun("c").await;
    world.disk.refuse_states(3);

    say(&world, &conversation, "one").await;
    say(&world, &conversation, "two").await;
    world.settle().await;

    assert_eq!(tried(&world), ["one", "two"]);
    assert_eq!(state(&world, &conversation, 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_that_cannot_be_kept_is_no_storm() {
    let (world, conversation) = begun("c").await;
    world.bot.always("bot", Behaviour::Away);
    world.disk.refuse_states(5);

    say(&world, &conversation, "one").await;
    sleep(Duration::from_secs(20)).await;

    assert!(tried(&world).len() <= 9, "{}", tried(&world).len());
    world.bot.always("bot", Behaviour::Answer(200, String::new()));
    world.settle().await;
    assert_eq!(world.bot.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_what_is_under_way_and_begins_nothing() {
    let (world, conversation) = begun("c").await;
    let resting = world.start("resting", Some("ann")).await;
    world.settle().await;
    world.bot.then([Behaviour::Slow(Duration::from_secs(5), 200), Behaviour::Away]);
    say(&world, &conversation, "one").await;
    say(&world, &conversation, "two").await;
    sleep(Duration::from_millis(1)).await;
    say(&world, &resting, "three").await;
    sleep(Duration::from_millis(1)).await;
    let began = Instant::now();

    world.conversations.deliveries_over().await;

    assert!(began.elapsed() > Duration::from_secs(4) && began.elapsed() < Duration::from_secs(5));
    world.settle().await;
    assert_eq!(tried(&world), ["one", "three"]);
    assert_eq!(state(&world, &conversation, 2).await, None);
    say(&world, &conversation, "late").await;
    sleep(HOUR).await;
    assert_eq!(tried(&world).len(), 2);

    let world = world.killed();
    world.clock.advance(HOUR);
    world.conversations.resume_outbox();
    world.settle().await;
    assert_eq!(world.bot.texts()[1..].len(), 3, "{:?}", world.bot.texts());
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_is_switched_or_removed_leaves_nothing_behind() {
    let (world, conversation) = begun("c").await;
    world.bot.then([Behaviour::Away]);
    say(&world, &conversation, "one").await;
    sleep(Duration::from_millis(1)).await;

    world.bots.set("bot", DeliveryMode::Wait);
    world.say(&conversation, "ann", "two", None).await.unwrap();
    assert_eq!(world.bot.texts(), ["two"], "a client that waits does not wait for the outbox");
    world.settle().await;
    assert_eq!(world.bot.texts(), ["two", "one"]);

    world.bots.set("bot", DeliveryMode::Queued);
    world.bot.then([Behaviour::Away]);
    let id = say(&world, &conversation, "three").await;
    world.bots.remove("bot");
    sleep(3 * MINUTE).await;
    assert_eq!(world.bot.texts().len(), 2);
    assert!(
        matches!(state(&world, &conversation, 4).await, Some(DeliveryState::Queued(q)) if q.attempts == 5)
    );
    world.bots.set("bot", DeliveryMode::Queued);
    world.settle_within(HOUR).await;
    assert_eq!(world.bot.taken().last().unwrap()["id"], id.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_gives_nothing_up_and_holds_nothing_back() {
    for jump in [-400_i32, 400] {
        let (world, conversation) = begun("c").await;
        world.bot.then(vec![Behaviour::Away; 3]);
        say(&world, &conversation, "one").await;
        sleep(Duration::from_millis(1)).await;

        let by = jump.unsigned_abs() * DAY;
        if jump > 0 {
            world.clock.advance(by)
        } else {
            world.clock.set_back(by)
        }
        sleep(MINUTE).await;

        assert_eq!(world.bot.texts(), ["one"], "{jump} days");
        // What is queued from now on goes as ever.
        say(&world, &conversation, "two").await;
        world.settle().await;
        assert_eq!(world.bot.texts(), ["one", "two"], "{jump} days");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_over_a_restart_costs_an_hour_at_the_most() {
    let (world, conversation) = begun("c").await;
    world.bot.then([Behaviour::Away]);
    say(&world, &conversation, "one").await;
    sleep(Duration::from_millis(1)).await;

    let world = world.killed();
    world.clock.set_back(400 * DAY);
    world.conversations.resume_outbox();

    world.settle_within(HOUR + MINUTE).await;
    assert_eq!(world.bot.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_gone_takes_its_entries_along() {
    let (world, conversation) = begun("c").await;
    world.bot.always("bot", Behaviour::Away);
    say(&world, &conversation, "one").await;
    sleep(Duration::from_secs(2)).await;
    let attempts = tried(&world).len();

    world.conversations.delete(&conversation).await.unwrap();
    world.settle().await;

    assert_eq!(tried(&world).len(), attempts);
    assert_eq!(world.disk.deliveries(DeliveryKind::Queued, None, 9).await.unwrap(), []);
    assert_eq!(world.conversations.outbox_lines(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_an_entry_that_is_gone_is_not_kept_for_the_one_in_its_place() {
    for status in [200, 410] {
        let (world, conversation) = begun("c").await;
        world.bot.then([Behaviour::Slow(Duration::from_secs(10), status)]);
        let gone = say(&world, &conversation, "one").await;
        sleep(Duration::from_secs(1)).await;

        world.conversations.delete(&conversation).await.unwrap();
        world.start("c", Some("ann")).await;
        let new = say(&world, &conversation, "two").await;
        assert_eq!(gone, new, "the same place");
        world.settle().await;

        assert_eq!(tried(&world), ["one", "two"], "{status}");
        assert_eq!(world.disk.deliveries(DeliveryKind::Parked, None, 9).await.unwrap(), []);
    }
}
