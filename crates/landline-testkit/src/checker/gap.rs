//! I5: over one connection positions rise, and nothing visible between where the reader stood and the
//! watermark it is given is passed over; so the first activity after a resume is the successor of the watermark.
//!
//! Hidden records take positions that nobody is shown. So a gap is not a missing number, but an activity that
//! somebody else saw, or was told of, and this reader was not given.

use std::collections::HashMap;

use super::index::{At, Connection, Conversation};
use super::{Found, Index, Invariant};
use crate::history::{Page, Position};

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let sent = SentAfter::new(index);
    for connection in &index.connections {
        let name = connection.open.conversation.as_str();
        let Some(conversation) = index.conversations.get(name) else { continue };
        let mut stood_at = connection.after().unwrap_or_else(|| sent.start_of_new(connection));
        let mut since = connection.opened;
        for &(at, page) in &connection.pages {
            rising(connection, stood_at, page, found);
            passed_over(connection, conversation, stood_at, page, found);
            let restored = index.restored_between(name, since, at);
            stood_at = if restored { page.watermark } else { stood_at.max(page.watermark) };
            since = at;
        }
    }
}

/// Each activity stands behind the one before it, behind the reader's watermark, and not behind the new one.
fn rising(connection: &Connection<'_>, stood_at: Position, page: &Page, found: &mut Found<'_>) {
    let mut last = stood_at;
    for seen in &page.seen {
        if seen.position <= last {
            let what = format!(
                "{} stood at {last} of {} and was then given {} at {}",
                connection.process, connection.open.conversation, seen.payload, seen.position
            );
            found(Invariant::Gap, what);
        }
        last = last.max(seen.position);
    }
    if last > page.watermark && !page.seen.is_empty() {
        let what = format!(
            "{} was given activities of {} up to {last} with the watermark {}; a resume would repeat them",
            connection.process, connection.open.conversation, page.watermark
        );
        found(Invariant::Gap, what);
    }
}

fn passed_over(
    connection: &Connection<'_>,
    conversation: &Conversation,
    stood_at: Position,
    page: &Page,
    found: &mut Found<'_>,
) {
    let from = conversation.visible.partition_point(|position| *position <= stood_at);
    let to = conversation.visible.partition_point(|position| *position <= page.watermark);
    let expected = conversation.visible.get(from..to).unwrap_or_default();
    if expected.len() == page.seen.len() {
        // As many as there are: then they are the same, or `rising` has spoken.
        return;
    }
    let mut given: Vec<Position> = page.seen.iter().map(|seen| seen.position).collect();
    given.sort_unstable();
    let missing: Vec<Position> =
        expected.iter().copied().filter(|position| given.binary_search(position).is_err()).collect();
    if let Some(first) = missing.first() {
        let what = format!(
            "{} went from {stood_at} to {} in {} and was not given {} of the activities between, the first at {first}",
            connection.process,
            page.watermark,
            connection.open.conversation,
            missing.len()
        );
        found(Invariant::Gap, what);
    }
}

/// For readers who asked for new activities only: what was first sent after they asked is new, wherever it stands.
struct SentAfter<'h> {
    /// Per conversation, sorted by time: when a payload was first sent, and the smallest position among it and
    /// all that were sent later.
    smallest: HashMap<&'h str, Vec<(At, Position)>>,
}

impl<'h> SentAfter<'h> {
    fn new(index: &Index<'h>) -> Self {
        let mut smallest: HashMap<&'h str, Vec<(At, Position)>> = HashMap::new();
        let mut add = |conversation: &'h str, payload: &str, position: Position| {
            if let Some(sent) = index.payloads.get(payload) {
                smallest.entry(conversation).or_default().push((sent.invoked, position));
            }
        };
        for (name, payload) in &index.payloads {
            payload.positions.iter().for_each(|position| add(payload.conversation, name, *position));
        }
        for sighting in &index.sightings {
            add(sighting.conversation, sighting.payload, sighting.position);
        }
        for times in smallest.values_mut() {
            times.sort_unstable();
            let mut least = Position::MAX;
            for (_, position) in times.iter_mut().rev() {
                least = least.min(*position);
                *position = least;
            }
        }
        Self { smallest }
    }

    /// The position the reader stood at: before the first activity it was shown, and before the first that was
    /// sent after it had asked.
    fn start_of_new(&self, connection: &Connection<'_>) -> Position {
        let first_shown =
            connection.pages.iter().flat_map(|(_, page)| &page.seen).map(|seen| seen.position).next();
        let times = self.smallest.get(connection.open.conversation.as_str()).map_or(&[][..], Vec::as_slice);
        let next = times.partition_point(|(at, _)| *at < connection.opened);
        let first_new = times.get(next).map(|(_, position)| *position);
        let tail = connection.pages.first().map_or(0, |(_, page)| page.watermark);
        match (first_shown, first_new) {
            (Some(shown), Some(new)) => shown.min(new).saturating_sub(1),
            (Some(one), None) | (None, Some(one)) => one.saturating_sub(1),
            (None, None) => tail,
        }
    }
}
