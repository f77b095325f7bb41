//! The endpoints that were called lately, each with its idle connections.
//!
//! Invariant: a connection is used only for the address it was made for, and with the authorities that it was made with. A bot that moves gets a new target; the old
//! one keeps nothing from then on, and what is under way there goes on to its end.
//!
//! Not here: which bots there are (`directory`). There are at most as many targets as bots, once `keep` was called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landline_protocol::BotName;
use tokio::time::Instant;
use url::Url;

use super::endpoint::{Endpoint, EndpointError};
use super::pool::Pool;
use crate::directory::{Bot, Snapshot};

/// Where a bot is, and the lines to it.
#[derive(Debug)]
pub(super) struct Target {
    url: Url,
    pub(super) endpoint: Endpoint,
    pub(super) pool: Pool,
}

impl Target {
    /// Whether a line to it is one that this bot would get anew.
    fn is_of(&self, bot: &Bot) -> bool {
        self.url == bot.endpoint && self.endpoint.only == bot.ca_certificates
    }
}

/// By the name of the bot.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// A plain lock: held for a look-up, never across an `await`.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    targets: HashMap<BotName, Arc<Target>>,
    /// No line is kept any more.
    closed: bool,
}

impl Targets {
    /// The target of a bot, as it is now.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(super) fn at(&self, bot: &Bot) -> Result<Arc<Target>, EndpointError> {
        let mut known = self.lock();
        if let Some(target) = known.targets.get(&bot.name).filter(|target| target.is_of(bot)) {
            return Ok(Arc::clone(target));
        }
        let endpoint = Endpoint::new(&bot.endpoint)?.with_only(bot.ca_certificates.clone());
        let target = Target { url: bot.endpoint.clone(), endpoint, pool: Pool::default() };
        if known.closed {
            target.pool.close();
        }
        let target = Arc::new(target);
        if let Some(moved_away) = known.targets.insert(bot.name.clone(), Arc::clone(&target)) {
            moved_away.pool.close();
        }
        Ok(target)
    }

    /// Forgets those that are not in the directory any more, and lines that were idle for too long.
    pub(super) fn keep(&self, snapshot: &Snapshot, now: Instant) {
        self.lock().targets.retain(|name, target| {
            let kept = snapshot.bots.get(name).is_some_and(|bot| target.is_of(bot));
            if kept {
                target.pool.drop_expired(now);
            } else {
                target.pool.close();
            }
            kept
        });
    }

    /// Keeps no lines from now on.
    pub(super) fn close(&self) {
        let mut known = self.lock();
        known.closed = true;
        for target in known.targets.values() {
            target.pool.close();
        }
    }

    #[cfg(test)]
    pub(super) fn idle_lines(&self, bot: &BotName) -> Option<usize> {
        self.lock().targets.get(bot).map(|target| target.pool.len())
    }

    /// A panic elsewhere leaves a whole map.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
