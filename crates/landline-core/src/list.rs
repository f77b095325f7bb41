//! Which conversations a bot has.
//!
//! The store knows conversations by their ids alone, so it is looked at each of them; how many at a time is bounded.
//!
//! Not here: how the place where a list goes on is hidden from the bot, to which it may name a conversation of another
//! one (`landline-server`).

use landline_protocol::{BotName, ConversationId};

use crate::conversations::{Conversations, Unavailable};
use crate::facts::Facts;
use crate::limits::{LIST_PAGE, LISTED_CONVERSATIONS, LISTED_MEMBERS, LISTING_LOOKS_AT};
use crate::members::Member;
use crate::store::{ReadError, StoreError};

/// A part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Conversations of the bot with their members, in order of their ids; may be none, though the list goes on.
    pub conversations: Vec<(ConversationId, Vec<Member>)>,
    /// Behind which conversation, of whatever bot, the list goes on; `None` at its end.
    pub next: Option<ConversationId>,
}

impl Conversations {
    /// The conversations of a bot behind `after`. Those that are damaged are passed over: whose they are is not known.
    ///
    /// # Errors
    /// Where the store cannot list them.
    pub async fn list(
        &self,
        bot: &BotName,
        mut after: Option<ConversationId>,
    ) -> Result<Listed, Unavailable> {
        let mut conversations = Vec::new();
        let (mut members, mut looked_at) = (0, 0);
        loop {
            let page = self.store().conversations(after, LIST_PAGE).await?;
            let Some(last) = page.last() else { return Ok(Listed { conversations, next: None }) };
            after = Some(last.clone());
            for id in page {
                looked_at += 1;
                if let Some(facts) = self.facts_of(bot, &id).await? {
                    let everybody = facts.everybody();
                    members += everybody.len();
                    conversations.push((id.clone(), everybody));
                }
                let full = conversations.len() >= LISTED_CONVERSATIONS || members >= LISTED_MEMBERS;
                if full || looked_at >= LISTING_LOOKS_AT {
                    return Ok(Listed { conversations, next: Some(id) });
                }
            }
        }
    }

    /// Past the topics that are alive: a look at all conversations is not to wake them.
    async fn facts_of(&self, bot: &BotName, id: &ConversationId) -> Result<Option<Facts>, StoreError> {
        match self.store().head(id).await {
            Ok(head) => Ok(Facts::from_bytes(id, &head.facts).ok().filter(|facts| facts.bot == *bot)),
            Err(ReadError::Unavailable(error)) => Err(error),
            Err(ReadError::NotFound | ReadError::PastTail { .. } | ReadError::Damaged(_)) => Ok(None),
        }
    }
}
