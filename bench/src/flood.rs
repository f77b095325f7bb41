//! What one site that floods costs the clients of nine others: sends, starts and polls, many times what it may, beside a
//! message now and then that a bot echoes.
//!
//! Rounds of three kinds follow one another, so that what the machine does meanwhile meets all of them: nobody floods;
//! the same flood hits a server that does nothing; it hits Landline. The flood is made on the same machine. So the second
//! kind says what the making costs the others, and the difference of the third to the second is what Landline lets
//! through.

mod flooder;

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use landline_testkit::bot::{Bot, Mode};
use landline_testkit::client::{Client, Stream, StreamEvent};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use self::flooder::serve as serve_flooder;
use self::flooder::{Answers, Flooder, Plan};
use crate::Common;
use crate::crowd::{self, Seat};
use crate::neighbours::{Figures, seat, secret};
use crate::rig::{Rig, cpu_of};
use crate::stats::ms;

/// How many sites behave.
const GOOD: usize = 9;
/// The site that does not.
const FLOOD: &str = "flood";
/// Conversations into which it sends, and which it polls.
const FLOOD_SEATS: usize = 16;
/// Runs before each round, uncounted: longer than what may come at once lasts.
const WARM_UP: Duration = Duration::from_secs(4);
/// An echo that does not come is an error.
const ECHO_WITHIN: Duration = Duration::from_secs(20);
/// How far the others' p99 may be from what it is without a flood.
const ALLOWED: f64 = 1.10;

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Rounds of each of the three kinds.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// How long a round counts, in seconds.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Between two sends to one of the sites that behave, in milliseconds.
    #[arg(long, default_value_t = 50)]
    pace: u64,
    /// What the flooding site may send a second; as much it may start, and poll.
    #[arg(long, default_value_t = 50)]
    quota: u32,
    /// How many times that it asks for.
    #[arg(long, default_value_t = 10)]
    times: u32,
    /// Connections of the flood: more than the server lets wait.
    #[arg(long, default_value_t = 1200)]
    connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 7, seconds: 8, pace: 50, quota: 50, times: 10, connections: 1200 }
    }
}

/// What is flooded.
#[derive(Debug, Clone, Copy)]
enum Target {
    Nobody,
    /// A server that does nothing.
    Nothing,
    Landline,
}

const TARGETS: [(Target, &str); 3] = [
    (Target::Nobody, "nobody"),
    (Target::Nothing, "a server that does nothing"),
    (Target::Landline, "Landline"),
];

/// What was seen while one target was flooded.
#[derive(Debug, Default)]
struct Seen {
    sends: Figures,
    echoes: Figures,
    server: Duration,
    flooder: Duration,
    answers: Answers,
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let (good, bad) = (Bot::start_counting(Mode::Echo).await?, Bot::start_counting(Mode::Accept).await?);
    let rig = Rig::start_with(common, config(&good, &bad, options.quota)).await?;
    let server = rig.server.address();
    let mut neighbours = Vec::new();
    for number in 0..GOOD {
        neighbours.push(seat(server, &format!("good{number}"), number).await?);
    }
    let mut seats = Vec::new();
    for number in 0..FLOOD_SEATS {
        seats.push(seat(server, FLOOD, number).await?);
    }
    let per_second = u64::from(options.quota) * u64::from(options.times) * 3;
    let (connections, secret) = (options.connections, secret(FLOOD));
    let mut flooder = Flooder::start(&Plan { server, secret, seats, connections, per_second }).await?;

    let mut seen: [Seen; 3] = Default::default();
    let mut number = 0;
    for round_number in 0..options.rounds as usize {
        // Each kind comes after each of the others.
        for place in 0..TARGETS.len() {
            let place = (place + round_number) % TARGETS.len();
            let seen = &mut seen[place];
            flooder.flood(TARGETS[place].0).await?;
            let before = (rig.cpu()?, cpu_of(flooder.pid()?)?);
            let (sends, echoes) = round(server, options, &neighbours, number).await?;
            seen.server += rig.cpu()? - before.0;
            seen.flooder += cpu_of(flooder.pid()?)? - before.1;
            let Answers { good, throttled, other } = flooder.stop().await?;
            seen.answers.good += good;
            seen.answers.throttled += throttled;
            seen.answers.other += other;
            seen.sends.add(sends);
            seen.echoes.add(echoes);
            // Repeats are found by their name, so no name comes twice.
            number += 1_000_000;
        }
    }
    table(options, &seen)
}

fn table(options: &Options, seen: &[Seen; 3]) -> Result<String> {
    let Options { rounds, seconds, pace, connections, quota, times } = options;
    let mut table = String::new();
    writeln!(
        table,
        "### {GOOD} sites beside one that floods: {rounds} rounds of {seconds} s of each kind, a send each {pace} ms to \
         each site; the flood may send, start and poll {quota} a second each and asks for {times} times that by \
         {connections} connections\n"
    )?;
    writeln!(
        table,
        "| flooded is | send p50 | send p99 | echo p50 | echo p99 | CPU of the server | of the flooder | the flood, a second: let in | 429 | else |"
    )?;
    writeln!(table, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let wall = f64::from(*rounds) * (Duration::from_secs(*seconds) + WARM_UP).as_secs_f64();
    for ((_, name), seen) in TARGETS.iter().zip(seen) {
        let ((send50, send99), (echo50, echo99)) = (seen.sends.medians(), seen.echoes.medians());
        let percent = |time: Duration| time.as_secs_f64() / wall * 100.0;
        let each = |count: u64| count as f64 / wall;
        writeln!(
            table,
            "| {name} | {} | {} | {} | {} | {:.0} % | {:.0} % | {:.0} | {:.0} | {:.0} |",
            ms(send50),
            ms(send99),
            ms(echo50),
            ms(echo99),
            percent(seen.server),
            percent(seen.flooder),
            each(seen.answers.good),
            each(seen.answers.throttled),
            each(seen.answers.other)
        )?;
    }
    let [nobody, nothing, landline] = seen;
    writeln!(
        table,
        "\n| p99 while Landline is flooded, to p99 while … is | send | echo | at most {ALLOWED:.2} |"
    )?;
    writeln!(table, "| --- | ---: | ---: | --- |")?;
    for (name, other) in [("nobody", nobody), ("a server that does nothing", nothing)] {
        let ratio = |with: &Figures, without: &Figures| {
            with.medians().1.as_secs_f64() / without.medians().1.as_secs_f64().max(1e-9)
        };
        let (send, echo) = (ratio(&landline.sends, &other.sends), ratio(&landline.echoes, &other.echoes));
        let verdict = if send.max(echo) <= ALLOWED { "yes" } else { "**no**" };
        writeln!(table, "| {name} | **{send:.2}** | **{echo:.2}** | {verdict} |")?;
    }
    Ok(table)
}

/// A site for each; those that behave in front of one bot, the flood in front of another.
fn config(good: &Bot, bad: &Bot, quota: u32) -> String {
    let mut text = String::new();
    for (name, bot) in [("good", good), ("bad", bad)] {
        text += &format!("[bots.{name}]\nendpoint = \"{}\"\n\n", bot.endpoint());
    }
    for name in (0..GOOD).map(|number| format!("good{number}")) {
        text += &format!("[sites.{name}]\nbot = \"good\"\nsecret = \"{}\"\n\n", secret(&name));
    }
    text += &format!(
        "[sites.{FLOOD}]\nbot = \"bad\"\nsecret = \"{}\"\nsends_per_second = {quota}\nstarts_per_second = {quota}\n\
         polls_per_second = {quota}\n",
        secret(FLOOD)
    );
    text
}

/// How long the sends of the neighbours took, and their echoes.
async fn round(
    server: SocketAddr,
    options: &Options,
    neighbours: &[Seat],
    number: usize,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let pace = Duration::from_millis(options.pace.max(1));
    let begin = Instant::now() + pace;
    let from = begin + WARM_UP;
    let to = from + Duration::from_secs(options.seconds);
    let mut people = JoinSet::new();
    for (place, seat) in neighbours.iter().enumerate() {
        let due = begin + pace * u32::try_from(place)? / u32::try_from(neighbours.len())?;
        people.spawn(neighbour(server, seat.clone(), due, pace, (from, to), number));
    }
    let (mut sends, mut echoes) = (Vec::new(), Vec::new());
    while let Some(person) = people.join_next().await {
        let (sent, echoed) = person??;
        sends.extend(sent);
        echoes.extend(echoed);
    }
    Ok((sends, echoes))
}

/// When each text was due that has no echo yet.
type Sent = Arc<Mutex<HashMap<String, Instant>>>;

/// Sends at a steady pace and reads the echoes by a socket. What is late counts from when it was due.
async fn neighbour(
    server: SocketAddr,
    seat: Seat,
    mut due: Instant,
    pace: Duration,
    (from, to): (Instant, Instant),
    first_number: usize,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let mut client = Client::new(server);
    let again = client.reconnect(&seat.token, &seat.conversation, None).await?;
    let (sent, all_sent) = (Sent::default(), CancellationToken::new());
    let mut reader = JoinSet::new();
    reader.spawn(read(Stream::open(&again.stream_url).await?, sent.clone(), all_sent.clone(), from));
    let mut times = Vec::new();
    for number in first_number.. {
        sleep_until(due).await;
        if due >= to {
            break;
        }
        let message = crowd::message(&seat.user, number);
        let text = message["text"].as_str().unwrap_or_default().to_owned();
        sent.lock().unwrap_or_else(PoisonError::into_inner).insert(text, due);
        client.send(&seat.token, &seat.conversation, &message).await?;
        if due >= from {
            times.push(due.elapsed());
        }
        due += pace;
    }
    all_sent.cancel();
    let echoes = reader.join_next().await.context("nobody read")??;
    Ok((times, echoes?))
}

/// Reads until each text that was sent has its echo.
async fn read(
    mut stream: Stream,
    sent: Sent,
    all_sent: CancellationToken,
    from: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let is_last = all_sent.is_cancelled();
        if is_last && sent.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            stream.close().await;
            return Ok(times);
        }
        let event = tokio::select! {
            event = timeout(ECHO_WITHIN, stream.next()) => event.context("an echo did not come")??,
            () = all_sent.cancelled(), if !is_last => continue,
        };
        match event {
            StreamEvent::Activities(set) => {
                let now = Instant::now();
                let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                let echoes = set.texts().into_iter().filter_map(|text| {
                    let (_, text) = text.strip_prefix("echo ")?.split_once(" of ")?;
                    sent.remove(text)
                });
                times.extend(echoes.filter(|due| *due >= from).map(|due| now - due));
            }
            StreamEvent::Alive => {}
            StreamEvent::Closed(how) => bail!("the stream of a neighbour was closed: {how:?}"),
        }
    }
}
