//! The heads that the committer remembers: those used lately, up to a bound.

use std::collections::HashMap;

use landline_protocol::ConversationId;

use crate::limits::CACHED_HEADS;
use crate::schema::StoredHead;

/// Two generations: what is used moves to the young one; when that is full, the old one is forgotten as a whole.
#[derive(Debug, Default)]
pub(super) struct HeadCache {
    young: HashMap<ConversationId, StoredHead>,
    old: HashMap<ConversationId, StoredHead>,
}

impl HeadCache {
    pub(super) fn get(&self, conversation: &ConversationId) -> Option<StoredHead> {
        self.young.get(conversation).or_else(|| self.old.get(conversation)).copied()
    }

    pub(super) fn put(&mut self, conversation: ConversationId, head: StoredHead) {
        if self.young.len() >= CACHED_HEADS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(conversation, head);
    }

    pub(super) fn remove(&mut self, conversation: &ConversationId) {
        self.young.remove(conversation);
        self.old.remove(conversation);
    }
}

#[cfg(test)]
mod tests {
    use landline_protocol::Timestamp;

    use super::*;

    #[test]
    fn what_is_used_stays_and_the_whole_is_bounded() {
        let mut cache = HeadCache::default();
        let head = |revision| StoredHead { revision, ..StoredHead::new(Timestamp::default(), 0) };
        let used: ConversationId = "used".parse().unwrap();

        for n in 0..CACHED_HEADS as u64 * 3 {
            cache.put(format!("c{n}").parse().unwrap(), head(n));
            if n % 1000 == 0 {
                cache.put(used.clone(), head(n));
            }
            assert!(cache.get(&used).is_some());
            assert!(cache.young.len() + cache.old.len() <= CACHED_HEADS);
        }

        let newest = CACHED_HEADS as u64 * 3 - 1;
        let id = |n| format!("c{n}").parse().unwrap();
        assert_eq!(cache.get(&id(newest)), Some(head(newest)));
        assert_eq!(cache.get(&id(0)), None);
        cache.remove(&used);
        assert_eq!(cache.get(&used), None);
    }
}
