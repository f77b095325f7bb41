//! The bot's own sends: `POST {serviceUrl}v3/conversations/{c}/activities/{a}`, over kept connections.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hyper::{Method, Uri};
use serde_json::{Value, json};

use crate::client::{CallError, parse_activity_id, read_answer};
use crate::history::{BOT, Outcome, Recorder, SentFile};
use crate::line::{Answer, Line, LineError};

use super::files::Kept;

/// Connections kept between replies; more are opened when more replies are under way at once.
const KEPT_LINES: usize = 64;

#[derive(Debug)]
pub(super) struct Replies {
    /// The bot's port; no other bot of the process has it.
    pub(super) port: u16,
    pub(super) recorder: Option<Recorder>,
    idle: Mutex<Vec<Line>>,
    /// What the server said it keeps.
    pub(super) kept: Mutex<Vec<Kept>>,
}

impl Replies {
    pub(super) fn new(port: u16, recorder: Option<Recorder>) -> Self {
        Self { port, recorder, idle: Mutex::default(), kept: Mutex::default() }
    }

    /// Replies to `activity` once. What becomes of it is in the history; the bot does not retry.
    pub(super) async fn send(&self, activity: &Value, text: &str) {
        self.send_with(activity, text, json!([]), Vec::new()).await;
    }

    /// The same with attachments, whose bytes are these files.
    pub(super) async fn send_with(
        &self,
        activity: &Value,
        text: &str,
        attachments: Value,
        files: Vec<SentFile>,
    ) {
        let Some(Door { address, base, conversation }) = Door::of(activity) else { return };
        let id = activity["id"].as_str().unwrap_or_default().replace('|', "%7C");
        let path = format!("{base}/v3/conversations/{conversation}/activities/{id}");
        let invoke = |recorder: &Recorder| recorder.invoke_with_files(BOT, conversation, text, None, files);
        let sending = self.recorder.as_ref().map(invoke);
        let mut reply = json!({"type": "message", "text": text, "attachments": attachments});
        reply["replyToId"] = activity["id"].clone();
        let answer = self.request(address, Method::POST, &path, Some(Bytes::from(reply.to_string()))).await;
        if let (Some(recorder), Some(sending)) = (&self.recorder, sending) {
            let answer = answer.map_err(CallError::from).and_then(|answer| read_answer::<Value>(&answer));
            let (outcome, position, status) = judge(&answer);
            recorder.complete(sending, outcome, position, status);
        }
    }

    /// One request over a kept line.
    pub(super) async fn request(
        &self,
        address: SocketAddr,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Answer, LineError> {
        let mut line = self.take(address);
        let answer = line.request(method, path, None, json).await;
        self.put_back(line);
        answer
    }

    fn take(&self, address: SocketAddr) -> Line {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.pop() {
            Some(line) if line.address() == address => line,
            _ => Line::new(address),
        }
    }

    fn put_back(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT_LINES {
            idle.push(line);
        }
    }
}

/// Where the server of an activity takes what a bot says.
pub(super) struct Door<'a> {
    pub(super) address: SocketAddr,
    /// The path of its `serviceUrl`, without a slash at the end.
    pub(super) base: String,
    pub(super) conversation: &'a str,
}

impl<'a> Door<'a> {
    pub(super) fn of(activity: &'a Value) -> Option<Self> {
        let service: Uri = activity["serviceUrl"].as_str()?.parse().ok()?;
        let address = service.authority()?.as_str().parse().ok()?;
        let base = service.path().trim_end_matches('/').to_owned();
        Some(Self { address, base, conversation: activity["conversation"]["id"].as_str()? })
    }
}

/// How the answer goes into the history.
pub(super) fn judge(answer: &Result<Value, CallError>) -> (Outcome, Option<u64>, Option<u16>) {
    match answer {
        Ok(body) => {
            let position = body["id"].as_str().and_then(parse_activity_id).map(|(_, position)| position);
            (Outcome::Ok, position, Some(200))
        }
        Err(CallError::NotSent(_)) => (Outcome::Fail, None, None),
        Err(CallError::Answered { status, .. }) if *status < 500 => (Outcome::Fail, None, Some(*status)),
        Err(CallError::Answered { status, .. }) => (Outcome::Info, None, Some(*status)),
        Err(CallError::Unknown(_) | CallError::Malformed(_)) => (Outcome::Info, None, None),
    }
}
