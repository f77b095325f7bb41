//! A client sends: logged first, then brought to the bot, then answered. A bot in `queued` mode gets it by the outbox, and
//! the client is answered as soon as it is logged.
//!
//! The answer and the log are independent facts: what was logged stays logged, whatever the bot does.

use landline_protocol::{Activity, ActivityId, ChannelAccount, ConversationId, InvalidId};
use tokio::time::Instant;

use crate::append::{Draft, Entry, Logged, Outcome};
use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::delivery::{Again, Delivered, Job, Turn, outcome};
use crate::files::{Brought, Fate, QuotaExceeded, StoredFile};
use crate::hub::Topic;
use crate::limits::MAX_MEMBER_NAME_BYTES;
use crate::send_key::KeyOf;
use crate::store::{AppendError, DeliveryState, IdempotencyKey, ReadError, StoreError};
use crate::transient;

/// An activity from a client.
#[derive(Debug)]
pub struct ClientSend {
    /// Where to.
    pub conversation: ConversationId,
    /// The user of the token. Wins over what the activity says; where there is none, `from.id` counts.
    pub user: Option<ChannelAccount>,
    /// What the client sent.
    pub activity: Activity,
    /// The client's name for this send (`Idempotency-Key`); `channelData.clientActivityID` serves where there is none.
    pub idempotency_key: Option<String>,
}

/// Why a send is not answered with an id alone.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing was logged: a property is absent.
    #[error("the property {0:?} is required")]
    Missing(&'static str),
    /// Nothing was logged: a value is not allowed.
    #[error("{0}")]
    NotAllowed(String),
    /// Nothing was logged: there is no room for the files.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// Nothing was logged: the activity is too large.
    #[error("the activity is {bytes} bytes, the limit is {limit}; send files in parts of their own")]
    TooBig {
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Nothing was logged: the bot has too much to do already.
    #[error("the bot has too many activities under way; send again in a moment")]
    Busy,
    /// Not, or not certainly, logged.
    #[error(transparent)]
    NotLogged(#[from] NotLogged),
    /// Logged under this id, and not, or not certainly, taken by the bot. A repeat with the same key tries once more.
    #[error("activity {id} is in the conversation, but the bot did not take it")]
    Bot {
        /// The id of the activity.
        id: String,
        /// What became of the delivery; never [`Delivered::Accepted`].
        delivered: Delivered,
    },
}

impl From<Unavailable> for SendError {
    fn from(error: Unavailable) -> Self {
        Self::NotLogged(error.into())
    }
}

impl From<ReadError> for SendError {
    fn from(error: ReadError) -> Self {
        Unavailable::from(error).into()
    }
}

/// Activity types that only the service sends.
const NOT_FOR_CLIENTS: [&str; 2] = ["conversationUpdate", "contactRelationUpdate"];

/// Which of them it is for a bot: SDKs ignore case, and what stands behind a slash.
fn not_for_clients(kind: &str) -> Option<&'static str> {
    let kind = kind.split('/').next().unwrap_or_default().trim();
    NOT_FOR_CLIENTS.into_iter().find(|known| known.eq_ignore_ascii_case(kind))
}

impl Conversations {
    /// Logs an activity of a client and brings it to the bot. Returns its id once the bot has taken it; in `queued`
    /// mode, once it is in the outbox.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`SendError`]; its variants say what was logged.
    pub async fn send_from_client(&self, send: ClientSend) -> Result<String, SendError> {
        self.send_in_task(send, None).await
    }

    /// The same, with files that came in for it.
    pub(crate) async fn send_in_task(
        &self,
        send: ClientSend,
        files: Option<Brought>,
    ) -> Result<String, SendError> {
        let this = self.clone();
        let sent = self.tasks().spawn(async move { this.send_to_the_end(send, files).await });
        sent.await.unwrap_or_else(|_| {
            Err(SendError::NotLogged(NotLogged::Unknown(StoreError(
                "the task that sent it has failed".into(),
            ))))
        })
    }

    async fn send_to_the_end(&self, send: ClientSend, brought: Option<Brought>) -> Result<String, SendError> {
        let topic = self.topic(&send.conversation).await?;
        let facts = topic.door().facts();
        let kind = send.activity.kind().ok_or(SendError::Missing("type"))?;
        if let Some(known) = not_for_clients(&kind) {
            return Err(SendError::NotAllowed(format!("clients may not send activities of type {known}")));
        }
        let user = sender(&send, facts.bot.as_str())?;
        // Whatever refuses the send comes before the first thing that is logged for it.
        let key = self.key(&user, send.idempotency_key.or_else(|| send.activity.client_activity_id()))?;
        let mut activity = as_from(send.activity, &user);
        let came_with_files = brought.is_some();
        let brought = brought.filter(Brought::has_files);
        if let Some(brought) = &brought {
            if kind == "typing" {
                return Err(SendError::NotAllowed("files need an activity that is kept, not typing".into()));
            }
            activity = self.with_attachments(&topic.id, activity, &brought.files())?;
            self.check_room(&topic, &brought.stored(), key.as_ref()).await?;
        }
        if came_with_files {
            // Whoever took it in has left room for thumbnails.
            self.check_size(&activity, brought.as_ref().map_or(0, |brought| brought.files().len()))?;
        }
        // In the outbox there is always room.
        let queued = self.is_queued(&facts.bot);
        let permit = match self.deliveries().permit(&facts.bot) {
            None if !queued => return Err(SendError::Busy),
            permit => permit,
        };
        self.ensure_member(&topic, &user).await?;
        let deadline = Instant::now() + self.limits().bot_deadline;
        let job = |id: String, place, activity, turn, again, permit| Job {
            id,
            place,
            bot: facts.bot.clone(),
            activity,
            turn,
            deadline,
            again,
            _permit: permit,
        };
        if kind == "typing" {
            let (id, activity) = transient::send(&topic, self.entropy(), self.now(), activity);
            let Some(permit) = permit.filter(|_| !queued) else {
                self.deliver_once(facts.bot.clone(), id.clone(), activity);
                return Ok(id);
            };
            return self.answer(job(id, None, activity, Turn::alone(), Again::NotLogged, permit)).await;
        }
        let draft = Draft::of_client(activity);
        let entry = Entry { key, named: Some(user), ..Entry::of(draft) };
        match self.log_of_client(&topic, &entry, brought).await? {
            Outcome::Logged(Logged { id, activity, turn, queued }, _) => {
                if queued {
                    return Ok(id.to_string());
                }
                let Some(permit) = permit else {
                    // The bot was switched to the other mode in between, and has no room.
                    let delivered = Delivered::NotReached("it has too many activities under way".into());
                    return Err(SendError::Bot { id: id.to_string(), delivered });
                };
                let turn = turn.unwrap_or_else(Turn::alone);
                let job = job(id.to_string(), Some(id), activity, turn, topic.first_delivery(), permit);
                self.answer(job).await
            }
            Outcome::Repeat(id) => {
                drop(permit);
                self.answer_repeat(&topic, id).await
            }
        }
    }

    /// Logs it with the files that came in for it, and says what becomes of their bytes.
    async fn log_of_client(
        &self,
        topic: &Topic,
        entry: &Entry,
        brought: Option<Brought>,
    ) -> Result<Outcome, SendError> {
        let Some(mut brought) = brought else {
            return Ok(self.append(topic, entry).await.map_err(NotLogged::from)?);
        };
        let files = brought.stored();
        brought.set_fate(Fate::Undecided);
        let logged = self.append_with_files(topic, entry, &files).await;
        brought.set_fate(match &logged {
            Ok(Ok(Outcome::Logged(..))) => Fate::Kept,
            Err(AppendError::Unknown(_)) => Fate::Undecided,
            Ok(Ok(Outcome::Repeat(_)) | Err(_)) | Err(_) => Fate::Removed,
        });
        match logged.map_err(NotLogged::from)? {
            Ok(outcome) => Ok(outcome),
            Err(full) => self.repeat_or(full, topic, entry.key.as_ref()).await.map(Outcome::Repeat),
        }
    }

    /// Whether files fit, or were logged before with the same key.
    async fn check_room(
        &self,
        topic: &Topic,
        files: &[StoredFile],
        key: Option<&IdempotencyKey>,
    ) -> Result<(), SendError> {
        let facts = topic.door().facts();
        match self.with_files(&facts, files) {
            Ok(_) => Ok(()),
            Err(full) => self.repeat_or(full, topic, key).await.map(drop),
        }
    }

    /// What was logged with this key stays so when there is no room any more.
    async fn repeat_or(
        &self,
        full: QuotaExceeded,
        topic: &Topic,
        key: Option<&IdempotencyKey>,
    ) -> Result<ActivityId, SendError> {
        let Some(key) = key else { return Err(full.into()) };
        let before = self.logged_before(topic, key.clone()).await.map_err(NotLogged::from)?;
        before.ok_or(full.into())
    }

    async fn answer(&self, job: Job) -> Result<String, SendError> {
        let id = job.id.clone();
        match outcome(self.deliver(job)).await {
            Delivered::Accepted => Ok(id),
            delivered => Err(SendError::Bot { id, delivered }),
        }
    }

    /// The same send again: the same id, and one more attempt only if the bot never took it.
    async fn answer_repeat(&self, topic: &Topic, id: ActivityId) -> Result<String, SendError> {
        match self.store().delivery(&topic.id, id.position).await? {
            None | Some(DeliveryState::Parked(_)) => return Ok(id.to_string()),
            Some(DeliveryState::Queued(_)) => {
                // Whoever logged it may not have been told that it is there.
                self.wake_outbox(&topic.id);
                return Ok(id.to_string());
            }
            Some(DeliveryState::Pending | DeliveryState::Attempted | DeliveryState::Refused { .. }) => {}
        }
        match self.job_for(&id, Turn::alone(), Again::UnlessTaken).await? {
            Some(job) => self.answer(job).await,
            None => Err(SendError::Busy),
        }
    }

    fn key(&self, user: &ChannelAccount, name: Option<String>) -> Result<Option<IdempotencyKey>, SendError> {
        let Some(name) = name else { return Ok(None) };
        let key = KeyOf::Client { user: user.id.as_str(), name: &name };
        self.key_of_send(key).map(Some).map_err(SendError::NotAllowed)
    }
}

/// Who speaks: the user of the token, or else whom the client names. Never the bot.
fn sender(send: &ClientSend, bot: &str) -> Result<ChannelAccount, SendError> {
    let mut user = match &send.user {
        Some(user) => user.clone(),
        None => {
            let id = send.activity.from_id().ok_or(SendError::Missing("from.id"))?;
            let id =
                id.parse().map_err(|error: InvalidId| SendError::NotAllowed(format!("from.id: {error}")))?;
            ChannelAccount { id, name: None }
        }
    };
    if user.id.as_str() == bot {
        return Err(SendError::NotAllowed("from.id is the bot's; clients may not speak for it".into()));
    }
    let name = || send.activity.from_name().filter(|name| name.len() <= MAX_MEMBER_NAME_BYTES);
    user.name = user.name.or_else(name);
    Ok(user)
}

/// What a client says of others is not kept: who speaks in which role, and to whom, is decided here.
fn as_from(mut activity: Activity, user: &ChannelAccount) -> Activity {
    activity.set_from(user.id.as_str(), "user");
    if let Some(name) = &user.name {
        activity.set_from_name_if_absent(name);
    }
    activity.properties_mut().remove("recipient");
    activity
}
