//! Notices that the LSM store has given up in the background (a table could not be written or merged), also while
//! nothing is being written, or while the committer waits for a table that will never be written.
//!
//! Not here: what follows from it; the process is to exit, see `LogStore::failed`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::{io, thread};

use fjall::PersistMode;
use landline_core::store::StoreError;
use tokio::sync::watch;

use crate::committer::Health;
use crate::limits::WATCH_INTERVAL;
use crate::tables::Tables;

/// The thread that watches, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start(tables: Arc<Tables>, health: watch::Sender<Health>) -> io::Result<Self> {
        let (end, ended) = channel();
        let thread = thread::Builder::new()
            .name("landline-watcher".to_owned())
            .spawn(move || watch(&tables, &health, &ended))?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn watch(tables: &Tables, health: &watch::Sender<Health>, ended: &Receiver<()>) {
    while ended.recv_timeout(WATCH_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        // To hand what is written to the operating system is no work here, but refused when the store has given up.
        let alive = [&tables.log, &tables.second].map(|database| database.persist(PersistMode::Buffer));
        let Some(error) = alive.into_iter().find_map(Result::err) else { continue };
        let why = StoreError(format!(
            "writing in the background failed ({error}); see the log for the cause, then start the process again"
        ));
        tracing::error!("The store has failed and writes nothing any more: {why}");
        health.send_if_modified(|health| {
            let working = *health == Health::Working;
            if working {
                *health = Health::Failed(why);
            }
            working
        });
        return;
    }
}
