//! What is counted of TLS on the public listener.
//!
//! Not here: when a certificate is replaced (`crate::tls`), how a handshake goes (`http::handshake`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use landline_protocol::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::labels::{CertificateReload, HandshakeLabels, ReloadLabels, TlsHandshake};

#[derive(Debug, Default)]
pub(super) struct TlsMetrics {
    handshakes: Family<HandshakeLabels, Counter>,
    until: Until,
    reloads: Family<ReloadLabels, Counter>,
}

/// When the certificate in use ends, in seconds since 1970. Not shown while there is none: without TLS, a 0 would be taken
/// for one that ended long ago.
#[derive(Clone, Debug)]
struct Until(Arc<AtomicI64>);

const NEVER_SET: i64 = i64::MIN;

impl Default for Until {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NEVER_SET)))
    }
}

impl Collector for Until {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let until = self.0.load(Ordering::Relaxed);
        if until == NEVER_SET {
            return Ok(());
        }
        let gauge = ConstGauge::new(until);
        let descriptor = encoder.encode_descriptor(
            "tls_certificate_expiry_timestamp",
            "When the certificate in use ends, in seconds since 1970",
            Some(&Unit::Seconds),
            gauge.metric_type(),
        )?;
        gauge.encode(descriptor)
    }
}

impl TlsMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("tls_handshakes", "Handshakes of TLS, by outcome", self.handshakes.clone());
        registry.register_collector(Box::new(self.until.clone()));
        registry.register(
            "tls_certificate_reloads",
            "Certificates that were found in place of the one in use, by what came of them",
            self.reloads.clone(),
        );
    }
}

impl Metrics {
    /// A handshake ended.
    pub fn handshake_ended(&self, outcome: TlsHandshake) {
        self.tls.handshakes.get_or_create(&HandshakeLabels { outcome }).inc();
    }

    /// The certificate in use from now on ends then.
    pub fn certificate_ends(&self, at: Timestamp) {
        self.tls.until.0.store(at.as_seconds(), Ordering::Relaxed);
    }

    /// Another certificate was found where the one in use was.
    pub fn certificate_reloaded(&self, outcome: CertificateReload) {
        self.tls.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    }
}
