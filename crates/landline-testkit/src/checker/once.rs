//! I2: no reader is shown a payload twice over one connection, and one key has one position: repeating a
//! send with the same `clientActivityID` makes no second entry.

use std::collections::{BTreeMap, HashMap};

use super::{Found, Index, Invariant};
use crate::history::Position;

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let mut shown: HashMap<(usize, &str), Position> = HashMap::new();
    for sighting in &index.sightings {
        let Some(connection) = sighting.connection else { continue };
        if let Some(before) = shown.insert((connection, sighting.payload), sighting.position) {
            let what = format!(
                "{} was shown {} of {} twice over one connection, at {before} and at {}",
                sighting.by, sighting.payload, sighting.conversation, sighting.position
            );
            found(Invariant::Once, what);
        }
    }

    let mut places: BTreeMap<(&str, &str), Vec<Position>> = BTreeMap::new();
    for payload in index.payloads.values() {
        if let Some(key) = payload.key {
            places.entry((payload.conversation, key)).or_default().extend(&payload.positions);
        }
    }
    for sighting in &index.sightings {
        if let Some(key) = sighting.key {
            places.entry((sighting.conversation, key)).or_default().push(sighting.position);
        }
    }
    for ((conversation, key), mut positions) in places {
        positions.sort_unstable();
        positions.dedup();
        if positions.len() > 1 {
            let what = format!(
                "the client's activity {key} of {conversation} stands at several positions: {positions:?}"
            );
            found(Invariant::Once, what);
        }
    }
}
