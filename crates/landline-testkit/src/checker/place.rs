//! I3: (conversation, position) and payload belong together, one to one, for every reader, for the bot, and
//! for the sender who was told the position.

use std::collections::{BTreeMap, HashMap};

use super::{Found, Index, Invariant};
use crate::history::Position;

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let mut payload_at: HashMap<(&str, Position), BTreeMap<&str, &str>> = HashMap::new();
    let mut places_of: HashMap<&str, BTreeMap<(&str, Position), &str>> = HashMap::new();
    for (name, payload) in &index.payloads {
        for position in &payload.positions {
            let place = (payload.conversation, *position);
            payload_at.entry(place).or_default().insert(name, "its sender");
            places_of.entry(name).or_default().insert(place, "its sender");
        }
        if !payload.positions.is_empty() || payload.requests > 0 {
            places_of.entry(name).or_default();
        }
    }
    for sighting in &index.sightings {
        let place = (sighting.conversation, sighting.position);
        payload_at.entry(place).or_default().entry(sighting.payload).or_insert(sighting.by);
        places_of.entry(sighting.payload).or_default().entry(place).or_insert(sighting.by);
    }

    for ((conversation, position), payloads) in &payload_at {
        if payloads.len() > 1 {
            let what = format!(
                "position {position} of {conversation} has several payloads: {}",
                list(payloads.iter().map(|(payload, by)| format!("{payload} (by {by})")))
            );
            found(Invariant::Place, what);
        }
    }
    for (name, places) in &places_of {
        if places.len() > 1 {
            let what = format!(
                "{name} has several places: {}",
                list(places.iter().map(|((conversation, position), by)| {
                    format!("{position} of {conversation} (by {by})")
                }))
            );
            found(Invariant::Place, what);
        }
        let sent_to = index.payloads.get(name).map(|payload| payload.conversation);
        for (conversation, position) in places.keys() {
            if sent_to.is_some_and(|sent_to| sent_to != *conversation) {
                let what = format!(
                    "{name} was sent to {}, and stands at {position} of {conversation}",
                    sent_to.unwrap_or_default()
                );
                found(Invariant::Place, what);
            }
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
