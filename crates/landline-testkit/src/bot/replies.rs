//! The bot's own sends: `POST {serviceUrl}v3/conversations/{c}/activities/{a}`, over kept connections.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hyper::{Method, Uri};
use serde_json::{Value, json};

use crate::client::{CallError, parse_activity_id, read_answer};
use crate::history::{BOT, Outcome, Recorder};
use crate::line::Line;

/// Connections kept between replies; more are opened when more replies are under way at once.
const KEPT_LINES: usize = 64;

#[derive(Debug)]
pub(super) struct Replies {
    recorder: Option<Recorder>,
    idle: Mutex<Vec<Line>>,
}

impl Replies {
    pub(super) fn new(recorder: Option<Recorder>) -> Self {
        Self { recorder, idle: Mutex::default() }
    }

    /// Replies to `activity` once. What becomes of it is in the history; the bot does not retry.
    pub(super) async fn send(&self, activity: &Value, text: &str) {
        let Some((address, path, conversation)) = door(activity) else { return };
        let sending = self.recorder.as_ref().map(|recorder| recorder.invoke(BOT, conversation, text, None));
        let mut reply = json!({"type": "message", "text": text});
        reply["replyToId"] = activity["id"].clone();
        let mut line = self.take(address);
        let answer = line.request(Method::POST, &path, None, Some(Bytes::from(reply.to_string()))).await;
        self.put_back(line);
        if let (Some(recorder), Some(sending)) = (&self.recorder, sending) {
            let answer = answer.map_err(CallError::from).and_then(|answer| read_answer::<Value>(&answer));
            let (outcome, position, status) = judge(&answer);
            recorder.complete(sending, outcome, position, status);
        }
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

/// Where to reply: the server's address, the path, the conversation.
fn door(activity: &Value) -> Option<(SocketAddr, String, &str)> {
    let service: Uri = activity["serviceUrl"].as_str()?.parse().ok()?;
    let address = service.authority()?.as_str().parse().ok()?;
    let base = service.path().trim_end_matches('/');
    let conversation = activity["conversation"]["id"].as_str()?;
    let id = activity["id"].as_str()?.replace('|', "%7C");
    Some((address, format!("{base}/v3/conversations/{conversation}/activities/{id}"), conversation))
}

/// How the answer goes into the history.
fn judge(answer: &Result<Value, CallError>) -> (Outcome, Option<u64>, Option<u16>) {
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
