//! Which record holds the newest content of another: read beside a page, and seen to be true.
//!
//! Invariant: an entry for a root stands exactly as long as a record that replaces it is kept, and names the newest of
//! these. The root itself may have expired before. A log whose head counts no roots has no entries, and nobody looks.
//!
//! Not here: who writes the entries (`committer`).

use std::collections::BTreeMap;
use std::ops::Bound::Included;

use landline_core::store::Record;
use landline_protocol::{ConversationId, Position};

use crate::error::Trouble;
use crate::schema::keys;
use crate::schema::{StoredHead, StoredRecord, decode_newest};
use crate::tables::{Keep, View};

impl View<'_> {
    /// Says of each record of a page which one replaces it.
    pub(crate) fn fill_replacements(
        &self,
        conversation: &ConversationId,
        head: &StoredHead,
        page: &mut [Record],
    ) -> Result<(), Trouble> {
        if head.roots == 0 {
            return match page.iter().find(|record| record.replaces.is_some()) {
                None => Ok(()),
                Some(record) => Trouble::damaged(format!(
                    "the record at position {} replaces another, and the head knows of none that does",
                    record.position
                )),
            };
        }
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(()) };
        let roots = self.newest_between(conversation, first.position, last.position)?;
        for record in page {
            let position = record.position;
            let newest = match record.replaces {
                None => roots.get(&position).copied(),
                Some(root) => match roots.get(&root).copied() {
                    Some(newest) => Some(newest),
                    None => self.newest(conversation, root)?,
                },
            };
            let Some(newest) = newest else {
                match record.replaces {
                    None => continue,
                    Some(root) => {
                        return Trouble::damaged(format!(
                            "the record at position {position} replaces {root}, which knows nothing of it"
                        ));
                    }
                }
            };
            let root = record.replaces.unwrap_or(position);
            if record.replaces.is_some() && position >= newest {
                if position > newest {
                    return Trouble::damaged(format!(
                        "the record at position {position} replaces {root}, whose newest is said to be {newest}"
                    ));
                }
                continue;
            }
            self.check_target(conversation, root, newest)?;
            record.replaced_by = Some(newest);
        }
        Ok(())
    }

    /// The newest replacement of a root; `None` where there is none.
    pub(crate) fn newest(
        &self,
        conversation: &ConversationId,
        root: Position,
    ) -> Result<Option<Position>, Trouble> {
        let place = keys::newest(conversation, root);
        self.get(Keep::State, &place)?.map(|value| decode_newest(&place, &value)).transpose()
    }

    /// The newest replacements of the roots from one position to another, both included.
    fn newest_between(
        &self,
        conversation: &ConversationId,
        from: Position,
        to: Position,
    ) -> Result<BTreeMap<Position, Position>, Trouble> {
        let from = Included(keys::newest(conversation, from));
        let to = Included(keys::newest(conversation, to));
        self.range(Keep::State, from, to)
            .map(|pair| {
                let (place, value) = pair?;
                Ok((keys::position(&place)?, decode_newest(&place, &value)?))
            })
            .collect()
    }

    /// What an entry points to is there and replaces that root, so that nobody is sent to a wrong content.
    fn check_target(
        &self,
        conversation: &ConversationId,
        root: Position,
        newest: Position,
    ) -> Result<(), Trouble> {
        let place = keys::place(conversation, newest);
        let target = match self.get(Keep::Records, &place)? {
            Some(value) => Some(StoredRecord::decode(&place, newest, &value)?),
            None => None,
        };
        if target.is_some_and(|target| target.record.replaces == Some(root)) {
            return Ok(());
        }
        Trouble::damaged(format!("what replaces the record at position {root} is not at position {newest}"))
    }
}
