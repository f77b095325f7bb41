//! A bot changes or takes away what it said: a record of its own, with the id of the one whose content it replaces.
//!
//! Invariant: what was deleted does not come back. Whether it is there is looked at and decided one after the other
//! within a conversation.
//!
//! Not here: how readers get to see it (`shown`, `follow`).

use landline_protocol::{Activity, ActivityId, BotName, ConversationId};
use tokio::time::Instant;

use crate::append::{Draft, Entry};
use crate::bot_send::check_stream_id;
use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::hub::Topic;
use crate::shown::DELETION;
use crate::store::{AppendError, Audience, Record, StoreError};

/// Why an activity was not, or not certainly, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Nothing was changed: a property is absent.
    #[error("the property {0:?} is required")]
    Missing(&'static str),
    /// Nothing was changed: a value is not allowed.
    #[error("{0}")]
    NotAllowed(String),
    /// The conversation has no such activity, or none any more.
    #[error("there is no such activity in the conversation")]
    NoSuchActivity,
    /// Somebody else said it.
    #[error("a bot can change and delete only what it sent itself")]
    NotTheirs,
    /// Not, or not certainly, logged. A conversation of another bot is *not found*.
    #[error(transparent)]
    NotLogged(#[from] NotLogged),
}

impl From<Unavailable> for UpdateError {
    fn from(error: Unavailable) -> Self {
        Self::NotLogged(error.into())
    }
}

/// What is to become of an activity.
enum Change {
    Update(Activity),
    Delete,
}

impl Conversations {
    /// Replaces everything of an activity of this bot but `id`, `timestamp`, `from`, `channelId` and `conversation`.
    /// Returns its id, once the change is durable.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub async fn update_from_bot(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
        id: &str,
        activity: Activity,
    ) -> Result<String, UpdateError> {
        self.change(bot, conversation, id, Change::Update(activity)).await
    }

    /// Takes an activity of this bot away: nobody gets to see it from then on, and those who saw it are told. Deleting
    /// what is deleted changes nothing.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub async fn delete_from_bot(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
        id: &str,
    ) -> Result<(), UpdateError> {
        self.change(bot, conversation, id, Change::Delete).await.map(drop)
    }

    async fn change(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
        id: &str,
        change: Change,
    ) -> Result<String, UpdateError> {
        let topic = self.topic_of(bot, conversation).await?;
        let root = id.parse::<ActivityId>().map_err(|_| UpdateError::NoSuchActivity)?;
        if root.conversation != *conversation {
            return Err(UpdateError::NoSuchActivity);
        }
        let (this, bot) = (self.clone(), bot.clone());
        let changed = self.tasks().spawn(async move {
            let _one_at_a_time = topic.changing().await;
            this.change_root(&topic, &bot, root, change).await
        });
        changed.await.unwrap_or_else(|_| {
            Err(NotLogged::Unknown(StoreError("the task that changed it has failed".into())).into())
        })
    }

    async fn change_root(
        &self,
        topic: &Topic,
        bot: &BotName,
        id: ActivityId,
        change: Change,
    ) -> Result<String, UpdateError> {
        let root = self.record_at(topic, id.position).await?;
        let root = root.filter(is_root).ok_or(UpdateError::NoSuchActivity)?;
        let old = Activity::parse(&root.body).map_err(|_| UpdateError::NoSuchActivity)?;
        if old.from_id().as_deref() != Some(bot.as_str()) {
            return Err(UpdateError::NotTheirs);
        }
        let is_there = self.newest_of(topic, root).await?.is_some();
        let activity = match change {
            Change::Update(_) if !is_there => return Err(UpdateError::NoSuchActivity),
            Change::Delete if !is_there => return Ok(id.to_string()),
            Change::Update(mut activity) => {
                self.own_links(bot).exchange(&mut activity).await?;
                self.updated(topic, activity, &old).await?
            }
            Change::Delete => {
                let mut activity = Activity::of_type(DELETION);
                activity.set_from_of(&old);
                activity
            }
        };
        let shown_id = id.to_string();
        let draft = Draft {
            said: old.timestamp(),
            replaces: Some(id),
            ..Draft::of_bot(activity, Audience::Everyone)
        };
        match self.append(topic, &Entry::of(draft)).await {
            Ok(_) => Ok(shown_id),
            // It expired meanwhile.
            Err(AppendError::NotReplaceable { .. }) => Err(UpdateError::NoSuchActivity),
            Err(error) => Err(NotLogged::from(error).into()),
        }
    }

    async fn updated(
        &self,
        topic: &Topic,
        mut activity: Activity,
        old: &Activity,
    ) -> Result<Activity, UpdateError> {
        let kind = activity.kind().ok_or(UpdateError::Missing("type"))?;
        if ["typing", "conversationUpdate", DELETION].contains(&kind.as_str()) {
            return Err(UpdateError::NotAllowed(format!("an activity cannot become one of type {kind}")));
        }
        activity.set_from_of(old);
        self.set_reply_to(topic, &mut activity, None).await;
        if let Some(info) = activity.stream_info() {
            if let Some(id) = &info.id {
                check_stream_id(id).map_err(|error| UpdateError::NotAllowed(error.to_string()))?;
                topic.live().end(id, Instant::now());
            }
            activity.set_stream_info(&info);
        }
        Ok(activity)
    }
}

/// What clients see, under an id of its own.
fn is_root(record: &Record) -> bool {
    record.audience == Audience::Everyone && record.replaces.is_none()
}
