//! Which refusals are told one by one, and which are counted together.
//!
//! In each stretch of time an address has so many records, and all of them together have so many; what goes beyond is
//! counted, per address for so many addresses, and for all others together. So a flood costs a bounded number of lines,
//! and who floods is seen all the same.

use std::collections::HashMap;
use std::net::IpAddr;

use tokio::time::Instant;

use super::counted_by;
use super::record::DeniedMore;
use crate::limits::{
    AUDIT_DENIALS, AUDIT_DENIALS_OF_ONE, AUDIT_DENIED_ADDRESSES, AUDIT_DENIED_SHOWN, AUDIT_WINDOW,
};

#[derive(Debug)]
pub(super) struct Denials {
    ends: Instant,
    written: u32,
    addresses: HashMap<IpAddr, Seen>,
    others: DeniedMore,
    /// What is to be said of stretches that are over.
    over: Vec<DeniedMore>,
}

#[derive(Debug, Default)]
struct Seen {
    written: u32,
    more: DeniedMore,
}

impl Denials {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ends: now + AUDIT_WINDOW,
            written: 0,
            addresses: HashMap::new(),
            others: DeniedMore::default(),
            over: Vec::new(),
        }
    }

    /// True when this one is told by itself; otherwise it is counted.
    pub(super) fn admit(&mut self, address: Option<IpAddr>, status: u16, now: Instant) -> bool {
        self.roll(now);
        let room = self.addresses.len() < AUDIT_DENIED_ADDRESSES;
        let known = address.map(counted_by).filter(|address| room || self.addresses.contains_key(address));
        let seen = known.map(|address| self.addresses.entry(address).or_default());
        let told = self.written < AUDIT_DENIALS
            && seen.as_ref().is_none_or(|seen| seen.written < AUDIT_DENIALS_OF_ONE);
        match (seen, told) {
            (Some(seen), true) => seen.written += 1,
            (Some(seen), false) => seen.more.count(status),
            (None, true) => {}
            (None, false) => self.others.count(status),
        }
        self.written += u32::from(told);
        told
    }

    /// When what is counted now is to be said; `None` when nothing is.
    pub(super) fn due(&self) -> Option<Instant> {
        let counted = self.others.all() > 0 || self.addresses.values().any(|seen| seen.more.all() > 0);
        if self.over.is_empty() { counted.then_some(self.ends) } else { Some(self.ends - AUDIT_WINDOW) }
    }

    /// What was counted in stretches that are over.
    pub(super) fn take_over(&mut self, now: Instant) -> Vec<DeniedMore> {
        self.roll(now);
        std::mem::take(&mut self.over)
    }

    /// What was counted, whether the stretch is over or not: at the end of the server.
    pub(super) fn take_all(&mut self) -> Vec<DeniedMore> {
        self.close();
        std::mem::take(&mut self.over)
    }

    fn roll(&mut self, now: Instant) {
        if now >= self.ends {
            self.close();
            self.ends = now + AUDIT_WINDOW;
        }
    }

    fn close(&mut self) {
        let named = |(address, seen): (IpAddr, Seen)| {
            let shown = if address.is_ipv6() { format!("{address}/64") } else { address.to_string() };
            DeniedMore { address: Some(shown), ..seen.more }
        };
        let mut counted: Vec<_> = self.addresses.drain().map(named).filter(|more| more.all() > 0).collect();
        counted.sort_by_key(|more| std::cmp::Reverse(more.all()));
        let mut others = std::mem::take(&mut self.others);
        // Whoever takes them may be late by several stretches.
        let room = AUDIT_DENIED_SHOWN.saturating_sub(self.over.len());
        counted.drain(room.min(counted.len())..).for_each(|more| others.add(&more));
        self.over.append(&mut counted);
        if others.all() > 0 {
            match self.over.iter_mut().find(|more| more.address.is_none()) {
                Some(more) => more.add(&others),
                None => self.over.push(others),
            }
        }
        self.written = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(number).into())
    }

    #[tokio::test]
    async fn one_address_has_so_many_and_the_rest_is_counted() {
        let now = Instant::now();
        let mut denials = Denials::new(now);
        let told = (0..100).filter(|_| denials.admit(address(1), 403, now)).count();
        assert_eq!(told, AUDIT_DENIALS_OF_ONE as usize);
        assert!(denials.admit(address(2), 401, now), "another one is not affected");
        assert_eq!(denials.take_over(now), [], "the stretch is not over");
        assert_eq!(denials.due(), Some(now + AUDIT_WINDOW));

        let later = now + AUDIT_WINDOW;
        let over = denials.take_over(later);
        let more = DeniedMore {
            address: Some("0.0.0.1".into()),
            forbidden: 100 - told as u64,
            ..DeniedMore::default()
        };
        assert_eq!(over, [more]);
        assert_eq!(denials.due(), None);
        assert!(denials.admit(address(1), 403, later), "the next stretch begins anew");
    }

    #[tokio::test]
    async fn a_crowd_of_addresses_is_bounded_in_memory_and_in_lines() {
        let now = Instant::now();
        let mut denials = Denials::new(now);
        let all = u32::try_from(AUDIT_DENIED_ADDRESSES).unwrap() * 3;
        let told = (0..all).filter(|number| denials.admit(address(*number), 429, now)).count();
        assert_eq!(told, AUDIT_DENIALS as usize);
        assert_eq!(denials.addresses.len(), AUDIT_DENIED_ADDRESSES);
        // Nobody takes what is over for a long time.
        for stretch in 1..10 {
            denials.admit(address(stretch), 429, now + AUDIT_WINDOW * stretch);
        }

        let over = denials.take_all();

        assert!(over.len() <= AUDIT_DENIED_SHOWN + 1, "{}", over.len());
        let counted: u64 = over.iter().map(DeniedMore::all).sum();
        assert_eq!(counted, u64::from(all) - told as u64, "none is lost");
    }

    #[tokio::test]
    async fn a_network_of_ipv6_counts_as_one() {
        let now = Instant::now();
        let mut denials = Denials::new(now);
        for host in 0..100 {
            denials.admit(Some(format!("2001:db8::{host:x}").parse().unwrap()), 403, now);
        }
        let over = denials.take_all();
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].address.as_deref(), Some("2001:db8::/64"));
    }

    #[tokio::test]
    async fn who_has_no_address_is_told_as_long_as_there_is_room() {
        let now = Instant::now();
        let mut denials = Denials::new(now);
        let told = (0..AUDIT_DENIALS * 2).filter(|_| denials.admit(None, 401, now)).count();
        assert_eq!(told, AUDIT_DENIALS as usize);
        let more = DeniedMore { unauthorized: u64::from(AUDIT_DENIALS), ..DeniedMore::default() };
        assert_eq!(denials.take_all(), [more]);
    }
}
