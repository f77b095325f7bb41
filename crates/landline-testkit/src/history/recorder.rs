//! Takes down a history while it happens.
//!
//! One lock gives the order and the time together, so times never go back in the history whoever wrote.
//! What is recorded before a request goes out stands before everything the request causes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{
    Blob, Blobs, Deliver, Event, Fetch, KeepStep, Open, Outcome, Page, Position, Record, Seen, SendStep,
    SentFile, Start,
};

/// A shared, growing history. Clones write to the same one.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    began: Instant,
    next_op: u64,
    next_connection: u64,
    records: Vec<Record>,
}

/// A send that was invoked and waits for its completion.
#[derive(Debug, Clone)]
pub struct Sending {
    process: String,
    send: SendStep,
}

/// A bot's upload that was invoked and waits for its completion.
#[derive(Debug, Clone)]
pub struct Keeping {
    process: String,
    keep: KeepStep,
}

impl Recorder {
    /// An empty history that begins now.
    pub fn new() -> Self {
        let inner = Inner { began: Instant::now(), next_op: 0, next_connection: 0, records: Vec::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// To be called before the request goes out.
    pub fn invoke(&self, process: &str, conversation: &str, payload: &str, key: Option<&str>) -> Sending {
        self.invoke_with_files(process, conversation, payload, key, Vec::new())
    }

    /// The same, for what goes out with files.
    pub fn invoke_with_files(
        &self,
        process: &str,
        conversation: &str,
        payload: &str,
        key: Option<&str>,
        files: Vec<SentFile>,
    ) -> Sending {
        let mut inner = self.lock();
        inner.next_op += 1;
        let send = SendStep {
            outcome: Outcome::Invoke,
            op: inner.next_op,
            conversation: conversation.to_owned(),
            payload: payload.to_owned(),
            key: key.map(str::to_owned),
            position: None,
            status: None,
            files,
        };
        inner.push(process, Event::Send(send.clone()));
        Sending { process: process.to_owned(), send }
    }

    /// To be called before a bot's file goes out.
    pub fn invoke_keep(
        &self,
        process: &str,
        conversation: &str,
        file: SentFile,
        thumbnail: Option<String>,
    ) -> Keeping {
        let mut inner = self.lock();
        inner.next_op += 1;
        let keep = KeepStep {
            outcome: Outcome::Invoke,
            op: inner.next_op,
            conversation: conversation.to_owned(),
            file,
            thumbnail,
            id: None,
            status: None,
        };
        inner.push(process, Event::Keep(keep.clone()));
        Keeping { process: process.to_owned(), keep }
    }

    /// To be called after the answer to a bot's file came, or will not come.
    pub fn complete_keep(&self, keeping: Keeping, outcome: Outcome, id: Option<String>, status: Option<u16>) {
        let keep = KeepStep { outcome, id, status, ..keeping.keep };
        self.lock().push(&keeping.process, Event::Keep(keep));
    }

    /// A file was asked for, and there was an answer.
    pub fn fetch(&self, process: &str, fetch: Fetch) {
        self.lock().push(process, Event::Fetch(fetch));
    }

    /// What lies in the folder of files.
    pub fn blobs(&self, blobs: Vec<Blob>) {
        self.lock().push("campaign", Event::Blobs(Blobs { blobs }));
    }

    /// To be called after the answer came, or will not come.
    pub fn complete(
        &self,
        sending: Sending,
        outcome: Outcome,
        position: Option<Position>,
        status: Option<u16>,
    ) {
        let send = SendStep { outcome, position, status, ..sending.send };
        self.lock().push(&sending.process, Event::Send(send));
    }

    /// To be called before a reader asks for the conversation. Gives the number of the connection.
    pub fn open(&self, process: &str, conversation: &str, start: Start, is_final: bool) -> u64 {
        let mut inner = self.lock();
        inner.next_connection += 1;
        let connection = inner.next_connection;
        let open = Open { connection, conversation: conversation.to_owned(), start, is_final };
        inner.push(process, Event::Open(open));
        connection
    }

    pub fn page(&self, process: &str, connection: u64, seen: Vec<Seen>, watermark: Position) {
        self.lock().push(process, Event::Page(Page { connection, seen, watermark }));
    }

    pub fn close(&self, process: &str, connection: u64) {
        self.lock().push(process, Event::Close { connection });
    }

    pub fn deliver(&self, process: &str, conversation: &str, position: Position, payload: &str) {
        let (conversation, payload) = (conversation.to_owned(), payload.to_owned());
        self.lock().push(process, Event::Deliver(Deliver { conversation, position, payload }));
    }

    /// To be called before anything is sent to such a conversation.
    pub fn queued(&self, conversation: &str) {
        self.lock().push("campaign", Event::Queued { conversation: conversation.to_owned() });
    }

    pub fn nemesis(&self, what: impl Into<String>) {
        self.lock().push("nemesis", Event::Nemesis { what: what.into() });
    }

    /// Takes the history out and leaves an empty one.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().records)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A task that panicked while it held the lock has at worst not pushed its record.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn push(&mut self, process: &str, event: Event) {
        let time = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.records.push(Record { time, process: process.to_owned(), event });
    }
}
