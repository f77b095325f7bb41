//! The two heads of a log, and what their difference means.
//!
//! The second head is written after the first. So a second head that is *behind* says nothing; one that is
//! *ahead* says that the first database lost what it had made durable.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use landline_protocol::ConversationId;

use crate::error::Trouble;
use crate::limits::LOOKS;
use crate::schema::keys::{self, tag};
use crate::schema::{StoredHead, decode_facts};
use crate::tables::{Keep, Tables, View};

impl View<'_> {
    /// The first head, if it can be read.
    pub(crate) fn first_head(&self, conversation: &ConversationId) -> Result<Option<StoredHead>, Trouble> {
        let place = keys::tagged(tag::HEAD, conversation);
        self.get(Keep::State, &place)?.map(|value| StoredHead::decode(&place, &value)).transpose()
    }

    /// The facts that belong to this head.
    pub(crate) fn facts(&self, conversation: &ConversationId, head: &StoredHead) -> Result<Bytes, Trouble> {
        let place = keys::tagged(tag::FACTS, conversation);
        let Some(value) = self.get(Keep::State, &place)? else {
            return Trouble::damaged("its facts are missing");
        };
        match decode_facts(&place, &value)? {
            (facts, checksum) if checksum == head.facts_checksum => Ok(facts),
            _ => Trouble::damaged("its facts are others than the head says"),
        }
    }
}

impl Tables {
    /// The second head, if it can be read.
    pub(crate) fn second_head(&self, conversation: &ConversationId) -> Result<Option<StoredHead>, Trouble> {
        let place = keys::tagged(tag::HEAD, conversation);
        self.second(&place)?.map(|value| StoredHead::decode(&place, &value)).transpose()
    }

    /// The head of a conversation, and the moment at which it holds; `None` where there is no such conversation.
    ///
    /// The second head is read before the moment is fixed, so the first has to be as new, whatever is written
    /// meanwhile. Only a deletion takes the second head away first; therefore a difference counts when at a second
    /// look the second head is still the same, and nothing was deleted.
    pub(crate) fn settled(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<(View<'_>, StoredHead)>, Trouble> {
        settle(
            || Ok((self.deletions.load(Ordering::Acquire), self.second_head(conversation)?)),
            || {
                let view = self.view();
                let first = view.first_head(conversation)?;
                Ok(first.map(|head| (view, head)))
            },
        )
    }
}

fn settle<V>(
    look_at_second: impl Fn() -> Result<(u64, Option<StoredHead>), Trouble>,
    look_at_first: impl Fn() -> Result<Option<(V, StoredHead)>, Trouble>,
) -> Result<Option<(V, StoredHead)>, Trouble> {
    let mut second = look_at_second()?;
    for _ in 0..LOOKS {
        let first = look_at_first()?;
        let Some(what) = disagreement(first.as_ref().map(|(_, head)| head), second.1.as_ref()) else {
            return Ok(first);
        };
        let again = look_at_second()?;
        if again == second {
            return Trouble::damaged(what);
        }
        second = again;
    }
    Err(Trouble::Unavailable("the conversation changes faster than it can be read".to_owned()))
}

/// What is wrong with the first head, by the second one.
fn disagreement(first: Option<&StoredHead>, second: Option<&StoredHead>) -> Option<String> {
    let (first, second) = match (first, second) {
        (_, None) => return None,
        (None, Some(second)) => {
            return Some(format!("all of it is lost, up to position {}", second.last.position));
        }
        (Some(first), Some(second)) => (first, second),
    };
    if second.revision > first.revision {
        let (have, had) = (first.last.position, second.last.position);
        return Some(format!("its newest writes are lost: it ends at position {have}, and ended at {had}"));
    }
    if second.revision == first.revision && second != first {
        return Some("its two heads differ".to_owned());
    }
    if second.tail > first.tail {
        return Some(format!("its tail went back from {} to {}", second.tail, first.tail));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use landline_protocol::{Position, Timestamp};

    use super::*;
    use crate::schema::Link;

    fn head(revision: u64, last: u64) -> StoredHead {
        let new = StoredHead::new(Timestamp::from_millis(1), 7);
        let last = Link { position: Position::new(last), checksum: last };
        StoredHead { revision, last, tail: Position::new(last.position.get() + 1), ..new }
    }

    #[test]
    fn only_a_second_head_that_is_ahead_or_different_is_damage() {
        let other = StoredHead { last_time: Timestamp::from_millis(2), ..head(3, 3) };
        check(None, None, true);
        check(Some(head(3, 3)), None, true);
        check(Some(head(3, 3)), Some(head(3, 3)), true);
        check(Some(head(3, 3)), Some(head(2, 2)), true);
        check(Some(head(3, 3)), Some(head(2, 3)), true);
        check(None, Some(head(0, 0)), false);
        check(Some(head(3, 3)), Some(head(4, 3)), false);
        check(Some(head(3, 3)), Some(other), false);
        check(Some(head(3, 3)), Some(head(2, 4)), false);
    }

    /// What the reader finds, look by look.
    #[track_caller]
    fn check_looks(
        seconds: &[(u64, Option<StoredHead>)],
        firsts: &[Option<StoredHead>],
        expected: Result<Option<u64>, &str>,
    ) {
        let (seconds, firsts) = (RefCell::new(seconds.iter()), RefCell::new(firsts.iter()));
        let second = || Ok(*seconds.borrow_mut().next().unwrap());
        let first = || Ok(firsts.borrow_mut().next().unwrap().map(|head| ((), head)));
        let found = settle(second, first).map(|found| found.map(|(_, head)| head.revision));
        match (found, expected) {
            (Err(Trouble::Damaged(what)), Err(expected)) => assert!(what.contains(expected), "{what}"),
            (found, expected) => assert_eq!(found.unwrap(), expected.unwrap()),
        }
    }

    #[test]
    fn a_difference_counts_when_the_second_head_stays() {
        let (old, new) = (Some(head(9, 9)), Some(head(1, 1)));
        // Deleted between the looks; and begun anew; and begun anew as it was.
        check_looks(&[(0, old), (1, None)], &[None, None], Ok(None));
        check_looks(&[(0, old), (1, None)], &[new, new], Ok(Some(1)));
        check_looks(&[(0, old), (1, new)], &[new, new], Ok(Some(1)));
        check_looks(&[(0, old), (1, old)], &[None, old], Ok(Some(9)));
        // Lost.
        check_looks(&[(5, old), (5, old)], &[None], Err("all of it is lost"));
        check_looks(&[(5, old), (5, old)], &[new], Err("its newest writes are lost"));
        check_looks(&[(5, old), (6, old), (6, old)], &[new, new], Err("its newest writes are lost"));
    }

    #[track_caller]
    fn check(first: Option<StoredHead>, second: Option<StoredHead>, healthy: bool) {
        let found = disagreement(first.as_ref(), second.as_ref());
        assert_eq!(found.is_none(), healthy, "{found:?}");
    }
}
