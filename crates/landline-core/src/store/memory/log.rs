//! One conversation in memory: its records, keys and delivery states.
//!
//! Invariants: every record lies behind `expired_through` and before `tail`; keys and delivery states belong to
//! records that are there. A root stands in `replaced` exactly as long as a record that replaces it is there (it may
//! itself be gone before), with the newest of these.
//!
//! Not here: the lock, and which conversations there are (`memory`).

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use bytes::Bytes;
use landline_protocol::{Position, Timestamp};

use crate::store::{
    Append, AppendError, Appended, DeliveryKind, DeliveryState, Head, IdempotencyKey, NewRecord, Page,
    PageLimit, ReadError, Record, Repaired, StoreError,
};

#[derive(Debug)]
pub(super) struct Log {
    head: Head,
    records: BTreeMap<Position, Record>,
    keys: HashMap<[u8; 16], Position>,
    deliveries: BTreeMap<Position, DeliveryState>,
    replaced: BTreeMap<Position, Position>,
}

impl Log {
    pub(super) fn new(created: Timestamp, facts: Bytes) -> Self {
        Self {
            head: Head {
                last: Position::START,
                tail: Position::new(1),
                expired_through: Position::START,
                last_time: created,
                facts,
            },
            records: BTreeMap::new(),
            keys: HashMap::new(),
            deliveries: BTreeMap::new(),
            replaced: BTreeMap::new(),
        }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn append(&mut self, append: Append) -> Result<Appended, AppendError> {
        if let Some(position) = append.idempotency.as_ref().and_then(|key| self.seen(key)) {
            return Ok(Appended::Duplicate { position });
        }
        if append.expected_tail != self.head.tail {
            return Err(AppendError::Conflict { tail: self.head.tail });
        }
        if append.records.is_empty() && (append.facts.is_none() || append.idempotency.is_some()) {
            return Err(refused("an append needs a record, or new facts and no key"));
        }
        self.push(append.records, append.idempotency)?;
        if let Some(facts) = append.facts {
            self.head.facts = facts;
        }
        Ok(Appended::Done)
    }

    /// Where the first send with this key stands, if it counts.
    fn seen(&self, key: &IdempotencyKey) -> Option<Position> {
        let position = self.keys.get(&key.digest)?;
        self.records
            .get(position)
            .filter(|record| record.time >= key.not_before)
            .map(|record| record.position)
    }

    /// Puts records at the tail: all of them, or none where they do not fit.
    pub(super) fn push(
        &mut self,
        records: Vec<(NewRecord, Option<DeliveryState>)>,
        key: Option<IdempotencyKey>,
    ) -> Result<(), AppendError> {
        let first = self.head.tail;
        if u64::try_from(records.len()).ok().and_then(|count| first.get().checked_add(count)).is_none() {
            return Err(refused("there are no positions left"));
        }
        for root in records.iter().filter_map(|(new, _)| new.replaces) {
            if self.records.get(&root).is_none_or(|record| record.replaces.is_some()) {
                return Err(AppendError::NotReplaceable { position: root });
            }
        }
        if let Some(key) = key {
            self.keys.insert(key.digest, first);
        }
        for (position, (new, delivery)) in (first.get()..).map(Position::new).zip(records) {
            let NewRecord { time, audience, body, replaces } = new;
            let previous = self.head.last;
            let replaced_by = None;
            let record = Record { position, previous, time, audience, body, replaces, replaced_by };
            self.records.insert(position, record);
            self.replaced.extend(replaces.map(|root| (root, position)));
            self.deliveries.extend(delivery.map(|state| (position, state)));
            self.head.last = position;
            self.head.last_time = time;
            self.head.tail = Position::new(position.get() + 1);
        }
        Ok(())
    }

    pub(super) fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        if after > self.head.last {
            return Err(ReadError::PastTail { last: self.head.last });
        }
        let mut page = Page { records: Vec::new(), expired_through: self.head.expired_through };
        let mut bytes = 0;
        for (_, record) in self.records.range((Excluded(after), Unbounded)).take(limit.records.max(1)) {
            bytes += record.body.len();
            let newest = self.replaced.get(&record.replaces.unwrap_or(record.position)).copied();
            let replaced_by = newest.filter(|newest| *newest != record.position);
            page.records.push(Record { replaced_by, ..record.clone() });
            if bytes >= limit.bytes {
                break;
            }
        }
        Ok(page)
    }

    pub(super) fn set_delivery(&mut self, position: Position, state: Option<DeliveryState>) {
        match state {
            Some(state) if self.records.contains_key(&position) => {
                self.deliveries.insert(position, state);
            }
            Some(_) => {}
            None => {
                self.deliveries.remove(&position);
            }
        }
    }

    pub(super) fn delivery(&self, position: Position) -> Option<DeliveryState> {
        self.deliveries.get(&position).copied()
    }

    /// Deliveries of one kind, behind `after`.
    pub(super) fn deliveries(
        &self,
        kind: DeliveryKind,
        after: Position,
    ) -> impl Iterator<Item = (Position, DeliveryState)> {
        self.deliveries
            .range((Excluded(after), Unbounded))
            .filter(move |(_, state)| state.kind() == Some(kind))
            .map(|(position, state)| (*position, *state))
    }

    pub(super) fn expire(&mut self, up_to: Position) {
        let through = up_to.min(self.head.last).max(self.head.expired_through);
        self.head.expired_through = through;
        self.records.retain(|position, _| *position > through);
        self.deliveries.retain(|position, _| *position > through);
        self.keys.retain(|_, position| *position > through);
        self.replaced.retain(|_, newest| *newest > through);
    }

    pub(super) fn jump(&mut self) -> Result<Repaired, AppendError> {
        // The last position that can have been given is the one before the tail.
        let tail = (self.head.tail.get() - 1).checked_add(Position::JUMP).map(Position::new);
        self.head.tail = tail.ok_or_else(|| refused("there are no positions left"))?;
        Ok(Repaired { kept: self.records.len() as u64, tail: self.head.tail })
    }
}

fn refused(why: &str) -> AppendError {
    AppendError::Unavailable(StoreError(why.to_owned()))
}
