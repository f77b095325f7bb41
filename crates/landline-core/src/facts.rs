//! What is kept about a conversation beside its records.

use bytes::Bytes;
use landline_protocol::{BotName, ConversationId, SiteName, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_MEMBERS;
use crate::store::Damage;

/// Written with the conversation, and again whenever somebody joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The site whose clients take part.
    pub site: SiteName,
    /// The bot on the other side.
    pub bot: BotName,
    /// When it was started.
    pub created: Timestamp,
    /// The user it was started for, where known; tokens of a reconnect speak for them.
    pub user: Option<UserId>,
    /// What that user is called, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The language that the start asked for; it travels on every `conversationUpdate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The users of whom the bot was told, in the order in which they came.
    pub members: Vec<UserId>,
}

impl Facts {
    pub(crate) fn to_bytes(&self) -> Bytes {
        // Texts and numbers always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(crate) fn from_bytes(conversation: &ConversationId, bytes: &[u8]) -> Result<Self, Damage> {
        serde_json::from_slice(bytes).map_err(|error| Damage {
            conversation: conversation.clone(),
            what: format!("its facts cannot be read: {error}"),
        })
    }

    /// These facts with one more member; `None` where the bot was told already, or of so many others that it is
    /// not told of any more.
    pub(crate) fn joined_by(&self, user: &UserId) -> Option<Self> {
        if self.members.len() >= MAX_MEMBERS || self.members.contains(user) {
            return None;
        }
        let mut joined = self.clone();
        joined.members.push(user.clone());
        Some(joined)
    }
}
