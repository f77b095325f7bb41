//! One line is served: its first entry is tried once, and what came of it is kept.

use std::time::Duration;

use landline_protocol::{Activity, ActivityId, BotName, BotRecipient, Position, Timestamp};
use tokio::time::{Instant, sleep};

use super::lines::Next;
use super::schedule::pause;
use super::{OutboxChange, Seat, pause_until_due};
use crate::bot::{BotAnswer, BotEvents, BotFailure, BotRequest};
use crate::bot_send::BotSendError;
use crate::conversations::{Conversations, NotLogged};
use crate::delivery::events::Asked;
use crate::delivery::{Delivered, Turn, answer};
use crate::hub::Topic;
use crate::limits::{LIST_PAGE, OUTBOX_STORE_PAUSE};
use crate::send_key::KeyOf;
use crate::store::{
    AppendError, DeliveryKind, DeliveryState, IdempotencyKey, PageLimit, Parked, Queued, ReadError,
};

/// The status by which a bot says that it does not want any more (RFC 9110, 15.5.11).
const GONE: u16 = 410;

/// What an attempt came to, and how long the bot asks to be left alone.
struct Tried {
    delivered: Delivered,
    retry_after: Option<Duration>,
    /// What the bot says from now on.
    events: Option<BotEvents>,
    /// Whoever is behind it goes when this is dropped.
    turn: Option<Turn>,
}

impl Tried {
    fn without_answer(delivered: Delivered) -> Self {
        Self { delivered, retry_after: None, events: None, turn: None }
    }

    fn status(&self) -> Option<u16> {
        match self.delivered {
            Delivered::Refused { status } => Some(status),
            _ => None,
        }
    }
}

impl Conversations {
    pub(super) async fn serve_line(&self, mut seat: Seat, rested: Option<Position>) {
        let next = match self.serve(&mut seat, rested).await {
            Ok(next) => next,
            Err(ReadError::Unavailable(error)) => {
                tracing::warn!(conversation.id = %seat.conversation, %error, "The outbox cannot be read; trying again");
                after_a_while(rested)
            }
            // Gone; or nothing can be kept of it until it is repaired, which is followed by a start.
            Err(ReadError::NotFound | ReadError::PastTail { .. }) => Next::Nothing,
            Err(ReadError::Damaged(damage)) => {
                tracing::error!(conversation.id = %seat.conversation, "Not delivered: {damage}");
                Next::Nothing
            }
        };
        seat.leave(next);
    }

    async fn serve(&self, seat: &mut Seat, rested: Option<Position>) -> Result<Next, ReadError> {
        let Some((position, entry)) = self.first_queued(seat).await? else { return Ok(Next::Nothing) };
        let pause = pause_until_due(&entry, self.now());
        if rested != Some(position) && !pause.is_zero() {
            return Ok(Next::Rest { until: Instant::now() + pause, entry: position });
        }
        let topic = self.topic(&seat.conversation).await?;
        let Some(activity) = self.queued_activity(&topic, position).await? else {
            return Ok(after_a_while(rested));
        };
        let bot = topic.door().facts().bot.clone();
        if !seat.take_room(&bot, Some(position)) {
            return Ok(Next::Nothing);
        }
        let id = ActivityId { conversation: topic.id.clone(), position };
        let began = Instant::now();
        let is_invoke = answer::is_invoke(&activity);
        let mut tried = self.attempt(&topic, &bot, &id, activity).await;
        self.observer().delivery_finished(&tried.delivered, began.elapsed());
        if topic.is_deleted() {
            // What stands at this position now, if anything, is another entry, of a conversation that was begun anew.
            return Ok(Next::Look);
        }
        match self.outcome_of(&id, &bot, &entry, &tried) {
            None => {
                self.observer().outbox_changed(OutboxChange::Delivered);
                // Otherwise nothing can be kept of this conversation, and the bot would get the same again and again.
                let kept = self.keep_delivered(&topic, &id).await;
                if let Some(events) = tried.events.take() {
                    self.take_queued_events(bot, id, is_invoke, events, tried.turn.take()).await;
                }
                Ok(if kept { Next::Look } else { Next::Nothing })
            }
            Some((state, pause)) => {
                let kept = self.keep_failed(&id, state).await;
                let until = Instant::now() + pause;
                Ok(match state {
                    DeliveryState::Queued(_) => Next::Rest { until, entry: position },
                    _ if kept => Next::Look,
                    _ => after_a_while(Some(position)),
                })
            }
        }
    }

    /// The first queued entry of the conversation that can be read.
    async fn first_queued(&self, seat: &Seat) -> Result<Option<(Position, Queued)>, ReadError> {
        let mut after = Position::START;
        // Nearly always the first is the one.
        let mut limit = 1;
        loop {
            let listed = self.store().deliveries_of(&seat.conversation, DeliveryKind::Queued, after, limit);
            let page = listed.await.map_err(ReadError::Unavailable)?;
            let Some(last) = page.last() else { return Ok(None) };
            after = last.position;
            limit = LIST_PAGE;
            for entry in page {
                match entry.state {
                    Ok(DeliveryState::Queued(queued)) => return Ok(Some((entry.position, queued))),
                    Ok(_) => {}
                    Err(damage) => tracing::error!(
                        conversation.id = %seat.conversation,
                        position = %entry.position,
                        "Not delivered: {damage}"
                    ),
                }
            }
        }
    }

    /// What the log holds there; `None` where it holds nothing (any more).
    async fn queued_activity(
        &self,
        topic: &Topic,
        position: Position,
    ) -> Result<Option<Activity>, ReadError> {
        let before = Position::new(position.get().saturating_sub(1));
        let page = self.store().read(&topic.id, before, PageLimit { records: 1, bytes: 1 }).await?;
        let record = page.records.into_iter().find(|record| record.position == position);
        Ok(record.and_then(|record| Activity::parse(&record.body).ok()))
    }

    async fn attempt(&self, topic: &Topic, bot: &BotName, id: &ActivityId, activity: Activity) -> Tried {
        let Some(profile) = self.bot(bot) else {
            let why = format!("bot {bot} is not configured");
            return Tried::without_answer(Delivered::NotReached(why));
        };
        // Behind what may still be under way from when the bot was in the other mode.
        let mut turn = topic.door().next_turn();
        turn.wait(self.limits().order_grace).await;
        let recipient = BotRecipient { bot, service_url: &profile.service_url };
        let request = BotRequest {
            bot: bot.clone(),
            service_url: profile.service_url.clone(),
            body: activity.clone().for_bot(recipient),
            wanted: answer::wanted(&activity, true),
            deadline: Instant::now() + self.limits().bot_deadline,
            max_answer_bytes: self.limits().bot_answer_bytes,
        };
        let delivered = match self.bots().post(request).await {
            Ok(mut answer) => {
                let (events, retry_after) = (answer.events.take(), answer.retry_after);
                let delivered = match events {
                    Some(_) => Delivered::Accepted,
                    None => self.take_queued_answer(bot, id, &activity, answer).await,
                };
                return Tried { delivered, retry_after, events, turn: Some(turn) };
            }
            Err(BotFailure::NotReached(why)) => Delivered::NotReached(why),
            Err(BotFailure::TimedOut) => Delivered::TimedOut,
            Err(BotFailure::Broken(why) | BotFailure::BadAnswer(why)) => Delivered::Unknown(why),
        };
        Tried::without_answer(delivered)
    }

    /// Reads the status; appends what the body says where the activity asked for an answer in it. Each part of it is
    /// appended once, however often the activity is delivered.
    async fn take_queued_answer(
        &self,
        bot: &BotName,
        id: &ActivityId,
        activity: &Activity,
        answer: BotAnswer,
    ) -> Delivered {
        if !(200..300).contains(&answer.status) {
            return Delivered::Refused { status: answer.status };
        }
        let said = match self.said(activity, &answer) {
            Ok(said) => said,
            Err(why) => {
                // It took the activity; to ask again would not make its answer better.
                tracing::warn!(activity.id = %id, "Bot {bot} took it, and its answer is lost: {why}");
                return Delivered::Accepted;
            }
        };
        for (number, activity) in said.into_iter().enumerate() {
            let digest = KeyOf::Answer { to: &id.to_string(), number }.digest();
            let key = IdempotencyKey { digest, not_before: Timestamp::from_millis(i64::MIN) };
            let reply_to = Some(id.to_string());
            let conversation = id.conversation.clone();
            match self.log_from_bot(bot.clone(), conversation, activity, reply_to, Some(key)).await {
                Ok(_) => {}
                Err(error @ (BotSendError::Missing(_) | BotSendError::NotAllowed(_))) => {
                    tracing::warn!(activity.id = %id, "A part of the answer of bot {bot} is lost: {error}");
                }
                Err(BotSendError::NotLogged(NotLogged::Nothing(error))) => {
                    return Delivered::Unknown(format!("the bot's answer was not logged: {error}"));
                }
                Err(error @ BotSendError::NotLogged(NotLogged::Unknown(_))) => {
                    return Delivered::Unknown(format!("the bot's answer may not have been logged: {error}"));
                }
            }
        }
        Delivered::Accepted
    }

    /// What the bot says from now on: in a task of its own, so that what is queued behind it waits for the turn and no
    /// longer; where the bot has no room for another delivery, right here.
    ///
    /// The bot has taken the activity. What a crash takes of its answer is lost; another attempt would repeat the rest.
    async fn take_queued_events(
        &self,
        bot: BotName,
        id: ActivityId,
        is_invoke: bool,
        events: BotEvents,
        turn: Option<Turn>,
    ) {
        let permit = self.deliveries().permit(&bot);
        let (this, beside) = (self.clone(), permit.is_some());
        let taking = async move {
            this.take_events(Asked { bot: &bot, id: &id, is_invoke }, events).await;
            drop((turn, permit));
        };
        if beside {
            self.tasks().spawn(self.outbox().served.track_future(taking));
        } else {
            taking.await;
        }
    }

    /// What becomes of the entry, and the pause before the next attempt; `None` when the bot has taken it.
    fn outcome_of(
        &self,
        id: &ActivityId,
        bot: &BotName,
        entry: &Queued,
        tried: &Tried,
    ) -> Option<(DeliveryState, Duration)> {
        if tried.delivered == Delivered::Accepted {
            return None;
        }
        let attempts = entry.attempts.saturating_add(1);
        let (since, last_status) = (entry.since, tried.status().or(entry.last_status));
        let next =
            if tried.status() == Some(GONE) { None } else { pause(entry, tried.retry_after, self.entropy()) };
        let why = &tried.delivered;
        let Some(pause) = next else {
            tracing::warn!(
                activity.id = %id, bot = %bot, attempts, ?why,
                "Given up after {attempts} attempts; see it with `landline outbox list`, send it again with `landline outbox retry`"
            );
            return Some((DeliveryState::Parked(Parked { attempts, since, last_status }), Duration::ZERO));
        };
        let in_seconds = pause.lasts.as_secs();
        if entry.attempts == 0 {
            tracing::warn!(activity.id = %id, bot = %bot, ?why, "Bot {bot} did not take it; trying again in {in_seconds} s");
        } else {
            tracing::debug!(activity.id = %id, bot = %bot, attempts, ?why, "Trying again in {in_seconds} s");
        }
        let counted = u64::try_from(pause.counted.as_millis()).unwrap_or(u64::MAX);
        let waited_ms = entry.waited_ms.saturating_add(counted);
        let due = self.now().plus(pause.lasts);
        let queued = Queued { attempts, due, since, waited_ms, last_status };
        Some((DeliveryState::Queued(queued), pause.lasts))
    }

    /// Takes the entry out of the outbox. Goes on until that is done: what the bot has taken is not to be given to it
    /// again as long as that can be helped. Tells whether it is done.
    async fn keep_delivered(&self, topic: &Topic, id: &ActivityId) -> bool {
        while !topic.is_deleted() {
            match self.store().set_delivery(&id.conversation, id.position, None).await {
                Ok(()) | Err(AppendError::NotFound) => return true,
                Err(AppendError::Damaged(damage)) => {
                    tracing::error!(activity.id = %id, "Delivered, and that cannot be kept: {damage}");
                    return false;
                }
                Err(error) => {
                    tracing::warn!(activity.id = %id, %error, "Delivered, and that cannot be kept yet");
                }
            }
            if self.outbox().lines().is_stopped() {
                return false;
            }
            sleep(OUTBOX_STORE_PAUSE).await;
        }
        true
    }

    /// Keeps what came of an attempt that failed, unless the entry was taken away meanwhile. Tells whether it is done.
    async fn keep_failed(&self, id: &ActivityId, state: DeliveryState) -> bool {
        let kept = {
            // Held while it is queued: what is dropped from here on is dropped behind it.
            let lines = self.outbox().lines();
            if lines.is_dropped(&id.conversation, id.position) {
                return true;
            }
            self.store().set_delivery(&id.conversation, id.position, Some(state))
        };
        let change = if matches!(state, DeliveryState::Parked(_)) {
            OutboxChange::Parked
        } else {
            OutboxChange::Failed
        };
        self.observer().outbox_changed(change);
        let kept = kept.await;
        if let Err(error) = &kept {
            // It stays as it was: it is tried again, and counts one attempt less.
            tracing::warn!(activity.id = %id, %error, "A failed attempt could not be kept");
        }
        kept.is_ok()
    }
}

fn after_a_while(rested: Option<Position>) -> Next {
    let entry = rested.unwrap_or(Position::START);
    Next::Rest { until: Instant::now() + OUTBOX_STORE_PAUSE, entry }
}
