//! What a bot says in an answer that goes on (`deliveryMode: "stream"`): each activity is logged as it comes, by the
//! same door as everything else that bots say.
//!
//! The bot has taken the activity with the head of its answer, so the outcome of the delivery is known, and kept, before
//! any of this. What breaks here is told to the operator; the client has what came before it.
//!
//! Invariants: one such answer has an end, whatever the bot does; until then the next delivery of the conversation waits
//! for it as for any turn.
//!
//! Source: the Microsoft 365 Agents SDK writes events of type `activity`, and one of type `invokeResponse` where the
//! activity was an invoke. Its clients also know `end`.
//!
//! Not here: how events are spelled, how large they are, how long a bot may be silent (`landline-server`).

use landline_protocol::{Activity, ActivityId, BotName, RawObject};
use tokio::time::{Instant, sleep, timeout_at};

use crate::bot::{BotEvent, BotEvents};
use crate::bot_send::BotSendError;
use crate::conversations::Conversations;
use crate::limits::{ANSWER_EVENTS_STOP, ANSWER_EVENTS_TIME, MAX_ANSWER_EVENTS};

/// How an answer that went on has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerEnd {
    /// The bot has said all.
    Complete,
    /// The line broke, or what came cannot be read, or is too much; why, in words.
    Broken(String),
    /// What came could not be logged; why, in words.
    NotLogged(String),
    /// The server stops.
    Stopped,
}

/// Whose answer it is, and to what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) bot: &'a BotName,
    pub(super) id: &'a ActivityId,
    /// Only an invoke has an `invokeResponse`.
    pub(super) is_invoke: bool,
}

impl Conversations {
    /// Takes all of it, until its end.
    pub(super) async fn take_events(&self, asked: Asked<'_>, events: BotEvents) {
        let Asked { bot, id, .. } = asked;
        let stopped = async {
            self.deliveries().stopping.cancelled().await;
            sleep(ANSWER_EVENTS_STOP).await;
        };
        let end = tokio::select! {
            end = self.until_the_end(asked, events) => end,
            () = stopped => AnswerEnd::Stopped,
        };
        match &end {
            AnswerEnd::Complete => {}
            AnswerEnd::Broken(why) | AnswerEnd::NotLogged(why) => {
                tracing::warn!(activity.id = %id, bot = %bot, "The rest of an answer of bot {bot} is lost: {why}");
            }
            AnswerEnd::Stopped => {
                tracing::warn!(activity.id = %id, bot = %bot, "The rest of an answer of bot {bot} is lost: the server stops");
            }
        }
        self.observer().answer_ended(&end);
    }

    async fn until_the_end(&self, asked: Asked<'_>, mut events: BotEvents) -> AnswerEnd {
        let give_up = Instant::now() + ANSWER_EVENTS_TIME;
        let mut count = 0;
        loop {
            let event = match timeout_at(give_up, events.next()).await {
                Ok(None) => return AnswerEnd::Complete,
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(failure))) => return AnswerEnd::Broken(failure.to_string()),
                Err(_) => {
                    return AnswerEnd::Broken(format!("it went on for more than {ANSWER_EVENTS_TIME:?}"));
                }
            };
            count += 1;
            if count > MAX_ANSWER_EVENTS {
                return AnswerEnd::Broken(format!("it has more than {MAX_ANSWER_EVENTS} events"));
            }
            let activity = match activity_in(&event, asked.is_invoke) {
                Ok(Some(activity)) => activity,
                Ok(None) => continue,
                Err(why) => return AnswerEnd::Broken(why),
            };
            if let Err(end) = self.take_one(asked, activity).await {
                return end;
            }
        }
    }

    /// One that is refused costs nobody the others.
    async fn take_one(&self, asked: Asked<'_>, activity: Activity) -> Result<(), AnswerEnd> {
        let Asked { bot, id, .. } = asked;
        let (bytes, limit) = (activity.to_json().len(), self.limits().activity_bytes);
        let refused = if bytes > limit {
            format!("it has {bytes} bytes, the limit is {limit}")
        } else {
            let reply_to = id.to_string();
            match self.send_from_bot(bot, &id.conversation, activity, Some(&reply_to)).await {
                Ok(_) => return Ok(()),
                Err(error @ (BotSendError::Missing(_) | BotSendError::NotAllowed(_))) => error.to_string(),
                Err(BotSendError::NotLogged(error)) => return Err(AnswerEnd::NotLogged(error.to_string())),
            }
        };
        tracing::warn!(activity.id = %id, bot = %bot, "An activity in an answer of bot {bot} is lost: {refused}");
        Ok(())
    }
}

/// The activity that an event is; `None` for events that are nothing to clients.
fn activity_in(event: &BotEvent, is_invoke: bool) -> Result<Option<Activity>, String> {
    match event.name.as_str() {
        "activity" => match Activity::parse(&event.data) {
            Ok(activity) => Ok(Some(activity)),
            Err(error) => Err(format!("an activity cannot be read: {error}")),
        },
        "invokeResponse" if is_invoke => {
            let value = RawObject::parse(&event.data)
                .map_err(|error| format!("the answer to an invoke cannot be read: {error}"))?;
            let mut activity = Activity::of_type("invokeResponse");
            activity.properties_mut().set_object("value", &value);
            Ok(Some(activity))
        }
        _ => Ok(None),
    }
}
