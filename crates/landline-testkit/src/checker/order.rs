//! I4: what was known to stand in a conversation before B was first sent stands before B. A was acknowledged,
//! or was seen by anybody, before B was sent: A has the smaller position.

use std::collections::{BTreeMap, HashMap};

use super::index::At;
use super::{Found, Index, Invariant};
use crate::history::Position;

/// What happens to the sweep at one moment of a conversation.
enum Moment<'h> {
    Known(&'h str, Position),
    Sent(&'h str, Position),
}

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let place = places(index);
    let mut conversations: BTreeMap<&str, Vec<(At, Moment<'_>)>> = BTreeMap::new();
    for (name, payload) in &index.payloads {
        let Some(&position) = place.get(name) else { continue };
        let moments = conversations.entry(payload.conversation).or_default();
        moments.push((payload.invoked, Moment::Sent(name, position)));
        if let Some(at) = payload.acknowledged {
            moments.push((at, Moment::Known(name, position)));
        }
    }
    for sighting in &index.sightings {
        let moments = conversations.entry(sighting.conversation).or_default();
        moments.push((sighting.at, Moment::Known(sighting.payload, sighting.position)));
    }

    for (conversation, mut moments) in conversations {
        moments.sort_by_key(|(at, _)| *at);
        let mut highest: Option<(&str, Position)> = None;
        for (_, moment) in moments {
            match moment {
                Moment::Known(name, position) => {
                    if highest.is_none_or(|(_, known)| known < position) {
                        highest = Some((name, position));
                    }
                }
                Moment::Sent(name, position) => {
                    if let Some((before, known)) = highest.filter(|(_, known)| *known >= position) {
                        let what = format!(
                            "in {conversation}, {before} stood at {known} before {name} was sent, yet {name} stands at {position}"
                        );
                        found(Invariant::Order, what);
                    }
                }
            }
        }
    }
}

/// Where each payload stands: by its sender's word, or by the first who saw it (in its own
/// conversation: positions of two conversations have no order).
fn places<'h>(index: &Index<'h>) -> HashMap<&'h str, Position> {
    let mut places: HashMap<&'h str, Position> = HashMap::new();
    for (name, payload) in &index.payloads {
        if let Some(&position) = payload.positions.first() {
            places.insert(name, position);
        }
    }
    for sighting in &index.sightings {
        let sent_to = index.payloads.get(sighting.payload).map(|payload| payload.conversation);
        if sent_to == Some(sighting.conversation) {
            places.entry(sighting.payload).or_insert(sighting.position);
        }
    }
    places
}
