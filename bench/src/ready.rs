//! How long from the start of the process to `/readyz` saying 200, with many conversations in the store; after a clean
//! stop, and after kill -9. The operating system's cache is warm.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tokio::time::Instant;

use crate::Common;
use crate::crowd;
use crate::rig::{Rig, STOP_WITHIN};
use crate::stats::{ms, percentile, whole};

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 100_000)]
    conversations: usize,
    /// Activities in each, sent by clients.
    #[arg(long, default_value_t = 1)]
    activities: usize,
    /// Clients that create them side by side.
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Starts of each kind.
    #[arg(long, default_value_t = 5)]
    starts: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { conversations: 100_000, activities: 1, width: 128, starts: 5 }
    }
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let mut rig = Rig::start(common).await?;
    let began = Instant::now();
    let seats =
        crowd::start_conversations(&rig, options.conversations, options.width, options.activities).await?;
    let created_in = began.elapsed();

    let (mut after_stop, mut after_kill) = (Vec::new(), Vec::new());
    // The first start after the load finds the most to replay, so it is a kill.
    for _ in 0..options.starts {
        rig.server.kill().await?;
        after_kill.push(rig.server.start_again().await?);
    }
    for _ in 0..options.starts {
        rig.server.stop(STOP_WITHIN).await?;
        after_stop.push(rig.server.start_again().await?);
    }
    let first_after_kill = after_kill.first().copied().unwrap_or_default();
    let rss = rig.rss_kib()?;

    let mut table = String::new();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (conversations, rss) = (whole(seats.len() as f64), whole(rss as f64 / 1024.0));
    writeln!(
        table,
        "### From start to ready, {conversations} conversations with {} activities each\n",
        options.activities
    )?;
    writeln!(table, "| start | p50 of {} | max |", options.starts)?;
    writeln!(table, "| --- | ---: | ---: |")?;
    let row = |times: &mut Vec<Duration>| {
        format!("**{}** | {}", ms(percentile(times, 50)), ms(percentile(times, 100)))
    };
    writeln!(table, "| after a clean stop | {} |", row(&mut after_stop))?;
    writeln!(table, "| after kill -9 | {} |", row(&mut after_kill))?;
    writeln!(
        table,
        "\nThe first start after the load (killed): {}. Created in {:.0} s; resident memory when ready: {rss} MiB.",
        ms(first_after_kill),
        created_in.as_secs_f64()
    )?;
    Ok(table)
}
