//! The newest durable records of one conversation, in memory: a cache below `read`, never a second source.
//!
//! Invariant: what a ring hands out is an unbroken run of the log. Each record names the one before it; where the
//! chain does not reach back to the reader's position, the ring says so and the store is asked. What replaces a record
//! of the ring is in the ring too, and each says so as the store would.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use landline_protocol::Position;

use crate::limits::{ALL_RINGS_BYTES, RING_BYTES, RING_RECORDS};
use crate::store::{PageLimit, Record};

/// See the module.
#[derive(Debug)]
pub(crate) struct Ring {
    records: BTreeMap<Position, Record>,
    bytes: usize,
    /// The bytes of all rings of the process.
    total: Arc<AtomicUsize>,
}

impl Ring {
    pub(crate) fn new(total: Arc<AtomicUsize>) -> Self {
        Self { records: BTreeMap::new(), bytes: 0, total }
    }

    /// Takes a durable record in, and drops the oldest ones over the bounds.
    pub(crate) fn push(&mut self, mut record: Record) {
        let size = record.body.len();
        if size > RING_BYTES || self.total.load(Ordering::Relaxed) + size > ALL_RINGS_BYTES {
            self.clear();
            return;
        }
        self.link(&mut record);
        if self.records.insert(record.position, record).is_none() {
            self.bytes += size;
            self.total.fetch_add(size, Ordering::Relaxed);
        }
        while self.records.len() > RING_RECORDS || self.bytes > RING_BYTES {
            let Some((_, oldest)) = self.records.pop_first() else { break };
            self.bytes -= oldest.body.len();
            self.total.fetch_sub(oldest.body.len(), Ordering::Relaxed);
        }
    }

    /// Says of the record, and of those that it belongs to, what the newest of them is. Records of appends that were made
    /// at once may come in any order.
    fn link(&mut self, record: &mut Record) {
        let root = |record: &Record| record.replaces.unwrap_or(record.position);
        let of = root(record);
        let mut family: Vec<_> = self.records.values_mut().filter(|other| root(other) == of).collect();
        family.push(record);
        let newest = family.iter().filter(|of| of.replaces.is_some()).map(|of| of.position).max();
        for member in family {
            member.replaced_by = newest.filter(|newest| *newest != member.position);
        }
    }

    /// The records right behind `after`; `None` where the ring does not reach back that far.
    pub(crate) fn read(&self, after: Position, limit: PageLimit) -> Option<Vec<Record>> {
        let mut page: Vec<Record> = Vec::new();
        let mut bytes = 0;
        for record in self.records.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, record)| record)
        {
            let follows = match page.last() {
                Some(before) => record.previous == before.position,
                None => record.previous <= after,
            };
            if !follows || page.len() >= limit.records || (bytes >= limit.bytes && !page.is_empty()) {
                break;
            }
            bytes += record.body.len();
            page.push(record.clone());
        }
        (!page.is_empty()).then_some(page)
    }

    /// Forgets all of it.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.total.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use landline_protocol::Timestamp;

    use super::*;
    use crate::store::Audience;

    const LIMIT: PageLimit = PageLimit { records: 100, bytes: 1 << 20 };

    fn record(previous: u64, position: u64, bytes: usize) -> Record {
        Record {
            position: Position::new(position),
            previous: Position::new(previous),
            time: Timestamp::default(),
            audience: Audience::Everyone,
            body: Bytes::from(vec![b'x'; bytes]),
            replaces: None,
            replaced_by: None,
        }
    }

    #[test]
    fn what_replaces_a_record_is_known_whatever_the_order_in_which_it_comes() {
        let replacing = |position, root| Record {
            replaces: Some(Position::new(root)),
            ..record(position - 1, position, 1)
        };
        for order in [[0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let records = [record(0, 1, 1), replacing(2, 1), record(2, 3, 1), replacing(4, 1)];
            let mut ring = Ring::new(Arc::default());
            for index in order {
                let record: &Record = &records[index];
                ring.push(record.clone());
            }
            let page = ring.read(Position::START, LIMIT).unwrap();
            let links: Vec<_> = page.iter().map(|r| r.replaced_by.map(Position::get)).collect();
            assert_eq!(links, [Some(4), Some(4), None, None], "{order:?}");
        }
    }

    fn positions(ring: &Ring, after: u64, limit: PageLimit) -> Option<Vec<u64>> {
        let page = ring.read(Position::new(after), limit)?;
        Some(page.iter().map(|r| r.position.get()).collect())
    }

    #[test]
    fn a_run_is_handed_out_only_as_far_as_it_is_unbroken() {
        let mut ring = Ring::new(Arc::default());
        for (previous, position) in [(4, 5), (5, 6), (7, 8)] {
            ring.push(record(previous, position, 1));
        }
        assert_eq!(positions(&ring, 4, LIMIT), Some(vec![5, 6]));
        assert_eq!(positions(&ring, 5, LIMIT), Some(vec![6]));
        assert_eq!(positions(&ring, 3, LIMIT), None, "record 4 is not here");
        assert_eq!(positions(&ring, 6, LIMIT), None, "record 7 is not here yet");
        ring.push(record(6, 7, 1));
        assert_eq!(positions(&ring, 4, LIMIT), Some(vec![5, 6, 7, 8]));
        assert_eq!(positions(&ring, 8, LIMIT), None);
    }

    #[test]
    fn a_reader_in_a_gap_of_positions_goes_on_behind_it() {
        let mut ring = Ring::new(Arc::default());
        ring.push(record(5, 1_000_000, 1));
        assert_eq!(positions(&ring, 5, LIMIT), Some(vec![1_000_000]));
        assert_eq!(positions(&ring, 700, LIMIT), Some(vec![1_000_000]));
        assert_eq!(positions(&ring, 4, LIMIT), None);
    }

    #[test]
    fn pages_end_at_their_limits_and_hold_at_least_one_record() {
        let mut ring = Ring::new(Arc::default());
        for position in 1..=5 {
            ring.push(record(position - 1, position, 10));
        }
        assert_eq!(positions(&ring, 0, PageLimit { records: 2, bytes: 1 << 20 }), Some(vec![1, 2]));
        assert_eq!(positions(&ring, 0, PageLimit { records: 9, bytes: 15 }), Some(vec![1, 2]));
        assert_eq!(positions(&ring, 0, PageLimit { records: 9, bytes: 1 }), Some(vec![1]));
    }

    #[test]
    fn memory_is_bounded_by_count_and_bytes_and_given_back() {
        let total = Arc::new(AtomicUsize::new(0));
        let mut ring = Ring::new(Arc::clone(&total));
        for position in 1..=1000 {
            ring.push(record(position - 1, position, 10));
        }
        assert_eq!(ring.records.len(), RING_RECORDS);
        assert_eq!(total.load(Ordering::Relaxed), RING_RECORDS * 10);
        ring.push(record(1000, 1001, RING_BYTES));
        assert_eq!(ring.records.len(), 1);
        ring.push(record(1001, 1002, RING_BYTES + 1));
        assert!(ring.records.is_empty(), "a record that is too large leaves no gap behind");
        drop(ring);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
