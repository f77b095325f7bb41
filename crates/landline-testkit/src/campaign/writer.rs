//! Somebody who writes, and who does not give up: what has an unknown outcome is mostly sent again under the same
//! `clientActivityID`, sometimes not; and now and then so is what was acknowledged, which must change nothing.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::sleep;

use super::world::{PAUSE, World, key_of};
use crate::client::{CallError, Client, parse_activity_id};
use crate::history::{Outcome, Position, Sending};

/// Between two activities of one writer, at most.
const PACE: Duration = Duration::from_millis(8);
/// An activity is sent so often at most.
pub(super) const MAX_REQUESTS: u32 = 400;

/// Writes into `conversation` until told to stop.
pub(super) async fn run(world: World, name: String, conversation: String, seed: u64) {
    let mut writer = Writer::new(world.clone(), name, seed);
    let stop = world.stop_writing.clone();
    let Some(token) = world.token(&mut writer.client, &conversation, &writer.name, &stop).await else {
        return;
    };
    while !stop.is_cancelled() {
        writer.say(&token, &conversation).await;
        let pace = writer.rng.random_range(Duration::ZERO..PACE);
        sleep(pace).await;
    }
}

/// A sender with a name and a count of what they said.
pub(super) struct Writer {
    pub(super) world: World,
    pub(super) name: String,
    pub(super) client: Client,
    pub(super) rng: StdRng,
    said: u64,
}

/// What to do after an answer.
pub(super) enum Next {
    Done,
    Repeat,
    Wait,
}

impl Writer {
    pub(super) fn new(world: World, name: String, seed: u64) -> Self {
        let client = Client::new(world.server);
        Self { world, name, client, rng: StdRng::seed_from_u64(seed), said: 0 }
    }

    /// Says one new thing, however many requests that takes.
    pub(super) async fn say(&mut self, token: &str, conversation: &str) {
        self.said += 1;
        let payload = format!("{}-{}", self.name, self.said);
        for _ in 0..MAX_REQUESTS {
            match self.request(token, conversation, &payload).await {
                Next::Done => return,
                Next::Repeat => {}
                Next::Wait => sleep(PAUSE).await,
            }
            if self.world.stop_writing.is_cancelled() {
                return;
            }
        }
        self.world.surprise(format!("{}: {payload} was not taken in {MAX_REQUESTS} requests", self.name));
    }

    async fn request(&mut self, token: &str, conversation: &str, payload: &str) -> Next {
        let key = key_of(&self.name, payload);
        let sending = self.world.recorder.invoke(&self.name, conversation, payload, Some(&key));
        let activity = json!({
            "type": "message",
            "from": {"id": self.name},
            "text": payload,
            "channelData": {"clientActivityID": payload},
        });
        let answer = self.client.send(token, conversation, &activity).await;
        self.settle(sending, conversation, answer)
    }

    /// Writes down what was answered. Gives what to do next.
    pub(super) fn settle(
        &mut self,
        sending: Sending,
        conversation: &str,
        answer: Result<String, CallError>,
    ) -> Next {
        if let Err(error) = &answer {
            self.world.judge(&self.name, "send", error);
        }
        let (outcome, position, status, next) = match answer {
            Ok(id) => (Outcome::Ok, self.position(conversation, &id), Some(200), self.sometimes(0.03)),
            // Stored; the bot did not take it.
            Err(CallError::Answered { status: status @ (502 | 504), .. }) => {
                (Outcome::Ok, None, Some(status), self.sometimes(0.5))
            }
            Err(CallError::Answered { status, .. }) if status < 500 => {
                (Outcome::Fail, None, Some(status), if status == 429 { Next::Wait } else { Next::Done })
            }
            Err(CallError::Answered { status, .. }) => (Outcome::Info, None, Some(status), self.mostly()),
            Err(CallError::NotSent(_)) => (Outcome::Fail, None, None, Next::Wait),
            Err(CallError::Unknown(_) | CallError::Malformed(_)) => {
                (Outcome::Info, None, None, self.mostly())
            }
        };
        self.world.recorder.complete(sending, outcome, position, status);
        next
    }

    fn position(&self, conversation: &str, id: &str) -> Option<Position> {
        match parse_activity_id(id) {
            Some((of, position)) if of == conversation => Some(position),
            _ => {
                self.world.surprise(format!("{}: sent to {conversation}, answered the id {id:?}", self.name));
                None
            }
        }
    }

    fn sometimes(&mut self, probability: f64) -> Next {
        if self.rng.random_bool(probability) { Next::Repeat } else { Next::Done }
    }

    fn mostly(&mut self) -> Next {
        if self.rng.random_bool(0.85) { Next::Wait } else { Next::Done }
    }
}
