//! Judges a history: the invariants I1 to I8, the delivery rules of both modes, and files.
//!
//! Every check is a function from the [`Index`] of a history to violations. A violation is a sentence that
//! names the conversation, the payload and the positions, so that a person can search the history for them.
//! All of it is O(n log n) in the number of activities seen.
//!
//! Some faults break several invariants; then all of them say so. What matters: none is quiet that was broken,
//! and none speaks of a history that is right. `checker/tests.rs` holds both to it.
//!
//! | | Invariant | File |
//! | --- | --- | --- |
//! | I1 | an acknowledged activity is in the final read | `acknowledged.rs` |
//! | I2 | no payload twice; one key, one position | `once.rs` |
//! | I3 | (conversation, position) and payload belong together, for everybody | `place.rs` |
//! | I4 | what was there before B was sent stands before B | `order.rs` |
//! | I5 | a reader's positions rise, and nothing visible is passed over, also across a resume | `gap.rs` |
//! | I6 | nothing is seen that was refused, or never sent | `phantom.rs` |
//! | I7 | what anybody saw is still there at the end | `kept.rs` |
//! | I8 | a watermark never goes back; the answer to one watermark only grows at its end | `stable.rs` |
//! | I10 | the bot is tried at most once per request, and not again after the request was answered 2xx | `delivery.rs` |
//! | I11 | a bot in `queued` mode is given all that was acknowledged, and for the first time in order | `outbox.rs` |
//! | I15 | an activity has its files, byte for byte; no file without an activity, or a bot that gave it | `files.rs` |

mod acknowledged;
mod delivery;
mod files;
mod gap;
mod index;
mod kept;
mod once;
mod order;
mod outbox;
mod phantom;
mod place;
mod stable;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::history::Record;

pub use index::{Index, Malformed};

/// What was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    Acknowledged,
    Once,
    Place,
    Order,
    Gap,
    Phantom,
    Kept,
    Stable,
    Delivery,
    Outbox,
    Files,
}

impl Invariant {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Acknowledged,
        Self::Once,
        Self::Place,
        Self::Order,
        Self::Gap,
        Self::Phantom,
        Self::Kept,
        Self::Stable,
        Self::Delivery,
        Self::Outbox,
        Self::Files,
    ];

    /// What it promises, in a few words.
    pub fn promise(self) -> &'static str {
        match self {
            Self::Acknowledged => "I1 acknowledged means there",
            Self::Once => "I2 nothing twice",
            Self::Place => "I3 one place, one payload",
            Self::Order => "I4 order of acknowledgement",
            Self::Gap => "I5 nothing passed over",
            Self::Phantom => "I6 nothing refused or invented",
            Self::Kept => "I7 seen means kept",
            Self::Stable => "I8 watermarks only go forward",
            Self::Delivery => "I10 one delivery attempt per request",
            Self::Outbox => "I11 queued: at least once, in order",
            Self::Files => "I15 files with their activities, and no others",
        }
    }
}

/// One broken promise, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.promise(), self.what)
    }
}

/// What a history held, and what was wrong with it.
#[derive(Debug)]
pub struct Report {
    /// Payloads that were acknowledged at least once.
    pub acknowledged: usize,
    /// Payloads whose outcome stayed unknown, and those refused.
    pub unknown: usize,
    pub refused: usize,
    /// Activities shown to readers and to the bot, each showing counted.
    pub sightings: usize,
    pub violations: Vec<Violation>,
}

impl Report {
    pub fn count(&self, invariant: Invariant) -> usize {
        self.violations.iter().filter(|v| v.invariant == invariant).count()
    }
}

/// Judges `records`.
///
/// # Errors
/// [`Malformed`] when the history contradicts itself (a completion that was never invoked, a page of a connection
/// that was never opened): then the test that wrote it is wrong, and nothing is said about the server.
pub fn check(records: &[Record]) -> Result<Report, Malformed> {
    let index = Index::build(records)?;
    let mut violations = Vec::new();
    for check in [
        acknowledged::check,
        once::check,
        place::check,
        order::check,
        gap::check,
        phantom::check,
        kept::check,
        stable::check,
        delivery::check,
        outbox::check,
        files::check,
    ] {
        check(&index, &mut |invariant, what| violations.push(Violation { invariant, what }));
    }
    let acknowledged = index.payloads.values().filter(|p| p.acknowledged.is_some()).count();
    let refused = index.payloads.values().filter(|p| p.all_refused()).count();
    Ok(Report {
        acknowledged,
        unknown: index.payloads.len() - acknowledged - refused,
        refused,
        sightings: index.sightings.len(),
        violations,
    })
}

/// Where a check puts what it found.
type Found<'f> = dyn FnMut(Invariant, String) + 'f;
