//! What all actors of the campaign share.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{
    ActivitySet, CallError, Client, downloaded, file_of_link, parse_activity_id, payload_of,
};
use crate::file::digest;
use crate::history::{Fetch, Position, Recorder, Seen};
use crate::process::ServerProcess;

/// How long an actor waits before it tries again what did not work.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Surprises beyond this number are only counted.
const KEPT_SURPRISES: usize = 100;

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) server: SocketAddr,
    pub(super) secret: String,
    /// Of the site whose bot is in `queued` mode, where there is one.
    pub(super) queued_secret: Option<String>,
    pub(super) recorder: Recorder,
    pub(super) stop_writing: CancellationToken,
    pub(super) stop_reading: CancellationToken,
    /// In the names of this round's actors, so that no two rounds have a payload in common.
    round: u32,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    surprises: Surprises,
    started: Vec<String>,
    /// Conversations of the second site.
    queued: HashSet<String>,
}

/// Answers that no crash explains.
#[derive(Debug, Clone, Default)]
pub(super) struct Surprises {
    pub(super) count: usize,
    pub(super) first: Vec<String>,
}

impl World {
    pub(super) fn new(server: &ServerProcess, recorder: Recorder, round: u32) -> Self {
        Self {
            server: server.address(),
            secret: server.secret().to_owned(),
            queued_secret: server.queued_secret().map(str::to_owned),
            recorder,
            stop_writing: CancellationToken::new(),
            stop_reading: CancellationToken::new(),
            round,
            shared: Arc::default(),
        }
    }

    /// A name that no other actor of the campaign has.
    pub(super) fn name(&self, role: &str, number: usize) -> String {
        format!("{role}-{}-{number}", self.round)
    }

    /// Notes an error that no crash explains. A cut line, a refused connection, 502, 503, 504 and 429 are explained;
    /// a 4xx for a right request, a 500, or an answer outside the protocol is not.
    pub(super) fn judge(&self, who: &str, what: &str, error: &CallError) {
        let explained = match error {
            CallError::NotSent(_) | CallError::Unknown(_) => true,
            CallError::Answered { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            CallError::Malformed(_) => false,
        };
        if !explained {
            self.surprise(format!("{who}: {what}: {error}"));
        }
    }

    pub(super) fn surprise(&self, what: String) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.surprises.count += 1;
        if shared.surprises.first.len() < KEPT_SURPRISES {
            shared.surprises.first.push(what);
        }
    }

    pub(super) fn surprises(&self) -> Surprises {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).surprises.clone()
    }

    /// A conversation that the server said it started.
    pub(super) fn add_started(&self, conversation: String) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).started.push(conversation);
    }

    pub(super) fn started(&self) -> Vec<String> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).started.clone()
    }

    /// A conversation with the bot in `queued` mode.
    pub(super) fn add_queued(&self, conversation: String) {
        self.recorder.queued(&conversation);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).queued.insert(conversation);
    }

    pub(super) fn is_queued(&self, conversation: &str) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).queued.contains(conversation)
    }

    /// The secret of the site that a conversation belongs to.
    pub(super) fn secret_of(&self, conversation: &str) -> &str {
        match &self.queued_secret {
            Some(secret) if self.is_queued(conversation) => secret,
            _ => &self.secret,
        }
    }

    /// A token of `user` for an existing conversation; tries until it has one, or `until` is cancelled.
    pub(super) async fn token(
        &self,
        client: &mut Client,
        conversation: &str,
        user: &str,
        until: &CancellationToken,
    ) -> Option<String> {
        let body = json!({"conversationId": conversation, "user": {"id": user}});
        while !until.is_cancelled() {
            match client.generate_token(self.secret_of(conversation), &body).await {
                Ok(token) => return Some(token.token),
                Err(error) => self.judge(user, "token for a conversation that exists", &error),
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// What a reader of `conversation` saw, and the new watermark. What is not stored (no id) is left out.
    pub(super) fn seen(
        &self,
        who: &str,
        conversation: &str,
        set: &ActivitySet,
    ) -> (Vec<Seen>, Option<Position>) {
        let watermark = match &set.watermark {
            None => None,
            Some(text) => match text.parse() {
                Ok(watermark) => Some(watermark),
                Err(_) => {
                    self.surprise(format!("{who}: the watermark {text:?} of {conversation} is no position"));
                    None
                }
            },
        };
        if watermark.is_none() && !set.activities.is_empty() {
            self.surprise(format!("{who}: activities of {conversation} without a watermark"));
        }
        let seen = set.activities.iter().filter_map(|activity| self.seen_one(who, conversation, activity));
        (seen.collect(), watermark)
    }

    fn seen_one(&self, who: &str, conversation: &str, activity: &Value) -> Option<Seen> {
        let id = activity["id"].as_str().and_then(parse_activity_id);
        let Some((_, position)) = id.filter(|(of, _)| *of == conversation) else {
            self.surprise(format!("{who}: in {conversation}, an activity with the id {}", activity["id"]));
            return None;
        };
        let payload = payload_of(activity).map_or_else(
            // Nobody sends such a thing here, so the checker will ask where it comes from.
            || format!("{} at {id:?}", activity["type"]),
            str::to_owned,
        );
        let sender = activity["from"]["id"].as_str().unwrap_or_default();
        let key = activity["channelData"]["clientActivityID"].as_str().map(|id| key_of(sender, id));
        Some(Seen { position, payload, key })
    }
}

/// Whether a file came, or will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// There was an answer, and the history has it.
    Answered,
    /// A crash, or a server that is busy; to be asked again.
    Later,
}

impl World {
    /// The names and links of an activity's files, each to be given to [`Self::fetch`].
    pub(super) fn files_of(activity: &Value) -> impl Iterator<Item = (&str, &str)> {
        let attachments = activity["attachments"].as_array().map_or(&[][..], Vec::as_slice);
        attachments.iter().map(|attachment| {
            let text = |name: &str| attachment[name].as_str().unwrap_or_default();
            (text("name"), text("contentUrl"))
        })
    }

    /// Downloads a file of an activity, and writes the answer into the history.
    pub(super) async fn fetch(
        &self,
        who: &str,
        client: &mut Client,
        (conversation, activity): (&str, &Value),
        (name, link): (&str, &str),
        is_final: bool,
    ) -> (Fetched, Option<String>) {
        let answer = match client.download(link).await {
            Ok(answer) if matches!(answer.status.as_u16(), 429 | 503) => return (Fetched::Later, None),
            Ok(answer) => answer,
            Err(error) => {
                self.judge(who, "download", &error);
                return (Fetched::Later, None);
            }
        };
        let (status, bytes) = downloaded(&answer);
        let digest = bytes.map(|bytes| digest(bytes));
        let fetch = Fetch {
            conversation: conversation.to_owned(),
            payload: Some(payload_of(activity).unwrap_or_default().to_owned()),
            name: name.to_owned(),
            id: file_of_link(link).unwrap_or_default().to_owned(),
            status,
            digest: digest.clone(),
            is_final,
        };
        self.recorder.fetch(who, fetch);
        (Fetched::Answered, digest)
    }
}

/// The key of the history: who sent it, and what they called it.
pub(super) fn key_of(sender: &str, client_activity_id: &str) -> String {
    format!("{sender}/{client_activity_id}")
}
