//! What uploads of this process have under way, and how much room is taken.
//!
//! Invariants: a file is *under way* from before the first of its bytes is written until it is in the log, or its bytes
//! are gone; what is under way is nobody else's to take away. How much a site has is counted here between two sweeps, each
//! of which counts what is really there; what goes while a sweep counts may be missing from one count.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use landline_protocol::{ConversationId, FileId, SiteName};
use tokio::time::Instant;

use super::quota::{Quota, QuotaExceeded};
use crate::limits::{Limits, UNDECIDED_FILES};

/// What is taken, and by whom.
#[derive(Debug, Default)]
pub(crate) struct Room {
    // Held for a few lines; never across an await.
    state: Mutex<State>,
    /// Held by the one sweep.
    sweeping: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The bytes of each site.
    sites: HashMap<SiteName, OfSite>,
    /// What is under way, by conversation; none that has nothing.
    conversations: HashMap<ConversationId, Taken>,
    /// What is not to be touched.
    files: HashMap<FileId, Way>,
    /// What came into the log since a sweep began that is still going on: it may have seen it, or not.
    since_sweep: Option<HashSet<FileId>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OfSite {
    /// In the log.
    kept: u64,
    /// Of these, what came since a sweep began that is still going on.
    since_sweep: u64,
    under_way: u64,
}

/// What the uploads under way to one conversation have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    files: usize,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Somebody brings it.
    Under,
    /// It is not known whether it was logged. From then on, the log knows.
    Undecided(Instant),
}

/// What a sweep may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// Neither take it away nor count it.
    Nothing,
    /// Count it alone.
    Count,
    /// Take it away, or keep it, as the log says; it was counted when it came.
    Remove,
    /// The same, and count it where it is kept.
    CountOrRemove,
}

/// Who brings files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesFrom {
    /// Those who talk to the bot.
    Clients,
    /// The bot.
    Bot,
}

/// Whose room it is.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) from: FilesFrom,
    pub(crate) site: SiteName,
    pub(crate) conversation: ConversationId,
}

impl Room {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock; were it so, a count would be off until the next sweep.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more file is under way to a conversation that has `kept` files and bytes.
    pub(super) fn begin(
        &self,
        owner: &Owner,
        file: &FileId,
        kept: (usize, u64),
        limits: &Limits,
    ) -> Result<(), QuotaExceeded> {
        let mut state = self.state();
        let taken = state.conversations.get(&owner.conversation).copied().unwrap_or_default();
        limits.check_files(kept.0 + taken.files + 1, 0)?;
        state.conversations.entry(owner.conversation.clone()).or_default().files += 1;
        state.files.insert(file.clone(), Way::Under);
        Ok(())
    }

    /// So many more bytes are under way; as above.
    pub(super) fn take(
        &self,
        owner: &Owner,
        bytes: u64,
        kept: (usize, u64),
        limits: &Limits,
    ) -> Result<(), QuotaExceeded> {
        let mut state = self.state();
        let taken = state.conversations.get(&owner.conversation).copied().unwrap_or_default();
        limits.check_files(0, kept.1.saturating_add(taken.bytes).saturating_add(bytes))?;
        let of_site = state.sites.entry(owner.site.clone()).or_default();
        if of_site.kept.saturating_add(of_site.under_way).saturating_add(bytes) > limits.site_files_bytes {
            return Err(QuotaExceeded { quota: Quota::SiteBytes, limit: limits.site_files_bytes });
        }
        of_site.under_way += bytes;
        state.conversations.entry(owner.conversation.clone()).or_default().bytes += bytes;
        Ok(())
    }

    /// What was under way is in the log: it keeps its room.
    pub(super) fn settle(&self, owner: &Owner, files: &[FileId], bytes: u64) {
        let mut state = self.state();
        state.leave(owner, files, bytes);
        let is_sweeping = state.since_sweep.is_some();
        if let Some(seen) = &mut state.since_sweep {
            seen.extend(files.iter().cloned());
        }
        let of_site = state.sites.entry(owner.site.clone()).or_default();
        of_site.kept += bytes;
        of_site.since_sweep += if is_sweeping { bytes } else { 0 };
    }

    /// What was under way is gone.
    pub(super) fn give_back(&self, owner: &Owner, files: &[FileId], bytes: u64) {
        self.state().leave(owner, files, bytes);
    }

    /// It is not known whether what was under way is in the log.
    pub(super) fn leave_undecided(&self, owner: &Owner, files: &[FileId], bytes: u64) {
        let mut state = self.state();
        state.leave(owner, files, bytes);
        state.sites.entry(owner.site.clone()).or_default().kept += bytes;
        let until = Instant::now() + UNDECIDED_FILES;
        state.files.extend(files.iter().map(|file| (file.clone(), Way::Undecided(until))));
    }

    /// What was in the log of a site's conversation is gone.
    pub(super) fn gone(&self, site: &SiteName, bytes: u64) {
        if let Some(of_site) = self.state().sites.get_mut(site) {
            of_site.kept = of_site.kept.saturating_sub(bytes);
        }
    }

    /// What may be done with a file. To be asked before the log is: what is not under way is in the log, or never will be.
    pub(super) fn touch(&self, file: &FileId) -> Touch {
        let state = self.state();
        match state.files.get(file) {
            Some(Way::Under) => Touch::Nothing,
            Some(Way::Undecided(until)) if Instant::now() < *until => Touch::Count,
            _ if state.since_sweep.as_ref().is_some_and(|since| since.contains(file)) => Touch::Remove,
            _ => Touch::CountOrRemove,
        }
    }

    /// The turn to sweep.
    pub(super) async fn sweeping(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.sweeping.lock().await
    }

    /// A sweep begins to count.
    pub(super) fn begin_count(&self) {
        let mut state = self.state();
        state.since_sweep = Some(HashSet::new());
        state.sites.values_mut().for_each(|of_site| of_site.since_sweep = 0);
        let now = Instant::now();
        state.files.retain(|_, way| !matches!(way, Way::Undecided(until) if *until <= now));
    }

    /// It has counted all; `None` where it did not come to its end.
    pub(super) fn end_count(&self, counted: Option<HashMap<SiteName, u64>>) {
        let mut state = self.state();
        state.since_sweep = None;
        let Some(mut counted) = counted else { return };
        for (site, of_site) in &mut state.sites {
            of_site.kept = counted.remove(site).unwrap_or_default() + of_site.since_sweep;
        }
        let new = counted.into_iter().map(|(site, kept)| (site, OfSite { kept, ..OfSite::default() }));
        state.sites.extend(new);
        state.sites.retain(|_, of_site| *of_site != OfSite::default());
    }

    /// How many bytes are kept.
    pub(super) fn held(&self) -> u64 {
        self.state().sites.values().map(|of_site| of_site.kept).fold(0, u64::saturating_add)
    }
}

impl State {
    fn leave(&mut self, owner: &Owner, files: &[FileId], bytes: u64) {
        if let Some(taken) = self.conversations.get_mut(&owner.conversation) {
            taken.files = taken.files.saturating_sub(files.len());
            taken.bytes = taken.bytes.saturating_sub(bytes);
            if *taken == Taken::default() {
                self.conversations.remove(&owner.conversation);
            }
        }
        if let Some(of_site) = self.sites.get_mut(&owner.site) {
            of_site.under_way = of_site.under_way.saturating_sub(bytes);
        }
        for file in files {
            self.files.remove(file);
        }
    }
}
