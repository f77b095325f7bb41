//! Bringing an activity to the bot, in `wait` mode: the client's send is answered when the bot has taken it.
//!
//! Promise: at most one *ambiguous* attempt per request of a client. An attempt that provably never reached the bot is
//! made again until the time is over. What was never tried before a crash is tried after it; what was under way
//! then is unknown and is not repeated by itself.
//!
//! How that is kept: *an attempt begins* is made durable before the first byte goes out. In one conversation,
//! deliveries begin in the order of the log, each when the one before it is over (or has taken too long).
//!
//! Not here: `queued` mode (`outbox`), what HTTP says (`landline-server`), what the client is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use landline_protocol::{Activity, ActivityId, BotName, BotRecipient};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::bot::{BotAnswer, BotEvents, BotFailure, BotRequest};
use crate::conversations::Conversations;
use crate::limits::{DELIVERIES_PER_BOT, RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};
use crate::store::{AppendError, DeliveryState};

mod answer;
mod events;
mod outbox;
mod recovery;
mod turn;

pub use events::AnswerEnd;
use events::Asked;
pub use outbox::{
    InvalidOutboxCursor, OutboxChange, OutboxCursor, OutboxEntry, OutboxFilter, OutboxPage, OutboxState,
    OutboxTarget,
};
pub(crate) use outbox::{Outbox, first_state};
pub use recovery::Untried;
pub(crate) use turn::{Before, Turn};

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The bot took it.
    Accepted,
    /// The bot answered with a status other than 2xx.
    Refused {
        /// That status.
        status: u16,
    },
    /// The bot never got it; why, in words.
    NotReached(String),
    /// The bot may have got it, and did not answer in time.
    TimedOut,
    /// The bot may have got it; why that is not known, in words.
    Unknown(String),
}

/// What is to be brought to whom.
#[derive(Debug)]
pub(crate) struct Job {
    /// The activity's id.
    pub(crate) id: String,
    /// Where the log holds it, so that its state is kept there; typing is delivered, not logged.
    pub(crate) place: Option<ActivityId>,
    pub(crate) bot: BotName,
    pub(crate) activity: Activity,
    pub(crate) turn: Turn,
    pub(crate) deadline: Instant,
    pub(crate) again: Again,
    /// Held until the delivery is over.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// Whether somebody else may have delivered the same since it was last looked at. The state is then read again when
/// the job is the only one under way for its activity, so that two who repeat at once make one delivery.
#[derive(Clone, Debug)]
pub(crate) enum Again {
    /// It was logged just now; others are only looked for where this says that there are any.
    First(Arc<AtomicBool>),
    /// It is not logged, so that nobody else can know of it.
    NotLogged,
    /// It is not logged, and not worth a second attempt.
    Once,
    /// A client asks again for what the bot did not, or not provably, take.
    UnlessTaken,
    /// It was never tried when it was looked at.
    UnlessTried,
}

/// Resolves with the outcome; `None` means that the task that knew it was lost.
pub(crate) type Waiting = watch::Receiver<Option<Delivered>>;

/// What all deliveries share.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// Those under way, so that a repeat of a send joins instead of trying a second time. Held for a look-up.
    under_way: Mutex<HashMap<String, Waiting>>,
    /// One per bot, so that one that hangs does not use up what the others need.
    permits: Mutex<HashMap<BotName, Arc<Semaphore>>>,
    /// Cancelled when the server stops: answers that go on are to come to their end.
    stopping: CancellationToken,
}

impl Deliveries {
    /// Room for one more delivery to this bot; `None` when it has as many under way as it may.
    pub(crate) fn permit(&self, bot: &BotName) -> Option<OwnedSemaphorePermit> {
        self.semaphore(bot).try_acquire_owned().ok()
    }

    /// Resolves when nothing is under way; from then on, and while it waits, there is no room for anything new.
    pub(crate) async fn over(&self) {
        self.stopping.cancel();
        let bots: Vec<_> = self.lock_permits().values().cloned().collect();
        for bot in bots {
            // An error means that it was closed, which nobody does.
            if let Ok(all) = bot.acquire_many_owned(DELIVERIES_PER_BOT).await {
                all.forget();
            }
        }
    }

    fn lock_under_way(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_permits(&self) -> MutexGuard<'_, HashMap<BotName, Arc<Semaphore>>> {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn semaphore(&self, bot: &BotName) -> Arc<Semaphore> {
        let mut permits = self.lock_permits();
        let permits = permits
            .entry(bot.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(DELIVERIES_PER_BOT as usize)));
        Arc::clone(permits)
    }
}

/// Takes a delivery off the list when it is over, also when its task panics.
struct UnderWay<'a> {
    deliveries: &'a Deliveries,
    id: String,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.deliveries.lock_under_way().remove(&self.id);
    }
}

impl Conversations {
    /// For a stop: resolves when no delivery is under way. Nothing new is delivered any more, so call it when nothing
    /// new is accepted. What is in the outbox stays there for the next start.
    pub async fn deliveries_over(&self) {
        self.outbox().stop();
        self.deliveries().over().await;
        self.outbox().over().await;
    }

    /// Tells the bot something that is not kept, once, if it has room; nobody waits for it.
    pub(crate) fn deliver_once(&self, bot: BotName, id: String, activity: Activity) {
        let Some(permit) = self.deliveries().permit(&bot) else { return };
        self.deliver(Job {
            id,
            place: None,
            bot,
            activity,
            turn: Turn::alone(),
            deadline: Instant::now() + self.limits().bot_deadline,
            again: Again::Once,
            _permit: permit,
        });
    }

    /// Begins a delivery in a task of its own, or joins the one of the same activity that is under way.
    pub(crate) fn deliver(&self, job: Job) -> Waiting {
        let mut under_way = self.deliveries().lock_under_way();
        if let Some(waiting) = under_way.get(&job.id) {
            return waiting.clone();
        }
        let (done, waiting) = watch::channel(None);
        under_way.insert(job.id.clone(), waiting.clone());
        drop(under_way);
        let this = self.clone();
        self.tasks().spawn(async move {
            let (mut job, began) = (job, Instant::now());
            let under_way = UnderWay { deliveries: this.deliveries(), id: job.id.clone() };
            let (delivered, events) = this.run(&mut job).await;
            this.observer().delivery_finished(&delivered, began.elapsed());
            if events.is_none() {
                // The bot is done with it: the next one of the conversation can go.
                job.turn = Turn::alone();
            }
            match delivered {
                // Before the client is answered: it may repeat what it was told is done, also after a crash.
                Delivered::Accepted => this.keep_state(&job, None).await,
                Delivered::Refused { status } => {
                    this.keep_state(&job, Some(DeliveryState::Refused { status: Some(status) })).await;
                }
                // It stays what it was before the attempt, or what the attempts made of it.
                Delivered::NotReached(_) | Delivered::TimedOut | Delivered::Unknown(_) => {}
            }
            // First, so that whoever asks again once this is known makes an attempt of its own.
            drop(under_way);
            done.send_replace(Some(delivered));
            if let (Some(events), Some(place)) = (events, &job.place) {
                let is_invoke = answer::is_invoke(&job.activity);
                this.take_events(Asked { bot: &job.bot, id: place, is_invoke }, events).await;
            }
        });
        waiting
    }

    /// Keeps the outcome. Where that fails it stays what it was before the attempt: begun, and nobody knows the outcome.
    async fn keep_state(&self, job: &Job, state: Option<DeliveryState>) {
        if let Err(error) = self.set_state(job, state).await {
            // At worst a repeat by the client reaches the bot a second time.
            tracing::warn!(activity.id = %job.id, %error, "Outcome of a delivery could not be kept");
        }
    }

    /// How it ended, and what the bot says from now on.
    async fn run(&self, job: &mut Job) -> (Delivered, Option<BotEvents>) {
        job.turn.wait(self.limits().order_grace).await;
        if let Some(delivered) = self.delivered_meanwhile(job).await {
            return (delivered, None);
        }
        let Some(profile) = self.bot(&job.bot) else {
            return (Delivered::NotReached(format!("bot {} is not configured", job.bot)), None);
        };
        let body =
            job.activity.clone().for_bot(BotRecipient { bot: &job.bot, service_url: &profile.service_url });
        let service_url = profile.service_url;
        match self.attempts(job, service_url, body).await {
            Ok(BotAnswer { events: Some(events), .. }) => (Delivered::Accepted, Some(events)),
            Ok(answer) => (self.take_answer(job, answer).await, None),
            Err(delivered) => (delivered, None),
        }
    }

    /// What became of it in the hands of somebody else; `None` where it is still to be delivered.
    async fn delivered_meanwhile(&self, job: &Job) -> Option<Delivered> {
        let even_if_tried = match &job.again {
            Again::First(repeated) if !repeated.load(Ordering::Acquire) => return None,
            Again::NotLogged | Again::Once => return None,
            Again::UnlessTaken => true,
            Again::First(_) | Again::UnlessTried => false,
        };
        let place = job.place.as_ref()?;
        match self.store().delivery(&place.conversation, place.position).await {
            Ok(None) => Some(Delivered::Accepted),
            Ok(Some(DeliveryState::Pending)) => None,
            Ok(Some(_)) if even_if_tried => None,
            Ok(Some(DeliveryState::Attempted)) => {
                Some(Delivered::Unknown("somebody else tried it meanwhile".into()))
            }
            // The outbox has it.
            Ok(Some(DeliveryState::Queued(_) | DeliveryState::Parked(_))) => Some(Delivered::Accepted),
            Ok(Some(DeliveryState::Refused { status: Some(status) })) => Some(Delivered::Refused { status }),
            Ok(Some(DeliveryState::Refused { status: None })) => {
                Some(Delivered::NotReached("somebody else tried it meanwhile".into()))
            }
            Err(error) => Some(Delivered::NotReached(format!("its state could not be read: {error}"))),
        }
    }

    /// Tries until the bot is reached or the time is over.
    async fn attempts(&self, job: &Job, service_url: Arc<str>, body: Bytes) -> Result<BotAnswer, Delivered> {
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            if let Err(error) = self.set_state(job, Some(DeliveryState::Attempted)).await {
                return Err(Delivered::NotReached(format!("the attempt could not be logged: {error}")));
            }
            let request = BotRequest {
                bot: job.bot.clone(),
                service_url: Arc::clone(&service_url),
                body: body.clone(),
                wanted: answer::wanted(&job.activity, job.place.is_some()),
                deadline: job.deadline,
                max_answer_bytes: self.limits().bot_answer_bytes,
            };
            let why = match self.bots().post(request).await {
                Ok(answer) => return Ok(answer),
                Err(BotFailure::NotReached(why)) => why,
                Err(BotFailure::TimedOut) => return Err(Delivered::TimedOut),
                Err(BotFailure::Broken(why) | BotFailure::BadAnswer(why)) => {
                    return Err(Delivered::Unknown(why));
                }
            };
            let over = matches!(job.again, Again::Once) || Instant::now() + pause >= job.deadline;
            let state = if over { DeliveryState::Refused { status: None } } else { DeliveryState::Pending };
            if let Err(error) = self.set_state(job, Some(state)).await {
                return Err(Delivered::NotReached(format!(
                    "{why}; and its state could not be kept: {error}"
                )));
            }
            if over {
                tracing::warn!(activity.id = %job.id, bot = %job.bot, "Bot {} was not reached: {why}", job.bot);
                return Err(Delivered::NotReached(why));
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    async fn set_state(&self, job: &Job, state: Option<DeliveryState>) -> Result<(), AppendError> {
        match &job.place {
            Some(id) => self.store().set_delivery(&id.conversation, id.position, state).await,
            None => Ok(()),
        }
    }
}

/// Waits for the outcome of a delivery.
pub(crate) async fn outcome(mut waiting: Waiting) -> Delivered {
    match waiting.wait_for(Option::is_some).await {
        Ok(delivered) => delivered.clone(),
        Err(_) => None,
    }
    .unwrap_or_else(|| Delivered::Unknown("the delivery was given up".into()))
}
