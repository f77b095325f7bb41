//! How bots and sites change while the server runs.
//!
//! Every change is made under one lock: decided against the snapshot of the moment, written to the registry, and shown
//! to requests only when it is durable. So what a request once saw is there after a crash too.
//!
//! Invariants:
//! - What stands in the configuration file is never changed here.
//! - When an outcome is not known, or the change was broken off, everything is read again before the next one.
//!
//! Where to look: the changes of bots (`bots`), of sites (`sites`).
//!
//! Not here: who may ask for it, and how it is asked (`admin_api`).

mod bots;
mod sites;

use std::fmt;
use std::sync::Arc;

use landline_core::store::{PutError, Registry, Table};
use landline_core::{Clock, Entropy};
use landline_outbound::AddressPolicy;
use landline_protocol::Timestamp;
use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard};
use tracing::info;

pub use bots::{AppIdChange, BotChange, OutgoingChange};
pub use sites::SiteChange;

use super::load::{FileEntries, Versions, load};
use super::stored::to_bytes;
use super::{Directory, Snapshot};
use crate::audit::note_change;
use crate::telemetry::{AdminChange, Metrics};

/// Makes the changes. A cheap handle.
#[derive(Clone)]
pub struct Editor(Arc<Inner>);

struct Inner {
    directory: Arc<Directory>,
    file: FileEntries,
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
    /// Which addresses a bot may have from now on.
    addresses: Arc<AddressPolicy>,
    /// Held over the writing, so that changes come one after another. No request waits for it.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    versions: Versions,
    /// Set while something is written, and left set when it is not known what became of it.
    stale: bool,
    /// The latest beginning of a site that was removed. One that is added lies behind it.
    removed: Option<Timestamp>,
}

/// What an [`Editor`] works with.
pub(crate) struct Parts {
    pub(crate) directory: Arc<Directory>,
    pub(crate) file: FileEntries,
    pub(crate) versions: Versions,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) addresses: Arc<AddressPolicy>,
}

/// Why nothing, or nothing certain, was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such bot, site, or secret.
    #[error("{0}")]
    NotFound(String),
    /// It does not fit what there is: a name or app id that is taken, a bot that is used, a file that rules.
    #[error("{0}")]
    Conflict(String),
    /// What was asked for contradicts itself.
    #[error("{0}")]
    Bad(String),
    /// Nothing was written; trying again is safe.
    #[error("nothing was changed: {0}")]
    Unavailable(String),
    /// It may or may not have been written.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

impl fmt::Debug for Editor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editor").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}

impl Editor {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { directory, file, versions, registry, clock, entropy, metrics, addresses } = parts;
        let state = Mutex::new(State { versions, stale: false, removed: None });
        let editor =
            Self(Arc::new(Inner { directory, file, registry, clock, entropy, metrics, addresses, state }));
        editor.count(&editor.snapshot());
        editor
    }

    /// Everything, as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.directory.snapshot()
    }

    /// The base URL by which bots reach this server, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.0.file.base
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The turn to change something. What is not known is found out first.
    async fn turn(&self) -> Result<Turn<'_>, ChangeError> {
        let mut state = self.0.state.lock().await;
        if state.stale {
            let inner = &*self.0;
            let loaded = load(&inner.file, &*inner.registry, &*inner.entropy, self.now()).await;
            let loaded = loaded.map_err(|error| ChangeError::Unavailable(format!("{error:#}")))?;
            state.versions = loaded.versions;
            self.show(loaded.snapshot);
            state.stale = false;
        }
        Ok(Turn { editor: self, state })
    }

    /// From now on, for all requests.
    fn show(&self, snapshot: Snapshot) {
        self.count(&snapshot);
        self.0.directory.replace(snapshot);
    }

    fn count(&self, snapshot: &Snapshot) {
        self.0.metrics.directory_holds(snapshot.bots.len(), snapshot.sites.len());
    }

    /// Says in the log and in the metrics what was changed by the admin API.
    fn report(&self, change: AdminChange, name: &dyn fmt::Display) {
        self.0.metrics.admin_changed(change);
        note_change(change, name);
        info!(change = ?change, name = %name, "Changed by the admin API: {change:?} {name}");
    }
}

/// The right to change something: only one at a time.
struct Turn<'a> {
    editor: &'a Editor,
    state: MutexGuard<'a, State>,
}

impl Turn<'_> {
    /// Writes an entry.
    async fn put<T: Serialize>(&mut self, table: Table, name: &str, value: &T) -> Result<(), ChangeError> {
        let value = to_bytes(value).map_err(|error| ChangeError::Unavailable(error.to_string()))?;
        let key = (table, name.to_owned());
        let expected = self.state.versions.get(&key).copied();
        self.state.stale = true;
        let version = self.outcome(self.editor.0.registry.put(table, name, value, expected).await)?;
        self.state.versions.insert(key, version);
        Ok(())
    }

    /// Takes an entry away, where there is one.
    async fn delete(&mut self, table: Table, name: &str) -> Result<(), ChangeError> {
        let key = (table, name.to_owned());
        let Some(expected) = self.state.versions.get(&key).copied() else { return Ok(()) };
        self.state.stale = true;
        self.outcome(self.editor.0.registry.delete(table, name, expected).await)?;
        self.state.versions.remove(&key);
        Ok(())
    }

    /// What was written is known again, unless it is not.
    fn outcome<T>(&mut self, result: Result<T, PutError>) -> Result<T, ChangeError> {
        match result {
            Ok(done) => {
                self.state.stale = false;
                Ok(done)
            }
            Err(PutError::Unavailable(error)) => {
                self.state.stale = false;
                Err(ChangeError::Unavailable(error.to_string()))
            }
            Err(error @ PutError::Conflict(_)) => Err(ChangeError::Unavailable(error.to_string())),
            Err(PutError::Unknown(error)) => Err(ChangeError::Unknown(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
