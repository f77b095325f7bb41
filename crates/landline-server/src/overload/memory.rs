//! How much memory requests and streams may hold together, and what happens when that runs short.
//!
//! What is held is counted where it is held, and given back when it is dropped: bodies, with everything that was cut
//! out of them, uploads that are read, pages on their way to clients. With it, what the newest records of conversations
//! take. Beside that, it is looked now and then at what the whole process takes, of what the machine has: for what nobody
//! counts.
//!
//! Invariants:
//! - Every [`Held`] gives back what it has taken, exactly, whatever becomes of the request.
//! - Whoever is open already goes on: polls, streams, and requests that were let in. When nothing else helps, the stream
//!   that has waited longest for its client is closed; that client comes back with its watermark, and has lost nothing.
//!
//! Not here: who is turned away (`overload`).

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::limits::{MEMORY_FULL_PERCENT, MEMORY_LOOK, MEMORY_SHORT_PERCENT, PROCESS_SHORT_PERCENT};

/// How much of the memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// There is enough.
    None,
    /// What begins has to wait.
    Short,
    /// Not even a new stream fits.
    Full,
}

/// What is looked at for what nobody counts here.
pub(crate) struct Beside {
    /// How many bytes are held elsewhere, such as in the rings of the domain.
    pub(crate) elsewhere: Box<dyn Fn() -> u64 + Send + Sync>,
    /// How many bytes the process takes; `None` where that is not known.
    pub(crate) process: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    /// How many it can have; `None` where that is not known.
    pub(crate) machine: Option<u64>,
}

/// A cheap handle to the account.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Account>);

struct Account {
    /// Zero: there is no cap.
    cap: u64,
    held: AtomicU64,
    shown: Gauge,
    beside: Beside,
    /// When it was last looked at what the process takes, and what that was.
    process: Mutex<Option<(Instant, u64)>>,
    /// Those who wait for their clients to take what was written, longest first. Held for a few lines.
    writers: Mutex<Writers>,
}

#[derive(Default)]
struct Writers {
    next: u64,
    by_age: BTreeMap<u64, (u64, CancellationToken)>,
    /// Of all of these.
    bytes: u64,
    /// Of those that were given up, and are not gone yet.
    leaving: u64,
}

impl Writers {
    /// Takes out the one that has waited longest.
    fn oldest(&mut self) -> Option<(u64, CancellationToken)> {
        let (_, (bytes, oldest)) = self.by_age.pop_first()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.leaving += bytes;
        Some((bytes, oldest))
    }

    fn remove(&mut self, number: u64, bytes: u64) {
        let rest = match self.by_age.remove(&number) {
            Some(_) => &mut self.bytes,
            None => &mut self.leaving,
        };
        *rest = rest.saturating_sub(bytes);
    }
}

/// Counts for as long as it lives.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    bytes: u64,
}

/// A page on its way to a client. Counts for as long as it lives.
#[derive(Debug)]
pub(crate) struct Writing {
    held: Held,
    number: u64,
    give_up: CancellationToken,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("cap", &self.0.cap).field("held", &self.held()).finish_non_exhaustive()
    }
}

impl Memory {
    /// An account with a cap; 0 is none. The gauge shows what is held.
    pub(crate) fn new(cap: u64, shown: Gauge, beside: Beside) -> Self {
        let (held, process, writers) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        Self(Arc::new(Account { cap, held, shown, beside, process, writers }))
    }

    /// For tests of what counts.
    #[cfg(test)]
    pub(crate) fn without_cap() -> Self {
        Self::new(
            0,
            Gauge::default(),
            Beside { elsewhere: Box::new(|| 0), process: Box::new(|| None), machine: None },
        )
    }

    /// Counts something that is there already, or is about to be.
    pub(crate) fn hold(&self, bytes: usize) -> Held {
        let mut held = Held { memory: self.clone(), bytes: 0 };
        held.grow(bytes);
        held
    }

    /// The same bytes, which count until the last of whatever was cut out of them is dropped.
    pub(crate) fn hold_bytes(&self, bytes: Bytes) -> Bytes {
        let held = self.hold(bytes.len());
        held.around(bytes)
    }

    /// Counts a page on its way to a client. Where it does not fit, those streams are given up that have waited longest.
    pub(crate) fn write(&self, bytes: usize) -> Writing {
        let held = self.hold(bytes);
        let give_up = CancellationToken::new();
        let mut writers = self.writers();
        let number = writers.next;
        writers.next += 1;
        writers.by_age.insert(number, (held.bytes, give_up.clone()));
        writers.bytes += held.bytes;
        // Whoever was given up makes room in a moment; nobody else has to go for that.
        let counted = self.counted().saturating_sub(writers.leaving);
        if counted > self.percent(MEMORY_FULL_PERCENT) {
            // As much as makes room again for others, too; but what lies between is for streams in any case, whatever
            // takes the rest.
            let theirs = self.percent(MEMORY_FULL_PERCENT - MEMORY_SHORT_PERCENT);
            let mut too_much = counted
                .saturating_sub(self.percent(MEMORY_SHORT_PERCENT))
                .min(writers.bytes.saturating_sub(theirs));
            while too_much > 0
                && let Some((bytes, oldest)) = writers.oldest()
            {
                oldest.cancel();
                too_much = too_much.saturating_sub(bytes);
            }
        }
        drop(writers);
        Writing { held, number, give_up }
    }

    /// How it stands.
    pub(crate) fn pressure(&self) -> Pressure {
        if self.0.cap == 0 {
            return Pressure::None;
        }
        let counted = self.counted();
        if counted > self.percent(MEMORY_FULL_PERCENT) {
            Pressure::Full
        } else if counted > self.percent(MEMORY_SHORT_PERCENT) || self.process_is_short() {
            Pressure::Short
        } else {
            Pressure::None
        }
    }

    /// Waits until there is enough, at the latest until this moment. Whether there is.
    pub(crate) async fn enough(&self, until: Instant) -> bool {
        loop {
            if self.pressure() == Pressure::None {
                return true;
            }
            let now = Instant::now();
            if now >= until {
                return false;
            }
            sleep(MEMORY_LOOK.min(until - now)).await;
        }
    }

    fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    fn counted(&self) -> u64 {
        self.held().saturating_add((self.0.beside.elsewhere)())
    }

    /// Of the cap; of no cap, more than anybody has.
    fn percent(&self, percent: u64) -> u64 {
        if self.0.cap == 0 { u64::MAX } else { self.0.cap / 100 * percent }
    }

    fn process_is_short(&self) -> bool {
        let Some(machine) = self.0.beside.machine else { return false };
        let mut seen = self.0.process.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let bytes = match *seen {
            Some((when, bytes)) if now.saturating_duration_since(when) < MEMORY_LOOK => bytes,
            _ => {
                let bytes = (self.0.beside.process)().unwrap_or_default();
                *seen = Some((now, bytes));
                bytes
            }
        };
        bytes > machine / 100 * PROCESS_SHORT_PERCENT
    }

    fn writers(&self) -> MutexGuard<'_, Writers> {
        // Nothing panics under the lock.
        self.0.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Counts so many more.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.bytes += bytes;
        self.memory.0.held.fetch_add(bytes, Ordering::Relaxed);
        self.memory.0.shown.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// These bytes, which count as this does, until the last of whatever was cut out of them is dropped.
    pub(crate) fn around(self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        Bytes::from_owner(Owned { bytes, _held: self })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.memory.0.shown.dec_by(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }
}

struct Owned {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Writing {
    /// Resolves when the page is to be dropped, and its stream closed, because others need the room.
    pub(crate) async fn given_up(&self) {
        self.give_up.cancelled().await;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.held.memory.writers().remove(self.number, self.held.bytes);
    }
}

/// How much memory this process can have: of the machine, or less where its control group says so.
pub(crate) fn of_this_machine() -> Option<u64> {
    let read = |path| std::fs::read_to_string(path).ok();
    let info = read("/proc/meminfo")?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"));
    let total = total?.trim().parse::<u64>().ok()?.checked_mul(1024)?;
    let group = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse::<u64>().ok());
    Some(group.map_or(total, |group| group.min(total)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::*;

    const CAP: u64 = 1000;

    fn memory(cap: u64) -> Memory {
        let beside = Beside { elsewhere: Box::new(|| 0), process: Box::new(|| None), machine: None };
        Memory::new(cap, Gauge::default(), beside)
    }

    #[test]
    fn what_is_held_is_given_back_exactly() {
        let memory = memory(CAP);
        let mut held = memory.hold(100);
        held.grow(20);
        let bytes = held.around(Bytes::from(vec![1; 120]));
        let piece = bytes.slice(100..110);
        drop(bytes);
        assert_eq!((memory.held(), memory.0.shown.get()), (120, 120), "a piece keeps all of it");
        drop(piece);
        assert_eq!((memory.held(), memory.0.shown.get()), (0, 0));
        assert_eq!(memory.hold_bytes(Bytes::new()).len(), 0);
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn how_it_stands() {
        let capped = memory(CAP);
        for (bytes, pressure) in
            [(800, Pressure::None), (801, Pressure::Short), (950, Pressure::Short), (951, Pressure::Full)]
        {
            let _held = capped.hold(bytes);
            assert_eq!(capped.pressure(), pressure, "{bytes}");
        }
        let none = memory(0);
        let _held = none.hold(1 << 40);
        assert_eq!(none.pressure(), Pressure::None, "no cap");
    }

    #[test]
    fn what_others_hold_counts_and_so_does_the_process() {
        let (elsewhere, process) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let read = |counter: &Arc<AtomicU64>| {
            let counter = Arc::clone(counter);
            move || counter.load(Ordering::Relaxed)
        };
        let of_process = read(&process);
        let beside = Beside {
            elsewhere: Box::new(read(&elsewhere)),
            process: Box::new(move || Some(of_process())),
            machine: Some(10_000),
        };
        let memory = Memory::new(CAP, Gauge::default(), beside);
        process.store(9_001, Ordering::Relaxed);
        assert_eq!(memory.pressure(), Pressure::Short);
        elsewhere.store(951, Ordering::Relaxed);
        assert_eq!(memory.pressure(), Pressure::Full);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_goes_on_as_soon_as_there_is_enough() {
        let memory = memory(CAP);
        let held = memory.hold(900);
        let began = Instant::now();
        assert!(!memory.enough(began + Duration::from_secs(10)).await);
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        let leaves = async {
            sleep(Duration::from_secs(3)).await;
            drop(held);
        };
        let (enough, ()) = tokio::join!(memory.enough(Instant::now() + Duration::from_secs(10)), leaves);
        assert!(enough && began.elapsed() <= Duration::from_secs(13) + MEMORY_LOOK);
    }

    #[test]
    fn the_stream_that_has_waited_longest_is_given_up_first() {
        let memory = memory(CAP);
        let mut writers: Vec<_> = (0..9).map(|_| memory.write(100)).collect();
        assert!(writers.iter().all(|writing| !writing.give_up.is_cancelled()));
        drop(writers.remove(0)); // its client has taken it
        writers.push(memory.write(60));
        writers.push(memory.write(100));
        // 960 are held; down to 800, two have to go.
        let gone: Vec<_> = writers.iter().map(|writing| writing.give_up.is_cancelled()).collect();
        assert_eq!(gone[..3], [true, true, false], "{gone:?}");
        assert!(gone[2..].iter().all(|gone| !gone));

        // As long as those two are not gone, their room counts as free.
        writers.push(memory.write(10));
        assert!(writers[2..].iter().all(|writing| !writing.give_up.is_cancelled()));
        drop(writers);
        assert_eq!(memory.held(), 0);
        let writers = memory.writers();
        assert_eq!((writers.by_age.len(), writers.bytes, writers.leaving), (0, 0, 0));
    }

    #[test]
    fn streams_keep_a_part_whatever_takes_the_rest() {
        let memory = memory(CAP);
        let _bodies = memory.hold(990);
        let small: Vec<_> = (0..15).map(|_| memory.write(10)).collect();
        assert!(small.iter().all(|writing| !writing.give_up.is_cancelled()));
        let one_more = memory.write(10);
        assert!(small[0].give_up.is_cancelled() && !small[1].give_up.is_cancelled());
        assert!(!one_more.give_up.is_cancelled());
    }
}
