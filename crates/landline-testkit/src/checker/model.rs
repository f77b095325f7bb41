//! Histories for the checker's tests: a builder for short ones, and a small server in memory that makes long
//! random ones, which are right by construction.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::history::{
    Blob, Blobs, Deliver, Event, Fetch, KeepStep, Open, Outcome, Page, Position, Record, Seen, SendStep,
    SentFile, Start,
};

/// Puts records after one another.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) records: Vec<Record>,
    ops: u64,
    connections: u64,
}

impl Builder {
    pub(super) fn push(&mut self, process: &str, event: Event) {
        let time = self.records.len() as u64 * 10;
        self.records.push(Record { time, process: process.into(), event });
    }

    pub(super) fn invoke(
        &mut self,
        process: &str,
        conversation: &str,
        payload: &str,
        key: Option<&str>,
    ) -> SendStep {
        self.invoke_with_files(process, conversation, payload, key, &[])
    }

    pub(super) fn invoke_with_files(
        &mut self,
        process: &str,
        conversation: &str,
        payload: &str,
        key: Option<&str>,
        files: &[SentFile],
    ) -> SendStep {
        self.ops += 1;
        let step = SendStep {
            outcome: Outcome::Invoke,
            op: self.ops,
            conversation: conversation.into(),
            payload: payload.into(),
            key: key.map(Into::into),
            position: None,
            status: None,
            files: files.to_vec(),
        };
        self.push(process, Event::Send(step.clone()));
        step
    }

    /// A bot gives a file to keep; where it is kept, its id says its name. `Invoke`: it is never completed.
    pub(super) fn keep(&mut self, conversation: &str, name: &str, outcome: Outcome) {
        self.ops += 1;
        let step = KeepStep {
            outcome: Outcome::Invoke,
            op: self.ops,
            conversation: conversation.into(),
            file: file(name),
            thumbnail: None,
            id: None,
            status: None,
        };
        self.push("bot", Event::Keep(step.clone()));
        if outcome == Outcome::Invoke {
            return;
        }
        let id = (outcome == Outcome::Ok).then(|| id_of(name));
        self.push("bot", Event::Keep(KeepStep { outcome, id, ..step }));
    }

    /// A file is asked for, and comes as it was given.
    pub(super) fn fetch(&mut self, conversation: &str, payload: Option<&str>, name: &str, is_final: bool) {
        let fetch = Fetch {
            conversation: conversation.into(),
            payload: payload.map(Into::into),
            name: name.into(),
            id: id_of(name),
            status: 200,
            digest: Some(file(name).digest),
            is_final,
        };
        self.push("r", Event::Fetch(fetch));
    }

    /// The files of these names lie in the folder.
    pub(super) fn blobs(&mut self, names: &[&str]) {
        let blobs = names.iter().map(|name| Blob {
            path: format!("c/{}", id_of(name)),
            id: Some(id_of(name)),
            digest: file(name).digest,
        });
        let blobs = blobs.collect();
        self.push("campaign", Event::Blobs(Blobs { blobs }));
    }

    pub(super) fn complete(
        &mut self,
        step: SendStep,
        outcome: Outcome,
        position: Option<Position>,
        status: u16,
    ) {
        let process = "w";
        self.push(process, Event::Send(SendStep { outcome, position, status: Some(status), ..step }));
    }

    /// Sent and acknowledged.
    pub(super) fn sent(&mut self, conversation: &str, payload: &str, position: Position) {
        let step = self.invoke("w", conversation, payload, None);
        self.complete(step, Outcome::Ok, Some(position), 200);
    }

    /// Sent with a key, and acknowledged.
    pub(super) fn sent_with_key(&mut self, conversation: &str, payload: &str, key: &str, position: Position) {
        let step = self.invoke("w", conversation, payload, Some(key));
        self.complete(step, Outcome::Ok, Some(position), 200);
    }

    pub(super) fn unknown(&mut self, conversation: &str, payload: &str) {
        let step = self.invoke("w", conversation, payload, None);
        self.complete(step, Outcome::Info, None, 503);
    }

    pub(super) fn refused(&mut self, conversation: &str, payload: &str) {
        let step = self.invoke("w", conversation, payload, None);
        self.complete(step, Outcome::Fail, None, 400);
    }

    pub(super) fn deliver(&mut self, conversation: &str, position: Position, payload: &str) {
        let deliver = Deliver { conversation: conversation.into(), position, payload: payload.into() };
        self.push("bot", Event::Deliver(deliver));
    }

    pub(super) fn open(&mut self, process: &str, conversation: &str, start: Start, is_final: bool) -> u64 {
        self.connections += 1;
        let open = Open { connection: self.connections, conversation: conversation.into(), start, is_final };
        self.push(process, Event::Open(open));
        self.connections
    }

    pub(super) fn page(
        &mut self,
        process: &str,
        connection: u64,
        seen: &[(Position, &str)],
        watermark: Position,
    ) {
        let seen = seen
            .iter()
            .map(|(position, payload)| Seen { position: *position, payload: (*payload).into(), key: None })
            .collect();
        self.push(process, Event::Page(Page { connection, seen, watermark }));
    }

    /// A whole connection that is given one page, whose watermark is its last activity.
    pub(super) fn read(
        &mut self,
        process: &str,
        conversation: &str,
        after: Position,
        seen: &[(Position, &str)],
    ) {
        let connection = self.open(process, conversation, Start::After(after), false);
        self.page(process, connection, seen, seen.last().map_or(after, |(position, _)| *position));
    }

    /// The final read.
    pub(super) fn at_the_end(&mut self, conversation: &str, seen: &[(Position, &str)]) {
        let connection = self.open("final", conversation, Start::After(0), true);
        self.page("final", connection, seen, seen.last().map_or(0, |(position, _)| *position));
    }
}

/// A file whose bytes nobody else has.
pub(super) fn file(name: &str) -> SentFile {
    SentFile { name: name.into(), bytes: name.len() as u64, digest: format!("digest of {name}") }
}

fn id_of(name: &str) -> String {
    format!("id of {name}")
}

/// A record of the model's log; hidden ones take a position and are shown to nobody.
struct Entry {
    payload: String,
    key: String,
    visible: bool,
    files: Vec<SentFile>,
}

/// A request on its way.
struct Pending {
    step: SendStep,
    conversation: usize,
    /// Set once it is in the log.
    position: Option<Position>,
}

struct Reader {
    name: String,
    conversation: usize,
    connection: u64,
    stands_at: Position,
}

/// A random history of two conversations, right by construction: 3 writers, 4 readers that lose their lines, a bot,
/// hidden records, refusals, unknown outcomes that are repeated or given up, answers of 502, files of both sides.
pub(super) fn random_history(seed: u64, steps: usize) -> Vec<Record> {
    Model::new(seed).run(steps)
}

struct Model {
    rng: StdRng,
    history: Builder,
    logs: [Vec<Entry>; 3],
    /// How many entries of the last log the bot was given, or need not be.
    given: usize,
    pending: Vec<Pending>,
    readers: Vec<Reader>,
    next_payload: u64,
    /// Names of the files that bots gave, and that are kept.
    kept: Vec<String>,
}

/// The last one is with a bot in `queued` mode.
const CONVERSATIONS: [&str; 3] = ["c0", "c1", "q0"];
const QUEUED: usize = 2;

impl Model {
    fn new(seed: u64) -> Self {
        let mut model = Self {
            rng: StdRng::seed_from_u64(seed),
            history: Builder::default(),
            logs: [Vec::new(), Vec::new(), Vec::new()],
            given: 0,
            pending: Vec::new(),
            readers: Vec::new(),
            next_payload: 0,
            kept: Vec::new(),
        };
        model.history.push("campaign", Event::Queued { conversation: CONVERSATIONS[QUEUED].into() });
        for number in 0..6 {
            let (name, conversation) = (format!("r{number}"), number % 3);
            let connection = model.history.open(&name, CONVERSATIONS[conversation], Start::After(0), false);
            model.readers.push(Reader { name, conversation, connection, stands_at: 0 });
        }
        model
    }

    fn run(mut self, steps: usize) -> Vec<Record> {
        for _ in 0..steps {
            match self.rng.random_range(0..15) {
                0..3 => self.invoke(),
                3..5 => self.apply(),
                5..7 => self.complete(),
                7..10 => self.read(),
                10 => self.reconnect(),
                11..13 => self.outbox(),
                13 => self.keep(),
                _ => self.hidden(),
            }
        }
        while !self.pending.is_empty() {
            self.complete();
        }
        while self.given < self.logs[QUEUED].len() {
            self.outbox();
        }
        for (number, conversation) in CONVERSATIONS.iter().enumerate() {
            let connection = self.history.open("final", conversation, Start::After(0), true);
            let mut stands_at = 0;
            loop {
                let (seen, watermark) = page(&self.logs[number], stands_at, 7);
                let done = watermark == stands_at;
                self.history.push("final", Event::Page(Page { connection, seen, watermark }));
                stands_at = watermark;
                if done {
                    break;
                }
            }
        }
        self.fetch_all();
        self.history.records
    }

    /// A bot gives a file; where nobody knows what became of it, it may be kept.
    fn keep(&mut self) {
        self.next_payload += 1;
        let name = format!("k{}.bin", self.next_payload);
        let (outcome, is_kept) = match self.rng.random_range(0..6) {
            0 => (Outcome::Fail, false),
            1 => (Outcome::Info, self.rng.random_bool(0.5)),
            2 => (Outcome::Invoke, self.rng.random_bool(0.5)),
            _ => (Outcome::Ok, true),
        };
        self.history.keep(CONVERSATIONS[0], &name, outcome);
        if is_kept {
            self.kept.push(name.clone());
        }
        if outcome == Outcome::Ok && self.rng.random_bool(0.3) {
            self.history.fetch(CONVERSATIONS[0], None, &name, false);
        }
    }

    /// Every file of every activity, and a look into the folder.
    fn fetch_all(&mut self) {
        let mut names = self.kept.clone();
        for (number, conversation) in CONVERSATIONS.iter().enumerate() {
            for entry in &self.logs[number] {
                for file in &entry.files {
                    self.history.fetch(conversation, Some(&entry.payload), &file.name, true);
                    names.push(file.name.clone());
                }
            }
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.history.blobs(&names);
    }

    fn invoke(&mut self) {
        let conversation = self.rng.random_range(0..3);
        self.next_payload += 1;
        let (payload, key) = (format!("p{}", self.next_payload), format!("k{}", self.next_payload));
        let files: Vec<_> = match self.rng.random_range(0..6) {
            0 => vec![file(&format!("{payload}-1.bin"))],
            1 => vec![file(&format!("{payload}-1.bin")), file(&format!("{payload}-2.bin"))],
            _ => Vec::new(),
        };
        let step =
            self.history.invoke_with_files("w", CONVERSATIONS[conversation], &payload, Some(&key), &files);
        self.pending.push(Pending { step, conversation, position: None });
    }

    /// Appends one of the pending requests, in any order; the bot may hear of it.
    fn apply(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let number = self.rng.random_range(0..self.pending.len());
        let pending = &mut self.pending[number];
        if pending.position.is_some() {
            return;
        }
        let log = &mut self.logs[pending.conversation];
        let position = match log.iter().position(|entry| entry.payload == pending.step.payload) {
            Some(place) => place as Position + 1,
            None => {
                let (payload, key) = (pending.step.payload.clone(), pending.step.key.clone().unwrap());
                log.push(Entry { payload, key, visible: true, files: pending.step.files.clone() });
                log.len() as Position
            }
        };
        pending.position = Some(position);
        if pending.conversation != QUEUED && self.rng.random_bool(0.7) {
            let (conversation, payload) = (CONVERSATIONS[pending.conversation], pending.step.payload.clone());
            self.history.deliver(conversation, position, &payload);
        }
    }

    /// Gives the bot the next of what is queued; now and then again.
    fn outbox(&mut self) {
        let Some(entry) = self.logs[QUEUED].get(self.given) else { return };
        if entry.visible {
            self.history.deliver(CONVERSATIONS[QUEUED], self.given as Position + 1, &entry.payload.clone());
        }
        if self.rng.random_bool(0.8) {
            self.given += 1;
        }
    }

    fn complete(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let number = self.rng.random_range(0..self.pending.len());
        let Pending { step, conversation, position } = self.pending.swap_remove(number);
        let outcome = self.rng.random_range(0..10);
        let in_the_log = self.logs[conversation].iter().any(|entry| entry.payload == step.payload);
        match position {
            Some(_) if outcome < 6 => return self.history.complete(step, Outcome::Ok, position, 200),
            Some(_) if outcome == 6 => return self.history.complete(step, Outcome::Ok, None, 502),
            None if !in_the_log && outcome < 3 => {
                return self.history.complete(step, Outcome::Fail, None, 400);
            }
            _ => self.history.complete(step.clone(), Outcome::Info, None, 503),
        }
        // Half of the unknown ones are sent again, with the same key.
        if self.rng.random_bool(0.5) {
            let key = step.key.as_deref();
            let (payload, files) = (&step.payload, &step.files);
            let step = self.history.invoke_with_files("w", CONVERSATIONS[conversation], payload, key, files);
            self.pending.push(Pending { step, conversation, position: None });
        }
    }

    fn read(&mut self) {
        let number = self.rng.random_range(0..self.readers.len());
        let limit = self.rng.random_range(1..6);
        let reader = &mut self.readers[number];
        let (seen, watermark) = page(&self.logs[reader.conversation], reader.stands_at, limit);
        reader.stands_at = watermark;
        let conversation = reader.conversation;
        if let Some(first) = seen.first()
            && let place = usize::try_from(first.position).unwrap() - 1
            && let Some(file) = self.logs[conversation][place].files.first()
        {
            self.history.fetch(CONVERSATIONS[conversation], Some(&first.payload), &file.name, false);
        }
        let page = Page { connection: reader.connection, seen, watermark };
        self.history.push(&reader.name, Event::Page(page));
    }

    fn reconnect(&mut self) {
        let number = self.rng.random_range(0..self.readers.len());
        let from_the_start = self.rng.next_u32().is_multiple_of(4);
        let reader = &mut self.readers[number];
        if from_the_start {
            reader.stands_at = 0;
        }
        let start = Start::After(reader.stands_at);
        self.history.push(&reader.name, Event::Close { connection: reader.connection });
        reader.connection = self.history.open(&reader.name, CONVERSATIONS[reader.conversation], start, false);
    }

    fn hidden(&mut self) {
        let log = &mut self.logs[self.rng.random_range(0..3)];
        log.push(Entry { payload: String::new(), key: String::new(), visible: false, files: Vec::new() });
    }
}

/// What the model shows after a position: up to `limit` records, the hidden ones left out.
fn page(log: &[Entry], after: Position, limit: usize) -> (Vec<Seen>, Position) {
    let after = usize::try_from(after).unwrap();
    let end = log.len().min(after + limit);
    let seen = (after..end)
        .filter(|place| log[*place].visible)
        .map(|place| Seen {
            position: place as Position + 1,
            payload: log[place].payload.clone(),
            key: Some(log[place].key.clone()),
        })
        .collect();
    (seen, end as Position)
}
