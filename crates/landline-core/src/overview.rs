//! What an operator gets to see of conversations: which there are and how large they are, never what was said.
//!
//! Looks past the topics that are alive: a look at all conversations is not to wake them.
//!
//! Also here: what an operator does when nothing is to be left of what was deleted.
//!
//! Not here: which conversations a bot is told of (`list`), deleting one (`retention`).

use landline_protocol::{BotName, ConversationId, SiteName, Timestamp};

use crate::conversations::{Conversations, Unavailable};
use crate::facts::Facts;
use crate::limits::{LIST_PAGE, LISTED_CONVERSATIONS, LISTING_LOOKS_AT};
use crate::store::{Head, ReadError, StoreError};

/// One conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Its id.
    pub id: ConversationId,
    /// What is kept about it.
    pub facts: Facts,
    /// When something was last logged.
    pub last_time: Timestamp,
    /// How many entries its log has at the most: activities, also those for the bot alone, and changes of them.
    pub entries: u64,
}

/// Which conversations are wanted: of this bot, where one is named, and of this site.
#[derive(Clone, Debug, Default)]
pub struct OverviewFilter {
    /// Of this bot alone.
    pub bot: Option<BotName>,
    /// Of this site alone.
    pub site: Option<SiteName>,
}

/// A part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overviews {
    /// In order of their ids; may be none, though the list goes on.
    pub conversations: Vec<Overview>,
    /// Those that cannot be read, whatever is wanted: whose they are is not known.
    pub damaged: Vec<ConversationId>,
    /// Behind which conversation the list goes on; `None` at its end.
    pub next: Option<ConversationId>,
}

impl Conversations {
    /// One conversation.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn overview(&self, id: &ConversationId) -> Result<Overview, Unavailable> {
        let head = self.store().head(id).await?;
        Ok(Overview::of(id.clone(), &head).map_err(ReadError::Damaged)?)
    }

    /// The conversations behind `after`, a part at a time.
    ///
    /// # Errors
    /// Where the store cannot list them.
    pub async fn overviews(
        &self,
        wanted: &OverviewFilter,
        mut after: Option<ConversationId>,
    ) -> Result<Overviews, StoreError> {
        let mut found = Overviews { conversations: Vec::new(), damaged: Vec::new(), next: None };
        let mut looked_at = 0;
        loop {
            let page = self.store().conversations(after, LIST_PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.clone());
            for id in page {
                looked_at += 1;
                match self.overview(&id).await {
                    Ok(overview) if wanted.takes(&overview.facts) => found.conversations.push(overview),
                    // Gone since it was listed.
                    Ok(_) | Err(Unavailable::NotFound) => {}
                    Err(Unavailable::Damaged(_)) => found.damaged.push(id.clone()),
                    Err(Unavailable::Store(error)) => return Err(error),
                }
                let listed = found.conversations.len() + found.damaged.len();
                if listed >= LISTED_CONVERSATIONS || looked_at >= LISTING_LOOKS_AT {
                    return Ok(Overviews { next: Some(id), ..found });
                }
            }
        }
    }
}

impl Conversations {
    /// Makes what was deleted unreadable on the disk of the store, too. Takes as long as reading and writing everything.
    ///
    /// # Errors
    /// It may be readable still; another purge may be tried.
    pub async fn purge(&self) -> Result<(), StoreError> {
        self.store().purge().await
    }
}

impl OverviewFilter {
    fn takes(&self, facts: &Facts) -> bool {
        self.bot.as_ref().is_none_or(|bot| facts.bot == *bot)
            && self.site.as_ref().is_none_or(|site| facts.site == *site)
    }
}

impl Overview {
    fn of(id: ConversationId, head: &Head) -> Result<Self, crate::store::Damage> {
        let facts = Facts::from_bytes(&id, &head.facts)?;
        let entries = head.last.get().saturating_sub(head.expired_through.get());
        Ok(Self { id, facts, last_time: head.last_time, entries })
    }
}
