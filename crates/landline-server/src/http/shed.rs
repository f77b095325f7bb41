//! Saying that connections were closed for want of room: in the metrics each time, in the log now and then.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use crate::limits::SHED_LOG_INTERVAL;
use crate::telemetry::{Metrics, Shed};

/// Counts for one listener.
#[derive(Debug)]
pub(super) struct Shedding {
    metrics: Option<Arc<Metrics>>,
    /// Since the last line in the log.
    unsaid: u64,
    said_at: Option<Instant>,
}

impl Shedding {
    pub(super) fn new(metrics: Option<Arc<Metrics>>) -> Self {
        Self { metrics, unsaid: 0, said_at: None }
    }

    /// One was closed, or asked to leave.
    pub(super) fn one(&mut self, why: Shed, peer: IpAddr) {
        if let Some(metrics) = &self.metrics {
            metrics.connection_shed(why);
        }
        self.unsaid += 1;
        let now = Instant::now();
        if self.said_at.is_some_and(|said_at| now < said_at + SHED_LOG_INTERVAL) {
            return;
        }
        self.said_at = Some(now);
        let count = std::mem::take(&mut self.unsaid);
        // The address of a machine that opens so many connections; more often a proxy than a person.
        let what_to_do = match why {
            Shed::Full | Shed::Idle => "limits.connections is reached",
            Shed::Address | Shed::AddressIdle => {
                "limits.connections_per_address is reached by one address; if it is a proxy, name it in trusted_proxies"
            }
            Shed::Descriptors => "the system gives no more descriptors; raise LimitNOFILE or `ulimit -n`",
        };
        warn!(count, last.peer = %peer, "Closed {count} connections for want of room: {what_to_do}");
    }
}
