//! What is counted of requests that are more than there should be.
//!
//! Not here: what is limited (`crate::overload`).

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::labels::{Limit, Throttled, ThrottledLabels};

#[derive(Debug, Default)]
pub(super) struct OverloadMetrics {
    throttled: Family<ThrottledLabels, Counter>,
    delayed: Gauge,
    held: Gauge,
}

impl OverloadMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "throttled",
            "Requests that were over a limit, by the limit, and by whether they were answered late or refused",
            self.throttled.clone(),
        );
        registry.register(
            "delayed_requests",
            "Requests that are over a limit and wait for their turn",
            self.delayed.clone(),
        );
        registry.register_with_unit(
            "memory_held",
            "Bytes that requests and streams hold, as they are counted",
            Unit::Bytes,
            self.held.clone(),
        );
    }
}

impl Metrics {
    /// A request was over a limit.
    pub fn throttled(&self, limit: Limit, outcome: Throttled) {
        self.overload.throttled.get_or_create(&ThrottledLabels { limit, outcome }).inc();
    }

    /// How many wait for their turn just now; kept by whoever lets them wait.
    pub(crate) fn delayed_requests(&self) -> Gauge {
        self.overload.delayed.clone()
    }

    /// How many bytes are held just now; kept by whoever counts them.
    pub(crate) fn memory_held(&self) -> Gauge {
        self.overload.held.clone()
    }
}
