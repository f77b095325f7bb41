//! What is counted of files.
//!
//! Not here: what counts as refused (`errors`), what is swept (`landline_core`).

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::labels::{ActivityOrigin, FileRefused, FileRefusedLabels, OriginLabels};

#[derive(Debug, Default)]
pub(super) struct FileMetrics {
    kept: Family<OriginLabels, Counter>,
    received: Counter,
    sent: Counter,
    refused: Family<FileRefusedLabels, Counter>,
    swept: Counter,
    held: Gauge,
}

impl FileMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("files_kept", "Files that were kept, by who sent them", self.kept.clone());
        registry.register_with_unit(
            "files_received",
            "Bytes of files that were kept, thumbnails included",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register_with_unit(
            "files_sent",
            "Bytes of files handed out to clients and bots",
            Unit::Bytes,
            self.sent.clone(),
        );
        registry.register("files_refused", "Files that were not kept, by reason", self.refused.clone());
        registry.register(
            "files_swept",
            "Stored files taken away because their time was over, their conversation gone, or nobody knew them",
            self.swept.clone(),
        );
        registry.register_with_unit(
            "files_held",
            "Bytes of files that are kept just now",
            Unit::Bytes,
            self.held.clone(),
        );
    }
}

impl Metrics {
    /// So many files are kept from now on, of so many bytes together.
    pub fn files_kept(&self, from: ActivityOrigin, files: usize, bytes: u64) {
        self.files.kept.get_or_create(&OriginLabels { from }).inc_by(files as u64);
        self.files.received.inc_by(bytes);
    }

    /// So many bytes of a file were handed to the line.
    pub fn file_bytes_sent(&self, bytes: u64) {
        self.files.sent.inc_by(bytes);
    }

    /// An upload was refused, or broke off; nothing of it is kept.
    pub fn file_refused(&self, reason: FileRefused) {
        self.files.refused.get_or_create(&FileRefusedLabels { reason }).inc();
    }

    /// So many stored files were taken away.
    pub fn files_swept(&self, files: u64) {
        self.files.swept.inc_by(files);
    }

    /// So many bytes are kept just now.
    pub fn file_bytes_held(&self, bytes: u64) {
        self.files.held.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
