//! What the server tells of itself: metrics.
//!
//! Not here: where the log goes, which the command decides (`landline`).

pub mod metrics;
mod process;

pub(crate) use process::resident_bytes;

pub use metrics::{
    ActivityOrigin, AdminChange, BotRefused, CertificateReload, DeliveryOutcome, FileRefused, KeysFetched,
    Limit, Metrics, OutboxEvent, Shed, SocketClosed, StreamedAnswerEnd, Throttled, TlsHandshake, TokenWay,
};
