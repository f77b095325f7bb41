//! How many activities a second are accepted durably: stored, on disk, taken by the bot, answered with 200.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::Common;
use crate::crowd::{self, Seat};
use crate::disk;
use crate::rig::Rig;
use crate::stats::{median, ms, percentile, whole};

const WARM_UP: Duration = Duration::from_secs(2);
/// Activities of one round have numbers of their own, so that none is taken for a repeat.
const NUMBERS_PER_ROUND: usize = 10_000_000;

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Clients that send at the same time.
    #[arg(long, default_value_t = 64)]
    senders: usize,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of one round, after two seconds that do not count.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { senders: 64, rounds: 3, seconds: 10 }
    }
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let rig = Rig::start(common).await?;
    let own = crowd::start_conversations(&rig, options.senders, options.senders.min(16), 0).await?;
    let shared = crowd::share_conversation(&rig, options.senders).await?;
    let disk = disk::measure(rig.folder.path()).await?;

    let mut table = String::new();
    writeln!(table, "### Accepted durably, {} concurrent senders\n", options.senders)?;
    writeln!(
        table,
        "| conversations | activities/s, median (rounds) | p50 | p99 | server CPU each | per fdatasync/s |"
    )?;
    writeln!(table, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for (name, seats) in [("one each", &own), ("one for all", &shared)] {
        let row = measure(&rig, options, seats).await?;
        let rounds: Vec<String> = row.rates.iter().map(|rate| whole(*rate)).collect();
        let rate = median(&row.rates);
        writeln!(
            table,
            "| {name} | **{}** ({}) | {} | {} | {} µs | {:.2} |",
            whole(rate),
            rounds.join(", "),
            ms(row.p50),
            ms(row.p99),
            whole(row.cpu_each.as_secs_f64() * 1e6),
            rate / disk.per_second.max(1.0)
        )?;
    }
    writeln!(
        table,
        "\nThe same disk, one writer, one fdatasync per record: {}/s, p50 {}, p99 {}.",
        whole(disk.per_second),
        ms(disk.p50),
        ms(disk.p99)
    )?;
    Ok(table)
}

struct Row {
    rates: Vec<f64>,
    p50: Duration,
    p99: Duration,
    cpu_each: Duration,
}

async fn measure(rig: &Rig, options: &Options, seats: &[Seat]) -> Result<Row> {
    let (mut rates, mut times, mut accepted) = (Vec::new(), Vec::new(), 0_u64);
    let cpu = rig.cpu()?;
    let taken = rig.bot.count();
    for round in 0..options.rounds {
        let run = Duration::from_secs(options.seconds);
        let first_number = round * NUMBERS_PER_ROUND;
        let done = crowd::send_all(rig.server.address(), seats, WARM_UP, run, first_number).await?;
        rates.push(done.accepted_per_second);
        times.extend(done.times);
    }
    // The bot has seen each accepted activity once, those of the warm-up too.
    accepted += rig.bot.count() - taken;
    let cpu_each = (rig.cpu()? - cpu) / u32::try_from(accepted.max(1))?;
    Ok(Row { rates, p50: percentile(&mut times, 50), p99: percentile(&mut times, 99), cpu_each })
}
