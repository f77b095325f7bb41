//! Reading records, and seeing that they are the ones that were written.
//!
//! Each record is chained to the one before it. A page is checked from the record that the reader has seen
//! already (or the last one that expired) to its own last, and where it reaches the end of the log, that it
//! reaches it whole. So within what was read, nothing is missing, swapped, or from somewhere else.

use std::ops::Bound::{Excluded, Included, Unbounded};

use landline_core::store::{
    Damage, DeliveryKind, DeliveryState, Head, ListedDelivery, Page, PageLimit, ReadError, Table, Versioned,
};
use landline_protocol::{ConversationId, Position};

use crate::error::Trouble;
use crate::schema::keys::{self, tag};
use crate::schema::{Link, StoredEntry, StoredHead, StoredRecord, decode_delivery};
use crate::tables::{Keep, Pair, Tables, View};

impl Tables {
    pub(crate) fn read_head(&self, conversation: &ConversationId) -> Result<Head, ReadError> {
        let found = self.settled(conversation).map_err(|trouble| trouble.for_read(conversation))?;
        let (view, head) = found.ok_or(ReadError::NotFound)?;
        let facts = view.facts(conversation, &head).map_err(|trouble| trouble.for_read(conversation))?;
        Ok(head.into_head(facts))
    }

    pub(crate) fn read_page(
        &self,
        conversation: &ConversationId,
        after: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let found = self.settled(conversation).map_err(|trouble| trouble.for_read(conversation))?;
        let (view, head) = found.ok_or(ReadError::NotFound)?;
        if after > head.last.position {
            return Err(ReadError::PastTail { last: head.last.position });
        }
        let mut page = Page { records: Vec::new(), expired_through: head.expired_through };
        let mut bytes = 0;
        for record in view.records(conversation, &head, after) {
            let StoredRecord { record, .. } = record.map_err(|trouble| trouble.for_read(conversation))?;
            bytes += record.body.len();
            page.records.push(record);
            if page.records.len() >= limit.records.max(1) || bytes >= limit.bytes {
                break;
            }
        }
        view.fill_replacements(conversation, &head, &mut page.records)
            .map_err(|trouble| trouble.for_read(conversation))?;
        Ok(page)
    }

    pub(crate) fn read_delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
    ) -> Result<Option<DeliveryState>, ReadError> {
        let found = self.settled(conversation).map_err(|trouble| trouble.for_read(conversation))?;
        let (view, _) = found.ok_or(ReadError::NotFound)?;
        view.delivery(conversation, position).map_err(|trouble| trouble.for_read(conversation))
    }

    /// Deliveries of one kind, behind `after`; of one conversation, where it is given.
    pub(crate) fn list_deliveries(
        &self,
        kind: DeliveryKind,
        within: Option<&ConversationId>,
        after: Option<(ConversationId, Position)>,
        limit: usize,
    ) -> Result<Vec<ListedDelivery>, Trouble> {
        let (keep, tag) = listed_place(kind);
        let prefix: Vec<u8> = tag.into_iter().collect();
        let from = match &after {
            Some((conversation, position)) => {
                Excluded([&*prefix, &keys::place(conversation, *position)].concat())
            }
            None => Included(prefix.clone()),
        };
        let to = match (within, tag) {
            (Some(conversation), _) => {
                Included([&*prefix, &keys::place(conversation, Position::new(u64::MAX))].concat())
            }
            (None, Some(tag)) => Excluded(vec![tag + 1]),
            (None, None) => Unbounded,
        };
        let listed = |pair: Pair| {
            let (place, value) = pair?;
            let (conversation, position) = keys::split_place(place.get(prefix.len()..).unwrap_or_default())?;
            let state = match decode_delivery(&place, &value) {
                Ok(state) => Ok(state),
                Err(Trouble::Damaged(what)) => Err(Damage { conversation: conversation.clone(), what }),
                Err(unavailable) => return Err(unavailable),
            };
            Ok(ListedDelivery { conversation, position, state })
        };
        self.view().range(keep, from, to).take(limit).map(listed).collect()
    }

    pub(crate) fn list_entries(
        &self,
        table: Table,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Versioned)>, Trouble> {
        let mut found = Vec::new();
        let prefix = keys::entries(table);
        let from = after.map_or(Included(prefix.clone()), |name| Excluded(keys::entry(table, name)));
        for pair in self.view().range(Keep::State, from, Unbounded) {
            let (key, value) = pair?;
            let Some(name) = key.strip_prefix(prefix.as_slice()) else { break };
            if found.len() >= limit {
                break;
            }
            if let Some(entry) = StoredEntry::decode(&key, &value)?.live() {
                found.push((String::from_utf8_lossy(name).into_owned(), entry));
            }
        }
        Ok(found)
    }

    /// Conversations that at least one of the two databases knows.
    pub(crate) fn list_conversations(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationId>, Trouble> {
        let end = || Excluded(vec![tag::HEAD + 1]);
        let from = || match after {
            Some(conversation) => Excluded(keys::tagged(tag::HEAD, conversation)),
            None => Included(vec![tag::HEAD]),
        };
        let named = |pair: Pair| keys::tagged_conversation(&pair?.0);
        let second: Result<Vec<_>, _> = self.second_range(from(), end()).take(limit).map(named).collect();
        let first: Result<Vec<_>, _> =
            self.view().range(Keep::State, from(), end()).take(limit).map(named).collect();
        let (mut all, second) = (first?, second?);
        all.extend(second);
        all.sort();
        all.dedup();
        all.truncate(limit);
        Ok(all)
    }
}

impl View<'_> {
    pub(crate) fn delivery(
        &self,
        conversation: &ConversationId,
        position: Position,
    ) -> Result<Option<DeliveryState>, Trouble> {
        for (keep, place) in delivery_places(conversation, position) {
            if let Some(value) = self.get(keep, &place)? {
                return decode_delivery(&place, &value).map(Some);
            }
        }
        Ok(None)
    }

    /// The records behind `after`, which is not behind the last one; each is handed out when it is known to be
    /// the right one. Ends with the first trouble.
    pub(crate) fn records(
        &self,
        conversation: &ConversationId,
        head: &StoredHead,
        after: Position,
    ) -> Records<impl Iterator<Item = Pair> + use<>> {
        let start = self.start(conversation, head, after);
        let (link, from) = match start {
            Ok(link) => (Ok(link), after.max(head.expired_through)),
            Err(trouble) => (Err(trouble), head.last.position),
        };
        let pairs = self.range(
            Keep::Records,
            Excluded(keys::place(conversation, from)),
            Included(keys::place(conversation, Position::new(u64::MAX))),
        );
        Records { pairs, link: Some(link), last: head.last }
    }

    /// The record at or before `after`: what the first one behind it is chained to.
    fn start(
        &self,
        conversation: &ConversationId,
        head: &StoredHead,
        after: Position,
    ) -> Result<Link, Trouble> {
        if after == head.last.position {
            return Ok(head.last);
        }
        if after <= head.expired_through {
            return Ok(head.base);
        }
        let mut before = self.range(
            Keep::Records,
            Excluded(keys::place(conversation, head.expired_through)),
            Included(keys::place(conversation, after)),
        );
        match before.next_back() {
            Some(pair) => decode(&pair?).map(|record| record.link()),
            None => Ok(head.base),
        }
    }
}

/// Where the states of one kind stand, and the tag before their places there.
fn listed_place(kind: DeliveryKind) -> (Keep, Option<u8>) {
    match kind {
        DeliveryKind::Pending => (Keep::Pending, None),
        DeliveryKind::Queued => (Keep::State, Some(tag::QUEUED)),
        DeliveryKind::Parked => (Keep::State, Some(tag::PARKED)),
    }
}

/// Where this state of a record stands.
pub(crate) fn delivery_place(
    conversation: &ConversationId,
    position: Position,
    kind: Option<DeliveryKind>,
) -> (Keep, Vec<u8>) {
    match kind.map_or((Keep::State, Some(tag::DELIVERY)), listed_place) {
        (keep, Some(tag)) => (keep, keys::delivery(tag, conversation, position)),
        (keep, None) => (keep, keys::place(conversation, position)),
    }
}

/// Where the delivery state of a record may stand.
pub(crate) fn delivery_places(
    conversation: &ConversationId,
    position: Position,
) -> impl Iterator<Item = (Keep, Vec<u8>)> {
    DELIVERY_KINDS.into_iter().map(move |kind| delivery_place(conversation, position, kind))
}

/// What all delivery states of a conversation begin with, by kind.
pub(crate) fn delivery_prefixes(
    conversation: &ConversationId,
) -> impl Iterator<Item = (Option<DeliveryKind>, Keep, Vec<u8>)> {
    DELIVERY_KINDS.into_iter().map(move |kind| {
        match kind.map_or((Keep::State, Some(tag::DELIVERY)), listed_place) {
            (keep, Some(tag)) => (kind, keep, keys::tagged_prefix(tag, conversation)),
            (keep, None) => (kind, keep, keys::prefix(conversation)),
        }
    })
}

/// Each kind has a place of its own; those that are not listed share one.
const DELIVERY_KINDS: [Option<DeliveryKind>; 4] =
    [Some(DeliveryKind::Pending), None, Some(DeliveryKind::Queued), Some(DeliveryKind::Parked)];

pub(crate) fn decode((key, value): &(fjall::UserKey, fjall::UserValue)) -> Result<StoredRecord, Trouble> {
    let (_, position) = keys::split_place(key)?;
    StoredRecord::decode(key, position, value)
}

/// Records of one log, each checked against the one before it.
pub(crate) struct Records<I> {
    pairs: I,
    /// What the next record is chained to; `None` when it is over.
    link: Option<Result<Link, Trouble>>,
    last: Link,
}

impl<I: Iterator<Item = Pair>> Records<I> {
    /// The next record behind `link`; `None` when that is the last one.
    fn step(&mut self, link: Link) -> Result<Option<StoredRecord>, Trouble> {
        let Some(pair) = self.pairs.next() else {
            let (found, last) = (link.position, self.last.position);
            return if link == self.last {
                Ok(None)
            } else if found == last {
                Trouble::damaged(format!(
                    "the last record, at position {last}, is not the one that was written"
                ))
            } else {
                Trouble::damaged(format!("it ends at position {found}, and ended at {last}"))
            };
        };
        let record = decode(&pair?)?;
        let position = record.record.position;
        if position > self.last.position {
            return Trouble::damaged(format!("it goes on at position {position} behind its end"));
        }
        if record.previous() != link {
            let before = link.position;
            return Trouble::damaged(format!(
                "what stands at position {position} does not follow on {before}"
            ));
        }
        if position == self.last.position && record.link() != self.last {
            return Trouble::damaged(format!(
                "the record at position {position} is not the one that was written"
            ));
        }
        Ok(Some(record))
    }
}

impl<I: Iterator<Item = Pair>> Iterator for Records<I> {
    type Item = Result<StoredRecord, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.link.take()?.and_then(|link| self.step(link)).transpose()?;
        if let Ok(record) = &outcome {
            self.link = Some(Ok(record.link()));
        }
        Some(outcome)
    }
}
