//! What one bad bot costs the clients of the others: 50 bots in one server, each with a site of its own.
//!
//! Rounds in which the bad bot behaves alternate with rounds in which it does not, so that what the machine does
//! meanwhile meets both. The bad bot has the traffic of one of the others in both, from many clients, each of which waits
//! for its answer; only what the bot does changes.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use landline_testkit::bad_bot::{BadBot, Way};
use landline_testkit::bot::{Bot, Mode};
use landline_testkit::client::{CallError, Client, Conversation};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::Common;
use crate::crowd::{self, Seat};
use crate::rig::{Rig, UNLIMITED};
use crate::stats::{median, ms, percentile};

/// How many bots behave.
const GOOD: usize = 49;
/// How long a bot has to answer, here; what hangs is over before the next round.
const BOT_DEADLINE: Duration = Duration::from_secs(5);
/// Runs before each round, uncounted: until as much hangs as ever will.
const WARM_UP: Duration = BOT_DEADLINE;
/// How long the machine rests between a bad round and a good one, beyond what hangs.
const REST: Duration = Duration::from_secs(1);
/// How far the others' p99 may be from what it is without a bad bot.
const ALLOWED: f64 = 1.10;
/// What the bad bot does, and how the table calls it.
const BAD: [(Way, &str); 4] = [
    (Way::Hang, "hangs"),
    (Way::DripHead, "drips, a byte a second"),
    (Way::HugeUntilClose, "answers 64 MiB"),
    (Way::ResetBefore, "resets"),
];

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Pairs of rounds for each kind of bad bot.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a round counts, in seconds.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Between two sends to one bot, in milliseconds.
    #[arg(long, default_value_t = 100)]
    pace: u64,
    /// Clients of the bad bot, who send in turn.
    #[arg(long, default_value_t = 50)]
    clients: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 5, seconds: 6, pace: 100, clients: 50 }
    }
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let bad = BadBot::start().await?;
    let mut good = Vec::new();
    for _ in 0..GOOD {
        good.push(Bot::start_counting(Mode::Accept).await?);
    }
    let rig = Rig::start_with(common, config(&good, &bad)).await?;
    let server = rig.server.address();
    let mut neighbours = Vec::new();
    for number in 0..GOOD {
        neighbours.push(seat(server, &format!("good{number}"), number).await?);
    }
    let mut clients = Vec::new();
    for number in 0..options.clients {
        clients.push(seat(server, "bad", number).await?);
    }

    let mut table = String::new();
    writeln!(
        table,
        "### Sends to {GOOD} bots beside a bad one, {} pairs of rounds of {} s, a send each {} ms to each bot\n",
        options.rounds, options.seconds, options.pace
    )?;
    writeln!(
        table,
        "| the 50th bot | p50 without | p50 with | ratio | p99 without | p99 with | ratio | at most {ALLOWED:.2} |"
    )?;
    writeln!(table, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")?;
    let mut number = 0;
    for (way, name) in BAD {
        let (mut without, mut with) = (Figures::default(), Figures::default());
        for _ in 0..options.rounds {
            for (way, figures) in [(Way::Accept, &mut without), (way, &mut with)] {
                bad.set_way(way);
                let times = round(server, options, &neighbours, &clients, &mut number).await?;
                figures.add(times);
            }
            // What hangs is over then, and the next round begins as the first.
            bad.set_way(Way::Accept);
            sleep(BOT_DEADLINE + REST).await;
        }
        let ((p50, p99), (bad_p50, bad_p99)) = (without.medians(), with.medians());
        let ratio = |with: Duration, without: Duration| with.as_secs_f64() / without.as_secs_f64().max(1e-9);
        let verdict = if ratio(bad_p99, p99) <= ALLOWED { "yes" } else { "**no**" };
        writeln!(
            table,
            "| {name} | {} | {} | {:.2} | {} | {} | **{:.2}** | {verdict} |",
            ms(p50),
            ms(bad_p50),
            ratio(bad_p50, p50),
            ms(p99),
            ms(bad_p99),
            ratio(bad_p99, p99)
        )?;
    }
    Ok(table)
}

/// The percentiles of each round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Figures {
    pub(crate) fn add(&mut self, mut times: Vec<Duration>) {
        self.p50.push(percentile(&mut times, 50).as_secs_f64());
        self.p99.push(percentile(&mut times, 99).as_secs_f64());
    }

    pub(crate) fn medians(&self) -> (Duration, Duration) {
        (Duration::from_secs_f64(median(&self.p50)), Duration::from_secs_f64(median(&self.p99)))
    }
}

pub(crate) fn secret(site: &str) -> String {
    format!("bench-secret-of-{site}-0123456789-0123456789-0123456789")
}

/// A bot and a site for each.
fn config(good: &[Bot], bad: &BadBot) -> String {
    let good = good.iter().enumerate().map(|(number, bot)| (format!("good{number}"), bot.endpoint()));
    let all = good.chain([("bad".to_owned(), bad.endpoint())]);
    let mut text = format!("[limits]\n{UNLIMITED}bot_deadline = \"{}s\"\n\n", BOT_DEADLINE.as_secs());
    for (name, endpoint) in all {
        let secret = secret(&name);
        text += &format!(
            "[bots.{name}]\nendpoint = \"{endpoint}\"\n\n[sites.{name}]\nbot = \"{name}\"\nsecret = \"{secret}\"\n\n"
        );
    }
    text
}

pub(crate) async fn seat(server: SocketAddr, site: &str, number: usize) -> Result<Seat> {
    let user = format!("{site}-{number}");
    let body = json!({"user": {"id": user}});
    let Conversation { conversation_id: conversation, token, .. } =
        Client::new(server).start(&secret(site), Some(&body)).await.context("cannot start a conversation")?;
    Ok(Seat { conversation, token, user })
}

/// How long the sends of the neighbours took.
async fn round(
    server: SocketAddr,
    options: &Options,
    neighbours: &[Seat],
    clients: &[Seat],
    number: &mut usize,
) -> Result<Vec<Duration>> {
    let pace = Duration::from_millis(options.pace.max(1));
    let begin = Instant::now();
    let from = begin + WARM_UP;
    let to = from + Duration::from_secs(options.seconds);
    let stop = CancellationToken::new();
    let _over = stop.clone().drop_guard();
    let mut load = JoinSet::new();
    for (place, seat) in clients.iter().enumerate() {
        let due = begin + pace * u32::try_from(place)?;
        let own_pace = pace * u32::try_from(clients.len())?;
        load.spawn(trouble(server, seat.clone(), due, own_pace, stop.clone(), *number));
    }
    let mut senders = JoinSet::new();
    for (place, seat) in neighbours.iter().enumerate() {
        let due = begin + pace * u32::try_from(place)? / u32::try_from(neighbours.len())?;
        senders.spawn(send(server, seat.clone(), due, pace, (from, to), *number));
    }
    let mut times = Vec::new();
    while let Some(sender) = senders.join_next().await {
        times.extend(sender??);
    }
    stop.cancel();
    while let Some(client) = load.join_next().await {
        client??;
    }
    // Repeats are found by their name, so no name comes twice.
    *number += 1_000_000;
    Ok(times)
}

/// Sends at a steady pace. What is late because the one before it was slow counts from when it was due.
pub(crate) async fn send(
    server: SocketAddr,
    seat: Seat,
    mut due: Instant,
    pace: Duration,
    (from, to): (Instant, Instant),
    first_number: usize,
) -> Result<Vec<Duration>> {
    let mut client = Client::new(server);
    let mut times = Vec::new();
    for number in first_number.. {
        sleep_until(due).await;
        if due >= to {
            break;
        }
        client.send(&seat.token, &seat.conversation, &crowd::message(&seat.user, number)).await?;
        if due >= from {
            times.push(due.elapsed());
        }
        due += pace;
    }
    Ok(times)
}

/// A client of the bad bot: what it gets does not matter, but that it is an answer of the server.
async fn trouble(
    server: SocketAddr,
    seat: Seat,
    mut due: Instant,
    pace: Duration,
    stop: CancellationToken,
    first_number: usize,
) -> Result<()> {
    let mut client = Client::new(server);
    for number in first_number.. {
        let message = crowd::message(&seat.user, number);
        let sent = async {
            sleep_until(due).await;
            timeout(BOT_DEADLINE * 2, client.send(&seat.token, &seat.conversation, &message)).await
        };
        let sent = tokio::select! {
            sent = sent => sent.context("a client of the bad bot waits for ever")?,
            () = stop.cancelled() => return Ok(()),
        };
        match sent {
            Ok(_) | Err(CallError::Answered { status: 502 | 504, .. }) => {}
            Err(error) => return Err(error).context("a client of the bad bot"),
        }
        due = (due + pace).max(Instant::now());
    }
    Ok(())
}
