//! A bot speaks, by the Connector API or in its HTTP answer: the same door to the log as for clients.

use std::future::Future;
use std::pin::Pin;

use landline_protocol::{Activity, ActivityId, BotName, ConversationId, Position, StreamInfo};
use tokio::time::Instant;

use crate::append::{Draft, Entry, Outcome};
use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::hub::Topic;
use crate::limits::MAX_STREAM_ID_BYTES;
use crate::send_key::KeyOf;
use crate::store::{Audience, IdempotencyKey, PageLimit, ReadError, Record, StoreError};
use crate::transient;

/// Why a bot's activity was not, or not certainly, logged.
#[derive(Debug, thiserror::Error)]
pub enum BotSendError {
    /// Nothing was logged: a property is absent.
    #[error("the property {0:?} is required")]
    Missing(&'static str),
    /// Nothing was logged: a value is not allowed.
    #[error("{0}")]
    NotAllowed(String),
    /// Not, or not certainly, logged. A conversation of another bot is *not found*.
    #[error(transparent)]
    NotLogged(#[from] NotLogged),
}

impl Conversations {
    /// Logs an activity of a bot. Returns the id that clients see, once it is durable.
    ///
    /// `reply_to` is what the path named: it becomes `replyToId` where the activity has none. One that names nothing
    /// that clients can see is left out, because Web Chat holds such a message back for five seconds.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`BotSendError`].
    // Boxed because a delivery may log an answer, and logging is a part of what delivers.
    pub fn send_from_bot<'a>(
        &'a self,
        bot: &'a BotName,
        conversation: &'a ConversationId,
        activity: Activity,
        reply_to: Option<&'a str>,
    ) -> Pin<Box<dyn Future<Output = Result<String, BotSendError>> + Send + 'a>> {
        self.send_named_from_bot(bot, conversation, activity, reply_to, None)
    }

    /// As [`Self::send_from_bot`]. Under a name of the bot's own, a send that is repeated is not logged a second time, and
    /// gets the same id; *typing* is no such thing.
    ///
    /// # Errors
    /// [`BotSendError`]; also where the name is too long.
    pub fn send_named_from_bot<'a>(
        &'a self,
        bot: &'a BotName,
        conversation: &'a ConversationId,
        activity: Activity,
        reply_to: Option<&'a str>,
        name: Option<&'a str>,
    ) -> Pin<Box<dyn Future<Output = Result<String, BotSendError>> + Send + 'a>> {
        let key = name.map(|name| self.key_of_send(KeyOf::Bot { name })).transpose();
        let this = self.clone();
        let (bot, conversation, reply_to) = (bot.clone(), conversation.clone(), reply_to.map(str::to_owned));
        let sent = self.tasks().spawn(async move {
            let key = key.map_err(BotSendError::NotAllowed)?;
            this.log_from_bot(bot, conversation, activity, reply_to, key).await
        });
        Box::pin(async move {
            sent.await.unwrap_or_else(|_| {
                Err(NotLogged::Unknown(StoreError("the task that logged it has failed".into())).into())
            })
        })
    }

    /// As [`Self::send_from_bot`]; with a key, what is logged is logged once, however often it comes.
    pub(crate) async fn log_from_bot(
        &self,
        bot: BotName,
        conversation: ConversationId,
        mut activity: Activity,
        reply_to: Option<String>,
        key: Option<IdempotencyKey>,
    ) -> Result<String, BotSendError> {
        let kind = activity.kind().ok_or(BotSendError::Missing("type"))?;
        let topic = self.topic_of(&bot, &conversation).await.map_err(NotLogged::from)?;
        activity.set_from(bot.as_str(), "bot");
        self.own_links(&bot).exchange(&mut activity).await?;
        self.set_reply_to(&topic, &mut activity, reply_to).await;
        let info = activity.stream_info();
        if let Some(id) = info.as_ref().and_then(|info| info.id.as_deref()) {
            check_stream_id(id)?;
        }
        if kind == "typing" {
            return Ok(self.tell(&topic, activity, info));
        }
        if let Some(info) = info {
            if let Some(id) = &info.id {
                // First, so that no reader gets a chunk behind it.
                topic.live().end(id, Instant::now());
            }
            activity.set_stream_info(&info);
        }
        let draft = Draft::of_bot(activity, audience_of(&kind));
        self.log_entry(&topic, &Entry { key, ..Entry::of(draft) }).await
    }

    /// Appends what a bot says; returns the id of the last, or of what was logged with the same key before.
    pub(crate) async fn log_entry(&self, topic: &Topic, entry: &Entry) -> Result<String, BotSendError> {
        match self.append(topic, entry).await.map_err(NotLogged::from)? {
            Outcome::Logged(first, more) => Ok(more.last().unwrap_or(&first).id.to_string()),
            Outcome::Repeat(id) => Ok(id.to_string()),
        }
    }

    /// Tells those who are connected; returns the id.
    fn tell(&self, topic: &Topic, activity: Activity, info: Option<StreamInfo>) -> String {
        let has_text = activity.properties().text("text").is_some();
        match info {
            Some(info) if has_text || info.is_final() => {
                transient::send_chunk(topic, self.entropy(), self.now(), activity, info)
            }
            _ => transient::send(topic, self.entropy(), self.now(), activity).0,
        }
    }

    pub(crate) async fn set_reply_to(&self, topic: &Topic, activity: &mut Activity, path: Option<String>) {
        let Some(id) = activity.reply_to_id().or(path) else { return };
        let known = match id.parse::<ActivityId>() {
            Ok(named) if named.conversation == topic.id => self.is_visible(topic, named.position).await,
            _ => false,
        };
        if known {
            activity.properties_mut().set_text("replyToId", &id);
        } else {
            activity.properties_mut().remove("replyToId");
        }
    }

    /// Whether clients can see a record there. When in doubt, not: a reply without a reference is still a reply.
    async fn is_visible(&self, topic: &Topic, position: Position) -> bool {
        matches!(self.activity_at(topic, position).await, Ok(Some(record)) if record.audience == Audience::Everyone)
    }

    /// The newest content of the activity that has its id from this position; `None` where there is none, or none any
    /// more.
    pub(crate) async fn activity_at(
        &self,
        topic: &Topic,
        position: Position,
    ) -> Result<Option<Record>, Unavailable> {
        match self.record_at(topic, position).await? {
            Some(record) if record.replaces.is_none() => self.newest_of(topic, record).await,
            _ => Ok(None),
        }
    }

    /// What the log holds at a position; `None` where it holds nothing there.
    pub(crate) async fn record_at(
        &self,
        topic: &Topic,
        position: Position,
    ) -> Result<Option<Record>, Unavailable> {
        let before = Position::new(position.get().saturating_sub(1));
        let one = PageLimit { records: 1, bytes: 1 };
        let in_memory = topic.ring().read(before, one);
        let records = match in_memory {
            Some(records) => records,
            None => match self.store().read(&topic.id, before, one).await {
                Ok(page) => page.records,
                Err(ReadError::PastTail { .. }) => Vec::new(),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(records.into_iter().find(|record| record.position == position))
    }
}

/// No client ever sees a conversationUpdate, whoever sends it.
pub(crate) fn audience_of(kind: &str) -> Audience {
    if kind == "conversationUpdate" { Audience::Bot } else { Audience::Everyone }
}

/// Chunks have the name of their answer for an id: one that is the id of something that is logged would take its place
/// on the screen.
pub(crate) fn check_stream_id(id: &str) -> Result<(), BotSendError> {
    let problem = if id.len() > MAX_STREAM_ID_BYTES {
        format!("streamId: it is {} bytes, the limit is {MAX_STREAM_ID_BYTES}", id.len())
    } else if id.parse::<ActivityId>().is_ok() {
        "streamId: it is the id of an activity; send the id that the first chunk was answered with".to_owned()
    } else {
        return Ok(());
    };
    Err(BotSendError::NotAllowed(problem))
}
