//! Expiry and deletion, in bounded pieces.
//!
//! A piece of an expiry leaves a log that is whole, only shorter. The first piece of a deletion takes the heads,
//! so that the conversation is gone for everybody, and leaves a mark; the last takes the mark. A process that
//! dies in between finds the mark when it starts again.

use std::ops::Bound::{Excluded, Included};

use landline_core::store::AppendError;
use landline_protocol::{ConversationId, Position};

use super::cache::HeadCache;
use super::group::{Group, Log};
use crate::error::Trouble;
use crate::limits::FORGOTTEN_KEYS;
use crate::reading::{delivery_places, delivery_prefixes};
use crate::schema::keys::{self, tag};
use crate::schema::{Sent, StoredHead, encode_mark};
use crate::space::Room;
use crate::tables::{Keep, Keys, Tables, View};

impl Group<'_> {
    /// Forgets records up to `up_to`, as many as fit; tells whether that was all. The conversation is not touched
    /// in this group before.
    pub(super) fn expire(
        &mut self,
        conversation: &ConversationId,
        up_to: Position,
    ) -> Result<bool, AppendError> {
        self.room.for_less().map_err(AppendError::Unavailable)?;
        let log = self.log(conversation).map_err(|trouble| trouble.for_append(conversation))?;
        let head = log.now.ok_or(AppendError::NotFound)?;
        let through = up_to.min(head.last.position);
        if through <= head.expired_through {
            return Ok(true);
        }
        let piece =
            self.expired(conversation, head, through).map_err(|trouble| trouble.for_append(conversation))?;
        self.remove_all(piece.keys);
        self.set_log(conversation, Log { now: Some(piece.head), ..log });
        Ok(piece.last)
    }

    fn expired(
        &self,
        conversation: &ConversationId,
        mut head: StoredHead,
        through: Position,
    ) -> Result<Piece, Trouble> {
        let view = self.tables.view();
        let mut keys = Vec::new();
        head.revision += 1;
        for record in view.records(conversation, &head.clone(), head.expired_through) {
            let record = record?;
            let position = record.record.position;
            if position > through {
                break;
            }
            if keys.len() >= FORGOTTEN_KEYS {
                return Ok(Piece { keys, head, last: false });
            }
            keys.push((Keep::Records, keys::place(conversation, position)));
            for (keep, place) in delivery_places(conversation, position) {
                if view.contains(keep, &place)? {
                    keys.push((keep, place));
                }
            }
            if let Some(digest) = record.digest {
                let place = keys::idempotency(conversation, &digest);
                if let Some(value) = view.get(Keep::State, &place)? {
                    // A later record may have taken the key over.
                    if Sent::decode(&place, &value)?.position <= position {
                        keys.push((Keep::State, place));
                    }
                }
            }
            if let Some(root) = record.record.replaces {
                // The entry goes with the newest, which comes last.
                if view.newest(conversation, root)?.is_some_and(|newest| newest <= position) {
                    keys.push((Keep::State, keys::newest(conversation, root)));
                    head.roots = head.roots.saturating_sub(1);
                }
            }
            head.base = record.link();
            head.expired_through = position;
        }
        // What was asked for may lie between two records.
        head.expired_through = through;
        Ok(Piece { keys, head, last: true })
    }

    /// Forgets a conversation, as much of it as fits; tells whether that was all. It is not touched in this
    /// group before. What is damaged can be deleted too.
    pub(super) fn delete(&mut self, conversation: &ConversationId) -> Result<bool, AppendError> {
        self.room.for_less().map_err(AppendError::Unavailable)?;
        self.forget(conversation).map_err(|trouble| trouble.for_append(conversation))
    }

    fn forget(&mut self, conversation: &ConversationId) -> Result<bool, Trouble> {
        if self.len() >= FORGOTTEN_KEYS {
            return Ok(false);
        }
        let view = self.tables.view();
        let mut heads = Vec::new();
        for tag in [tag::HEAD, tag::FACTS] {
            let place = keys::tagged(tag, conversation);
            if view.contains(Keep::State, &place)? || self.tables.second(&place)?.is_some() {
                heads.push(place);
            }
        }
        let mark = keys::tagged(tag::DELETING, conversation);
        let marked = view.contains(Keep::State, &mark)?;
        let (keys, all) = forgotten(&view, conversation)?;

        for place in heads {
            self.remove_twice(place);
        }
        self.remove_all(keys);
        if all && marked {
            self.remove(Keep::State, mark);
        } else if !all && !marked {
            let value = encode_mark(&mark);
            self.put(Keep::State, mark, value);
        }
        self.set_log(conversation, Log { before: None, now: None });
        Ok(all)
    }

    fn remove_all(&mut self, keys: Keys) {
        for (keep, key) in keys {
            self.remove(keep, key);
        }
    }
}

/// One piece of an expiry.
struct Piece {
    /// What goes.
    keys: Keys,
    /// The head then.
    head: StoredHead,
    /// Whether nothing is left to be done.
    last: bool,
}

/// Keys of a conversation, except its heads; and whether these are all.
fn forgotten(view: &View<'_>, conversation: &ConversationId) -> Result<(Keys, bool), Trouble> {
    let deliveries = delivery_prefixes(conversation).map(|(_, keep, prefix)| (keep, prefix));
    let prefixes = [
        (Keep::Records, keys::prefix(conversation)),
        (Keep::State, keys::tagged_prefix(tag::KEY, conversation)),
        (Keep::State, keys::tagged_prefix(tag::NEWEST, conversation)),
    ];
    let mut keys = Vec::new();
    for (keep, prefix) in prefixes.into_iter().chain(deliveries) {
        for key in view.keys(keep, &prefix) {
            if keys.len() >= FORGOTTEN_KEYS {
                return Ok((keys, false));
            }
            keys.push((keep, key?.to_vec()));
        }
    }
    Ok((keys, true))
}

/// Finishes the deletions that an earlier process had begun.
pub(super) fn finish(tables: &Tables) -> Result<(), Trouble> {
    let marks = (Included(vec![tag::DELETING]), Excluded(vec![tag::DELETING + 1]));
    let marked: Vec<_> = tables
        .view()
        .range(Keep::State, marks.0, marks.1)
        .map(|pair| keys::tagged_conversation(&pair?.0))
        .collect::<Result<_, _>>()?;
    for conversation in marked {
        let mut all = false;
        while !all {
            let mut group = Group::new(tables, HeadCache::default(), Room::Enough);
            all = group.forget(&conversation)?;
            if let (_, Some(failure)) = group.commit() {
                return Err(Trouble::Unavailable(failure.0));
            }
        }
    }
    Ok(())
}
