//! What the server tells of itself: metrics.
//!
//! Not here: where the log goes, which the command decides (`landline`).

pub mod metrics;
mod process;

pub use metrics::{
    ActivityOrigin, AdminChange, BotRefused, CertificateReload, DeliveryOutcome, FileRefused, KeysFetched,
    Metrics, OutboxEvent, Shed, SocketClosed, StreamedAnswerEnd, TlsHandshake, TokenWay,
};
