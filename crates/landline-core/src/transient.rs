//! Typing and what else is told only to those who are connected: never stored, never moves a watermark, may be lost.

use landline_protocol::{Activity, Timestamp};

use crate::entropy::Entropy;
use crate::hub::Topic;

/// Sends it to the sockets of the conversation; returns its id and what was sent.
///
/// The id is of another form than those of logged activities, so that the two never clash.
pub(crate) fn send(
    topic: &Topic,
    entropy: &dyn Entropy,
    now: Timestamp,
    mut activity: Activity,
) -> (String, Activity) {
    let mut random = [0; 8];
    entropy.fill(&mut random);
    let id = format!("{}|t{:016x}", topic.id, u64::from_be_bytes(random));
    activity.stamp(&id, &topic.id, now);
    topic.send_transient(activity.to_json());
    (id, activity)
}
