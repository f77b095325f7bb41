//! What a bot puts into its HTTP answer, and what becomes of it.

use landline_protocol::{Activity, BotActivities, RawObject};

use super::{Delivered, Job};
use crate::bot::{BotAnswer, Wanted};
use crate::conversations::Conversations;
use crate::limits::MAX_ANSWER_ACTIVITIES;

/// What is done with the answer to this activity; see [`Conversations::take_answer`]. What is not logged has no place
/// for an answer.
pub(super) fn wanted(activity: &Activity, logged: bool) -> Wanted {
    if !logged {
        Wanted::Status
    } else if expects_stream(activity) {
        Wanted::Events
    } else if is_invoke(activity) || expects_replies(activity) {
        Wanted::Body
    } else {
        Wanted::Status
    }
}

pub(super) fn is_invoke(activity: &Activity) -> bool {
    activity.kind().as_deref() == Some("invoke")
}

fn expects_replies(activity: &Activity) -> bool {
    activity.delivery_mode().as_deref() == Some("expectReplies")
}

fn expects_stream(activity: &Activity) -> bool {
    activity.delivery_mode().as_deref() == Some("stream")
}

impl Conversations {
    /// Reads the status; appends what the body says where the activity asked for an answer in it.
    pub(super) async fn take_answer(&self, job: &Job, answer: BotAnswer) -> Delivered {
        if !(200..300).contains(&answer.status) {
            tracing::warn!(activity.id = %job.id, status = answer.status, "Bot {} answered {}", job.bot, answer.status);
            return Delivered::Refused { status: answer.status };
        }
        let Some(place) = &job.place else { return Delivered::Accepted };
        let said = match self.said(&job.activity, &answer) {
            Ok(said) => said,
            Err(why) => return Delivered::Unknown(why),
        };
        for activity in said {
            let logged = self.send_from_bot(&job.bot, &place.conversation, activity, Some(&job.id)).await;
            if let Err(error) = logged {
                return Delivered::Unknown(format!("the bot's answer was not logged: {error}"));
            }
        }
        Delivered::Accepted
    }

    /// What the body of a 2xx says, where the activity asked for an answer in it; else nothing.
    pub(super) fn said(&self, activity: &Activity, answer: &BotAnswer) -> Result<Vec<Activity>, String> {
        if is_invoke(activity) {
            Ok(vec![invoke_response(answer)])
        } else if expects_replies(activity) || (expects_stream(activity) && has_replies(answer)) {
            // A bot may know of replies in its answer, but not of streams.
            self.replies(answer)
        } else {
            Ok(Vec::new())
        }
    }

    /// `{"activities":[…]}`, as the Bot Framework documents for `expectReplies`.
    fn replies(&self, answer: &BotAnswer) -> Result<Vec<Activity>, String> {
        let activities = BotActivities::parse(&answer.body)
            .map_err(|error| format!("the activities in the bot's answer cannot be read: {error}"))?
            .0;
        if activities.len() > MAX_ANSWER_ACTIVITIES {
            let count = activities.len();
            return Err(format!("the bot answered {count} activities, the limit is {MAX_ANSWER_ACTIVITIES}"));
        }
        let limit = self.limits().activity_bytes;
        match activities.iter().map(|activity| activity.to_json().len()).find(|bytes| *bytes > limit) {
            Some(bytes) => {
                Err(format!("the bot answered an activity of {bytes} bytes, the limit is {limit}"))
            }
            None => Ok(activities),
        }
    }
}

/// Whether the body says `{"activities":…}`. Others say "ok", or what came to their mind.
fn has_replies(answer: &BotAnswer) -> bool {
    RawObject::parse(&answer.body).is_ok_and(|body| body.get("activities").is_some())
}

/// The HTTP status and body of the answer to an `invoke`, as an activity of type `invokeResponse`.
///
/// A body that is not JSON is kept as a text: the bot has taken the invoke, whatever it said.
fn invoke_response(answer: &BotAnswer) -> Activity {
    let mut value = RawObject::default();
    value.set_number("status", answer.status.into());
    if !answer.body.trim_ascii().is_empty() && value.set_json("body", &answer.body).is_err() {
        value.set_text("body", &String::from_utf8_lossy(&answer.body));
    }
    let mut activity = Activity::of_type("invokeResponse");
    activity.properties_mut().set_object("value", &value);
    activity
}
