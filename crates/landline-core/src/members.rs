//! Who takes part in a conversation, as its bot sees it: the bot itself, and every user of whom it was told.
//!
//! A user joins with what they say first, or with the start of the conversation (`start`); the bot may remove them, and
//! they join again with what they say next.
//!
//! Not here: what a member may do. Being removed takes no token away.

use landline_protocol::{ActivityId, BotName, ConversationId, UserId};

use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::facts::{Change, Facts};
use crate::start::removal;
use crate::store::StoreError;

/// Somebody who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The bot's name, or a user's id.
    pub id: String,
    /// What they are called, where known.
    pub name: Option<String>,
    /// Which of the two.
    pub role: MemberRole,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// The conversation's bot.
    Bot,
    /// A user.
    User,
}

/// Why members cannot be told, or a member not be removed.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Nobody of that id is in the conversation.
    #[error("nobody of this id is in the conversation")]
    NoSuchMember,
    /// The conversation has no such activity.
    #[error("there is no such activity in the conversation")]
    NoSuchActivity,
    /// The bot cannot leave its own conversation.
    #[error("the bot cannot be removed from its own conversation")]
    IsTheBot,
    /// Not, or not certainly, logged. A conversation of another bot is *not found*.
    #[error(transparent)]
    NotLogged(#[from] NotLogged),
}

impl From<Unavailable> for MemberError {
    fn from(error: Unavailable) -> Self {
        Self::NotLogged(error.into())
    }
}

impl Facts {
    /// The bot, and then the users in the order in which they came.
    pub fn everybody(&self) -> Vec<Member> {
        let name = self.bot.to_string();
        let bot = Member { id: name.clone(), name: Some(name), role: MemberRole::Bot };
        let users = self.members.iter().map(|user| Member {
            id: user.as_str().to_owned(),
            name: self.name_of(user).map(str::to_owned),
            role: MemberRole::User,
        });
        std::iter::once(bot).chain(users).collect()
    }
}

impl Conversations {
    /// Everybody in a conversation of this bot.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn members(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
    ) -> Result<Vec<Member>, Unavailable> {
        let topic = self.topic_of(bot, conversation).await?;
        let facts = topic.door().facts();
        Ok(facts.everybody())
    }

    /// Everybody who may have seen an activity of this bot's conversation: its members.
    ///
    /// # Errors
    /// [`MemberError::NoSuchActivity`] or [`Unavailable`].
    pub async fn members_of_activity(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
        activity: &str,
    ) -> Result<Vec<Member>, MemberError> {
        let topic = self.topic_of(bot, conversation).await?;
        let id = activity.parse::<ActivityId>().map_err(|_| MemberError::NoSuchActivity)?;
        if id.conversation != *conversation || self.activity_at(&topic, id.position).await?.is_none() {
            return Err(MemberError::NoSuchActivity);
        }
        let facts = topic.door().facts();
        Ok(facts.everybody())
    }

    /// Removes a user from a conversation of this bot, which hears of it by a `conversationUpdate`.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn remove_member(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
        member: &str,
    ) -> Result<(), MemberError> {
        let topic = self.topic_of(bot, conversation).await?;
        if member == bot.as_str() {
            return Err(MemberError::IsTheBot);
        }
        let user: UserId = member.parse().map_err(|_| MemberError::NoSuchMember)?;
        let this = self.clone();
        let removed = self.tasks().spawn(async move {
            let change = Change::Leaves(user.clone());
            let facts = topic.door().facts();
            this.log_change(&topic, removal(&facts, &user), change).await
        });
        match removed.await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(MemberError::NoSuchMember),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(NotLogged::Unknown(StoreError("the task that logged it has failed".into())).into()),
        }
    }
}
