//! Somebody who uploads: one file as the body, or several with an activity, of nothing up to some hundred KiB. What has
//! no known outcome is sent again as a writer does it. Some uploads are cut off in the middle, by one who leaves at once or
//! after a while, and some end with an activity that is none: of these nothing may be left, until they are sent again
//! whole.
//!
//! Each goes on to another conversation after a while, because a conversation has so many files at most.

use std::time::Duration;

use rand::RngExt;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::world::{PAUSE, World, key_of};
use super::writer::{MAX_REQUESTS, Next, Writer};
use crate::client::{CallError, UploadBody};
use crate::file::{Multipart, Part, TestFile};
use crate::history::Outcome;

/// Between two uploads of one person, at most.
const PACE: Duration = Duration::from_millis(60);
/// How long an upload that is going to be cut stands still before, at most; so that the server is killed in the middle of
/// some.
const LINGER: Duration = Duration::from_millis(400);
/// With three files each, and what the bot adds, below the 256 files that a conversation has at most.
const UPLOADS_PER_CONVERSATION: usize = 50;
/// Files of one upload, at most.
const FILES: usize = 3;
/// A cut upload is given up when the server does not even take its bytes.
const CUT_WITHIN: Duration = Duration::from_secs(5);

/// Uploads, first into `conversation`, until told to stop.
pub(super) async fn run(world: World, name: String, conversation: String, seed: u64) {
    let stop = world.stop_writing.clone();
    let mut uploader = Uploader { writer: Writer::new(world, name, seed), uploads: 0 };
    let mut conversation = conversation;
    while !stop.is_cancelled() {
        let Writer { world, client, name, .. } = &mut uploader.writer;
        let Some(token) = world.token(client, &conversation, name, &stop).await else { return };
        for _ in 0..UPLOADS_PER_CONVERSATION {
            uploader.upload(&token, &conversation).await;
            let pace = uploader.writer.rng.random_range(Duration::ZERO..PACE);
            sleep(pace).await;
            if stop.is_cancelled() {
                return;
            }
        }
        let Some(next) = uploader.start_another(&conversation).await else { return };
        conversation = next;
    }
}

struct Uploader {
    writer: Writer,
    uploads: u64,
}

/// What becomes of an upload.
enum Way {
    /// One file is the body. It has no name of the client's own, so it is never sent again.
    Raw,
    Whole,
    /// Cut off in the middle.
    Cut,
    /// The last part is no activity.
    Malformed,
}

impl Uploader {
    /// Uploads something new, however many requests that takes.
    async fn upload(&mut self, token: &str, conversation: &str) {
        self.uploads += 1;
        let payload = format!("{}-{}", self.writer.name, self.uploads);
        let way = match self.writer.rng.random_range(0..20) {
            0..4 => Way::Raw,
            4..8 => Way::Cut,
            8 => Way::Malformed,
            _ => Way::Whole,
        };
        match way {
            Way::Raw => self.raw(token, conversation, payload).await,
            Way::Whole => {
                let files = self.files(&payload);
                self.whole(token, conversation, &payload, &files).await;
            }
            Way::Cut if self.writer.rng.random_bool(0.3) => {
                let file = TestFile::named(&payload, self.size().max(1));
                self.cut(token, conversation, &payload, &[file], true).await;
            }
            Way::Cut => {
                let files = self.files(&payload);
                self.cut(token, conversation, &payload, &files, false).await;
                if self.writer.rng.random_bool(0.5) {
                    self.whole(token, conversation, &payload, &files).await;
                }
            }
            Way::Malformed => self.malformed(token, conversation, &payload).await,
        }
    }

    /// The activity that the server makes of it has the file's name as its only mark.
    async fn raw(&mut self, token: &str, conversation: &str, payload: String) {
        let file = TestFile::named(&payload, self.size());
        let Writer { world, name, client, .. } = &mut self.writer;
        let sent = vec![file.sent()];
        let sending = world.recorder.invoke_with_files(name, conversation, &payload, None, sent);
        let answer = client.upload(token, conversation, name, &UploadBody::raw(&file)).await;
        self.writer.settle(sending, conversation, answer);
    }

    async fn whole(&mut self, token: &str, conversation: &str, payload: &str, files: &[TestFile]) {
        let key = key_of(&self.writer.name, payload);
        let body = UploadBody::from(self.multipart(payload, files));
        let sent: Vec<_> = files.iter().map(TestFile::sent).collect();
        for _ in 0..MAX_REQUESTS {
            let Writer { world, name, client, .. } = &mut self.writer;
            let sending =
                world.recorder.invoke_with_files(name, conversation, payload, Some(&key), sent.clone());
            let answer = client.upload(token, conversation, name, &body).await;
            match self.writer.settle(sending, conversation, answer) {
                Next::Done => return,
                Next::Repeat => {}
                Next::Wait => sleep(PAUSE).await,
            }
            if self.writer.world.stop_writing.is_cancelled() {
                return;
            }
        }
        let Writer { world, name, .. } = &self.writer;
        world.surprise(format!("{name}: {payload} was not taken in {MAX_REQUESTS} requests"));
    }

    /// What was not sent whole did not happen, whatever the server made of it.
    async fn cut(&mut self, token: &str, conversation: &str, payload: &str, files: &[TestFile], raw: bool) {
        let key = (!raw).then(|| key_of(&self.writer.name, payload));
        let body = match files {
            [file] if raw => UploadBody::raw(file),
            _ => UploadBody::from(self.multipart(payload, files)),
        };
        let Writer { world, name, client, rng, .. } = &mut self.writer;
        let sent = files.iter().map(TestFile::sent).collect();
        let sending = world.recorder.invoke_with_files(name, conversation, payload, key.as_deref(), sent);
        let count = rng.random_range(0..body.needed.max(1));
        let linger = rng.random_range(Duration::ZERO..LINGER);
        let reset = rng.random_bool(0.5);
        let cut = client.upload_cut(token, conversation, name, &body, count, linger, reset);
        if timeout(CUT_WITHIN, cut).await.is_err() {
            world.surprise(format!("{name}: {count} bytes of an upload were not taken in {CUT_WITHIN:?}"));
        }
        world.recorder.complete(sending, Outcome::Fail, None, None);
    }

    /// The files are there before the server can know that it has to refuse them.
    async fn malformed(&mut self, token: &str, conversation: &str, payload: &str) {
        let files = self.files(payload);
        let mut parts: Vec<Part<'_>> = files.iter().map(Part::file).collect();
        parts.push(Part::activity(b"{\"type\":"));
        let body = UploadBody::from(Multipart::new(&parts));
        let Writer { world, name, client, .. } = &mut self.writer;
        let sent = files.iter().map(TestFile::sent).collect();
        let sending = world.recorder.invoke_with_files(name, conversation, payload, None, sent);
        let status = match client.upload(token, conversation, name, &body).await {
            Ok(id) => {
                world.surprise(format!("{name}: an upload whose activity is none was taken as {id}"));
                None
            }
            Err(CallError::Answered { status, .. }) => Some(status),
            Err(_) => None,
        };
        if !matches!(status, None | Some(400 | 429 | 503)) {
            world.surprise(format!("{name}: an upload whose activity is none was answered {status:?}"));
        }
        world.recorder.complete(sending, Outcome::Fail, None, status);
    }

    /// The parts of an upload; the activity declares its files or does not, and stands before or after them.
    fn multipart(&mut self, payload: &str, files: &[TestFile]) -> Multipart {
        let Writer { name, rng, .. } = &mut self.writer;
        let mut activity = json!({
            "type": "message",
            "from": {"id": name},
            "text": payload,
            "channelData": {"clientActivityID": payload},
        });
        if rng.random_bool(0.7) {
            let declared = |file: &TestFile| json!({"contentType": file.content_type, "name": file.name});
            activity["attachments"] = Value::Array(files.iter().map(declared).collect());
        }
        let activity = activity.to_string();
        let mut parts: Vec<Part<'_>> = files.iter().map(Part::file).collect();
        let place = if rng.random_bool(0.7) { 0 } else { parts.len() };
        parts.insert(place, Part::activity(activity.as_bytes()));
        Multipart::new(&parts)
    }

    fn files(&mut self, payload: &str) -> Vec<TestFile> {
        let count = self.writer.rng.random_range(1..=FILES);
        (1..=count).map(|number| TestFile::named(format!("{payload}-{number}.bin"), self.size())).collect()
    }

    /// In bytes; some are empty.
    fn size(&mut self) -> usize {
        let rng = &mut self.writer.rng;
        match rng.random_range(0..10) {
            0 => 0,
            1..4 => rng.random_range(1..1_000),
            4..8 => rng.random_range(1_000..70_000),
            _ => rng.random_range(70_000..400_000),
        }
    }

    /// Starts a conversation of the same site; tries until there is one, or the end has come.
    async fn start_another(&mut self, conversation: &str) -> Option<String> {
        let Writer { world, name, client, .. } = &mut self.writer;
        let body = json!({"user": {"id": name}});
        while !world.stop_writing.is_cancelled() {
            match client.start(world.secret_of(conversation), Some(&body)).await {
                Ok(started) => {
                    let id = started.conversation_id;
                    if world.is_queued(conversation) {
                        world.add_queued(id.clone());
                    }
                    world.add_started(id.clone());
                    return Some(id);
                }
                Err(error) => world.judge(name, "start", &error),
            }
            sleep(PAUSE).await;
        }
        None
    }
}
