//! Writes records, behind everybody's back.
//!
//! Not here: what is in them (`record`), how a file is bounded (`file`).

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::file::AuditFile;
use super::record::Event;
use super::{Audit, Place, TARGET};
use crate::limits::{AUDIT_BATCH, AUDIT_COMPLAINTS};

/// Has to be run for anything to be written.
#[derive(Debug)]
pub(crate) struct Writer {
    audit: Audit,
    lines: mpsc::Receiver<String>,
    /// `None`: to the ordinary log. Away while the disk is waited for.
    file: Option<AuditFile>,
    complained: Option<Instant>,
}

/// Ends a writer, and waits for it.
#[derive(Debug)]
pub(crate) struct WriterEnd {
    pub(crate) stop: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl WriterEnd {
    /// Everything that was recorded until now is written, unless that takes too long.
    pub(crate) async fn finish(self, within: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(within, self.task).await.is_err() {
            warn!("The end of the audit log is not written: its disk has not answered for {within:?}");
        }
    }
}

impl Writer {
    pub(super) fn new(audit: Audit, lines: mpsc::Receiver<String>, place: Place) -> anyhow::Result<Self> {
        let file = match place {
            Place::Log => None,
            Place::File { path, bytes, files } => Some(AuditFile::open(path, bytes, files)?),
        };
        Ok(Self { audit, lines, file, complained: None })
    }

    /// Writes until `stop`, and then what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let due = self.audit.denials().due();
            let counted = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => self.audit.0.counted.notified().await,
                }
            };
            tokio::select! {
                biased;
                taken = self.lines.recv_many(&mut batch, AUDIT_BATCH) => if taken == 0 { return },
                () = counted => {
                    let over = self.audit.denials().take_over(Instant::now());
                    batch.extend(over.into_iter().map(|more| self.audit.line(&Event::DeniedMore(more))));
                }
                () = stop.cancelled() => break,
            }
            self.write(&mut batch).await;
        }
        self.lines.close();
        while let Ok(line) = self.lines.try_recv() {
            batch.push(line);
        }
        let counted = self.audit.denials().take_all();
        batch.extend(counted.into_iter().map(|more| self.audit.line(&Event::DeniedMore(more))));
        self.write(&mut batch).await;
    }

    async fn write(&mut self, batch: &mut Vec<String>) {
        let lost = self.audit.lost();
        if lost > 0 {
            batch.push(self.audit.line(&Event::Lost { records: lost }));
        }
        if batch.is_empty() {
            return;
        }
        let Some(mut file) = self.file.take() else {
            batch.drain(..).for_each(|line| info!(target: TARGET, "{line}"));
            return;
        };
        let lines = std::mem::take(batch);
        let records = lines.len() as u64 - u64::from(lost > 0);
        let written = spawn_blocking(move || {
            let written = file.append(&lines);
            (file, written)
        });
        // Panics there are a bug; without the file, the rest goes to the log.
        let Ok((file, written)) = written.await else { return };
        self.file = Some(file);
        if let Err(error) = written {
            // What was lost before is still to be said.
            self.audit.0.lost.fetch_add(lost, std::sync::atomic::Ordering::Relaxed);
            self.audit.lose(records);
            let now = Instant::now();
            if self.complained.is_none_or(|last| now >= last + AUDIT_COMPLAINTS) {
                self.complained = Some(now);
                warn!(%error, "Records of the audit log are lost: it cannot be written ({error}); see to its disk");
            }
        }
    }
}
