//! A bot begins a conversation, for which a site then issues tokens.
//!
//! The bot is told nothing of it: it named the members itself. Of a user who comes later it hears as ever (`start`).

use std::collections::BTreeMap;

use landline_protocol::{Activity, ActivityId, BotName, ChannelAccount, ConversationId, Position, SiteName};

use crate::bot_send::{BotSendError, audience_of};
use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::facts::Facts;
use crate::limits::MAX_MEMBERS;
use crate::store::{Create, Created, NewRecord, StoreError};

/// A conversation that a bot wants.
#[derive(Clone, Debug)]
pub struct CreateConversation {
    /// The bot.
    pub bot: BotName,
    /// The site whose clients are to take part.
    pub site: SiteName,
    /// The users who are members from the beginning. The bot itself, where it is named, is passed over.
    pub users: Vec<ChannelAccount>,
    /// What the bot says first. *Typing* is passed over: there is nobody yet to see it.
    pub activity: Option<Activity>,
}

/// A conversation that a bot began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedConversation {
    /// Its id.
    pub id: ConversationId,
    /// The id of what the bot said first.
    pub activity: Option<String>,
}

impl Conversations {
    /// Begins a conversation, with what the bot says first, in one write.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`BotSendError`].
    pub async fn create_from_bot(
        &self,
        create: CreateConversation,
    ) -> Result<CreatedConversation, BotSendError> {
        let this = self.clone();
        let created = self.tasks().spawn(async move { this.create_to_the_end(create).await });
        created.await.unwrap_or_else(|_| {
            Err(NotLogged::Unknown(StoreError("the task that began it has failed".into())).into())
        })
    }

    async fn create_to_the_end(
        &self,
        create: CreateConversation,
    ) -> Result<CreatedConversation, BotSendError> {
        let now = self.now();
        let id = self.new_conversation_id();
        let first = ActivityId { conversation: id.clone(), position: Position::new(1) };
        let records = match create.activity {
            Some(mut activity) => {
                self.own_links(&create.bot).exchange(&mut activity).await?;
                first_record(activity, &create.bot, &first, now)?
            }
            None => None,
        };
        let said = records.is_some().then(|| first.to_string());
        let facts = facts(create.bot, create.site, create.users, now)?;
        let create = Create {
            conversation: id.clone(),
            time: now,
            facts: facts.to_bytes(),
            records: records.into_iter().map(|record| (record, None)).collect(),
        };
        match self.store().create(create).await.map_err(NotLogged::from)? {
            Created::New => Ok(CreatedConversation { id, activity: said }),
            // 131 random bits that are taken: somebody plays with the randomness.
            Created::Existed => {
                Err(NotLogged::from(Unavailable::Store(StoreError("a new id was taken".into()))).into())
            }
        }
    }
}

fn first_record(
    mut activity: Activity,
    bot: &BotName,
    id: &ActivityId,
    now: landline_protocol::Timestamp,
) -> Result<Option<NewRecord>, BotSendError> {
    let kind = activity.kind().ok_or(BotSendError::Missing("activity.type"))?;
    if kind == "typing" {
        return Ok(None);
    }
    activity.set_from(bot.as_str(), "bot");
    // Nothing is there that it could reply to.
    activity.properties_mut().remove("replyToId");
    if let Some(info) = activity.stream_info() {
        activity.set_stream_info(&info);
    }
    activity.stamp(&id.to_string(), &id.conversation, now);
    let (audience, body) = (audience_of(&kind), activity.to_json());
    Ok(Some(NewRecord { time: now, audience, body, replaces: None }))
}

fn facts(
    bot: BotName,
    site: SiteName,
    users: Vec<ChannelAccount>,
    now: landline_protocol::Timestamp,
) -> Result<Facts, BotSendError> {
    let mut facts = Facts {
        site,
        bot,
        created: now,
        user: None,
        user_name: None,
        locale: None,
        members: Vec::new(),
        names: BTreeMap::new(),
        files: Vec::new(),
    };
    for ChannelAccount { id, name } in users {
        if id.as_str() == facts.bot.as_str() || facts.members.contains(&id) {
            continue;
        }
        // At once, not at the end: each is compared with all before it.
        if facts.members.len() >= MAX_MEMBERS {
            return Err(BotSendError::NotAllowed(format!("members: the limit is {MAX_MEMBERS} users")));
        }
        facts.names.extend(name.map(|name| (id.clone(), name)));
        facts.members.push(id);
    }
    // Of several, none is the one that a reconnect without a token would speak for.
    if let [only] = &*facts.members {
        facts.user = Some(only.clone());
        facts.user_name = facts.names.get(only).cloned();
    }
    Ok(facts)
}
