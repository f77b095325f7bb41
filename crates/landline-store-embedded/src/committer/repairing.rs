//! Making a damaged log usable again: what can be read from its beginning on stays, the rest goes, and the next
//! position lies far behind every one that was ever given. What replaces what is worked out anew from what stays.
//!
//! What the LSM store itself cannot read (a block of a table) stays damaged: it cannot be taken away either.

use std::collections::BTreeMap;
use std::ops::Bound::Included;

use bytes::Bytes;
use landline_core::store::{AppendError, DeliveryKind, DeliveryState, Parked, Queued, Repaired, StoreError};
use landline_protocol::{ConversationId, Position, Timestamp};

use super::group::{Group, Log};
use crate::error::Trouble;
use crate::reading::{decode, delivery_prefixes};
use crate::schema::keys::{self, tag};
use crate::schema::{
    Link, Sent, StoredHead, StoredRecord, decode_delivery, decode_facts, encode_delivery, encode_newest,
};
use crate::tables::{Keep, Keys, View};

/// What a repair is going to do.
struct Mended {
    /// The new head, without the checksum of the facts; `None` when there are no positions left.
    head: Option<StoredHead>,
    facts: Bytes,
    /// How many records are kept.
    kept: u64,
    /// What has to go.
    cut: Keys,
    /// The newest replacement of each root.
    newest: BTreeMap<Position, Position>,
    /// Delivery states in the place of those that cannot be read.
    states: Vec<(Keep, Vec<u8>, DeliveryState)>,
}

/// What was found of a log's records.
struct Found {
    /// The longest unbroken run from the beginning: how many, the last of them, what the first is chained to.
    kept: u64,
    last: Option<StoredRecord>,
    base: Link,
    /// The keys of all others.
    cut: Vec<Vec<u8>>,
    /// The highest position that is in use.
    highest: Position,
    /// Of what is kept: the newest replacement of each root.
    newest: BTreeMap<Position, Position>,
}

impl Group<'_> {
    /// The conversation is not touched in this group before.
    pub(super) fn repair(&mut self, conversation: &ConversationId) -> Result<Repaired, AppendError> {
        self.room.for_less().map_err(AppendError::Unavailable)?;
        let mended = self.mend(conversation).map_err(|trouble| trouble.for_append(conversation))?;
        let Some(Mended { head, facts, kept, cut, newest, states }) = mended else {
            return Err(AppendError::NotFound);
        };
        let Some(mut head) = head else {
            return Err(AppendError::Unavailable(StoreError("there are no positions left".to_owned())));
        };
        for (keep, key) in cut {
            self.remove(keep, key);
        }
        for (root, newest) in newest {
            let place = keys::newest(conversation, root);
            let value = encode_newest(&place, newest);
            self.put(Keep::State, place, value);
        }
        for (keep, place, state) in states {
            let value = encode_delivery(&place, state);
            self.put(keep, place, value);
        }
        self.put_facts(conversation, &mut head, &facts);
        self.set_log(conversation, Log { before: None, now: Some(head) });
        Ok(Repaired { kept, tail: head.tail })
    }

    /// Works out what to do; `None` when there is no such conversation. Changes nothing.
    fn mend(&self, conversation: &ConversationId) -> Result<Option<Mended>, Trouble> {
        let view = self.tables.view();
        let place = keys::tagged(tag::HEAD, conversation);
        if !view.contains(Keep::State, &place)? && self.tables.second(&place)?.is_none() {
            return Ok(None);
        }
        let first = readable(view.first_head(conversation))?.flatten();
        let second = readable(self.tables.second_head(conversation))?.flatten();
        let found = view.find(conversation, first.as_ref())?;
        let newest = [first, second].into_iter().flatten().max_by_key(|head| head.revision);
        let known = first.or(second);

        let last = found.last.as_ref().map_or(found.base, StoredRecord::link);
        let expired = first.map_or(found.base.position, |head| head.expired_through);
        let last_time = found.last.as_ref().map(|last| last.record.time);
        let ends = [first, second].into_iter().flatten().map(|head| head.tail.get() - 1);
        let highest = ends.chain([found.highest.get(), last.position.get()]).max().unwrap_or_default();
        let head = highest.checked_add(Position::JUMP).map(|tail| StoredHead {
            revision: newest.map_or(0, |head| head.revision) + 1,
            last,
            tail: Position::new(tail),
            expired_through: expired.clamp(found.base.position, last.position),
            base: found.base,
            last_time: last_time.or(known.map(|head| head.last_time)).unwrap_or(Timestamp::from_millis(0)),
            facts_checksum: 0,
            roots: found.newest.len() as u64,
        });
        let facts = self.find_facts(&view, conversation, newest.as_ref())?;
        let mut cut: Vec<_> = found.cut.into_iter().map(|key| (Keep::Records, key)).collect();
        cut.extend(view.beyond(conversation, last.position)?);
        let states = view.lost_states(conversation, last.position)?;
        Ok(Some(Mended { head, facts, kept: found.kept, cut, newest: found.newest, states }))
    }

    /// The facts that the newest head means; else any that can be read; else none.
    fn find_facts(
        &self,
        view: &View<'_>,
        conversation: &ConversationId,
        newest: Option<&StoredHead>,
    ) -> Result<Bytes, Trouble> {
        let place = keys::tagged(tag::FACTS, conversation);
        let mut any = None;
        for value in [view.get(Keep::State, &place)?, self.tables.second(&place)?].into_iter().flatten() {
            if let Some((facts, checksum)) = readable(decode_facts(&place, &value))? {
                if newest.is_some_and(|head| head.facts_checksum == checksum) {
                    return Ok(facts);
                }
                any = any.or(Some(facts));
            }
        }
        Ok(any.unwrap_or_default())
    }
}

impl View<'_> {
    /// Looks through all records of a conversation. Without a first head it is not known what the first record is
    /// chained to; then it is believed.
    fn find(&self, conversation: &ConversationId, first: Option<&StoredHead>) -> Result<Found, Trouble> {
        let base = first.map(|head| head.base);
        let mut found = Found {
            kept: 0,
            last: None,
            base: base.unwrap_or_default(),
            cut: Vec::new(),
            highest: Position::START,
            newest: BTreeMap::new(),
        };
        let mut link = base;
        let mut broken = false;
        let (from, to) =
            (keys::place(conversation, Position::START), keys::place(conversation, Position::new(u64::MAX)));
        for pair in self.range(Keep::Records, Included(from), Included(to)) {
            let pair = pair?;
            let (_, position) = keys::split_place(&pair.0)?;
            found.highest = position;
            let record = if broken { None } else { readable(decode(&pair))? };
            match record.filter(|record| link.is_none_or(|link| record.previous() == link)) {
                Some(record) => {
                    if link.is_none() {
                        found.base = record.previous();
                    }
                    link = Some(record.link());
                    found.kept += 1;
                    found.newest.extend(record.record.replaces.map(|root| (root, position)));
                    found.last = Some(record);
                }
                None => {
                    broken = true;
                    found.cut.push(pair.0.to_vec());
                }
            }
        }
        Ok(found)
    }

    /// Delivery states and keys that belong to records behind `last`, or cannot be read; and all entries about
    /// replacements, which are made anew.
    fn beyond(&self, conversation: &ConversationId, last: Position) -> Result<Keys, Trouble> {
        let mut beyond = Vec::new();
        for (_, keep, prefix) in delivery_prefixes(conversation) {
            for key in self.keys(keep, &prefix) {
                let key = key?;
                if keys::position(&key)? > last {
                    beyond.push((keep, key.to_vec()));
                }
            }
        }
        let prefix = keys::tagged_prefix(tag::KEY, conversation);
        for key in self.keys(Keep::State, &prefix) {
            let key = key?;
            let Some(value) = self.get(Keep::State, &key)? else { continue };
            if readable(Sent::decode(&key, &value))?.is_none_or(|sent| sent.position > last) {
                beyond.push((Keep::State, key.to_vec()));
            }
        }
        let prefix = keys::tagged_prefix(tag::NEWEST, conversation);
        for key in self.keys(Keep::State, &prefix) {
            beyond.push((Keep::State, key?.to_vec()));
        }
        Ok(beyond)
    }

    /// Delivery states up to `last` that cannot be read, and what they are taken for.
    fn lost_states(
        &self,
        conversation: &ConversationId,
        last: Position,
    ) -> Result<Vec<(Keep, Vec<u8>, DeliveryState)>, Trouble> {
        let mut lost = Vec::new();
        for (kind, keep, prefix) in delivery_prefixes(conversation) {
            for key in self.keys(keep, &prefix) {
                let key = key?;
                let Some(value) = self.get(keep, &key)? else { continue };
                let broken = readable(decode_delivery(&key, &value))?.is_none();
                if broken && keys::position(&key)? <= last {
                    lost.push((keep, key.to_vec(), lost_state(kind)));
                }
            }
        }
        Ok(lost)
    }
}

/// What a delivery state that cannot be read is taken for. Where it stands says of which kind it is; one in the outbox is
/// tried from the beginning rather than lost, one outside of it is not repeated.
fn lost_state(kind: Option<DeliveryKind>) -> DeliveryState {
    let (attempts, due, since, last_status) = (0, Timestamp::from_millis(0), Timestamp::from_millis(0), None);
    match kind {
        None => DeliveryState::Attempted,
        Some(DeliveryKind::Pending) => DeliveryState::Pending,
        Some(DeliveryKind::Queued) => {
            DeliveryState::Queued(Queued { attempts, due, since, waited_ms: 0, last_status })
        }
        Some(DeliveryKind::Parked) => DeliveryState::Parked(Parked { attempts, since, last_status }),
    }
}

/// Damage is what a repair is for: it counts as *not there*.
fn readable<T>(outcome: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Trouble::Damaged(_)) => Ok(None),
        Err(unavailable) => Err(unavailable),
    }
}
