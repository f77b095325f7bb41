//! The crash campaign: a server under load is killed with SIGKILL at random moments, started again, and again;
//! in the end everything that clients did and saw is judged by the checker.
//!
//! 8 writers, 8 streaming readers and 4 pollers share 4 conversations; a ninth kind of client starts new
//! conversations all the time, because a start that was answered must also survive; and four upload files, some of
//! which are cut off. Two more conversations, with
//! writers and readers of their own, are with a second bot in `queued` mode. The bots echo everything,
//! answer with files of their own now and then, and sometimes fail. Some starts are killed too, before they are ready.
//!
//! A campaign goes in rounds of `CYCLES_PER_ROUND`: each has conversations of its own and is judged by itself, so that
//! neither a conversation nor the history grows without end. The data stays; at the very end the conversations of
//! all rounds are read once more and must be what they were.
//!
//! What always holds: every wait has a bound, and the whole run has one; what is random comes from the seed
//! (moments of the operating system do not, so a seed repeats the plan, not the run).
//!
//! Not here: what is right (`checker`), how the result is printed (`campaign/outcome.rs`).

mod finish;
mod folder;
mod outcome;
mod reader;
mod starter;
mod uploader;
mod world;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::bot::{Bot, Mode};
use crate::client::Client;
use crate::history::Recorder;
use crate::process::{QueuedBot, ServerOptions, ServerProcess};

pub use outcome::Outcome;
use reader::Reader;
use world::World;

/// Few enough that no conversation comes near the number of activities it keeps.
const CYCLES_PER_ROUND: u32 = 50;
const CONVERSATIONS: usize = 4;
/// As many more are with the bot in `queued` mode, each with as many writers.
const QUEUED_CONVERSATIONS: usize = 2;
const QUEUED_WRITERS: usize = 2;
const QUEUED_READERS: usize = 2;
const WRITERS: usize = 8;
const STREAMERS: usize = 8;
const POLLERS: usize = 4;
const UPLOADERS: usize = 3;
const QUEUED_UPLOADERS: usize = 1;

/// A start that takes longer has failed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// What one cycle may take on average, over the time under load; after that the campaign stops by itself.
const CYCLE_ALLOWANCE: Duration = Duration::from_secs(5);
/// How long actors may take to notice that they should stop.
const WIND_DOWN: Duration = Duration::from_secs(60);
/// One start in so many is killed before it is ready.
const KILL_DURING_START: u32 = 10;
/// In one cycle of so many the bot fails for a while.
const BOT_FAILS: u32 = 7;

/// How long a round is written on while the bot in `queued` mode is out of reach.
const BACKLOG: Duration = Duration::from_millis(300);

/// The secrets of the campaign's sites.
const SECRET: &str = "campaign-secret-0123456789-0123456789-0123456789";
const QUEUED_SECRET: &str = "campaign-queued-secret-0123456789-0123456789";

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub binary: PathBuf,
    pub cycles: u32,
    pub seed: u64,
    /// The time under load before each kill lies between these two.
    pub load_min: Duration,
    pub load_max: Duration,
    /// Whether there is a second bot, in `queued` mode; the server is then started with a configuration file.
    pub queued: bool,
    /// Where the data and the logs go; an empty or missing folder.
    pub folder: PathBuf,
    /// Keep the whole history in the outcome; otherwise only that of a round that failed.
    pub keep_history: bool,
    /// Told after every cycle, for whoever watches.
    pub progress: fn(&Progress),
}

/// How far the campaign is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub cycle: u32,
    pub cycles: u32,
    pub ready_after: Duration,
}

/// Runs the campaign.
///
/// # Errors
/// Only when it could not be run (no binary, no ports). That the server broke a promise is in the [`Outcome`].
pub async fn run(plan: &Plan) -> Result<Outcome> {
    let recorder = Recorder::new();
    let mut bots = vec![Bot::start_recorded(Mode::EchoFiles, recorder.clone()).await?];
    let mut queued = None;
    if plan.queued {
        let bot = Bot::start_recorded(Mode::EchoFiles, recorder.clone()).await?;
        queued = Some(QueuedBot { endpoint: bot.endpoint(), secret: QUEUED_SECRET.to_owned() });
        bots.push(bot);
    }
    let options = ServerOptions {
        binary: plan.binary.clone(),
        folder: plan.folder.clone(),
        bot: bots[0].endpoint(),
        secret: SECRET.to_owned(),
        queued,
        more: String::new(),
        ready_within: READY_WITHIN,
    };
    let (mut server, first_ready) = ServerProcess::start(options).await?;
    let mut outcome = Outcome::new(plan.seed);
    outcome.ready.push(first_ready);
    let mut rng = StdRng::seed_from_u64(plan.seed);
    while outcome.cycles < plan.cycles && outcome.passed() {
        let until = plan.cycles.min(outcome.cycles + CYCLES_PER_ROUND);
        round(plan, &mut rng, until, &recorder, &mut server, &mut bots, &mut outcome).await?;
    }
    if server.is_running()? {
        finish::read_again(&server, &mut outcome).await;
        finish::stop_and_verify(&mut server, &mut outcome).await;
    }
    Ok(outcome)
}

/// New conversations, new actors, cycles up to number `until`, a final read, and the judgement.
async fn round(
    plan: &Plan,
    rng: &mut StdRng,
    until: u32,
    recorder: &Recorder,
    server: &mut ServerProcess,
    bots: &mut [Bot],
    outcome: &mut Outcome,
) -> Result<()> {
    let world = World::new(server, recorder.clone(), until);
    let lanes = start_lanes(&world).await.context("cannot start the conversations of the campaign")?;
    let actors = Actors::start(&world, &lanes, rng);
    torment(plan, rng, until, &world, server, bots, outcome).await?;
    set_all(bots, Mode::EchoFiles).await?;

    if let [_, queued] = bots {
        // So that something is queued when the writers stop.
        queued.set_mode(Mode::Refuse).await?;
        sleep(BACKLOG).await;
    }
    world.stop_writing.cancel();
    actors.writing.close();
    if timeout(WIND_DOWN, actors.writing.wait()).await.is_err() {
        outcome.fail("writers stop", format!("some were still waiting for an answer after {WIND_DOWN:?}"));
    }
    if plan.queued && server.is_running()? {
        kill_with_a_backlog(&world, server, outcome).await?;
    }
    set_all(bots, Mode::EchoFiles).await?;
    if server.is_running()? {
        finish::settle(bots).await;
        if plan.queued {
            finish::empty_the_outbox(server, bots, outcome).await;
        }
        finish::read_to_the_end(&world, &lanes, &actors.stand_at, outcome).await;
        finish::ask_for_the_bots_files(bots, outcome).await;
    }
    world.stop_reading.cancel();
    actors.reading.close();
    if timeout(WIND_DOWN, actors.reading.wait()).await.is_err() {
        outcome.fail("readers stop", format!("some were still reading after {WIND_DOWN:?}"));
    }
    let mut history = recorder.take();
    if server.is_running()? {
        folder::look(server, &mut history, &mut outcome.accounted).await?;
    }
    outcome.judge(history, world.surprises(), plan.keep_history)
}

/// Everybody who uses the server in one round.
struct Actors {
    writing: TaskTracker,
    reading: TaskTracker,
    stand_at: Vec<reader::Standing>,
}

impl Actors {
    /// Each actor has its own stream of chance, so that one more draw of one changes no other.
    fn start(world: &World, lanes: &Lanes, rng: &mut StdRng) -> Self {
        let (writing, reading) = (TaskTracker::new(), TaskTracker::new());
        let mut stand_at = Vec::new();
        let of =
            |lanes: &[String], count| -> Vec<String> { lanes.iter().cycle().take(count).cloned().collect() };
        let lane = |number: usize| lanes.waiting[number % lanes.waiting.len()].clone();
        let writers = of(&lanes.waiting, WRITERS).into_iter().chain(of(&lanes.queued, QUEUED_WRITERS));
        for (number, lane) in writers.enumerate() {
            let name = world.name("writer", number);
            writing.spawn(writer::run(world.clone(), name, lane, rng.random()));
        }
        let uploaders = of(&lanes.waiting, UPLOADERS).into_iter().chain(of(&lanes.queued, QUEUED_UPLOADERS));
        for (number, lane) in uploaders.enumerate() {
            let name = world.name("uploader", number);
            writing.spawn(uploader::run(world.clone(), name, lane, rng.random()));
        }
        writing.spawn(starter::run(world.clone(), world.name("starter", 0), rng.random()));
        let streamers = of(&lanes.waiting, STREAMERS).into_iter().chain(of(&lanes.queued, QUEUED_READERS));
        for (number, lane) in streamers.enumerate() {
            let reader = Reader::new(world.name("stream", number), lane, rng.random());
            stand_at.push(reader.standing());
            reading.spawn(reader.stream(world.clone()));
        }
        for number in 0..POLLERS {
            let reader = Reader::new(world.name("poll", number), lane(number), rng.random());
            stand_at.push(reader.standing());
            reading.spawn(reader.poll(world.clone()));
        }
        Self { writing, reading, stand_at }
    }
}

/// The cycles: load, kill, start.
async fn torment(
    plan: &Plan,
    rng: &mut StdRng,
    until: u32,
    world: &World,
    server: &mut ServerProcess,
    bots: &mut [Bot],
    outcome: &mut Outcome,
) -> Result<()> {
    let first = outcome.cycles + 1;
    let deadline = Instant::now() + (plan.load_max + CYCLE_ALLOWANCE) * (until + 1 - first);
    for cycle in first..=until {
        if Instant::now() > deadline {
            outcome.fail("in time", format!("out of time after cycle {}", cycle - 1));
            return Ok(());
        }
        let load = rng.random_range(plan.load_min..=plan.load_max);
        let bot_fails = rng.random_range(0..BOT_FAILS) == 0;
        if bot_fails {
            fail(bots).await?;
        }
        sleep(load / 2).await;
        set_all(bots, Mode::EchoFiles).await?;
        sleep(load / 2).await;
        if !server.is_running()? {
            outcome.fail("stays up", format!("ended by itself in cycle {cycle}:\n{}", server.log_tail()));
        }
        world.recorder.nemesis(format!("kill {cycle}"));
        server.kill().await?;
        if rng.random_range(0..KILL_DURING_START) == 0 {
            let last = outcome.ready.last().copied().unwrap_or_default();
            server.launch()?;
            sleep(rng.random_range(Duration::ZERO..=last)).await;
            server.kill().await?;
            outcome.killed_while_starting += 1;
            world.recorder.nemesis(format!("killed while starting {cycle}"));
        }
        match server.start_again().await {
            Ok(ready_after) => {
                outcome.ready.push(ready_after);
                outcome.cycles = cycle;
                (plan.progress)(&Progress { cycle, cycles: plan.cycles, ready_after });
            }
            Err(error) => {
                outcome.fail("starts again", format!("after kill {cycle}: {error:#}"));
                return Ok(());
            }
        }
        world.recorder.nemesis(format!("ready {cycle}"));
    }
    Ok(())
}

async fn set_all(bots: &mut [Bot], mode: Mode) -> Result<()> {
    for bot in bots {
        bot.set_mode(mode).await?;
    }
    Ok(())
}

/// The one in `queued` mode is out of reach, so that whatever the history says it was given, it has taken, as far as it
/// is concerned.
async fn fail(bots: &mut [Bot]) -> Result<()> {
    for (number, bot) in bots.iter_mut().enumerate() {
        bot.set_mode(if number == 0 { Mode::Status(500) } else { Mode::Refuse }).await?;
    }
    Ok(())
}

/// One more kill, after which nobody says anything: what is queued has to be found by the server itself.
async fn kill_with_a_backlog(world: &World, server: &mut ServerProcess, outcome: &mut Outcome) -> Result<()> {
    world.recorder.nemesis("kill with a backlog");
    server.kill().await?;
    match server.start_again().await {
        Ok(ready_after) => outcome.ready.push(ready_after),
        Err(error) => outcome.fail("starts again", format!("with a backlog: {error:#}")),
    }
    world.recorder.nemesis("ready with a backlog");
    Ok(())
}

/// The conversations that all actors of a round share.
struct Lanes {
    /// With the bot in `wait` mode.
    waiting: Vec<String>,
    /// With the one in `queued` mode.
    queued: Vec<String>,
}

impl Lanes {
    fn all(&self) -> impl Iterator<Item = &String> {
        self.waiting.iter().chain(&self.queued)
    }
}

async fn start_lanes(world: &World) -> Result<Lanes> {
    let waiting = start_some(world, &world.secret, CONVERSATIONS).await?;
    let queued = match &world.queued_secret {
        Some(secret) => start_some(world, secret, QUEUED_CONVERSATIONS).await?,
        None => Vec::new(),
    };
    for conversation in &queued {
        world.add_queued(conversation.clone());
    }
    Ok(Lanes { waiting, queued })
}

async fn start_some(world: &World, secret: &str, count: usize) -> Result<Vec<String>> {
    let mut client = Client::new(world.server);
    let mut lanes = Vec::new();
    for number in 0..count {
        let body = json!({"user": {"id": format!("starter-of-lane-{number}")}});
        lanes.push(client.start(secret, Some(&body)).await?.conversation_id);
    }
    Ok(lanes)
}
