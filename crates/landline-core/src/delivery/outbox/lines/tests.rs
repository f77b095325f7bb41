//! Each line is in one place, and has its turn.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn id(number: usize) -> ConversationId {
    format!("c{number}").parse().unwrap()
}

fn bot(number: usize) -> BotName {
    format!("bot{number}").parse().unwrap()
}

fn at(position: u64) -> Position {
    Position::new(position)
}

/// A line that is being served.
fn one_served() -> (Lines, Instant) {
    let (mut lines, now) = (Lines::default(), Instant::now());
    lines.wake(&id(1));
    assert_eq!(lines.step(now), Step::Serve(id(1), None));
    (lines, now)
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_while_a_line_is_served_is_not_forgotten() {
    for (bot, next) in [(None, Next::Nothing), (Some(bot(1)), Next::Nothing), (Some(bot(1)), Next::Look)] {
        let (mut lines, now) = one_served();
        if let Some(bot) = &bot {
            assert!(lines.take_room(&id(1), bot, None));
        }
        lines.wake(&id(1));
        lines.leave(&id(1), bot.as_ref(), next);
        assert_eq!(lines.step(now), Step::Serve(id(1), None));
        lines.leave(&id(1), None, Next::Nothing);
        assert_eq!(lines.step(now), Step::Over);
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_rests_until_then_whatever_is_queued_behind() {
    let (mut lines, now) = one_served();
    let until = now + Duration::from_secs(5);
    lines.leave(&id(1), None, Next::Rest { until, entry: at(7) });
    lines.wake(&id(1));
    lines.rest_unless_known(&id(1), now, at(9));
    assert_eq!(lines.step(now + Duration::from_secs(4)), Step::Wait(Some(until)));
    assert_eq!(lines.step(until), Step::Serve(id(1), Some(at(7))));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_rests_is_served_at_once_when_somebody_asks() {
    let (mut lines, now) = one_served();
    let until = now + Duration::from_secs(5);
    lines.leave(&id(1), None, Next::Rest { until, entry: at(7) });
    lines.hurry(&id(1));
    assert_eq!(lines.step(now), Step::Serve(id(1), Some(at(7))));
    // Not a second time by its timer.
    lines.leave(&id(1), None, Next::Nothing);
    assert_eq!(lines.step(until), Step::Over);
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_nothing_is_begun() {
    let (mut lines, now) = one_served();
    lines.wake(&id(2));
    lines.stop();
    assert_eq!(lines.step(now), Step::Over);
    assert!(!lines.take_room(&id(1), &bot(1), None));
    assert!(!lines.begin_driving());
}

fn conversation(number: usize) -> ConversationId {
    format!("conversation-{number:020}").parse().unwrap()
}

fn busy() -> BotName {
    "main".parse().unwrap()
}

/// Whom `step` says to serve, until it says to wait.
fn served(lines: &mut Lines) -> Vec<ConversationId> {
    let mut served = Vec::new();
    while let Step::Serve(conversation, _) = lines.step(Instant::now()) {
        served.push(conversation);
    }
    served
}

/// As many lines as the bot has room for hold it, and `waiting` more wait for it.
fn full(waiting: usize) -> (Lines, Vec<ConversationId>) {
    let mut lines = Lines::default();
    let mut holding = Vec::new();
    for number in 0..OUTBOX_ATTEMPTS_PER_BOT + waiting {
        lines.wake(&conversation(number));
        for one in served(&mut lines) {
            if lines.take_room(&one, &busy(), None) {
                holding.push(one);
            }
        }
    }
    assert_eq!(holding.len(), OUTBOX_ATTEMPTS_PER_BOT);
    (lines, holding)
}

#[tokio::test]
async fn room_that_the_next_one_does_not_need_goes_to_the_one_behind_it() {
    let waiting = 3 * OUTBOX_ATTEMPTS_PER_BOT;
    let (mut lines, holding) = full(waiting);

    // All attempts are over, and of those that waited only the last has something to bring by now.
    for one in &holding {
        lines.leave(one, Some(&busy()), Next::Nothing);
    }
    let last = conversation(OUTBOX_ATTEMPTS_PER_BOT + waiting - 1);
    let mut taken = Vec::new();
    loop {
        let round = served(&mut lines);
        if round.is_empty() {
            break;
        }
        for one in round {
            if one != last {
                lines.leave(&one, None, Next::Nothing);
            } else if lines.take_room(&one, &busy(), None) {
                taken.push(one);
            }
        }
    }

    assert_eq!(taken, std::slice::from_ref(&last));
    lines.leave(&last, Some(&busy()), Next::Nothing);
    assert_eq!((lines.len(), lines.bots.len(), lines.looking), (0, 0, 0));
}

#[tokio::test]
async fn whoever_was_called_and_came_too_late_does_not_lose_its_place() {
    let (mut lines, holding) = full(2);
    let late = conversation(OUTBOX_ATTEMPTS_PER_BOT);
    lines.leave(&holding[0], Some(&busy()), Next::Nothing);
    let quick = conversation(9999);
    lines.wake(&quick);
    assert_eq!(served(&mut lines), [late.clone(), quick.clone()]);
    assert!(lines.take_room(&quick, &busy(), None));
    assert!(!lines.take_room(&late, &busy(), None));
    lines.leave(&quick, Some(&busy()), Next::Nothing);
    assert_eq!(served(&mut lines), [late]);
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Wake(usize),
    Hurry(usize),
    Step(u64),
    TakeRoom,
    Leave(u8),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        2 => (0..200_usize).prop_map(Deed::Wake),
        1 => (0..200_usize).prop_map(Deed::Hurry),
        6 => (0..3_u64).prop_map(Deed::Step),
        5 => Just(Deed::TakeRoom),
        3 => (0..6_u8).prop_map(Deed::Leave),
    ];
    proptest::collection::vec(deed, 0..2000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: nobody is served twice at once, no bound is exceeded, and in the end everybody had a turn.
    #[test]
    fn every_line_is_in_one_place_and_has_its_turn(deeds in deeds()) {
        let mut lines = Lines::default();
        let mut now = Instant::now();
        // Those who look, and those who hold a part of their bot's room.
        let (mut looking, mut trying): (Vec<ConversationId>, Vec<(ConversationId, BotName)>) = Default::default();
        let mut open = std::collections::HashSet::new();
        let bot_of = |conversation: &ConversationId| bot(usize::from(conversation.as_str().ends_with('7')));
        for deed in deeds {
            match deed {
                Deed::Wake(number) => {
                    lines.wake(&id(number));
                    open.insert(id(number));
                }
                Deed::Hurry(number) => {
                    lines.hurry(&id(number));
                    open.insert(id(number));
                }
                Deed::Step(seconds) => {
                    now += Duration::from_secs(seconds);
                    if let Step::Serve(conversation, _) = lines.step(now) {
                        prop_assert!(!looking.contains(&conversation));
                        prop_assert!(trying.iter().all(|(one, _)| *one != conversation));
                        open.remove(&conversation);
                        looking.push(conversation);
                    }
                }
                Deed::TakeRoom => {
                    if let Some(conversation) = looking.pop() {
                        let bot = bot_of(&conversation);
                        if lines.take_room(&conversation, &bot, None) {
                            trying.push((conversation, bot));
                        } else {
                            open.insert(conversation);
                        }
                    }
                }
                Deed::Leave(how) => {
                    // Some find when they look that they have nothing to bring.
                    let who = if trying.is_empty() || (how > 2 && !looking.is_empty()) {
                        looking.pop().map(|conversation| (conversation, None))
                    } else {
                        Some(trying.swap_remove(0)).map(|(conversation, bot)| (conversation, Some(bot)))
                    };
                    if let Some((conversation, bot)) = who {
                        let until = now + Duration::from_secs(4);
                        let next = match how {
                            0 => Next::Look,
                            1 => Next::Rest { until, entry: at(1) },
                            _ => Next::Nothing,
                        };
                        lines.leave(&conversation, bot.as_ref(), next);
                        if next != Next::Nothing {
                            open.insert(conversation);
                        }
                    }
                }
            }
            prop_assert!(looking.len() <= OUTBOX_LOOKS);
            for number in 0..2 {
                let of_bot = trying.iter().filter(|(_, of)| *of == bot(number)).count();
                prop_assert!(of_bot <= OUTBOX_ATTEMPTS_PER_BOT);
            }
        }
        for conversation in looking {
            lines.leave(&conversation, None, Next::Nothing);
        }
        for (conversation, bot) in trying {
            lines.leave(&conversation, Some(&bot), Next::Nothing);
        }
        loop {
            match lines.step(now) {
                Step::Serve(conversation, _) => {
                    open.remove(&conversation);
                    let bot = bot_of(&conversation);
                    prop_assert!(lines.take_room(&conversation, &bot, None), "all room is free again");
                    lines.leave(&conversation, Some(&bot), Next::Nothing);
                }
                Step::Wait(Some(until)) => now = until,
                Step::Wait(None) => prop_assert!(false, "somebody waits for nothing: {lines:?}"),
                Step::Over => break,
            }
        }
        prop_assert!(open.is_empty(), "{open:?} had no turn");
        prop_assert!(lines.timers.is_empty() && lines.bots.is_empty() && lines.len() == 0, "{lines:?}");
    }
}
