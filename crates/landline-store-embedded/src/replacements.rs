//! Which record holds the newest content of another: read beside a page, and seen to be true.
//!
//! Invariant: an entry for a root stands exactly as long as a record that replaces it is kept, and names the newest of
//! these. The root itself may have expired before. A log whose head counts no roots has no entries, and nobody looks.
//!
//! Not here: who writes the entries (`committer`).

use std::collections::{BTreeMap, BTreeSet};
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
        let mut roots = self.newest_between(conversation, first.position, last.position)?;
        // A page may hold a hundred changes of the same root.
        let mut checked = BTreeSet::new();
        for record in page {
            let position = record.position;
            let newest = match record.replaces {
                None => roots.get(&position).copied(),
                Some(root) => match roots.get(&root).copied() {
                    Some(newest) => Some(newest),
                    None => {
                        let newest = self.newest(conversation, root)?;
                        roots.extend(newest.map(|newest| (root, newest)));
                        newest
                    }
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
            if checked.insert(root) {
                self.check_target(conversation, root, newest)?;
            }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use bytes::Bytes;
    use landline_core::store::{Append, Audience, Create, LogStore, NewRecord, PageLimit};
    use landline_protocol::Timestamp;

    use super::*;
    use crate::{EmbeddedOptions, EmbeddedStore};

    /// Whatever the number of changes: a page asks for little besides its records.
    const GETS_OF_A_PAGE: u64 = 8;

    fn record(replaces: Option<u64>) -> (NewRecord, Option<landline_core::store::DeliveryState>) {
        let (time, body) = (Timestamp::default(), Bytes::from(vec![b'x'; 1000]));
        let replaces = replaces.map(Position::new);
        (NewRecord { time, audience: Audience::Everyone, body, replaces }, None)
    }

    #[tokio::test]
    async fn ten_thousand_changes_of_one_record_are_checked_once_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        let conversation: ConversationId = "a".parse().unwrap();
        let create = Create {
            conversation: conversation.clone(),
            time: Timestamp::default(),
            facts: Bytes::new(),
            records: vec![record(None), record(None)],
        };
        store.create(create).await.unwrap();
        for part in 0..100 {
            let append = Append {
                conversation: conversation.clone(),
                expected_tail: Position::new(3 + 100 * part),
                // Two roots in turn.
                records: (0..100).map(|n| record(Some(1 + n % 2))).collect(),
                idempotency: None,
                facts: None,
            };
            store.append(append).await.unwrap();
        }

        let limit = PageLimit { records: 100, bytes: usize::MAX };
        let (mut after, mut read) = (Position::START, 0);
        loop {
            let before = store.tables().gets.load(Ordering::Relaxed);
            let page = store.read(&conversation, after, limit).await.unwrap();
            let gets = store.tables().gets.load(Ordering::Relaxed) - before;
            assert!(gets <= GETS_OF_A_PAGE, "{gets} behind {after}");
            let Some(last) = page.records.last() else { break };
            (after, read) = (last.position, read + page.records.len());
            for record in &page.records {
                let newest = 10_002 - u64::from(record.replaces.unwrap_or(record.position).get() == 1);
                let expected = Some(Position::new(newest)).filter(|newest| *newest != record.position);
                assert_eq!(record.replaced_by, expected, "{}", record.position);
            }
        }
        assert_eq!(read, 10_002);
    }
}
