//! I11, what the `queued` mode promises: at the end of the history the bot was given everything that was acknowledged, and
//! nothing for the first time after something that stands behind it.
//!
//! That each is given under one id says I3. A history is judged when the outbox is empty: whoever records it waits.

use std::collections::{HashMap, HashSet};

use super::{Found, Index, Invariant};
use crate::history::{BOT, Position};

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let mut given: HashSet<&str> = HashSet::new();
    let mut furthest: HashMap<&str, (Position, &str)> = HashMap::new();
    for sighting in index.sightings.iter().filter(|sighting| sighting.connection.is_none()) {
        if !index.is_queued(sighting.conversation) || !given.insert(sighting.payload) {
            continue;
        }
        let last = furthest.entry(sighting.conversation).or_default();
        if sighting.position < last.0 {
            let what = format!(
                "in {}, the bot was given {} (position {}) for the first time after {} (position {})",
                sighting.conversation, sighting.payload, sighting.position, last.1, last.0
            );
            found(Invariant::Outbox, what);
        }
        *last = (*last).max((sighting.position, sighting.payload));
    }
    let mut missing: Vec<_> = index
        .payloads
        .iter()
        .filter(|(name, payload)| {
            payload.acknowledged.is_some()
                && payload.by != BOT
                && index.is_queued(payload.conversation)
                && !given.contains(*name)
        })
        .collect();
    missing.sort_unstable_by_key(|(_, payload)| payload.invoked);
    for (name, payload) in missing {
        let what =
            format!("{name} of {} was acknowledged, and the bot was never given it", payload.conversation);
        found(Invariant::Outbox, what);
    }
}
