//! Who is connected: how many in all, how many from one address, and who can be asked to leave.
//!
//! A connection *rests* while no request of it is being answered: it is new, or between two requests, or sends the head
//! of one. It is those that make room for others, the longest resting one first. So whoever opens connections and says
//! nothing, however many, pushes out his own, and somebody who comes with a request is let in. One that is being
//! answered, or has become a WebSocket, is never asked.
//!
//! Invariants: as much is kept as there are connections, and nothing of an address without any; everything is found in
//! logarithmic time, so that a flood costs the flooded no more than the connections do.
//!
//! Not here: waiting for room (`serve`), how a connection leaves (`connection`).

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::client_address::TrustedProxies;

#[cfg(test)]
mod tests;

/// All connections of one listener.
#[derive(Debug)]
pub(super) struct Crowd {
    /// How many may come from one address; 0: any number.
    per_address: usize,
    /// From whose addresses any number may come: many clients are behind each.
    proxies: TrustedProxies,
    inner: Mutex<Inner>,
    /// A hint for whoever waits for room.
    rest: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Names connections, and orders when they came to rest.
    next: u64,
    members: HashMap<u64, Member>,
    resting: BTreeMap<u64, u64>,
    /// Of the addresses that are counted.
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Member {
    /// `None`: not counted by address.
    address: Option<IpAddr>,
    /// Its key among those that rest.
    rests_since: Option<u64>,
    leave: CancellationToken,
}

#[derive(Debug, Default)]
struct Address {
    connections: usize,
    resting: BTreeMap<u64, u64>,
}

/// One connection's part in it, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    id: u64,
    /// Cancelled when the connection is to make room for another one.
    pub(super) leave: CancellationToken,
}

/// What happened when a connection came.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) place: Place,
    /// Whether one of the same address had to leave for it.
    pub(super) instead: bool,
}

impl Crowd {
    pub(super) fn new(per_address: usize, proxies: TrustedProxies) -> Self {
        Self { per_address, proxies, inner: Mutex::default(), rest: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection came; it does not rest until it is said to. `None`: there are as many from its address as may be, and each of them is at work.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Entered> {
        let address = self.counted(peer);
        let leave = CancellationToken::new();
        let (id, instead) = self.with(|inner| {
            let mut instead = false;
            if let Some(address) = address {
                let full = |inner: &Inner| {
                    inner.addresses.get(&address).is_some_and(|there| there.connections >= self.per_address)
                };
                if full(inner) {
                    let longest = inner.addresses.get(&address)?.resting.values().next().copied()?;
                    inner.send_away(longest);
                    instead = true;
                }
                inner.addresses.entry(address).or_default().connections += 1;
            }
            let id = inner.take_number();
            inner.members.insert(id, Member { address, rests_since: None, leave: leave.clone() });
            Some((id, instead))
        })?;
        Some(Entered { place: Place { crowd: Arc::clone(self), id, leave }, instead })
    }

    /// Asks the connection to leave that rests longest; whether there is one.
    pub(super) fn make_room(&self) -> bool {
        self.with(|inner| {
            let longest = inner.resting.values().next().copied();
            longest.map(|id| inner.send_away(id)).is_some()
        })
    }

    /// Resolves when a connection may have come to rest.
    pub(super) async fn somebody_rests(&self) {
        self.rest.notified().await;
    }

    /// What an address is counted as. `None`: not at all.
    ///
    /// A proxy on this machine, or a program here, is no attacker from the internet: 127.0.0.1 and ::1 are not counted.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if self.per_address == 0 || here.contains(&peer) || self.proxies.contains(peer) {
            return None;
        }
        Some(match peer {
            IpAddr::V4(_) => peer,
            // Whoever has one address of IPv6 has the 2^64 beside it.
            IpAddr::V6(long) => IpAddr::V6((u128::from(long) >> 64 << 64).into()),
        })
    }
}

impl Inner {
    fn take_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn rests(&mut self, id: u64) {
        let now = self.take_number();
        let Some(member) = self.members.get_mut(&id).filter(|member| member.rests_since.is_none()) else {
            return;
        };
        member.rests_since = Some(now);
        self.resting.insert(now, id);
        if let Some(address) = member.address.and_then(|address| self.addresses.get_mut(&address)) {
            address.resting.insert(now, id);
        }
    }

    fn at_work(&mut self, id: u64) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(since) = member.rests_since.take() else { return };
        self.resting.remove(&since);
        if let Some(address) = member.address.and_then(|address| self.addresses.get_mut(&address)) {
            address.resting.remove(&since);
        }
    }

    /// It counts no more from now on, and is gone soon.
    fn send_away(&mut self, id: u64) {
        if let Some(member) = self.forget(id) {
            member.leave.cancel();
        }
    }

    fn forget(&mut self, id: u64) -> Option<Member> {
        self.at_work(id);
        let member = self.members.remove(&id)?;
        if let Some(key) = member.address
            && let Some(address) = self.addresses.get_mut(&key)
        {
            address.connections -= 1;
            if address.connections == 0 {
                self.addresses.remove(&key);
            }
        }
        Some(member)
    }
}

impl Place {
    pub(super) fn at_work(&self) {
        self.crowd.with(|inner| inner.at_work(self.id));
    }

    pub(super) fn rests(&self) {
        self.crowd.with(|inner| inner.rests(self.id));
        self.crowd.rest.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.with(|inner| inner.forget(self.id));
    }
}
