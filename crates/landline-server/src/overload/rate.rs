//! How often something may happen: so often in the long run, and so many at once after a rest.
//!
//! The generic cell rate algorithm: one moment for each key says all, and a key for which that moment has passed is as
//! good as one that was never seen. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::BURST_SECONDS;

/// See the module. There is none that lets nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// The time that one takes, in the long run.
    interval: Duration,
    /// How far ahead of that it may run.
    tolerance: Duration,
}

/// What is known of one key: until when its rate is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used(Option<Instant>);

impl Rate {
    /// So many a second; at once, what comes in [`BURST_SECONDS`]. `None` for 0: there is no limit.
    pub(crate) fn per_second(count: u32) -> Option<Self> {
        Self::new(count, Duration::from_secs(1), count.saturating_mul(BURST_SECONDS))
    }

    /// So many a minute, all of them at once if need be. `None` for 0: there is no limit.
    pub(crate) fn per_minute(count: u32) -> Option<Self> {
        Self::new(count, Duration::from_secs(60), count)
    }

    fn new(count: u32, per: Duration, at_once: u32) -> Option<Self> {
        let interval = per.checked_div(count)?;
        Some(Self { interval, tolerance: interval.saturating_mul(at_once.saturating_sub(1)) })
    }

    /// The time that one takes, in the long run.
    pub(crate) fn interval(self) -> Duration {
        self.interval
    }

    /// When the next one may happen; no earlier than now.
    pub(crate) fn due(self, used: Used, now: Instant) -> Instant {
        let earliest = used.0.and_then(|until| until.checked_sub(self.tolerance));
        earliest.map_or(now, |earliest| earliest.max(now))
    }

    /// One happens now.
    pub(crate) fn take(self, used: &mut Used, now: Instant) {
        used.0 = Some(used.0.map_or(now, |until| until.max(now)) + self.interval);
    }
}

impl Used {
    /// Whether forgetting it changes nothing.
    pub(crate) fn is_nothing(self, now: Instant) -> bool {
        self.0.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn so_many_at_once_and_then_one_at_a_time() {
        let rate = Rate::per_second(2).unwrap();
        let now = Instant::now();
        let mut used = Used::default();
        for number in 0..2 * BURST_SECONDS {
            assert_eq!(rate.due(used, now), now, "{number}");
            rate.take(&mut used, now);
        }
        assert_eq!(rate.due(used, now) - now, Duration::from_millis(500));
        assert_eq!(rate.due(used, now + Duration::from_secs(1)), now + Duration::from_secs(1));
        assert!(
            !used.is_nothing(now) && used.is_nothing(now + Duration::from_secs(u64::from(BURST_SECONDS)))
        );
    }

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!((Rate::per_second(0), Rate::per_minute(0)), (None, None));
        let (most, now) = (Rate::per_second(u32::MAX).unwrap(), Instant::now());
        assert_eq!(most.due(Used::default(), now), now);
    }

    proptest! {
        /// The model: a bucket of so many drops, into which one falls each interval.
        #[test]
        fn it_lets_through_what_a_bucket_of_drops_would(
            count in 1_u32..50,
            at_once in 1_u32..20,
            waits in proptest::collection::vec(0_u64..2_000, 1..200),
        ) {
            let rate = Rate::new(count, Duration::from_secs(1), at_once).unwrap();
            let start = Instant::now();
            let (mut now, mut used) = (start, Used::default());
            // In nanoseconds of dripping, so that nothing is rounded.
            let (drop, full) = (rate.interval.as_nanos(), rate.interval.as_nanos() * u128::from(at_once));
            let mut level = full;
            for wait in waits {
                let wait = Duration::from_millis(wait);
                now += wait;
                level = (level + wait.as_nanos()).min(full);
                let due = rate.due(used, now);
                prop_assert_eq!(due - now, Duration::from_nanos(u64::try_from(drop.saturating_sub(level)).unwrap()));
                if level >= drop {
                    level -= drop;
                    rate.take(&mut used, now);
                }
                prop_assert_eq!(used.is_nothing(now), level == full);
            }
        }
    }
}
