//! `attack --binary target/release/landline --attackers 5000`: slow attackers of each kind, while honest clients go on.
//!
//! A round is one kind of attacker, from as many loopback addresses as there are attackers, so that no cap by address
//! helps; the last round comes from a single address, where the cap does. Before each round the honest clients are
//! measured alone. Prints a table; ends with 1 when they saw an error, or their p99 grew by 50 ms or more, or when the
//! attack was none; with 2 when it could not be run.
//!
//! Runs on Linux, where all of 127.0.0.0/8 is this machine.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool that reports to a terminal")]

mod attackers;
mod honest;

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use landline_testkit::bot::Mode;
use landline_testkit::server::TestServer;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::attackers::{Kind, Orders};
use self::honest::{Honest, Seen};

/// How large the history is that slow readers ask for: three messages of this many bytes, and their echoes. More than fits
/// into the buffers of a line; not so much that making it is what the server is busy with.
const LARGE_TEXT_BYTES: usize = 20_000;

/// How many connections one address may have by default; see `landline_server::limits`.
const PER_ADDRESS: u64 = 200;

/// Connections that are nobody's of both, such as the bot's and the one of who set up the round.
const OTHERS: u32 = 20;

/// How long it takes until nothing is to be seen any more of attackers that are gone. Thousands of lines that end at once are
/// part of the attack, and not of the calm after it.
const WAKE: Duration = Duration::from_secs(3);

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// The `landline` executable.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How many attackers of each kind.
    #[arg(long, default_value_t = 5000)]
    attackers: u32,
    /// How many honest clients.
    #[arg(long, default_value_t = 500)]
    honest: usize,
    /// For how many seconds each kind attacks.
    #[arg(long, default_value_t = 40)]
    attack_seconds: u64,
    /// For how many seconds the honest are alone before.
    #[arg(long, default_value_t = 12)]
    calm_seconds: u64,
    /// The p99 of the honest has to grow by less than so many milliseconds.
    #[arg(long, default_value_t = 50)]
    may_grow_ms: u64,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The process of the attackers; started by this one.
    #[command(hide = true)]
    Attackers(Orders),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = || -> Result<bool> {
        if let Some(Role::Attackers(orders)) = arguments.role {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(attackers::run(orders)).map(|()| true);
        }
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(arguments))
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("attack: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// One round, as it went.
struct Round {
    name: String,
    calm: Seen,
    under: Seen,
    most_open: u64,
    cut: u64,
    rss_mib: u64,
    /// By the server's own count at the end, those of the honest included.
    connections: f64,
}

async fn run(arguments: Arguments) -> Result<bool> {
    let binary = arguments.binary.clone().context("--binary says where landline is")?;
    let server = TestServer::start(&binary, Mode::ExpectReplies).await?;
    let address = server.process.address();
    let mut victim = server.client("victim").await?;
    for _ in 0..3 {
        victim
            .send(&json!({"type": "message", "from": {"id": "victim"}, "text": "x".repeat(LARGE_TEXT_BYTES)}))
            .await?;
    }
    println!("{} honest clients, {} attackers of each kind", arguments.honest, arguments.attackers);
    let honest = Honest::start(address, server.process.secret(), arguments.honest).await?;
    sleep(Duration::from_secs(arguments.calm_seconds)).await;

    let kinds = [Kind::Headers, Kind::Body, Kind::Read, Kind::Idle, Kind::Handshake];
    let mut plans: Vec<(Kind, bool)> = kinds.into_iter().map(|kind| (kind, false)).collect();
    plans.push((Kind::Headers, true));
    let mut rounds = Vec::new();
    for (kind, one_address) in plans {
        honest.take();
        sleep(Duration::from_secs(arguments.calm_seconds)).await;
        let calm = honest.take();
        let orders = Orders {
            kind,
            count: arguments.attackers,
            target: address,
            conversation: victim.conversation.conversation_id.clone(),
            token: victim.conversation.token.clone(),
            one_address,
        };
        let mut attack = Attack::start(&orders)?;
        sleep(Duration::from_secs(arguments.attack_seconds)).await;
        let rss_mib = server.process.memory()?.now_kib / 1024;
        let connections =
            server.process.metric("landline_connections").await.context("no count of connections")?;
        let (most_open, cut) = attack.counts();
        attack.child.kill().await?;
        sleep(WAKE).await;
        let under = honest.take();
        let name = format!("{kind:?}{}", if one_address { ", one address" } else { "" });
        rounds.push(Round { name, calm, under, most_open, cut, rss_mib, connections });
    }
    Ok(report(&arguments, &rounds, honest.count()))
}

/// A running attack.
struct Attack {
    child: Child,
    counts: Arc<Mutex<(u64, u64)>>,
    _reading: JoinSet<()>,
}

impl Attack {
    fn start(orders: &Orders) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("attackers")
            .args(["--kind", &format!("{:?}", orders.kind).to_lowercase()])
            .args(["--count", &orders.count.to_string(), "--target", &orders.target.to_string()])
            // Joined, because ids and tokens may begin with a dash.
            .arg(format!("--conversation={}", orders.conversation))
            .arg(format!("--token={}", orders.token));
        if orders.one_address {
            command.arg("--one-address");
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let lines = child.stdout.take().context("no output of the attackers")?;
        let counts = Arc::new(Mutex::new((0, 0)));
        let noted = Arc::clone(&counts);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut lines = BufReader::new(lines).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut words = line.split(' ').filter_map(|word| word.parse::<u64>().ok());
                if let (Some(open), Some(cut)) = (words.next(), words.next()) {
                    let mut counts = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    *counts = (counts.0.max(open), cut);
                }
            }
        });
        Ok(Self { child, counts, _reading: reading })
    }

    /// The most lines that were open at a time, and how many were cut.
    fn counts(&self) -> (u64, u64) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value below which 99 of 100 lie.
fn p99(values: impl IntoIterator<Item = Duration>) -> Duration {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
}

/// Prints the table; whether all is well.
fn report(arguments: &Arguments, rounds: &[Round], honest_left: usize) -> bool {
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let calm =
        |pick: fn(&Seen) -> &Vec<Duration>| p99(rounds.iter().flat_map(|round| pick(&round.calm).clone()));
    let (send, poll, stream) = (calm(|s| &s.sends), calm(|s| &s.polls), calm(|s| &s.streams));
    println!(
        "\n| attackers | open at most | cut | p99 send, ms | p99 poll, ms | p99 stream, ms | grew by, ms | errors | server, MiB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    println!("| none | | | {} | {} | {} | | | |", ms(send), ms(poll), ms(stream));
    let mut broken = Vec::new();
    for round in rounds {
        let Round { name, under, calm, .. } = round;
        let now = [p99(under.sends.clone()), p99(under.polls.clone()), p99(under.streams.clone())];
        let grew = now.iter().zip([send, poll, stream]).map(|(now, before)| now.saturating_sub(before)).max();
        let grew = grew.unwrap_or_default();
        let errors = under.errors.len() + calm.errors.len();
        let [send, poll, stream] = now.map(ms);
        println!(
            "| {name} | {} | {} | {send} | {poll} | {stream} | {} | {errors} | {} |",
            round.most_open,
            round.cut,
            ms(grew),
            round.rss_mib
        );
        if grew >= Duration::from_millis(arguments.may_grow_ms) {
            broken.push(format!("{name}: the p99 of the honest grew by {} ms", ms(grew)));
        }
        for error in under.errors.iter().chain(&calm.errors).take(3) {
            broken.push(format!("{name}: {error}"));
        }
        if under.sends.len() < arguments.honest / 2 {
            broken.push(format!("{name}: only {} sends of {} clients", under.sends.len(), arguments.honest));
        }
        let one_address = name.contains("one address");
        let wanted = u64::from(arguments.attackers);
        // What the attackers see as open is more: the system takes connections before the server closes them.
        let may_be = PER_ADDRESS as f64 + 2.0 * arguments.honest as f64 + f64::from(OTHERS);
        if one_address && round.connections > may_be {
            broken.push(format!("{name}: {} connections, and {may_be} are allowed", round.connections));
        }
        if !one_address && round.most_open < wanted * 8 / 10 {
            broken.push(format!(
                "{name}: this was no attack, only {} of {wanted} lines were open",
                round.most_open
            ));
        }
    }
    if honest_left < arguments.honest {
        broken.push(format!("only {honest_left} of {} honest clients are left", arguments.honest));
    }
    for sentence in &broken {
        println!("broken: {sentence}");
    }
    println!("{} rounds, {} broken", rounds.len(), broken.len());
    broken.is_empty()
}
