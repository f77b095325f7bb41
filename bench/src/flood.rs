//! What one site that floods costs the clients of nine others: sends, starts and tokens without a pause, beside a message
//! now and then.
//!
//! Rounds in which it floods alternate with rounds in which it sends like the others, so that what the machine does
//! meanwhile meets both. The limits are those that a server has by default, but for the flooding site's own rates.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use landline_testkit::bot::{Bot, Mode};
use landline_testkit::client::{CallError, Client};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Common;
use crate::crowd::{self, Seat};
use crate::neighbours::{Figures, seat, secret, send};
use crate::rig::Rig;
use crate::stats::ms;

/// How many sites behave.
const GOOD: usize = 9;
/// The site that does not.
const FLOOD: &str = "flood";
/// Runs before each round, uncounted: longer than what may come at once lasts.
const WARM_UP: Duration = Duration::from_secs(3);
/// How far the others' p99 may be from what it is without a flood.
const ALLOWED: f64 = 1.10;

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Pairs of rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a round counts, in seconds.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Between two sends to one of the sites that behave, in milliseconds.
    #[arg(long, default_value_t = 50)]
    pace: u64,
    /// Connections of the flood; half of them send, a quarter start conversations, a quarter ask for tokens.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// What the flooding site may send a second, and half of that start and ask for; 0 is no limit.
    #[arg(long, default_value_t = 100)]
    quota: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 5, seconds: 6, pace: 50, connections: 64, quota: 100 }
    }
}

/// How the flood was answered.
#[derive(Debug, Default, Clone, Copy)]
struct Answers {
    good: usize,
    throttled: usize,
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let bot = Bot::start_counting(Mode::Accept).await?;
    let rig = Rig::start_with(common, config(&bot, options.quota)).await?;
    let server = rig.server.address();
    let mut neighbours = Vec::new();
    for number in 0..GOOD {
        neighbours.push(seat(server, &format!("good{number}"), number).await?);
    }
    let mut flooders = Vec::new();
    for number in 0..options.connections.max(4) {
        flooders.push(seat(server, FLOOD, number).await?);
    }
    let (mut without, mut with, mut answers) = (Figures::default(), Figures::default(), Answers::default());
    let mut number = 0;
    for _ in 0..options.rounds {
        for floods in [false, true] {
            let stop = CancellationToken::new();
            let _over = stop.clone().drop_guard();
            let mut flood = JoinSet::new();
            for (place, seat) in flooders.iter().enumerate().filter(|_| floods) {
                flood.spawn(flooder(server, place, seat.clone(), number, stop.clone()));
            }
            let times = round(server, options, &neighbours, number).await?;
            stop.cancel();
            while let Some(flooder) = flood.join_next().await {
                let Answers { good, throttled } = flooder??;
                answers.good += good;
                answers.throttled += throttled;
            }
            if floods {
                with.add(times)
            } else {
                without.add(times)
            }
            // Repeats are found by their name, so no name comes twice.
            number += 1_000_000;
        }
    }
    table(options, &without, &with, answers)
}

fn table(options: &Options, without: &Figures, with: &Figures, answers: Answers) -> Result<String> {
    let ((p50, p99), (flood_p50, flood_p99)) = (without.medians(), with.medians());
    let ratio = |with: Duration, without: Duration| with.as_secs_f64() / without.as_secs_f64().max(1e-9);
    let verdict = if ratio(flood_p99, p99) <= ALLOWED { "yes" } else { "**no**" };
    let Options { rounds, seconds, pace, connections, quota } = options;
    let mut table = String::new();
    writeln!(
        table,
        "### Sends to {GOOD} sites beside one that floods by {connections} connections, {rounds} pairs of rounds of \
         {seconds} s, a send each {pace} ms to each site, the flood's quota {quota} a second\n"
    )?;
    writeln!(
        table,
        "| p50 without | p50 with | ratio | p99 without | p99 with | ratio | at most {ALLOWED:.2} | the flood: let in | 429 |"
    )?;
    writeln!(table, "| ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |")?;
    writeln!(
        table,
        "| {} | {} | {:.2} | {} | {} | **{:.2}** | {verdict} | {} | {} |",
        ms(p50),
        ms(flood_p50),
        ratio(flood_p50, p50),
        ms(p99),
        ms(flood_p99),
        ratio(flood_p99, p99),
        answers.good,
        answers.throttled
    )?;
    Ok(table)
}

/// A site for each; all in front of one bot that answers at once.
fn config(bot: &Bot, quota: u32) -> String {
    let mut text = format!("[bots.all]\nendpoint = \"{}\"\n\n", bot.endpoint());
    for name in (0..GOOD).map(|number| format!("good{number}")).chain([FLOOD.to_owned()]) {
        text += &format!("[sites.{name}]\nbot = \"all\"\nsecret = \"{}\"\n", secret(&name));
        if name == FLOOD {
            let half = quota / 2;
            text += &format!(
                "sends_per_second = {quota}\nstarts_per_second = {half}\ntokens_per_second = {half}\n"
            );
        }
        text.push('\n');
    }
    text
}

/// How long the sends of the neighbours took.
async fn round(
    server: SocketAddr,
    options: &Options,
    neighbours: &[Seat],
    number: usize,
) -> Result<Vec<Duration>> {
    let pace = Duration::from_millis(options.pace.max(1));
    let begin = Instant::now();
    let from = begin + WARM_UP;
    let to = from + Duration::from_secs(options.seconds);
    let mut senders = JoinSet::new();
    for (place, seat) in neighbours.iter().enumerate() {
        let due = begin + pace * u32::try_from(place)? / u32::try_from(neighbours.len())?;
        senders.spawn(send(server, seat.clone(), due, pace, (from, to), number));
    }
    let mut times = Vec::new();
    while let Some(sender) = senders.join_next().await {
        times.extend(sender??);
    }
    Ok(times)
}

/// One connection of the flood: the next call as soon as the one before was answered, whatever the answer.
async fn flooder(
    server: SocketAddr,
    place: usize,
    seat: Seat,
    first_number: usize,
    stop: CancellationToken,
) -> Result<Answers> {
    let mut client = Client::new(server);
    let (mut answers, secret, user) = (Answers::default(), secret(FLOOD), json!({"user": {"id": seat.user}}));
    for number in first_number.. {
        let call = async {
            match place % 4 {
                0 => client.start(&secret, Some(&user)).await.map(drop),
                1 => client.generate_token(&secret, &user).await.map(drop),
                _ => {
                    let message = crowd::message(&seat.user, number);
                    client.send(&seat.token, &seat.conversation, &message).await.map(drop)
                }
            }
        };
        let answered = tokio::select! {
            answered = call => answered,
            () = stop.cancelled() => break,
        };
        match answered {
            Ok(()) => answers.good += 1,
            Err(CallError::Answered { status: 429, .. }) => answers.throttled += 1,
            Err(error) => return Err(error).context("a connection of the flood"),
        }
    }
    Ok(answers)
}
