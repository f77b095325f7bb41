//! Shaping: whoever comes more often than their key may waits for their turn, in order, and not for long.
//!
//! Invariants:
//! - A key that would be treated as a new one is one that nobody remembers, sooner or later: so there is nothing to be
//!   gained by being forgotten, and nothing is lost by it.
//! - At most [`LIMITED_KEYS`] keys are remembered. While all of these are busy, further ones share a few lanes: whoever
//!   has many addresses fills neither the memory nor takes the place of those who are there already.
//! - Who waits holds nothing but their place, and gives it up when they are dropped: those behind move up.
//!
//! Not here: what is limited, and by what (`doors`); the arithmetic (`rate`); how many may wait in all (`waiters`).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::rate::{Rate, Used};
use super::waiters::{Owner, Waiters};
use crate::limits::{DELAYED_PER_KEY, LIMITED_KEYS, LIMITED_KEYS_LOOKED_AT, SHARED_LANES};

/// Whether somebody who was let through had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Passed {
    /// No.
    AtOnce,
    /// Yes.
    Late,
}

/// Too many: come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// When that makes sense.
    pub(crate) retry_after: Duration,
}

/// One limit: what is known of each of its keys.
#[derive(Debug)]
pub(crate) struct Lanes<K> {
    waiters: Waiters,
    /// Held for a look-up.
    keys: Mutex<Keys<K>>,
    shared: [Arc<Lane>; SHARED_LANES],
}

#[derive(Debug)]
struct Keys<K> {
    lanes: HashMap<K, Arc<Lane>>,
    /// Each key of `lanes` once: in which order they are looked at, to be forgotten.
    round: VecDeque<K>,
}

#[derive(Debug)]
struct Lane {
    /// Held for a few lines.
    state: Mutex<State>,
    /// Who has it is first in line. Tokio gives it to who asked first, and to the next one when it is dropped.
    first: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    used: Used,
    waiting: u32,
}

/// Counts one of those who wait.
struct InLine<'a>(&'a Lane);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting = state.waiting.saturating_sub(1);
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self { state: Mutex::default(), first: Semaphore::new(1) }
    }
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(
        &self,
        rate: Rate,
        until: Instant,
        waiters: &Waiters,
        owner: &Owner,
    ) -> Result<Passed, Refused> {
        let now = Instant::now();
        let (_in_line, expected) = {
            let mut state = self.state();
            let due = rate.due(state.used, now);
            if due <= now && state.waiting == 0 {
                rate.take(&mut state.used, now);
                return Ok(Passed::AtOnce);
            }
            let expected = due + rate.interval().saturating_mul(state.waiting);
            if expected > until || state.waiting >= DELAYED_PER_KEY {
                return Err(Refused { retry_after: expected - now });
            }
            state.waiting += 1;
            (InLine(self), expected)
        };
        let refused = Refused { retry_after: expected - now };
        let _place = waiters.place(owner).ok_or(refused)?;
        let Ok(Ok(_first)) = timeout_at(until, self.first.acquire()).await else { return Err(refused) };
        let due = rate.due(self.state().used, Instant::now());
        if due > until {
            return Err(refused);
        }
        sleep_until(due).await;
        rate.take(&mut self.state().used, Instant::now());
        Ok(Passed::Late)
    }

    fn is_nothing(&self, now: Instant) -> bool {
        let state = self.state();
        state.waiting == 0 && state.used.is_nothing(now)
    }
}

impl<K: Clone + Eq + Hash> Lanes<K> {
    pub(crate) fn new(waiters: Waiters) -> Self {
        let keys = Mutex::new(Keys { lanes: HashMap::new(), round: VecDeque::new() });
        Self { waiters, keys, shared: std::array::from_fn(|_| Arc::default()) }
    }

    /// Lets one of this key through, at the latest at `until`. Who waits takes one of the owner's places.
    ///
    /// # Errors
    /// [`Refused`], as soon as it is known: the key, the owner, or the server has too many who wait already.
    pub(crate) async fn pass(
        &self,
        key: &K,
        rate: Rate,
        until: Instant,
        owner: &Owner,
    ) -> Result<Passed, Refused> {
        self.lane(key).pass(rate, until, &self.waiters, owner).await
    }

    fn lane(&self, key: &K) -> Arc<Lane> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = keys.lanes.get(key) {
            return Arc::clone(lane);
        }
        keys.forget_some(Instant::now());
        if keys.lanes.len() >= LIMITED_KEYS {
            let hash = keys.lanes.hasher().hash_one(key);
            let place = usize::try_from(hash % SHARED_LANES as u64).unwrap_or_default();
            return Arc::clone(&self.shared[place]);
        }
        let lane = Arc::<Lane>::default();
        keys.lanes.insert(key.clone(), Arc::clone(&lane));
        keys.round.push_back(key.clone());
        lane
    }
}

impl<K: Clone + Eq + Hash> Keys<K> {
    /// Looks at a few keys, in turn, and forgets those that are as good as new: more of them than one that is added.
    fn forget_some(&mut self, now: Instant) {
        for _ in 0..LIMITED_KEYS_LOOKED_AT {
            let Some(key) = self.round.pop_front() else { return };
            // Whoever is about to pass holds a handle.
            let idle = |lane: &Arc<Lane>| Arc::strong_count(lane) == 1 && lane.is_nothing(now);
            if self.lanes.get(&key).is_some_and(idle) {
                self.lanes.remove(&key);
            } else {
                self.round.push_back(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::task::JoinSet;
    use tokio::time::{advance, sleep};

    use super::*;

    const OWNER: Owner = Owner::Strangers;
    const WAIT: Duration = Duration::from_secs(10);

    fn waiters() -> Waiters {
        Waiters::new(Gauge::default())
    }

    fn rate() -> Rate {
        // Ten at once, then one each second.
        Rate::per_second(1).unwrap()
    }

    async fn used_up(lanes: &Lanes<u32>, key: u32) {
        for _ in 0..10 {
            assert_eq!(lanes.pass(&key, rate(), Instant::now(), &OWNER).await, Ok(Passed::AtOnce));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_over_the_rate_waits_in_order_and_then_is_refused() {
        let lanes = Arc::new(Lanes::new(waiters()));
        used_up(&lanes, 1).await;
        let began = Instant::now();

        let mut waiting = JoinSet::new();
        for number in 1..=10 {
            let lanes = Arc::clone(&lanes);
            waiting.spawn(async move {
                // They come one after the other.
                sleep(Duration::from_millis(number)).await;
                let passed = lanes.pass(&1, rate(), began + WAIT, &OWNER).await;
                (number, passed, began.elapsed())
            });
        }
        sleep(Duration::from_millis(500)).await;
        let refused = lanes.pass(&1, rate(), began + WAIT, &OWNER).await.unwrap_err();
        assert_eq!(
            refused.retry_after,
            Duration::from_millis(10_500),
            "at once, with the time when there is room"
        );
        assert_eq!(began.elapsed(), Duration::from_millis(500));

        let mut seconds = Vec::new();
        while let Some(Ok((number, passed, time))) = waiting.join_next().await {
            assert_eq!(passed, Ok(Passed::Late));
            assert_eq!(time.as_secs(), number, "{number} passed after {time:?}");
            seconds.push(number);
        }
        assert_eq!(seconds, (1..=10).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_gives_up_their_place_and_those_behind_move_up() {
        let waiters = waiters();
        let lanes = Arc::new(Lanes::new(waiters.clone()));
        used_up(&lanes, 1).await;
        let began = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..10 {
            let lanes = Arc::clone(&lanes);
            #[expect(clippy::disallowed_methods, reason = "a test that aborts it")]
            tasks.push(tokio::spawn(async move {
                lanes.pass(&1, rate(), began + WAIT, &OWNER).await.unwrap();
                began.elapsed()
            }));
            tokio::task::yield_now().await;
        }
        assert_eq!(waiters.shown(), 10);

        // The first, who was asleep until their turn, and most of the others.
        let last = tasks.pop().unwrap();
        for task in tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
        assert_eq!(waiters.shown(), 1);
        assert_eq!(last.await.unwrap(), Duration::from_secs(1), "next in turn");
        // Nobody has taken what those who left would have taken.
        assert_eq!(lanes.pass(&1, rate(), began + WAIT, &OWNER).await, Ok(Passed::Late));
        assert_eq!((began.elapsed(), waiters.shown()), (Duration::from_secs(2), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_waits_and_another_does_not() {
        let lanes = Lanes::new(waiters());
        used_up(&lanes, 1).await;
        let until = Instant::now() + WAIT;
        assert_eq!(lanes.pass(&2, rate(), until, &OWNER).await, Ok(Passed::AtOnce));
        assert_eq!(lanes.pass(&1, rate(), until, &OWNER).await, Ok(Passed::Late));
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_to_wait_is_refused() {
        let waiters = waiters();
        let lanes = Lanes::new(waiters.clone());
        used_up(&lanes, 1).await;
        let taken: Vec<_> = std::iter::from_fn(|| waiters.place(&OWNER)).collect();
        let until = Instant::now() + WAIT;
        assert_eq!(
            lanes.pass(&1, rate(), until, &OWNER).await,
            Err(Refused { retry_after: Duration::from_secs(1) })
        );
        drop(taken);
        assert_eq!(lanes.pass(&1, rate(), until, &OWNER).await, Ok(Passed::Late));
    }

    #[tokio::test(start_paused = true)]
    async fn many_keys_neither_grow_the_table_nor_push_out_one_that_is_known() {
        let lanes = Lanes::new(waiters());
        used_up(&lanes, 0).await;
        let until = Instant::now();
        let (mut at_once, mut refused) = (0, 0);
        for key in 1..3 * u32::try_from(LIMITED_KEYS).unwrap() {
            match lanes.pass(&key, rate(), until, &OWNER).await {
                Ok(_) => at_once += 1,
                Err(_) => refused += 1,
            }
        }
        let most = LIMITED_KEYS - 1 + SHARED_LANES * 10;
        assert_eq!(at_once, most, "each key that is known has its own, all others share");
        assert!(refused > LIMITED_KEYS);
        assert!(lanes.pass(&0, rate(), until, &OWNER).await.is_err(), "the busy key was not forgotten");
        assert_eq!(lanes.keys.lock().unwrap().lanes.len(), LIMITED_KEYS);

        // When they are as good as new, they make room.
        advance(Duration::from_secs(20)).await;
        for key in 0..u32::try_from(LIMITED_KEYS).unwrap() {
            let key = u32::MAX - key;
            assert_eq!(lanes.pass(&key, rate(), Instant::now(), &OWNER).await, Ok(Passed::AtOnce));
        }
        let keys = lanes.keys.lock().unwrap();
        assert_eq!(keys.lanes.len(), keys.round.len());
        assert!(keys.lanes.len() <= LIMITED_KEYS);
    }
}
