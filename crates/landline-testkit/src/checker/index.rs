//! A history, sorted so that each check finds what it needs.
//!
//! Time is the index of the record: what stands earlier in the history happened earlier.
//!
//! Not here: any judgement, but for histories that contradict themselves.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::history::{
    Blob, Event, Fetch, KeepStep, Open, Outcome, Page, Position, Record, Seen, SendStep, SentFile, Start,
};

/// The place of a record in the history, used as its time.
pub(super) type At = usize;

/// The history contradicts itself; the test that wrote it is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Malformed {
    #[error("record {0}: time goes back")]
    TimeGoesBack(At),
    #[error("record {0}: operation {1} is invoked a second time")]
    InvokedTwice(At, u64),
    #[error("record {0}: operation {1} is completed, but is not open")]
    NotInvoked(At, u64),
    #[error("record {0}: connection {1} is opened a second time")]
    OpenedTwice(At, u64),
    #[error("record {0}: connection {1} was never opened")]
    NotOpened(At, u64),
}

/// A sorted history.
#[derive(Debug, Default)]
pub struct Index<'h> {
    pub payloads: HashMap<&'h str, Payload<'h>>,
    /// In the order in which they were opened.
    pub connections: Vec<Connection<'h>>,
    /// Everything a reader or the bot was shown, in the order of time.
    pub sightings: Vec<Sighting<'h>>,
    /// Sorted by name, so that reports come out the same each time.
    pub conversations: BTreeMap<&'h str, Conversation>,
    /// What bots gave to keep, by operation: its completion, or its invocation where there is none.
    pub keeps: BTreeMap<u64, &'h KeepStep>,
    pub fetches: Vec<&'h Fetch>,
    /// What lay in the folder of files at the end; `None` when nobody looked.
    pub blobs: Option<&'h [Blob]>,
}

/// Everything known about one payload from those who sent it.
#[derive(Debug, Default)]
pub struct Payload<'h> {
    /// Who sent it.
    pub by: &'h str,
    pub conversation: &'h str,
    /// When it was sent for the first time.
    pub invoked: At,
    pub requests: usize,
    pub refusals: usize,
    /// When the server first said that it is stored.
    pub acknowledged: Option<At>,
    /// When the server first answered 2xx.
    pub accepted: Option<At>,
    /// The place, each time the server named one.
    pub positions: Vec<Position>,
    pub key: Option<&'h str>,
    /// What went with it.
    pub files: &'h [SentFile],
}

impl Payload<'_> {
    /// Whether every request was answered, and every answer was a refusal.
    pub fn all_refused(&self) -> bool {
        self.refusals == self.requests
    }
}

/// One activity shown once.
#[derive(Debug)]
pub struct Sighting<'h> {
    pub at: At,
    pub by: &'h str,
    /// Index into [`Index::connections`]; the bot has none.
    pub connection: Option<usize>,
    pub conversation: &'h str,
    pub position: Position,
    pub payload: &'h str,
    pub key: Option<&'h str>,
}

/// One reader's connection, and what came over it.
#[derive(Debug)]
pub struct Connection<'h> {
    pub process: &'h str,
    pub opened: At,
    pub open: &'h Open,
    pub pages: Vec<(At, &'h Page)>,
}

/// What is known about a conversation from all sides.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Every position at which somebody saw an activity, or was told that one stands: sorted, each once.
    /// Positions that only hidden records take are not among them.
    pub visible: Vec<Position>,
    /// Index of the final read in [`Index::connections`].
    pub final_read: Option<usize>,
    pub restored: Vec<At>,
    /// Whether its bot is in `queued` mode.
    pub queued: bool,
}

/// Operations that were invoked and are not completed.
#[derive(Default)]
struct Operations(HashSet<u64>);

impl Operations {
    fn step(&mut self, at: At, op: u64, outcome: Outcome) -> Result<(), Malformed> {
        match outcome {
            Outcome::Invoke if self.0.insert(op) => Ok(()),
            Outcome::Invoke => Err(Malformed::InvokedTwice(at, op)),
            Outcome::Ok | Outcome::Fail | Outcome::Info if self.0.remove(&op) => Ok(()),
            Outcome::Ok | Outcome::Fail | Outcome::Info => Err(Malformed::NotInvoked(at, op)),
        }
    }
}

impl<'h> Index<'h> {
    /// Sorts `records`.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn build(records: &'h [Record]) -> Result<Self, Malformed> {
        let mut index = Self::default();
        let mut open_ops = Operations::default();
        let mut connections: HashMap<u64, usize> = HashMap::new();
        let mut last = 0;
        for (at, record) in records.iter().enumerate() {
            if record.time < last {
                return Err(Malformed::TimeGoesBack(at));
            }
            last = record.time;
            match &record.event {
                Event::Send(step) => {
                    open_ops.step(at, step.op, step.outcome)?;
                    index.send(at, &record.process, step);
                }
                Event::Keep(step) => {
                    open_ops.step(at, step.op, step.outcome)?;
                    index.keeps.insert(step.op, step);
                }
                Event::Fetch(fetch) => index.fetches.push(fetch),
                Event::Blobs(found) => index.blobs = Some(&found.blobs),
                Event::Open(open) => {
                    if connections.insert(open.connection, index.connections.len()).is_some() {
                        return Err(Malformed::OpenedTwice(at, open.connection));
                    }
                    index.open(at, &record.process, open);
                }
                Event::Page(page) => {
                    let Some(&connection) = connections.get(&page.connection) else {
                        return Err(Malformed::NotOpened(at, page.connection));
                    };
                    index.page(at, connection, page);
                }
                Event::Close { connection } => {
                    if !connections.contains_key(connection) {
                        return Err(Malformed::NotOpened(at, *connection));
                    }
                }
                Event::Deliver(deliver) => index.sightings.push(Sighting {
                    at,
                    by: &record.process,
                    connection: None,
                    conversation: &deliver.conversation,
                    position: deliver.position,
                    payload: &deliver.payload,
                    key: None,
                }),
                Event::Restore { conversation } => {
                    index.conversations.entry(conversation).or_default().restored.push(at);
                }
                Event::Queued { conversation } => {
                    index.conversations.entry(conversation).or_default().queued = true;
                }
                Event::Nemesis { .. } => {}
            }
        }
        index.collect_visible();
        Ok(index)
    }

    fn send(&mut self, at: At, by: &'h str, step: &'h SendStep) {
        let payload = self.payloads.entry(&step.payload).or_insert_with(|| Payload {
            by,
            conversation: &step.conversation,
            invoked: at,
            key: step.key.as_deref(),
            files: &step.files,
            ..Payload::default()
        });
        match step.outcome {
            Outcome::Invoke => payload.requests += 1,
            Outcome::Fail => payload.refusals += 1,
            Outcome::Info => {}
            Outcome::Ok => {
                payload.acknowledged.get_or_insert(at);
                payload.positions.extend(step.position);
                if step.status.is_none_or(|status| status < 300) {
                    payload.accepted.get_or_insert(at);
                }
            }
        }
    }

    fn open(&mut self, at: At, process: &'h str, open: &'h Open) {
        let conversation = self.conversations.entry(&open.conversation).or_default();
        if open.is_final {
            conversation.final_read = Some(self.connections.len());
        }
        self.connections.push(Connection { process, opened: at, open, pages: Vec::new() });
    }

    fn page(&mut self, at: At, connection: usize, page: &'h Page) {
        let reader = &mut self.connections[connection];
        reader.pages.push((at, page));
        let (by, conversation) = (reader.process, reader.open.conversation.as_str());
        self.sightings.extend(page.seen.iter().map(|seen| Sighting {
            at,
            by,
            connection: Some(connection),
            conversation,
            position: seen.position,
            payload: &seen.payload,
            key: seen.key.as_deref(),
        }));
    }

    fn collect_visible(&mut self) {
        for payload in self.payloads.values() {
            let conversation = self.conversations.entry(payload.conversation).or_default();
            conversation.visible.extend(&payload.positions);
        }
        for sighting in &self.sightings {
            self.conversations.entry(sighting.conversation).or_default().visible.push(sighting.position);
        }
        for conversation in self.conversations.values_mut() {
            conversation.visible.sort_unstable();
            conversation.visible.dedup();
        }
    }

    /// Everything the final read of `conversation` showed; `None` when nobody read it at the end.
    pub fn final_read(&self, conversation: &str) -> Option<impl Iterator<Item = &'h Seen> + use<'h>> {
        let connection = self.conversations.get(conversation)?.final_read?;
        let pages: Vec<&'h Page> = self.connections[connection].pages.iter().map(|(_, page)| *page).collect();
        Some(pages.into_iter().flat_map(|page| page.seen.iter()))
    }

    /// Whether the bot of `conversation` is in `queued` mode.
    pub fn is_queued(&self, conversation: &str) -> bool {
        self.conversations.get(conversation).is_some_and(|conversation| conversation.queued)
    }

    /// Whether `conversation` was restored between the two times.
    pub fn restored_between(&self, conversation: &str, from: At, to: At) -> bool {
        let restored = self.conversations.get(conversation).map_or(&[][..], |c| &c.restored);
        restored.iter().any(|at| (from..=to).contains(at))
    }
}

impl Connection<'_> {
    /// The watermark the reader began with; `None` when it asked for new activities only.
    pub fn after(&self) -> Option<Position> {
        match self.open.start {
            Start::After(position) => Some(position),
            Start::New => None,
        }
    }
}
