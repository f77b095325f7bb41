//! I8: a watermark never goes back, but for a restore; and what is answered to one watermark only ever grows at
//! its end: of two readers who began at the same place, one saw a beginning of what the other saw.

use std::collections::BTreeMap;

use super::index::Connection;
use super::{Found, Index, Invariant};
use crate::history::{Page, Position, Seen};

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let mut same_start: BTreeMap<(&str, Position, usize), (&Connection<'_>, Vec<&Seen>)> = BTreeMap::new();
    for connection in &index.connections {
        going_back(index, connection, found);
        let Some(after) = connection.after() else { continue };
        let conversation = connection.open.conversation.as_str();
        let restores = index.conversations.get(conversation).map_or(&[][..], |c| &c.restored);
        let before = restores.iter().filter(|at| **at < connection.opened).count();
        let until = restores.get(before).copied().unwrap_or(usize::MAX);
        let seen: Vec<&Seen> =
            connection.pages.iter().filter(|(at, _)| *at < until).flat_map(|(_, page)| &page.seen).collect();
        match same_start.get_mut(&(conversation, after, before)) {
            None => {
                same_start.insert((conversation, after, before), (connection, seen));
            }
            Some((other, longest)) => {
                compare(connection, &seen, other, longest, after, found);
                if seen.len() > longest.len() {
                    (*other, *longest) = (connection, seen);
                }
            }
        }
    }
}

fn going_back(index: &Index<'_>, connection: &Connection<'_>, found: &mut Found<'_>) {
    let conversation = connection.open.conversation.as_str();
    let mut last = connection.after().unwrap_or(0);
    let mut since = connection.opened;
    for &(at, Page { watermark, .. }) in &connection.pages {
        if *watermark < last && !index.restored_between(conversation, since, at) {
            let what = format!(
                "the watermark of {} in {conversation} went back from {last} to {watermark}",
                connection.process
            );
            found(Invariant::Stable, what);
        }
        last = *watermark;
        since = at;
    }
}

fn compare(
    one: &Connection<'_>,
    seen_by_one: &[&Seen],
    other: &Connection<'_>,
    seen_by_other: &[&Seen],
    after: Position,
    found: &mut Found<'_>,
) {
    let differs = seen_by_one
        .iter()
        .zip(seen_by_other)
        .find(|(a, b)| (a.position, &a.payload) != (b.position, &b.payload));
    if let Some((a, b)) = differs {
        let what = format!(
            "{} and {} both read {} after {after}: one saw {} at {} where the other saw {} at {}",
            one.process, other.process, one.open.conversation, a.payload, a.position, b.payload, b.position
        );
        found(Invariant::Stable, what);
    }
}
