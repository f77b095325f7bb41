//! What uploads of this process have under way, and how much room is taken.
//!
//! Invariants: a file is *under way* from before the first of its bytes is written until it is in the log, or its bytes
//! are gone; what is under way is nobody else's to take away. How much a site has is counted here between two sweeps, each
//! of which counts what is really there.

use std::collections::HashMap;
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
}

#[derive(Debug, Default)]
struct State {
    /// The bytes of each site, those under way included.
    sites: HashMap<SiteName, u64>,
    /// What is under way, by conversation; none that has nothing.
    conversations: HashMap<ConversationId, Taken>,
    files: HashMap<FileId, Way>,
}

/// What the uploads under way to one conversation have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    files: usize,
    bytes: u64,
}

/// Why a file is not to be touched.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Somebody brings it.
    Under,
    /// It is not known whether it was logged. From then on, the log knows.
    Undecided(#[expect(dead_code, reason = "for the sweep")] Instant),
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
    pub(crate) fn begin(
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
    pub(crate) fn take(
        &self,
        owner: &Owner,
        bytes: u64,
        kept: (usize, u64),
        limits: &Limits,
    ) -> Result<(), QuotaExceeded> {
        let mut state = self.state();
        let taken = state.conversations.get(&owner.conversation).copied().unwrap_or_default();
        limits.check_files(0, kept.1.saturating_add(taken.bytes).saturating_add(bytes))?;
        let of_site = state.sites.get(&owner.site).copied().unwrap_or_default().saturating_add(bytes);
        if of_site > limits.site_files_bytes {
            return Err(QuotaExceeded { quota: Quota::SiteBytes, limit: limits.site_files_bytes });
        }
        state.sites.insert(owner.site.clone(), of_site);
        state.conversations.entry(owner.conversation.clone()).or_default().bytes += bytes;
        Ok(())
    }

    /// What was under way is in the log: it keeps its room.
    pub(crate) fn settle(&self, owner: &Owner, files: &[FileId], bytes: u64) {
        let mut state = self.state();
        state.leave(owner, files, bytes);
    }

    /// What was under way is gone.
    pub(crate) fn give_back(&self, owner: &Owner, files: &[FileId], bytes: u64) {
        let mut state = self.state();
        state.leave(owner, files, bytes);
        if let Some(of_site) = state.sites.get_mut(&owner.site) {
            *of_site = of_site.saturating_sub(bytes);
        }
    }

    /// It is not known whether what was under way is in the log.
    pub(crate) fn leave_undecided(&self, owner: &Owner, files: &[FileId], bytes: u64) {
        let mut state = self.state();
        state.leave(owner, files, bytes);
        let until = Instant::now() + UNDECIDED_FILES;
        state.files.extend(files.iter().map(|file| (file.clone(), Way::Undecided(until))));
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
        for file in files {
            self.files.remove(file);
        }
    }
}
