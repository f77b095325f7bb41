//! The audit log: who was refused, what operators did, when the server started and stopped, and with what.
//!
//! Invariants:
//! - No record holds a credential, a path, a query, or a text that a client chose: what stands in one is a name that was
//!   parsed, a number, or a word of ours. It is a line of JSON, so that nothing in it can look like another line.
//! - No request waits for it. What does not fit into the queue is lost, counted, and said.
//! - Nobody fills a disk with it: refusals beyond so many are counted together (`denials`), and files are bounded (`file`).
//!
//! Where to look: what a record holds (`record`), what an operator's call is (`operator`), how it is written (`writer`).
//!
//! Not here: which answers are refusals (`http::layers`), what operators may do (`admin_api`).

mod denials;
mod file;
mod operator;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use landline_core::Clock;
use landline_protocol::SiteName;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use self::denials::Denials;
pub(crate) use self::operator::{Audited, OperatorCall, in_the_same_call, note_change};
pub use self::record::Event;
pub(crate) use self::record::{Denied, Word};
use self::writer::Writer;
pub(crate) use self::writer::WriterEnd;
use crate::limits::AUDIT_QUEUE;
use crate::telemetry::Metrics;

/// The target of records in the ordinary log.
pub(crate) const TARGET: &str = "landline::audit";

/// The site that a caller belongs to, as soon as that is known. An extension of every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownSite(Arc<OnceLock<SiteName>>);

impl KnownSite {
    /// Says which.
    pub(crate) fn set(&self, site: &SiteName) {
        let _ = self.0.set(site.clone());
    }

    pub(crate) fn get(&self) -> Option<SiteName> {
        self.0.get().cloned()
    }
}

/// Where records go.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// To the ordinary log, at the level `info`.
    Log,
    /// To a file of their own.
    File {
        path: PathBuf,
        /// At which size the file is put aside.
        bytes: u64,
        /// How many that were put aside are kept.
        files: usize,
    },
}

/// Takes records. Clones are cheap and share it.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    queue: mpsc::Sender<String>,
    /// What did not fit into the queue, or could not be written, since that was last said.
    lost: AtomicU64,
    /// Locked for a few lines.
    denials: Mutex<Denials>,
    /// Woken when something is counted that is to be written later.
    counted: Notify,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    /// Takes records from now on; the writer has to be run.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(crate) fn open(
        place: Place,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<(Self, Writer)> {
        let (queue, lines) = mpsc::channel(AUDIT_QUEUE);
        let inner = Inner {
            clock,
            metrics,
            queue,
            lost: AtomicU64::new(0),
            denials: Mutex::new(Denials::new(Instant::now())),
            counted: Notify::new(),
        };
        let audit = Self(Arc::new(inner));
        let writer = Writer::new(audit.clone(), lines, place)?;
        Ok((audit, writer))
    }

    /// One that forgets everything.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let clock = Arc::new(landline_core::SystemClock);
        Self::open(Place::Log, clock, Arc::default()).expect("the log needs no opening").0
    }

    /// Somebody was refused. Beyond so many of one address, and in all, refusals are counted together.
    pub(crate) fn denied(&self, denied: Denied) {
        if self.denials().admit(denied.address, denied.status, Instant::now()) {
            self.record(Event::Denied(denied));
        } else {
            self.0.counted.notify_one();
        }
    }

    /// Writes a record, in a while.
    pub fn record(&self, event: Event) {
        match self.0.queue.try_send(self.line(&event)) {
            Ok(()) => {}
            // Nobody writes any more once the server has ended.
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => self.lose(1),
        }
    }

    fn line(&self, event: &Event) -> String {
        event.line(self.0.clock.now())
    }

    fn lose(&self, records: u64) {
        self.0.lost.fetch_add(records, Ordering::Relaxed);
        self.0.metrics.audit_lost(records);
    }

    /// How many were lost since this was last asked.
    fn lost(&self) -> u64 {
        self.0.lost.swap(0, Ordering::Relaxed)
    }

    fn denials(&self) -> std::sync::MutexGuard<'_, Denials> {
        // What it holds are counters, right at any time.
        self.0.denials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom refusals are counted by: an address, or, where one customer has them by the billion, the network.
fn counted_by(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
