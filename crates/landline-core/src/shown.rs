//! What a reader sees of a record that was replaced, or that replaces another.
//!
//! An update and a deletion are records of their own, at a new position and with the id of their *root*, the record
//! whose content they replace. A reader that comes by the root gets the newest content there, or nothing where that is a
//! deletion. At its own position the newest one is for those who came by the root earlier: they get it as a change. One
//! that was replaced itself is passed over.
//!
//! Not here: who may replace what (`update`).

use std::collections::VecDeque;

use bytes::Bytes;
use landline_protocol::{Activity, Position};

use crate::conversations::{Conversations, Unavailable};
use crate::hub::Topic;
use crate::limits::{GIVEN_CHANGES, NEWEST_TRIES};
use crate::store::{Audience, Record};

/// The type of the activity by which a client hears of a deletion.
///
/// Source: the Bot Framework activity schema; Web Chat takes the activity of the same id off the screen.
pub(crate) const DELETION: &str = "messageDelete";

/// The changes that a reader got in the place of their root. When it comes by them, it has them already.
///
/// Of those that it forgets (it keeps [`GIVEN_CHANGES`]), it gets an update twice, or a deletion of what it never saw.
#[derive(Debug, Default)]
pub(crate) struct Given(VecDeque<Position>);

impl Given {
    fn insert(&mut self, change: Position) {
        if !self.0.contains(&change) {
            self.0.push_back(change);
        }
        if self.0.len() > GIVEN_CHANGES {
            self.0.pop_front();
        }
    }

    /// The reader is behind this position.
    pub(crate) fn passed(&mut self, position: Position) {
        self.0.retain(|change| *change > position);
    }
}

/// Whether a record takes another one away.
pub(crate) fn is_deletion(record: &Record) -> bool {
    let kind = || Activity::parse(&record.body).ok().and_then(|activity| activity.kind());
    record.replaces.is_some() && kind().as_deref() == Some(DELETION)
}

impl Conversations {
    /// What clients see in the place of a record; `None` where they see nothing. `page` holds records that need not be
    /// read again.
    pub(crate) async fn shown(
        &self,
        topic: &Topic,
        record: &Record,
        page: &[Record],
        given: &mut Given,
    ) -> Result<Option<Bytes>, Unavailable> {
        if record.audience != Audience::Everyone {
            return Ok(None);
        }
        match (record.replaces, record.replaced_by) {
            (None, None) => Ok(Some(record.body.clone())),
            (None, Some(newest)) => {
                let newest = self.newest(topic, newest, page).await?;
                given.insert(newest.as_ref().map_or(record.position, |newest| newest.position));
                Ok(newest.filter(|newest| !is_deletion(newest)).map(|newest| newest.body))
            }
            (Some(root), None) if !given.0.contains(&record.position) => {
                // What has expired is gone with its changes: its bot could not take them away any more.
                let root = self.record_at(topic, root).await?;
                Ok(root.map(|_| record.body.clone()))
            }
            (Some(_), _) => Ok(None),
        }
    }

    /// The newest content of a record as it is now; `None` where that is deleted, or was never.
    pub(crate) async fn newest_of(
        &self,
        topic: &Topic,
        record: Record,
    ) -> Result<Option<Record>, Unavailable> {
        let newest = match record.replaced_by {
            None => Some(record),
            Some(newest) => self.newest(topic, newest, &[]).await?,
        };
        Ok(newest.filter(|newest| !is_deletion(newest)))
    }

    /// The record at a position, or whatever has replaced that meanwhile.
    async fn newest(
        &self,
        topic: &Topic,
        mut position: Position,
        page: &[Record],
    ) -> Result<Option<Record>, Unavailable> {
        for _ in 0..NEWEST_TRIES {
            let known =
                page.iter().find(|record| record.position == position && record.replaced_by.is_none());
            let record = match known {
                Some(record) => Some(record.clone()),
                None => self.record_at(topic, position).await?,
            };
            match record.as_ref().and_then(|record| record.replaced_by) {
                Some(newer) => position = newer,
                None => return Ok(record),
            }
        }
        // Replaced again and again while it was read: whoever does that wakes the reader for the next one.
        Ok(None)
    }
}
