//! Which stream tickets have opened a socket: none opens a second one.
//!
//! A ticket stands in a URL, and URLs end up in logs of proxies; whoever reads one there comes too late.
//!
//! Bounded: a ticket is forgotten when it has expired, and the oldest ones where there are too many. Kept in memory alone:
//! a ticket that was used just before a restart is good for the rest of its minute.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use landline_auth::StreamTicket;
use landline_protocol::Timestamp;

use crate::limits::USED_TICKETS;

/// The tickets that are not good any more, though their time is not over.
#[derive(Debug, Default)]
pub(crate) struct UsedTickets(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    ids: HashSet<String>,
    /// As they were used, with when they expire.
    in_order: VecDeque<(Timestamp, String)>,
}

impl UsedTickets {
    /// Uses it up. `false` where it was used before.
    pub(super) fn use_up(&self, ticket: &StreamTicket, now: Timestamp) -> bool {
        // A panic elsewhere leaves at worst an id in one of the two.
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while used.in_order.front().is_some_and(|(expires, _)| *expires <= now) {
            used.forget_oldest();
        }
        let first = used.ids.insert(ticket.id.clone());
        if first {
            used.in_order.push_back((ticket.expires, ticket.id.clone()));
        }
        if used.in_order.len() > USED_TICKETS {
            used.forget_oldest();
        }
        first
    }
}

impl Used {
    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.in_order.pop_front() {
            self.ids.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use landline_protocol::Position;

    use super::*;

    fn ticket(id: usize, expires: i64) -> StreamTicket {
        StreamTicket {
            site: "default".parse().unwrap(),
            conversation: "0123456789ABCDEFGHIJKL".parse().unwrap(),
            start: Position::new(0),
            trusted_origins: Vec::new(),
            user: None,
            expires: Timestamp::from_millis(expires),
            id: id.to_string(),
        }
    }

    #[test]
    fn a_ticket_is_good_once_and_forgotten_when_its_time_is_over() {
        let used = UsedTickets::default();
        let now = Timestamp::from_millis(0);
        assert!(used.use_up(&ticket(1, 60), now));
        assert!(!used.use_up(&ticket(1, 60), now));
        assert!(used.use_up(&ticket(2, 70), now));
        assert!(!used.use_up(&ticket(1, 60), Timestamp::from_millis(59)));
        assert!(used.use_up(&ticket(3, 130), Timestamp::from_millis(70)));
        assert_eq!(used.0.lock().unwrap().in_order.len(), 1);
        assert_eq!(used.0.lock().unwrap().ids.len(), 1);
    }

    #[test]
    fn of_too_many_the_oldest_is_forgotten() {
        let used = UsedTickets::default();
        let now = Timestamp::from_millis(0);
        for id in 0..=USED_TICKETS {
            assert!(used.use_up(&ticket(id, 60), now));
        }
        assert_eq!(used.0.lock().unwrap().ids.len(), USED_TICKETS);
        assert!(!used.use_up(&ticket(1, 60), now));
        assert!(used.use_up(&ticket(0, 60), now));
    }
}
