//! What is kept about a conversation beside its records.

use std::collections::BTreeMap;

use bytes::Bytes;
use landline_protocol::{BotName, ChannelAccount, ConversationId, SiteName, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::files::StoredFile;
use crate::limits::MAX_MEMBERS;
use crate::store::Damage;

/// Written with the conversation, and again whenever somebody joins or leaves, or says what they are called, and with every file.
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
    /// What members are called, where known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<UserId, String>,
    /// The files whose bytes are kept, in the order in which they came; some of those whose time is over, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<StoredFile>,
}

/// A change of who takes part.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A user of whom the bot does not know.
    Joins(ChannelAccount),
    /// A member whom the bot removes.
    Leaves(UserId),
    /// A member may have said for the first time what they are called.
    Named(ChannelAccount),
}

impl Facts {
    pub(crate) fn to_bytes(&self) -> Bytes {
        // Texts and numbers always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads what a store keeps.
    ///
    /// # Errors
    /// Where it is no facts.
    pub fn from_bytes(conversation: &ConversationId, bytes: &[u8]) -> Result<Self, Damage> {
        serde_json::from_slice(bytes).map_err(|error| Damage {
            conversation: conversation.clone(),
            what: format!("its facts cannot be read: {error}"),
        })
    }

    /// What a member is called, where known.
    pub fn name_of(&self, user: &UserId) -> Option<&str> {
        let first = self.user_name.as_deref().filter(|_| self.user.as_ref() == Some(user));
        self.names.get(user).map(String::as_str).or(first)
    }

    /// These facts after a change; `None` where nothing changes: who joins is a member already, or one too many, so
    /// that the bot is not told of them; who leaves is none; who is named was named before.
    pub(crate) fn after(&self, change: &Change) -> Option<Self> {
        let user = match change {
            Change::Joins(user) | Change::Named(user) => &user.id,
            Change::Leaves(user) => user,
        };
        let is_member = self.members.contains(user);
        let changes = match change {
            Change::Joins(_) => !is_member && self.members.len() < MAX_MEMBERS,
            Change::Leaves(_) => is_member,
            Change::Named(named) => is_member && named.name.is_some() && self.name_of(user).is_none(),
        };
        if !changes {
            return None;
        }
        let mut after = self.clone();
        match change {
            Change::Joins(_) => after.members.push(user.clone()),
            Change::Leaves(_) => after.members.retain(|member| member != user),
            Change::Named(_) => {}
        }
        match change {
            Change::Joins(ChannelAccount { name: Some(name), .. })
            | Change::Named(ChannelAccount { name: Some(name), .. }) => {
                after.names.insert(user.clone(), name.clone());
            }
            Change::Joins(_) | Change::Named(_) => {}
            Change::Leaves(_) => {
                after.names.remove(user);
            }
        }
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_earlier_versions_are_read() {
        let written = br#"{"site":"s","bot":"b","created":7,"user":"ann","members":["ann","bob"]}"#;
        let facts = Facts::from_bytes(&"c".parse().unwrap(), written).unwrap();
        assert_eq!((facts.members.len(), facts.names.len(), facts.user_name.clone()), (2, 0, None));
        assert_eq!(facts.files, []);
        assert_eq!(facts.to_bytes(), written.as_slice(), "and what is not known is not written");
        let written =
            br#"{"site":"s","bot":"b","created":7,"user":"ann","user_name":"Ann","members":["ann"]}"#;
        let facts = Facts::from_bytes(&"c".parse().unwrap(), written).unwrap();
        assert_eq!(facts.name_of(&"ann".parse().unwrap()), Some("Ann"));
        assert_eq!(facts.name_of(&"bob".parse().unwrap()), None);
    }
}
