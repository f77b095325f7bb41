//! Places for uploads that are being read: a bounded number for all, and no more than a share of them for one
//! conversation, so that whoever holds one token cannot keep all others waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landline_protocol::ConversationId;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    taken: Arc<Mutex<Taken>>,
    at_once: usize,
    share: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// None that has none.
    by_conversation: HashMap<ConversationId, usize>,
}

/// Taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    conversation: ConversationId,
}

impl Places {
    /// So many, of which one conversation gets at most this share.
    pub(crate) fn new(at_once: usize, share: usize) -> Self {
        Self { taken: Arc::default(), at_once, share }
    }

    /// A place for an upload to this conversation; `None` where there is none just now.
    pub(super) fn take(&self, conversation: &ConversationId) -> Option<Place> {
        let mut taken = self.taken();
        let of_it = taken.by_conversation.get(conversation).copied().unwrap_or_default();
        if taken.all >= self.at_once || of_it >= self.share {
            return None;
        }
        taken.all += 1;
        taken.by_conversation.insert(conversation.clone(), of_it + 1);
        Some(Place { places: self.clone(), conversation: conversation.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics under the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all = taken.all.saturating_sub(1);
        match taken.by_conversation.get_mut(&self.conversation) {
            Some(of_it) if *of_it > 1 => *of_it -= 1,
            _ => drop(taken.by_conversation.remove(&self.conversation)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_conversation_takes_its_share_and_leaves_the_rest_to_others() {
        let places = Places::new(5, 3);
        let [a, b] = ["a", "b"].map(|id| id.parse::<ConversationId>().unwrap());
        let mut of_a: Vec<_> = (0..3).map(|_| places.take(&a).unwrap()).collect();
        assert!(places.take(&a).is_none(), "its share");
        let of_b: Vec<_> = (0..2).map(|_| places.take(&b).unwrap()).collect();
        assert!(places.take(&b).is_none(), "all are taken");

        of_a.pop();
        assert!(places.take(&b).is_some() && places.take(&a).is_some());

        drop((of_a, of_b));
        let taken = places.taken();
        assert!(taken.all == 0 && taken.by_conversation.is_empty(), "{taken:?}");
    }
}
