//! Places for those who wait, of all limits together.
//!
//! Invariant: nobody has more than their share, so that one site that floods leaves places for the others, who are then
//! late and not refused.
//!
//! Not here: in which order they wait (`lanes`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landline_protocol::{BotName, SiteName};
use prometheus_client::metrics::gauge::Gauge;

use crate::limits::{DELAYED_PER_OWNER, DELAYED_REQUESTS};

/// Whose places are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// Everybody who shows credentials of this site.
    Site(SiteName),
    /// A bot.
    Bot(BotName),
    /// All who have shown a secret that is none.
    Strangers,
}

/// A cheap handle to the places.
#[derive(Clone, Debug)]
pub(crate) struct Waiters {
    /// Held for a look-up.
    taken: Arc<Mutex<Taken>>,
    shown: Gauge,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Nobody is in it without a place, so there are never more of them than places.
    by_owner: HashMap<Owner, usize>,
}

/// Taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    waiters: Waiters,
    owner: Owner,
}

impl Waiters {
    /// The gauge shows how many are taken.
    pub(crate) fn new(shown: Gauge) -> Self {
        Self { taken: Arc::default(), shown }
    }

    /// A place, until it is dropped; `None` where there is none, or where this owner has their share.
    pub(crate) fn place(&self, owner: &Owner) -> Option<Place> {
        let mut taken = self.taken();
        let theirs = taken.by_owner.get(owner).copied().unwrap_or(0);
        if theirs >= DELAYED_PER_OWNER || taken.all >= DELAYED_REQUESTS {
            return None;
        }
        taken.by_owner.insert(owner.clone(), theirs + 1);
        taken.all += 1;
        drop(taken);
        self.shown.inc();
        Some(Place { waiters: self.clone(), owner: owner.clone() })
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) fn shown(&self) -> i64 {
        self.shown.get()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics under the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.waiters.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(theirs) = taken.by_owner.get_mut(&self.owner) {
            *theirs = theirs.saturating_sub(1);
            if *theirs == 0 {
                taken.by_owner.remove(&self.owner);
            }
        }
        drop(taken);
        self.waiters.shown.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_floods_leaves_places_for_others_and_there_are_so_many_in_all() {
        let waiters = Waiters::new(Gauge::default());
        let site = |number: usize| Owner::Site(format!("site{number}").parse().unwrap());
        let all_of = |owner: Owner| std::iter::from_fn(|| waiters.place(&owner)).collect::<Vec<_>>();
        let first = all_of(site(1));
        assert_eq!(first.len(), DELAYED_PER_OWNER);
        assert!(waiters.place(&Owner::Strangers).is_some());

        let mut others: Vec<_> =
            (2..=DELAYED_REQUESTS / DELAYED_PER_OWNER).map(|n| all_of(site(n))).collect();
        assert!(others.iter().all(|places| places.len() == DELAYED_PER_OWNER));
        assert!(waiters.place(&site(0)).is_none(), "there is none left");
        others.pop();
        assert!(waiters.place(&site(0)).is_some());
        drop((first, others));
        let taken = waiters.taken();
        assert_eq!((taken.by_owner.len(), taken.all, waiters.shown.get()), (0, 0, 0));
    }
}
