//! When an attempt that failed is made again.
//!
//! After 1 s, 5 s, 30 s, 2 min, 10 min, 30 min, then every hour, until the pauses together would be more than a day; each a
//! tenth shorter or longer by chance, so that what failed together is not tried together. A bot that asks for more time
//! gets it.

use std::time::Duration;

use crate::entropy::Entropy;
use crate::limits::{OUTBOX_PAUSE_MAX, OUTBOX_PAUSES, OUTBOX_TIME};
use crate::store::Queued;

/// The pause before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// What it counts for.
    pub(super) counted: Duration,
    /// What it lasts.
    pub(super) lasts: Duration,
}

/// The pause behind one more attempt that failed; `None` when the time is over.
pub(super) fn pause(entry: &Queued, retry_after: Option<Duration>, entropy: &dyn Entropy) -> Option<Pause> {
    let failed_before = usize::try_from(entry.attempts).unwrap_or(usize::MAX);
    let planned = OUTBOX_PAUSES.get(failed_before).copied().unwrap_or(OUTBOX_PAUSE_MAX);
    let asked = retry_after.unwrap_or_default().min(OUTBOX_PAUSE_MAX);
    let counted = planned.max(asked);
    let waited = Duration::from_millis(entry.waited_ms).saturating_add(counted);
    (waited <= OUTBOX_TIME).then(|| Pause { counted, lasts: varied(planned, entropy).max(asked) })
}

/// Between nine and eleven tenths.
fn varied(pause: Duration, entropy: &dyn Entropy) -> Duration {
    let mut random = [0; 4];
    entropy.fill(&mut random);
    let part = f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX);
    pause.mul_f64(0.9 + 0.2 * part)
}
