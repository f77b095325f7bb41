//! I6: nothing is seen that nobody sent, that was not sent yet, or whose every sending was refused.

use std::collections::HashSet;

use super::{Found, Index, Invariant};

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let mut reported = HashSet::new();
    for sighting in &index.sightings {
        let wrong = match index.payloads.get(sighting.payload) {
            None => "which nobody sent",
            Some(payload) if payload.invoked > sighting.at => "before it was sent",
            Some(payload) if payload.all_refused() => "although every sending of it was refused",
            Some(_) => continue,
        };
        if reported.insert(sighting.payload) {
            let what = format!(
                "{} saw {} at {} of {}, {wrong}",
                sighting.by, sighting.payload, sighting.position, sighting.conversation
            );
            found(Invariant::Phantom, what);
        }
    }
}
