//! How a conversation begins, and how the bot hears who is in it.

use std::collections::BTreeMap;

use landline_protocol::{
    Activity, ActivityId, BotName, ChannelAccount, ConversationId, Position, RawObject, SiteName, UserId,
};
use tokio::time::Instant;

use crate::append::{Draft, Logged, Outcome};
use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::delivery::{Again, Job, OutboxChange, Turn, first_state};
use crate::facts::{Change, Facts};
use crate::hub::Topic;
use crate::store::{Audience, Create, Created, DeliveryState, NewRecord, StoreError};

/// A conversation that is to begin.
#[derive(Clone, Debug)]
pub struct StartConversation {
    /// Its id; one of a token, or a new one.
    pub conversation: ConversationId,
    /// The site whose client starts it.
    pub site: SiteName,
    /// The bot on the other side.
    pub bot: BotName,
    /// Who starts it, where known.
    pub user: Option<ChannelAccount>,
    /// The language that the bot is told.
    pub locale: Option<String>,
}

impl Conversations {
    /// A new conversation id.
    pub fn new_conversation_id(&self) -> ConversationId {
        self.entropy().conversation_id()
    }

    /// Begins a conversation where there is none of that id.
    ///
    /// The bot hears of it by a `conversationUpdate` that is logged with it and delivered beside the answer: a bot
    /// that is down fails no start. Runs to its end also when the caller goes away, and what an earlier start could
    /// not begin to deliver is delivered by a repeat.
    ///
    /// # Errors
    /// [`NotLogged`]; a repeat is safe.
    pub async fn start(&self, start: StartConversation) -> Result<Created, NotLogged> {
        let this = self.clone();
        let started = self.tasks().spawn(async move { this.start_to_the_end(start).await });
        started.await.unwrap_or_else(|_| {
            Err(NotLogged::Unknown(StoreError("the task that started it has failed".into())))
        })
    }

    async fn start_to_the_end(&self, start: StartConversation) -> Result<Created, NotLogged> {
        let now = self.now();
        let facts = Facts {
            site: start.site,
            bot: start.bot,
            created: now,
            user: start.user.as_ref().map(|user| user.id.clone()),
            user_name: start.user.as_ref().and_then(|user| user.name.clone()),
            locale: start.locale,
            members: start.user.iter().map(|user| user.id.clone()).collect(),
            names: BTreeMap::new(),
            files: Vec::new(),
        };
        let id = ActivityId { conversation: start.conversation.clone(), position: Position::new(1) };
        let bot = ChannelAccountJson { id: facts.bot.as_str(), name: None };
        let user = start.user.as_ref().map(ChannelAccountJson::of);
        let mut activity = conversation_update(&facts, [Some(bot), user]);
        activity.stamp(&id.to_string(), &id.conversation, now);
        let record =
            NewRecord { time: now, audience: Audience::Bot, body: activity.to_json(), replaces: None };
        let queued = self.is_queued(&facts.bot);
        let state = if queued { first_state(now) } else { DeliveryState::Pending };
        let create = Create {
            conversation: start.conversation,
            time: now,
            facts: facts.to_bytes(),
            records: vec![(record, Some(state))],
        };
        let created = self.store().create(create).await?;
        let topic = self.topic(&id.conversation).await.map_err(Unavailable::from)?;
        match created {
            Created::New if queued => {
                self.observer().outbox_changed(OutboxChange::Queued);
                self.wake_outbox(&topic.id);
            }
            Created::New => {
                let turn = topic.door().next_turn();
                self.deliver_beside(&topic, Logged { id, activity, turn: Some(turn), queued });
            }
            Created::Existed => self.deliver_first_again(&topic, &id).await,
        }
        Ok(created)
    }

    /// Delivers what a conversation began with, where no attempt was begun: the start that logged it had no room for
    /// it, or was not told that it was logged.
    async fn deliver_first_again(&self, topic: &Topic, first: &ActivityId) {
        let state = self.store().delivery(&first.conversation, first.position).await;
        match state {
            Ok(Some(DeliveryState::Pending)) => {}
            Ok(Some(DeliveryState::Queued(_))) => return self.wake_outbox(&topic.id),
            _ => return,
        }
        let turn = topic.door().next_turn();
        match self.job_for(first, turn, Again::UnlessTried).await {
            Ok(Some(job)) => drop(self.deliver(job)),
            Ok(None) => {}
            Err(error) => tracing::warn!(activity.id = %first, %error, "Could not be delivered by a repeat"),
        }
    }

    /// Tells the bot of a user who has not been in the conversation before.
    pub(crate) async fn ensure_member(&self, topic: &Topic, user: &ChannelAccount) -> Result<(), NotLogged> {
        let facts = topic.door().facts();
        let change = Change::Joins(user.clone());
        if facts.after(&change).is_none() {
            return Ok(());
        }
        let activity = conversation_update(&facts, [Some(ChannelAccountJson::of(user)), None]);
        self.log_change(topic, activity, change).await?;
        Ok(())
    }

    /// Logs who came or went, and brings it to the bot; `false` where that was so before.
    pub(crate) async fn log_change(
        &self,
        topic: &Topic,
        activity: Activity,
        change: Change,
    ) -> Result<bool, NotLogged> {
        match self.append_change(topic, Draft::for_bot(activity), &change).await? {
            None => return Ok(false),
            Some(Outcome::Logged(logged, _)) => self.deliver_beside(topic, logged),
            // It has no key that could repeat; were it logged before, it would be delivered.
            Some(Outcome::Repeat(_)) => {}
        }
        Ok(true)
    }

    /// Delivers without anybody waiting for the outcome; what is in the outbox is delivered by that.
    ///
    /// Where the bot has no room, it stays pending and is delivered after the next start of the server.
    fn deliver_beside(&self, topic: &Topic, logged: Logged) {
        if logged.queued {
            return;
        }
        let bot = topic.door().facts().bot.clone();
        let Some(permit) = self.deliveries().permit(&bot) else { return };
        self.deliver(Job {
            id: logged.id.to_string(),
            place: Some(logged.id),
            bot,
            activity: logged.activity,
            turn: logged.turn.unwrap_or_else(Turn::alone),
            deadline: Instant::now() + self.limits().bot_deadline,
            again: topic.first_delivery(),
            _permit: permit,
        });
    }
}

/// The activity by which a bot hears that a member is gone: the bot's own doing.
pub(crate) fn removal(facts: &Facts, removed: &UserId) -> Activity {
    let mut activity = Activity::of_type("conversationUpdate");
    let member = ChannelAccountJson { id: removed.as_str(), name: facts.name_of(removed) };
    activity.properties_mut().set_objects("membersRemoved", &[member.to_object()]);
    activity.set_from(facts.bot.as_str(), "bot");
    activity
}

struct ChannelAccountJson<'a> {
    id: &'a str,
    name: Option<&'a str>,
}

impl<'a> ChannelAccountJson<'a> {
    fn of(account: &'a ChannelAccount) -> Self {
        Self { id: account.id.as_str(), name: account.name.as_deref() }
    }

    fn to_object(&self) -> RawObject {
        let mut object = RawObject::default();
        object.set_text("id", self.id);
        if let Some(name) = self.name {
            object.set_text("name", name);
        }
        object
    }
}

/// The activity by which a bot hears who came. Bots greet for members other than themselves.
///
/// `from` is the user where one is known and the bot otherwise: the SDKs refuse an activity without it.
fn conversation_update(facts: &Facts, added: [Option<ChannelAccountJson<'_>>; 2]) -> Activity {
    let mut activity = Activity::of_type("conversationUpdate");
    let mut from = (facts.bot.as_str(), "bot");
    let mut members = Vec::new();
    for account in added.iter().flatten() {
        if account.id != facts.bot.as_str() {
            from = (account.id, "user");
        }
        members.push(account.to_object());
    }
    activity.properties_mut().set_objects("membersAdded", &members);
    activity.set_from(from.0, from.1);
    if let Some(locale) = &facts.locale {
        activity.properties_mut().set_text("locale", locale);
    }
    activity
}
