//! Those who read: by stream or by poll, from the very first activity, through every crash with the watermark
//! they hold. Streams also leave by themselves now and then, and pollers read again from an old watermark.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::time::sleep;

use super::world::{PAUSE, World};
use crate::client::{CallError, Client, Stream, StreamEvent};
use crate::history::{Position, Start};

/// A stream stays at most so long.
const STREAM_STAY: Duration = Duration::from_secs(3);
/// Between two polls, at most.
const POLL_PACE: Duration = Duration::from_millis(40);
/// One poll in so many begins again at an old watermark.
const READ_AGAIN: u32 = 50;
/// One poll in so many asks the server to hold the answer.
const HOLD: u32 = 4;
/// A poller downloads one file in so many that it is shown.
const DOWNLOAD: u32 = 4;
/// How many watermarks back a poller begins again, at most.
const OLD_WATERMARKS: usize = 20;

/// How far a reader has come, for those who wait for it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) conversation: String,
    furthest: Arc<AtomicU64>,
}

impl Standing {
    /// The furthest watermark it has held.
    pub(super) fn furthest(&self) -> Position {
        self.furthest.load(Ordering::Relaxed)
    }
}

pub(super) struct Reader {
    name: String,
    conversation: String,
    rng: StdRng,
    watermark: Position,
    furthest: Arc<AtomicU64>,
}

impl Reader {
    pub(super) fn new(name: String, conversation: String, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { name, conversation, rng, watermark: 0, furthest: Arc::default() }
    }

    pub(super) fn standing(&self) -> Standing {
        let (name, conversation) = (self.name.clone(), self.conversation.clone());
        Standing { name, conversation, furthest: self.furthest.clone() }
    }

    /// Reads by stream until told to stop.
    pub(super) async fn stream(mut self, world: World) {
        let mut client = Client::new(world.server);
        let stop = world.stop_reading.clone();
        let token = world.token(&mut client, &self.conversation, &self.name, &stop).await;
        let Some(mut token) = token else { return };
        while !stop.is_cancelled() {
            let watermark = self.watermark.to_string();
            let opened = match client.reconnect(&token, &self.conversation, Some(&watermark)).await {
                Ok(again) => {
                    token = again.token;
                    Stream::open(&again.stream_url).await
                }
                Err(error) => Err(error),
            };
            match opened {
                Ok(stream) => self.follow(&world, stream).await,
                Err(error) => {
                    world.judge(&self.name, "reconnect", &error);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn follow(&mut self, world: &World, mut stream: Stream) {
        let connection =
            world.recorder.open(&self.name, &self.conversation, Start::After(self.watermark), false);
        let stay = sleep(self.rng.random_range(Duration::ZERO..STREAM_STAY));
        tokio::pin!(stay);
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = &mut stay => break stream.close().await,
                () = world.stop_reading.cancelled() => break stream.close().await,
            };
            match event {
                Ok(StreamEvent::Activities(set)) => {
                    let (seen, watermark) = world.seen(&self.name, &self.conversation, &set);
                    if let Some(watermark) = watermark {
                        world.recorder.page(&self.name, connection, seen, watermark);
                        self.stand_at(watermark);
                    }
                }
                Ok(StreamEvent::Alive) => {}
                Ok(StreamEvent::Closed(_)) => break,
                Err(error) => {
                    world.judge(&self.name, "stream", &error);
                    break;
                }
            }
        }
        world.recorder.close(&self.name, connection);
    }

    /// Reads by poll until told to stop.
    pub(super) async fn poll(mut self, world: World) {
        let mut client = Client::new(world.server);
        let stop = world.stop_reading.clone();
        let token = world.token(&mut client, &self.conversation, &self.name, &stop).await;
        let Some(token) = token else { return };
        let mut old = vec![0];
        let mut connection = None;
        while !stop.is_cancelled() {
            if self.rng.random_range(0..READ_AGAIN) == 0 {
                self.watermark = old[self.rng.random_range(0..old.len())];
                connection = None;
            }
            let at = self.watermark;
            let connection = *connection.get_or_insert_with(|| {
                world.recorder.open(&self.name, &self.conversation, Start::After(at), false)
            });
            let wait = (self.rng.random_range(0..HOLD) == 0).then_some(1);
            let polled = client.poll(&token, &self.conversation, Some(&at.to_string()), wait).await;
            match polled {
                Ok(set) => {
                    let (seen, watermark) = world.seen(&self.name, &self.conversation, &set);
                    match watermark {
                        Some(watermark) => {
                            world.recorder.page(&self.name, connection, seen, watermark);
                            self.stand_at(watermark);
                            old.push(watermark);
                            old.drain(..old.len().saturating_sub(OLD_WATERMARKS));
                        }
                        None => world.surprise(format!("{}: a poll without a watermark", self.name)),
                    }
                    self.download_some(&world, &mut client, &set.activities).await;
                }
                Err(error) => self.not_polled(&world, &error),
            }
            sleep(self.rng.random_range(Duration::ZERO..POLL_PACE)).await;
        }
    }

    /// Whatever is shown can be downloaded at once.
    async fn download_some(&mut self, world: &World, client: &mut Client, activities: &[Value]) {
        for activity in activities {
            for file in World::files_of(activity) {
                if self.rng.random_range(0..DOWNLOAD) == 0 {
                    let from = (self.conversation.as_str(), activity);
                    // A crash took it away; the next reader asks again.
                    let _ = world.fetch(&self.name, client, from, file, false).await;
                }
            }
        }
    }

    fn not_polled(&self, world: &World, error: &CallError) {
        // A bot has no part in a poll, so its errors explain nothing here.
        match error {
            CallError::Answered { status: 502 | 504, .. } => {
                world.surprise(format!("{}: poll: {error}", self.name));
            }
            _ => world.judge(&self.name, "poll", error),
        }
    }

    fn stand_at(&mut self, watermark: Position) {
        self.watermark = watermark;
        self.furthest.fetch_max(watermark, Ordering::Relaxed);
    }
}
