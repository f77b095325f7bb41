//! What the bot does with files: it downloads what it is given, and gives the server files of its own to keep, with which it
//! answers or not.
//!
//! Files are made of the bot's port and the number of the activity, so that no two bots make the same.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::replies::{Door, Replies, judge};
use crate::client::{CallError, downloaded, file_of_link, payload_of, read_answer};
use crate::file::{TestFile, digest};
use crate::history::{BOT, Fetch, Outcome, SentFile};
use crate::line::{Answer, LineError};

/// The largest file that the bot gives.
const MAX_FILE_BYTES: u64 = 100_000;
/// The size of what it gives as a small picture.
const THUMBNAIL_BYTES: usize = 500;
/// A file is asked for so often at most, while the answer is that the server is busy.
const ASK: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// A file that the server acknowledged to keep.
#[derive(Debug)]
pub(super) struct Kept {
    address: SocketAddr,
    path: String,
    conversation: String,
    file: SentFile,
    id: String,
}

impl Replies {
    /// Answers `activity`, the bot's `number`th, and looks at its files.
    pub(super) async fn echo_files(&self, activity: &Value, number: u64) {
        let Some(payload) = payload_of(activity) else { return };
        let text = format!("echo {number} of {payload}");
        let Some(attachments) = activity["attachments"].as_array().filter(|some| !some.is_empty()) else {
            return self.send(activity, &text).await;
        };
        if number.is_multiple_of(4) {
            for attachment in attachments {
                self.download(activity, payload, attachment).await;
            }
        }
        let kept = if number.is_multiple_of(2) { self.keep(activity, number).await } else { None };
        match kept {
            // Some are given and never sent.
            Some((attachment, file)) if !number.is_multiple_of(5) => {
                self.send_with(activity, &text, json!([attachment]), vec![file]).await;
            }
            _ => self.send(activity, &text).await,
        }
    }

    /// Downloads a file by the link that the bot was given.
    async fn download(&self, activity: &Value, payload: &str, attachment: &Value) {
        let (Some(recorder), Some(door)) = (&self.recorder, Door::of(activity)) else { return };
        let link = attachment["contentUrl"].as_str().unwrap_or_default();
        let name = attachment["name"].as_str().unwrap_or_default();
        let fetch = |id: &str, status, digest| Fetch {
            conversation: door.conversation.to_owned(),
            payload: Some(payload.to_owned()),
            name: name.to_owned(),
            id: id.to_owned(),
            status,
            digest,
            is_final: false,
        };
        let target = || link.parse::<Uri>().ok()?.path_and_query().cloned();
        let (Some(id), Some(target)) = (file_of_link(link), target()) else {
            // Nobody was given a file that is no link, so the checker will speak.
            return recorder.fetch(BOT, fetch(link, 0, None));
        };
        let answer = self.request(door.address, Method::GET, target.as_str(), None).await;
        if let Some(answer) = answered(answer) {
            let (status, bytes) = downloaded(&answer);
            recorder.fetch(BOT, fetch(id, status, bytes.map(|bytes| digest(bytes))));
        }
    }

    /// Gives the server a file. Gives the attachment to send when it is kept.
    async fn keep(&self, activity: &Value, number: u64) -> Option<(Value, SentFile)> {
        let Door { address, base, conversation } = Door::of(activity)?;
        let name = format!("bot-{}-{number}.bin", self.port);
        let size = usize::try_from(number.wrapping_mul(7_919) % MAX_FILE_BYTES).ok()?;
        let file = TestFile::named(name, size);
        let thumbnail = number.is_multiple_of(3).then(|| {
            let name = format!("{}-thumbnail", file.name);
            TestFile::named(name, THUMBNAIL_BYTES)
        });
        let mut body = json!({
            "type": file.content_type,
            "name": file.name,
            "originalBase64": STANDARD.encode(&file.bytes),
        });
        if let Some(thumbnail) = &thumbnail {
            body["thumbnailBase64"] = STANDARD.encode(&thumbnail.bytes).into();
        }
        let keeping = self.recorder.as_ref().map(|recorder| {
            let thumbnail = thumbnail.as_ref().map(|thumbnail| digest(&thumbnail.bytes));
            recorder.invoke_keep(BOT, conversation, file.sent(), thumbnail)
        });
        let path = format!("{base}/v3/conversations/{conversation}/attachments");
        let answer = self.request(address, Method::POST, &path, Some(Bytes::from(body.to_string()))).await;
        let answer = answer.map_err(CallError::from).and_then(|answer| read_answer::<Value>(&answer));
        let (outcome, _, status) = judge(&answer);
        // An attachment of a bot is called by its conversation and its file.
        let attachment_id = answer.ok().and_then(|body| Some(body["id"].as_str()?.to_owned()));
        let id = attachment_id.as_deref().and_then(|id| Some(id.rsplit_once('.')?.1.to_owned()));
        let outcome = if outcome == Outcome::Ok && id.is_none() { Outcome::Info } else { outcome };
        if let (Some(recorder), Some(keeping)) = (&self.recorder, keeping) {
            recorder.complete_keep(keeping, outcome, id.clone(), status);
        }
        let (id, attachment_id) = (id?, attachment_id?);
        let view = format!("v3/attachments/{attachment_id}/views/original");
        let kept = Kept {
            address,
            path: format!("{base}/{view}"),
            conversation: conversation.to_owned(),
            file: file.sent(),
            id,
        };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let link = format!("{}/{view}", activity["serviceUrl"].as_str()?.trim_end_matches('/'));
        let attachment = json!({"contentType": file.content_type, "contentUrl": link, "name": file.name});
        Some((attachment, file.sent()))
    }

    /// See [`super::Bot::fetch_kept`].
    pub(super) async fn fetch_kept(&self) -> Vec<String> {
        let Some(recorder) = &self.recorder else { return Vec::new() };
        let all = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let mut unanswered = Vec::new();
        for Kept { address, path, conversation, file, id } in all {
            let mut answer = None;
            for _ in 0..ASK {
                answer = answered(self.request(address, Method::GET, &path, None).await);
                if answer.is_some() {
                    break;
                }
                sleep(PAUSE).await;
            }
            let Some(answer) = answer else {
                unanswered.push(format!("{} of {conversation} is not given back to the bot", file.name));
                continue;
            };
            let (status, bytes) = downloaded(&answer);
            let digest = bytes.map(|bytes| digest(bytes));
            let fetch =
                Fetch { conversation, payload: None, name: file.name, id, status, digest, is_final: true };
            recorder.fetch(BOT, fetch);
        }
        unanswered
    }
}

/// What was answered, but that the server cannot just now.
fn answered(answer: Result<Answer, LineError>) -> Option<Answer> {
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    answer.ok().filter(|answer| !busy.contains(&answer.status))
}
