//! I10, as far as the `wait` mode promises it: a client's request is at most one attempt at the bot that may have
//! reached it, and once a request was answered 2xx, the bot is not given that activity again.
//!
//! Only judged for payloads that came to the bot. What the `queued` mode promises instead is in `outbox.rs`.

use std::collections::HashMap;

use super::{Found, Index, Invariant};

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let mut deliveries: HashMap<&str, usize> = HashMap::new();
    for sighting in index.sightings.iter().filter(|sighting| sighting.connection.is_none()) {
        if index.is_queued(sighting.conversation) {
            continue;
        }
        let Some(payload) = index.payloads.get(sighting.payload) else { continue };
        let count = deliveries.entry(sighting.payload).or_default();
        *count += 1;
        // Judged against all requests of the history: one that was not sent yet cannot be told from one whose
        // record is late.
        if *count == payload.requests + 1 {
            let what = format!(
                "{} of {} was sent in {} requests, and the bot was given it more often",
                sighting.payload, sighting.conversation, payload.requests
            );
            found(Invariant::Delivery, what);
        }
        if payload.accepted.is_some_and(|accepted| accepted < sighting.at) {
            let what = format!(
                "the bot was given {} of {} again after its sender had been answered 2xx",
                sighting.payload, sighting.conversation
            );
            found(Invariant::Delivery, what);
        }
    }
}
