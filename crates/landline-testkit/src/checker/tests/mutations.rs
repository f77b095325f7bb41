//! Random histories that are right are accepted; with one thing made wrong, the invariant that names it speaks.

#![expect(clippy::ptr_arg, reason = "all mutations have one type; some change the length")]

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};

use super::super::model::random_history;
use crate::checker::{Index, Invariant, check};
use crate::history::{Blob, Deliver, Event, Fetch, Outcome, Page, Position, Record, Seen};

/// Long enough that each mutation nearly always finds what it needs.
const STEPS: usize = 300;

/// Makes one thing wrong; `None` when the history does not hold what it takes.
type Mutation = fn(&mut Vec<Record>, &mut StdRng) -> Option<()>;

/// What is made wrong, and the invariant that must say so. Others may say so too.
const MUTATIONS: &[(&str, Invariant, Mutation)] = &[
    ("acknowledged and lost", Invariant::Acknowledged, lose_acknowledged),
    ("payload twice", Invariant::Once, double),
    ("shown twice", Invariant::Once, show_twice),
    ("a repeat gets another id", Invariant::Once, second_id),
    ("two payloads change places for one reader", Invariant::Place, swap_payloads),
    ("acknowledged with a wrong position", Invariant::Place, wrong_acknowledgement),
    ("shown in another conversation", Invariant::Place, stray),
    ("later stands before earlier", Invariant::Order, reorder),
    ("a page out of order", Invariant::Gap, swap_in_page),
    ("an activity is passed over", Invariant::Gap, drop_from_page),
    ("the first after a resume is passed over", Invariant::Gap, drop_after_resume),
    ("the watermark is behind its activities", Invariant::Gap, watermark_behind),
    ("shown, never sent", Invariant::Phantom, phantom),
    ("shown, but refused", Invariant::Phantom, refuse),
    ("shown before it was sent", Invariant::Phantom, send_late),
    ("seen, then gone", Invariant::Kept, lose_seen),
    ("the bot saw it, then gone", Invariant::Kept, lose_delivered),
    ("the watermark goes back", Invariant::Stable, watermark_back),
    ("two readers differ from one start", Invariant::Stable, prefix_differs),
    ("delivered after it was accepted", Invariant::Delivery, deliver_again),
    ("delivered more often than sent", Invariant::Delivery, deliver_often),
    ("queued, acknowledged and never delivered", Invariant::Outbox, never_deliver),
    ("queued, and delivered before an earlier one", Invariant::Outbox, deliver_late),
    ("an activity without its file", Invariant::Files, lose_file),
    ("a file with other bytes", Invariant::Files, change_file),
    ("a link that leads nowhere", Invariant::Files, break_link),
    ("a bot's file is gone", Invariant::Files, lose_kept),
    ("the file of a refused or unknown upload is left", Invariant::Files, leave_orphan),
    ("a file that nobody gave", Invariant::Files, invent_file),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn right_histories_are_accepted(seed: u64, steps in 0..600_usize) {
        let report = check(&random_history(seed, steps)).unwrap();
        prop_assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }

    #[test]
    fn every_single_mutation_is_caught(seed: u64) {
        let right = random_history(seed, STEPS);
        for (name, invariant, mutate) in MUTATIONS {
            let mut wrong = right.clone();
            if mutate(&mut wrong, &mut StdRng::seed_from_u64(seed)).is_none() {
                continue;
            }
            for (time, record) in (0..).zip(&mut wrong) {
                record.time = time;
            }
            let report = check(&wrong).unwrap();
            prop_assert!(report.count(*invariant) > 0, "{name}: not caught, only {:#?}", report.violations);
        }
    }
}

/// Else the property above could be true because nothing was ever made wrong.
#[test]
fn mutations_nearly_always_find_what_they_need() {
    for (name, _, mutate) in MUTATIONS {
        let found = (0..20).filter(|seed| {
            let mut history = random_history(*seed, STEPS);
            mutate(&mut history, &mut StdRng::seed_from_u64(*seed)).is_some()
        });
        assert!(found.count() >= 15, "{name}");
    }
}

/// A fetch that fits.
fn some_fetch<'h>(
    history: &'h mut [Record],
    rng: &mut StdRng,
    fits: impl Fn(&Fetch) -> bool,
) -> Option<(usize, &'h mut Fetch)> {
    let fetches = history.iter_mut().enumerate().filter_map(|(at, record)| match &mut record.event {
        Event::Fetch(fetch) if fits(fetch) => Some((at, fetch)),
        _ => None,
    });
    fetches.choose(rng)
}

fn blobs_mut(history: &mut [Record]) -> &mut Vec<Blob> {
    let found = history.iter_mut().find_map(|record| match &mut record.event {
        Event::Blobs(found) => Some(&mut found.blobs),
        _ => None,
    });
    found.unwrap()
}

fn lose_file(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let (at, _) = some_fetch(history, rng, |fetch| fetch.is_final)?;
    history.remove(at);
    Some(())
}

fn change_file(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let (_, fetch) = some_fetch(history, rng, |_| true)?;
    fetch.digest = Some("digest of something else".into());
    Some(())
}

fn break_link(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let (_, fetch) = some_fetch(history, rng, |_| true)?;
    (fetch.status, fetch.digest) = (404, None);
    Some(())
}

fn lose_kept(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let kept = history.iter().filter_map(|record| match &record.event {
        Event::Keep(step) if step.outcome == Outcome::Ok => step.id.clone(),
        _ => None,
    });
    let id = kept.choose(rng)?;
    blobs_mut(history).retain(|blob| blob.id.as_ref() != Some(&id));
    Some(())
}

fn leave_orphan(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let index = Index::build(history).unwrap();
    let shown: Vec<&str> = index.fetches.iter().filter_map(|fetch| fetch.payload.as_deref()).collect();
    let mut lost: Vec<&str> = index
        .payloads
        .iter()
        .filter(|(name, payload)| !payload.files.is_empty() && !shown.contains(*name))
        .map(|(name, _)| *name)
        .collect();
    lost.sort_unstable();
    // Sometimes everything with a file was stored; then it is the second blob of a repeat.
    let of = lost.into_iter().choose(rng).unwrap_or("a repeat").to_owned();
    drop(index);
    let blob = Blob { path: of.clone(), id: Some(format!("another id of {of}")), digest: of };
    blobs_mut(history).push(blob);
    Some(())
}

fn invent_file(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let (_, fetch) = some_fetch(history, rng, |fetch| fetch.payload.is_some())?;
    fetch.name = "never given.bin".into();
    Some(())
}

/// The conversation of the model whose bot is in `queued` mode.
const QUEUED: &str = "q0";

fn is_delivery(record: &Record, payload: &str) -> bool {
    matches!(&record.event, Event::Deliver(deliver) if deliver.payload == payload)
}

fn never_deliver(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let payload = some_payload(history, rng, |_, p| p.acknowledged.is_some() && p.conversation == QUEUED)?;
    history.retain(|record| !is_delivery(record, &payload));
    Some(())
}

/// All deliveries of one that is not the last come at the very end.
fn deliver_late(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let delivered: Vec<_> = history
        .iter()
        .filter_map(|record| match &record.event {
            Event::Deliver(deliver) if deliver.conversation == QUEUED => Some(deliver),
            _ => None,
        })
        .collect();
    let last = delivered.iter().map(|deliver| deliver.position).max()?;
    let late = delivered.into_iter().filter(|deliver| deliver.position < last).choose(rng)?.clone();
    history.retain(|record| !is_delivery(record, &late.payload));
    history.push(Record { time: 0, process: "bot".into(), event: Event::Deliver(late) });
    Some(())
}

/// The pages of the history with the place of their record, whether they are of a final read, and their conversation.
fn pages(history: &[Record]) -> Vec<(usize, bool, String)> {
    let index = Index::build(history).unwrap();
    let mut pages: Vec<_> = index
        .connections
        .iter()
        .flat_map(|c| c.pages.iter().map(|(at, _)| (*at, c.open.is_final, c.open.conversation.clone())))
        .collect();
    pages.sort();
    pages
}

fn page_mut(history: &mut [Record], at: usize) -> &mut Page {
    match &mut history[at].event {
        Event::Page(page) => page,
        other => panic!("no page: {other:?}"),
    }
}

fn page(history: &[Record], at: usize) -> &Page {
    match &history[at].event {
        Event::Page(page) => page,
        other => panic!("no page: {other:?}"),
    }
}

/// A page that fits, other than those of final reads.
fn some_page(history: &[Record], rng: &mut StdRng, fits: impl Fn(&Page) -> bool) -> Option<usize> {
    let all = pages(history).into_iter().filter(|(at, is_final, _)| !is_final && fits(page(history, *at)));
    Some(all.choose(rng)?.0)
}

/// A payload that fits, with its conversation.
fn some_payload(
    history: &[Record],
    rng: &mut StdRng,
    fits: impl Fn(&str, &crate::checker::index::Payload<'_>) -> bool,
) -> Option<String> {
    let index = Index::build(history).unwrap();
    let mut names: Vec<&str> = index.payloads.keys().copied().collect();
    names.sort_unstable();
    Some(names.into_iter().filter(|name| fits(name, &index.payloads[name])).choose(rng)?.to_owned())
}

fn remove_from_final(history: &mut [Record], payload: &str) {
    for (at, is_final, _) in pages(history) {
        if is_final {
            page_mut(history, at).seen.retain(|seen| seen.payload != payload);
        }
    }
}

fn lose_acknowledged(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let payload = some_payload(history, rng, |_, p| p.acknowledged.is_some())?;
    remove_from_final(history, &payload);
    Some(())
}

fn lose_seen(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| !page.seen.is_empty())?;
    let payload = page(history, at).seen.iter().choose(rng)?.payload.clone();
    remove_from_final(history, &payload);
    Some(())
}

fn lose_delivered(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let delivered = history.iter().filter_map(|record| match &record.event {
        Event::Deliver(deliver) => Some(deliver.payload.clone()),
        _ => None,
    });
    let payload = delivered.choose(rng)?;
    remove_from_final(history, &payload);
    Some(())
}

fn double(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let (at, ..) = pages(history).into_iter().rev().find(|(_, is_final, _)| *is_final)?;
    let connection = page(history, at).connection;
    let earlier = history.iter().filter_map(|record| match &record.event {
        Event::Page(page) if page.connection == connection => page.seen.first().cloned(),
        _ => None,
    });
    let seen = earlier.choose(rng)?;
    let last = page_mut(history, at);
    last.watermark += 1;
    last.seen.push(Seen { position: last.watermark, ..seen });
    Some(())
}

fn show_twice(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| !page.seen.is_empty())?;
    let page = page_mut(history, at);
    let place = rng.random_range(0..page.seen.len());
    page.seen.insert(place, page.seen[place].clone());
    Some(())
}

fn second_id(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let payload = some_payload(history, rng, |_, p| !p.positions.is_empty())?;
    let at = history
        .iter()
        .position(|r| matches!(&r.event, Event::Send(s) if s.payload == payload && s.position.is_some()))?;
    let Event::Send(answer) = history[at].event.clone() else { unreachable!() };
    let mut repeat = answer.clone();
    (repeat.op, repeat.position) = (answer.op + 1_000_000, answer.position.map(|position| position + 10_000));
    let mut invoke = repeat.clone();
    (invoke.outcome, invoke.position) = (Outcome::Invoke, None);
    for step in [invoke, repeat] {
        history.push(Record { event: Event::Send(step), ..history[at].clone() });
    }
    Some(())
}

fn swap_payloads(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| page.seen.len() >= 2)?;
    let page = page_mut(history, at);
    let place = rng.random_range(1..page.seen.len());
    page.seen.swap(place - 1, place);
    let position = page.seen[place].position;
    page.seen[place].position = page.seen[place - 1].position;
    page.seen[place - 1].position = position;
    Some(())
}

fn swap_in_page(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| page.seen.len() >= 2)?;
    let page = page_mut(history, at);
    let place = rng.random_range(1..page.seen.len());
    page.seen.swap(place - 1, place);
    Some(())
}

fn wrong_acknowledgement(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let answers = history.iter_mut().filter_map(|record| match &mut record.event {
        Event::Send(step) => step.position.as_mut(),
        _ => None,
    });
    *answers.choose(rng)? += 1;
    Some(())
}

fn stray(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let into = some_page(history, rng, |page| !page.seen.is_empty())?;
    let all = pages(history);
    let (_, _, conversation) = all.iter().find(|(at, ..)| *at == into).unwrap();
    let index = Index::build(history).unwrap();
    let others = index.sightings.iter().filter(|s| s.conversation != conversation && s.at < into);
    let payload = others.choose(rng).map_or_else(|| "p-of-nowhere".to_owned(), |s| s.payload.to_owned());
    drop(index);
    page_mut(history, into).seen[0].payload = payload;
    Some(())
}

/// Two payloads, of which one was acknowledged before the other was sent, change places for everybody.
fn reorder(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let index = Index::build(history).unwrap();
    let mut pairs: Vec<(&str, Position, &str, Position)> = Vec::new();
    for (a, first) in &index.payloads {
        for (b, second) in &index.payloads {
            let (Some(known), [p, ..], [q, ..]) =
                (first.acknowledged, &first.positions[..], &second.positions[..])
            else {
                continue;
            };
            if first.conversation == second.conversation && known < second.invoked {
                pairs.push((a, *p, b, *q));
            }
        }
    }
    pairs.sort_unstable();
    let (a, p, b, q) = pairs.into_iter().choose(rng)?;
    let (a, b) = (a.to_owned(), b.to_owned());
    drop(index);
    let move_to = |payload: &str, position: &mut Position| {
        if payload == a {
            *position = q;
        } else if payload == b {
            *position = p;
        }
    };
    for record in history {
        match &mut record.event {
            Event::Send(step) => {
                if let Some(position) = &mut step.position {
                    move_to(&step.payload, position);
                }
            }
            Event::Page(page) => {
                page.seen.iter_mut().for_each(|seen| move_to(&seen.payload, &mut seen.position));
                page.seen.sort_by_key(|seen| seen.position);
            }
            Event::Deliver(deliver) => move_to(&deliver.payload, &mut deliver.position),
            _ => {}
        }
    }
    Some(())
}

fn drop_from_page(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| !page.seen.is_empty())?;
    let page = page_mut(history, at);
    let place = rng.random_range(0..page.seen.len());
    page.seen.remove(place);
    Some(())
}

fn drop_after_resume(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let index = Index::build(history).unwrap();
    let firsts = index
        .connections
        .iter()
        .filter(|c| c.after() != Some(0))
        .filter_map(|c| c.pages.iter().find(|(_, page)| !page.seen.is_empty()).map(|(at, _)| *at));
    let at = firsts.choose(rng)?;
    drop(index);
    page_mut(history, at).seen.remove(0);
    Some(())
}

fn watermark_behind(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| !page.seen.is_empty())?;
    let page = page_mut(history, at);
    page.watermark = page.seen.last().unwrap().position - 1;
    Some(())
}

fn watermark_back(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| page.watermark > 0)?;
    let mut record = history[at].clone();
    if let Event::Page(page) = &mut record.event {
        page.seen.clear();
        page.watermark = rng.random_range(0..page.watermark);
    }
    history.insert(at + 1, record);
    Some(())
}

fn phantom(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| !page.seen.is_empty())?;
    page_mut(history, at).seen[0].payload = "never sent".into();
    Some(())
}

fn refuse(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| !page.seen.is_empty())?;
    let payload = page(history, at).seen.iter().choose(rng)?.payload.clone();
    for record in history {
        if let Event::Send(step) = &mut record.event
            && step.payload == payload
            && step.outcome != Outcome::Invoke
        {
            (step.outcome, step.position, step.status) = (Outcome::Fail, None, Some(400));
        }
    }
    Some(())
}

/// The sends of a payload that was seen move to the end of the history.
fn send_late(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let at = some_page(history, rng, |page| !page.seen.is_empty())?;
    let payload = page(history, at).seen.iter().choose(rng)?.payload.clone();
    let (late, rest) = std::mem::take(history)
        .into_iter()
        .partition(|record| matches!(&record.event, Event::Send(step) if step.payload == payload));
    *history = rest;
    history.extend::<Vec<Record>>(late);
    Some(())
}

/// A reader that began at 0 is not shown one activity that others who began there were shown.
fn prefix_differs(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let index = Index::build(history).unwrap();
    let mut candidates = Vec::new();
    for connection in index.connections.iter().filter(|c| c.after() == Some(0) && !c.open.is_final) {
        let shown: Vec<(usize, usize)> = connection
            .pages
            .iter()
            .flat_map(|(at, page)| (0..page.seen.len()).map(move |place| (*at, place)))
            .collect();
        // Without its last activity it would still have seen a beginning.
        candidates.extend(shown.iter().rev().skip(1).copied());
    }
    drop(index);
    let (at, place) = candidates.into_iter().choose(rng)?;
    page_mut(history, at).seen.remove(place);
    Some(())
}

fn deliver_again(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let fits = |_: &str, p: &crate::checker::index::Payload<'_>| {
        p.accepted.is_some() && !p.positions.is_empty() && p.conversation != QUEUED
    };
    let payload = some_payload(history, rng, fits)?;
    let index = Index::build(history).unwrap();
    let facts = &index.payloads[payload.as_str()];
    let (conversation, position) = (facts.conversation.to_owned(), facts.positions[0]);
    drop(index);
    let event = Event::Deliver(Deliver { conversation, position, payload });
    history.push(Record { time: 0, process: "bot".into(), event });
    Some(())
}

fn deliver_often(history: &mut Vec<Record>, rng: &mut StdRng) -> Option<()> {
    let delivers = history
        .iter()
        .enumerate()
        .filter(|(_, r)| matches!(&r.event, Event::Deliver(d) if d.conversation != QUEUED));
    let (at, record) = delivers.choose(rng)?;
    let record = record.clone();
    let Event::Deliver(deliver) = &record.event else { unreachable!() };
    let sends = history
        .iter()
        .filter(|r| matches!(&r.event, Event::Send(s) if s.payload == deliver.payload && s.outcome == Outcome::Invoke));
    for _ in 0..sends.count() {
        history.insert(at, record.clone());
    }
    Some(())
}
