//! Typing and what else is told only to those who are connected: never stored, never moves a watermark, may be lost.

use landline_protocol::{Activity, StreamInfo, Timestamp};
use tokio::time::Instant;

use crate::entropy::Entropy;
use crate::hub::Topic;
use crate::live::Chunk;

/// Sends it to the sockets of the conversation; returns its id and what was sent.
///
/// The id is of another form than those of logged activities, so that the two never clash.
pub(crate) fn send(
    topic: &Topic,
    entropy: &dyn Entropy,
    now: Timestamp,
    mut activity: Activity,
) -> (String, Activity) {
    let id = new_id(topic, entropy);
    activity.stamp(&id, &topic.id, now);
    topic.send_transient(activity.to_json());
    (id, activity)
}

/// Sends a chunk of a live answer; returns the name of the answer, which is the id of all its chunks.
///
/// One id, because Web Chat joins what names an answer with the activity that has the answer's name for its id, and a
/// reader that did not get the first chunk has no other one.
pub(crate) fn send_chunk(
    topic: &Topic,
    entropy: &dyn Entropy,
    now: Timestamp,
    mut activity: Activity,
    info: StreamInfo,
) -> String {
    let id = info.id.clone().unwrap_or_else(|| new_id(topic, entropy));
    let (sequence, last) = (info.sequence, info.is_final());
    activity.set_stream_info(&StreamInfo { id: Some(id.clone()), ..info });
    activity.stamp(&id, &topic.id, now);
    topic.live().push(Chunk { answer: &id, sequence, last, body: activity.to_json() }, Instant::now());
    id
}

fn new_id(topic: &Topic, entropy: &dyn Entropy) -> String {
    let mut random = [0; 8];
    entropy.fill(&mut random);
    format!("{}|t{:016x}", topic.id, u64::from_be_bytes(random))
}
