//! Beginning conversations, putting records at their ends, and delivery states.

use bytes::Bytes;
use landline_core::store::{
    Append, AppendError, Appended, Create, Created, DeliveryState, IdempotencyKey, NewRecord, StoreError,
};
use landline_protocol::{ConversationId, Position};

use super::group::{Group, Log};
use crate::error::Trouble;
use crate::reading::{delivery_place, delivery_places};
use crate::schema::keys::{self, tag};
use crate::schema::{
    Link, Sent, StoredHead, StoredRecord, decode_delivery, encode_delivery, encode_facts, encode_newest,
};
use crate::tables::Keep;

type Records = Vec<(NewRecord, Option<DeliveryState>)>;

impl Group<'_> {
    pub(super) fn create(&mut self, create: Create) -> Result<Created, AppendError> {
        let Create { conversation, time, facts, records } = create;
        let log = self.log(&conversation).map_err(|trouble| trouble.for_append(&conversation))?;
        if log.now.is_some() {
            return Ok(Created::Existed);
        }
        self.room.for_new().map_err(AppendError::Unavailable)?;
        let mut head = StoredHead::new(time, 0);
        self.push(&conversation, &mut head, records, None)?;
        self.put_facts(&conversation, &mut head, &facts);
        self.set_log(&conversation, Log { now: Some(head), ..log });
        Ok(Created::New)
    }

    pub(super) fn append(&mut self, append: Append) -> Result<Appended, AppendError> {
        let Append { conversation, expected_tail, records, idempotency, facts } = append;
        let log = self.log(&conversation).map_err(|trouble| trouble.for_append(&conversation))?;
        let mut head = log.now.ok_or(AppendError::NotFound)?;
        if let Some(key) = &idempotency {
            let seen = self.seen(&conversation, key).map_err(|trouble| trouble.for_append(&conversation))?;
            if let Some(position) = seen {
                return Ok(Appended::Duplicate { position });
            }
        }
        if expected_tail != head.tail {
            return Err(AppendError::Conflict { tail: head.tail });
        }
        if records.is_empty() && (facts.is_none() || idempotency.is_some()) {
            let problem = "an append needs a record, or new facts and no key".to_owned();
            return Err(AppendError::Unavailable(StoreError(problem)));
        }
        self.room.for_new().map_err(AppendError::Unavailable)?;
        self.push(&conversation, &mut head, records, idempotency.as_ref())?;
        if let Some(facts) = facts {
            self.put_facts(&conversation, &mut head, &facts);
        }
        self.set_log(&conversation, Log { now: Some(head), ..log });
        Ok(Appended::Done)
    }

    /// Where the first send with this key stands, if it counts.
    fn seen(&self, conversation: &ConversationId, key: &IdempotencyKey) -> Result<Option<Position>, Trouble> {
        let place = keys::idempotency(conversation, &key.digest);
        let Some(value) = self.get(Keep::State, &place)? else { return Ok(None) };
        let sent = Sent::decode(&place, &value)?;
        Ok((sent.time >= key.not_before).then_some(sent.position))
    }

    /// Puts records at the tail, with their delivery states and the key: all of it, or nothing where it does
    /// not fit.
    fn push(
        &mut self,
        conversation: &ConversationId,
        head: &mut StoredHead,
        records: Records,
        key: Option<&IdempotencyKey>,
    ) -> Result<(), AppendError> {
        let first = head.tail;
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let Some(tail) = first.get().checked_add(count) else {
            return Err(AppendError::Unavailable(StoreError("there are no positions left".to_owned())));
        };
        for root in records.iter().filter_map(|(record, _)| record.replaces) {
            let replaceable = self.is_root(conversation, root);
            if !replaceable.map_err(|trouble| trouble.for_append(conversation))? {
                return Err(AppendError::NotReplaceable { position: root });
            }
        }
        let mut digest = key.map(|key| &key.digest);
        for (position, (record, delivery)) in (first.get()..tail).map(Position::new).zip(records) {
            let place = keys::place(conversation, position);
            if let Some(digest) = digest {
                let key = keys::idempotency(conversation, digest);
                let sent = Sent { position, time: record.time }.encode(&key);
                self.put(Keep::State, key, sent);
            }
            // Only the first record is found by the key, so only that one has to take it along when it goes.
            let (value, checksum) = StoredRecord::encode(&place, head.last, digest.take(), &record);
            self.put(Keep::Records, place, value);
            if let Some(root) = record.replaces {
                let known = self.put_newest(conversation, root, position);
                head.roots += u64::from(!known.map_err(|trouble| trouble.for_append(conversation))?);
            }
            if let Some(state) = delivery {
                self.put_delivery(conversation, position, state);
            }
            head.last = Link { position, checksum };
            head.last_time = record.time;
        }
        head.tail = Position::new(tail);
        head.revision += 1;
        Ok(())
    }

    /// Whether a record stands there that replaces no other.
    fn is_root(&self, conversation: &ConversationId, position: Position) -> Result<bool, Trouble> {
        let place = keys::place(conversation, position);
        let Some(value) = self.get(Keep::Records, &place)? else { return Ok(false) };
        Ok(StoredRecord::decode(&place, position, &value)?.record.replaces.is_none())
    }

    /// Keeps the newest replacement of a root; tells whether it had one before.
    fn put_newest(
        &mut self,
        conversation: &ConversationId,
        root: Position,
        newest: Position,
    ) -> Result<bool, Trouble> {
        let place = keys::newest(conversation, root);
        let known = self.get(Keep::State, &place)?.is_some();
        let value = encode_newest(&place, newest);
        self.put(Keep::State, place, value);
        Ok(known)
    }

    /// New facts, in both databases: without them, a repair could not make a conversation useful again.
    pub(super) fn put_facts(&mut self, conversation: &ConversationId, head: &mut StoredHead, facts: &Bytes) {
        let place = keys::tagged(tag::FACTS, conversation);
        let (value, checksum) = encode_facts(&place, facts);
        head.facts_checksum = checksum;
        self.put_twice(place, value);
    }

    fn put_delivery(&mut self, conversation: &ConversationId, position: Position, state: DeliveryState) {
        let (keep, place) = delivery_place(conversation, position, state.kind());
        let value = encode_delivery(&place, state);
        self.put(keep, place, value);
    }

    pub(super) fn set_delivery(
        &mut self,
        conversation: &ConversationId,
        position: Position,
        state: Option<DeliveryState>,
    ) -> Result<(), AppendError> {
        self.room.for_less().map_err(AppendError::Unavailable)?;
        let log = self.log(conversation).map_err(|trouble| trouble.for_append(conversation))?;
        let mut head = log.now.ok_or(AppendError::NotFound)?;
        let changed = self
            .change_delivery(conversation, position, state)
            .map_err(|trouble| trouble.for_append(conversation))?;
        if changed {
            // A lost change would let an attempt be repeated; the revision lets it be noticed.
            head.revision += 1;
            self.set_log(conversation, Log { now: Some(head), ..log });
        }
        Ok(())
    }

    fn change_delivery(
        &mut self,
        conversation: &ConversationId,
        position: Position,
        state: Option<DeliveryState>,
    ) -> Result<bool, Trouble> {
        let mut found = None;
        for (keep, place) in delivery_places(conversation, position) {
            if let Some(value) = self.get(keep, &place)? {
                found = Some((decode_delivery(&place, &value)?, keep, place));
            }
        }
        if found.as_ref().map(|(found, ..)| *found) == state {
            return Ok(false);
        }
        if let Some(state) = state {
            let record = keys::place(conversation, position);
            if found.is_none() && self.get(Keep::Records, &record)?.is_none() {
                return Ok(false);
            }
            if let Some((_, keep, place)) = found {
                self.remove(keep, place);
            }
            self.put_delivery(conversation, position, state);
        } else if let Some((_, keep, place)) = found {
            self.remove(keep, place);
        }
        Ok(true)
    }
}
