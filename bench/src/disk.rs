//! What the disk below can do at most: one small append, one fdatasync, again and again.
//!
//! A server that shares one fdatasync among many activities may accept more of them than this; a server that does
//! not cannot.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

/// About one activity with its envelope.
const RECORD_BYTES: usize = 700;
const RUN: Duration = Duration::from_secs(3);

/// Durable appends in a second by a single writer, and the time one takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskRate {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Measures the disk that holds `folder`.
pub(crate) async fn measure(folder: &Path) -> Result<DiskRate> {
    let path = folder.join("disk-rate");
    tokio::task::spawn_blocking(move || {
        let mut file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let record = [b'x'; RECORD_BYTES];
        let mut times = Vec::new();
        let began = Instant::now();
        while began.elapsed() < RUN {
            let one = Instant::now();
            file.write_all(&record)?;
            file.sync_data().context("fdatasync failed")?;
            times.push(one.elapsed());
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
        let per_second = times.len() as f64 / began.elapsed().as_secs_f64();
        drop(file);
        std::fs::remove_file(&path)?;
        let p50 = crate::stats::percentile(&mut times, 50);
        Ok(DiskRate { per_second, p50, p99: crate::stats::percentile(&mut times, 99) })
    })
    .await?
}
