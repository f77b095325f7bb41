//! The end of a campaign: everything comes to rest, every conversation is read from its first activity, every
//! reader catches up, the server stops when asked to, and its own check finds nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::outcome::Outcome;
use super::reader::Standing;
use super::world::{Fetched, PAUSE, World};
use super::{Lanes, folder};
use crate::bot::Bot;
use crate::client::Client;
use crate::history::{Position, Recorder, Start};
use crate::process::ServerProcess;

/// Nothing came to the bot for so long: everything is at rest.
const QUIET: Duration = Duration::from_secs(1);
/// Longer than this nobody waits for it.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// What is queued is delivered within this time: the pauses that some kills and failures of the bot lead to.
const OUTBOX_WITHIN: Duration = Duration::from_secs(180);
/// How many conversations have something queued.
const QUEUED_METRIC: &str = "landline_outbox_conversations";
/// A page of the final read is asked for again for so long.
const PAGE_WITHIN: Duration = Duration::from_secs(30);
/// Readers have caught up within this time after the load has ended.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(20);
const STOP_WITHIN: Duration = Duration::from_secs(20);
const CHECK_WITHIN: Duration = Duration::from_secs(120);

/// What a conversation looked like when it was read to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The position of its last activity.
    last: Position,
    activities: u64,
    /// A hash of all positions, payloads and files.
    content: u64,
    /// Whether it is with the bot in `queued` mode.
    queued: bool,
}

/// Waits until the bots hear nothing more.
pub(super) async fn settle(bots: &[Bot]) {
    let count = || bots.iter().map(Bot::count).sum::<u64>();
    let deadline = Instant::now() + SETTLE_WITHIN;
    let mut last = (count(), Instant::now());
    while Instant::now() < deadline && last.1.elapsed() < QUIET {
        sleep(PAUSE).await;
        if count() != last.0 {
            last = (count(), Instant::now());
        }
    }
}

/// Waits until nothing is queued for any bot, and they hear nothing more.
pub(super) async fn empty_the_outbox(server: &ServerProcess, bots: &[Bot], outcome: &mut Outcome) {
    let deadline = Instant::now() + OUTBOX_WITHIN;
    let mut queued = server.metric(QUEUED_METRIC).await;
    while queued != Some(0.0) && Instant::now() < deadline {
        sleep(QUIET).await;
        queued = server.metric(QUEUED_METRIC).await;
    }
    let wrong = match queued {
        Some(0.0) => vec![],
        Some(count) => vec![format!("{count} conversations have something queued after {OUTBOX_WITHIN:?}")],
        None => vec![format!("the metric {QUEUED_METRIC} is missing")],
    };
    outcome.note("the outbox gets empty", wrong);
    settle(bots).await;
}

/// Every file that a bot was told is kept is given back to it.
pub(super) async fn ask_for_the_bots_files(bots: &[Bot], outcome: &mut Outcome) {
    let mut unanswered = Vec::new();
    for bot in bots {
        unanswered.extend(bot.fetch_kept().await);
    }
    outcome.note("bots are given back their files", unanswered);
}

/// Reads every conversation from its first activity, then waits until the readers have what the end has.
pub(super) async fn read_to_the_end(
    world: &World,
    lanes: &Lanes,
    readers: &[Standing],
    outcome: &mut Outcome,
) {
    let mut client = Client::new(world.server);
    let mut ends: HashMap<String, Position> = HashMap::new();
    let mut unread = Vec::new();
    for conversation in lanes.all().cloned().chain(world.started()) {
        match read_one(world, &mut client, &conversation).await {
            Ok(end) => {
                ends.insert(conversation.clone(), end.last);
                outcome.ends.insert(conversation, end);
            }
            Err(error) => unread.push(format!("{conversation}: {error}")),
        }
    }
    outcome.note("every started conversation can be read", unread);

    let deadline = Instant::now() + CATCH_UP_WITHIN;
    let behind = || -> Vec<String> {
        let late = readers.iter().filter_map(|reader| {
            let (at, end) = (reader.furthest(), *ends.get(&reader.conversation)?);
            (at < end).then(|| {
                format!(
                    "{} stands at {at} of {}, whose last activity is {end}",
                    reader.name, reader.conversation
                )
            })
        });
        late.collect()
    };
    while !behind().is_empty() && Instant::now() < deadline {
        sleep(PAUSE).await;
    }
    outcome.note("every reader catches up", behind());
}

/// Reads what the rounds before have read at their end: it must be the same.
pub(super) async fn read_again(server: &ServerProcess, outcome: &mut Outcome) {
    let lost = folder::missing(&server.data(), &outcome.accounted);
    let lost = lost.into_iter().map(|path| format!("{path} is no longer there")).collect();
    outcome.note("at the very end the files of all rounds are there", lost);
    let world = World::new(server, Recorder::new(), 0);
    for (conversation, _) in outcome.ends.iter().filter(|(_, end)| end.queued) {
        world.add_queued(conversation.clone());
    }
    let mut client = Client::new(world.server);
    let mut changed = Vec::new();
    for (conversation, before) in &outcome.ends {
        match read_one(&world, &mut client, conversation).await {
            Ok(now) if now == *before => {}
            Ok(now) => changed.push(format!("{conversation} was {before:?} and is {now:?}")),
            Err(error) => changed.push(format!("{conversation}: {error}")),
        }
    }
    outcome.note("at the very end all conversations are as their round left them", changed);
}

/// The final read of one conversation.
async fn read_one(world: &World, client: &mut Client, conversation: &str) -> Result<End, String> {
    let connection = world.recorder.open("final", conversation, Start::After(0), true);
    let mut watermark = 0;
    let mut end = End { queued: world.is_queued(conversation), ..End::default() };
    let mut content = DefaultHasher::new();
    let mut deadline = Instant::now() + PAGE_WITHIN;
    loop {
        let page = client
            .poll(world.secret_of(conversation), conversation, Some(&watermark.to_string()), None)
            .await;
        match page {
            Ok(set) => {
                deadline = Instant::now() + PAGE_WITHIN;
                let (seen, next) = world.seen("final", conversation, &set);
                let Some(next) = next else { return Err("a page without a watermark".to_owned()) };
                for one in &seen {
                    (one.position, &one.payload).hash(&mut content);
                    (end.last, end.activities) = (one.position, end.activities + 1);
                }
                for activity in &set.activities {
                    for file in World::files_of(activity) {
                        fetch(world, client, (conversation, activity), file).await?.hash(&mut content);
                    }
                }
                // Empty alone may mean that clients see nothing of what was passed over. A watermark that
                // goes back ends it too, or a server that is wrong would be read for ever; I8 names it.
                let done = next <= watermark;
                world.recorder.page("final", connection, seen, next);
                if done {
                    return Ok(End { content: content.finish(), ..end });
                }
                watermark = next;
            }
            Err(error) if Instant::now() > deadline => return Err(error.to_string()),
            Err(error) => {
                world.judge("final", "poll", &error);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Downloads one file, however often that has to be asked. Gives its hash.
async fn fetch(
    world: &World,
    client: &mut Client,
    from: (&str, &Value),
    file: (&str, &str),
) -> Result<Option<String>, String> {
    let deadline = Instant::now() + PAGE_WITHIN;
    loop {
        match world.fetch("final", client, from, file, true).await {
            (Fetched::Answered, digest) => return Ok(digest),
            (Fetched::Later, _) if Instant::now() > deadline => {
                return Err(format!("the file {} cannot be downloaded: {}", file.0, file.1));
            }
            (Fetched::Later, _) => sleep(PAUSE).await,
        }
    }
}

/// SIGTERM ends it with 0, and `landline check` finds nothing wrong with what it left.
pub(super) async fn stop_and_verify(server: &mut ServerProcess, outcome: &mut Outcome) {
    let wrong = match server.stop(STOP_WITHIN).await {
        Ok(status) if status.success() => vec![],
        Ok(status) => vec![format!("ended with {status}; its log ends with:\n{}", server.log_tail())],
        Err(error) => vec![format!("{error:#}")],
    };
    outcome.note("SIGTERM ends it with 0", wrong);

    let mut command = Command::new(server.binary());
    command.arg("check").arg("--data").arg(server.data()).stdin(Stdio::null()).kill_on_drop(true);
    let wrong = match timeout(CHECK_WITHIN, command.output()).await {
        Ok(Ok(output)) if output.status.success() => vec![],
        Ok(Ok(output)) => vec![format!(
            "ended with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )],
        Ok(Err(error)) => vec![error.to_string()],
        Err(_) => vec![format!("not done within {CHECK_WITHIN:?}")],
    };
    outcome.note("landline check finds nothing", wrong);
}
