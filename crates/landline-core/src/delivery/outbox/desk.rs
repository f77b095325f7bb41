//! What operators see of the outbox, and what they do with it.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use futures_util::future::join_all;
use landline_protocol::{ActivityId, BotName, ConversationId, Timestamp};

use super::{OutboxChange, first_state};
use crate::conversations::{Conversations, Unavailable};
use crate::limits::{LIST_PAGE, OUTBOX_SCAN};
use crate::store::{AppendError, DeliveryKind, DeliveryState, ListedDelivery, StoreError};

/// What an entry of the outbox waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    /// Its next attempt.
    Queued,
    /// Somebody who asks for it: it was given up.
    Parked,
}

impl OutboxState {
    fn kind(self) -> DeliveryKind {
        match self {
            Self::Queued => DeliveryKind::Queued,
            Self::Parked => DeliveryKind::Parked,
        }
    }

    /// As the admin API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Parked => "parked",
        }
    }
}

/// Which entries are listed.
#[derive(Clone, Debug, Default)]
pub struct OutboxFilter {
    /// Those of one bot.
    pub bot: Option<BotName>,
    /// Those in one state.
    pub state: Option<OutboxState>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The activity.
    pub id: ActivityId,
    /// Whom it is for.
    pub bot: BotName,
    /// What it waits for.
    pub state: OutboxState,
    /// How many attempts have failed.
    pub attempts: u32,
    /// When the next attempt is due, if there is to be one. Entries behind another one of the conversation wait for it.
    pub due: Option<Timestamp>,
    /// When it was put into the outbox.
    pub since: Timestamp,
    /// What the bot answered last, where it answered.
    pub last_status: Option<u16>,
}

/// Entries: first the queued, then the parked ones, each by conversation and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxPage {
    /// May be fewer than were asked for, or none, and still not the last ones.
    pub entries: Vec<OutboxEntry>,
    /// Where to go on; `None` at the end.
    pub next: Option<OutboxCursor>,
}

/// A place in the list: behind this entry. As a text: `queued:` or `parked:`, and the id of an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxCursor {
    state: OutboxState,
    behind: ActivityId,
}

impl fmt::Display for OutboxCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.state.as_str(), self.behind)
    }
}

/// A text that is no [`OutboxCursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the outbox; send back the continuation token of the last answer")]
pub struct InvalidOutboxCursor;

impl FromStr for OutboxCursor {
    type Err = InvalidOutboxCursor;

    fn from_str(text: &str) -> Result<Self, InvalidOutboxCursor> {
        let (state, behind) = text.split_once(':').ok_or(InvalidOutboxCursor)?;
        let state = [OutboxState::Queued, OutboxState::Parked].into_iter().find(|one| one.as_str() == state);
        let behind = behind.parse().map_err(|_| InvalidOutboxCursor)?;
        Ok(Self { state: state.ok_or(InvalidOutboxCursor)?, behind })
    }
}

/// On which entries something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxTarget {
    /// On this one.
    Activity(ActivityId),
    /// On all that were given up for this bot.
    Parked(BotName),
}

impl Conversations {
    /// The entries behind a place, at most `limit`. Entries that are damaged are not among them; `landline check` names
    /// their conversations.
    ///
    /// # Errors
    /// Where the store cannot list them.
    pub async fn outbox_list(
        &self,
        filter: &OutboxFilter,
        after: Option<OutboxCursor>,
        limit: usize,
    ) -> Result<OutboxPage, StoreError> {
        let mut page = OutboxPage { entries: Vec::new(), next: None };
        let mut looked_at = 0;
        let states = match filter.state {
            Some(state) => vec![state],
            None => vec![OutboxState::Queued, OutboxState::Parked],
        };
        let (from, mut behind) = after.map(|cursor| (cursor.state, cursor.behind)).unzip();
        for state in states.into_iter().skip_while(|state| from.is_some_and(|from| from != *state)) {
            let mut behind = behind.take().map(|id| (id.conversation, id.position));
            loop {
                let listed = self.store().deliveries(state.kind(), behind.take(), LIST_PAGE).await?;
                let Some(last) = listed.last() else { break };
                behind = Some(last.place());
                for one in listed {
                    looked_at += 1;
                    let id = ActivityId { conversation: one.conversation.clone(), position: one.position };
                    page.entries.extend(self.outbox_entry(one, filter).await);
                    if page.entries.len() >= limit.max(1) || looked_at >= OUTBOX_SCAN {
                        page.next = Some(OutboxCursor { state, behind: id });
                        return Ok(page);
                    }
                }
            }
        }
        Ok(page)
    }

    async fn outbox_entry(&self, listed: ListedDelivery, filter: &OutboxFilter) -> Option<OutboxEntry> {
        let bot = self.facts(&listed.conversation).await.ok()?.bot.clone();
        if filter.bot.as_ref().is_some_and(|wanted| *wanted != bot) {
            return None;
        }
        let id = ActivityId { conversation: listed.conversation, position: listed.position };
        let (state, attempts, due, since, last_status) = match listed.state.ok()? {
            DeliveryState::Queued(q) => {
                (OutboxState::Queued, q.attempts, Some(q.due), q.since, q.last_status)
            }
            DeliveryState::Parked(p) => (OutboxState::Parked, p.attempts, None, p.since, p.last_status),
            DeliveryState::Pending | DeliveryState::Attempted | DeliveryState::Refused { .. } => return None,
        };
        Some(OutboxEntry { id, bot, state, attempts, due, since, last_status })
    }

    /// Tries entries again: those that were given up from the beginning, in their old places; one that waits for its
    /// next attempt at once. Returns how many; an activity that is not in the outbox is none.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`Unavailable`]; some may have been done.
    pub async fn outbox_retry(&self, target: OutboxTarget) -> Result<u64, Unavailable> {
        self.at_the_desk(target, Deed::Retry).await
    }

    /// Takes entries out of the outbox: the bot does not get them, unless it is getting them just now. They stay in their
    /// conversations. Returns how many; an activity that is not in the outbox is none.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`Unavailable`]; some may have been done.
    pub async fn outbox_drop(&self, target: OutboxTarget) -> Result<u64, Unavailable> {
        self.at_the_desk(target, Deed::Drop).await
    }

    async fn at_the_desk(&self, target: OutboxTarget, deed: Deed) -> Result<u64, Unavailable> {
        let this = self.clone();
        let done = self.tasks().spawn(async move {
            let _one_after_the_other = this.outbox().desk.lock().await;
            match target {
                OutboxTarget::Activity(id) => this.do_with(id, deed).await.map(u64::from),
                OutboxTarget::Parked(bot) => this.do_with_parked(&bot, deed).await,
            }
        });
        done.await.unwrap_or_else(|_| Err(StoreError("the task that did it has failed".into()).into()))
    }

    async fn do_with_parked(&self, bot: &BotName, deed: Deed) -> Result<u64, Unavailable> {
        let mut count = 0;
        let mut after = None;
        loop {
            let page = self.store().deliveries(DeliveryKind::Parked, after, LIST_PAGE).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.place());
            let filter = OutboxFilter { bot: Some(bot.clone()), state: Some(OutboxState::Parked) };
            let mut chosen = Vec::new();
            for one in page {
                chosen.extend(self.outbox_entry(one, &filter).await);
            }
            count += self.do_with_page(chosen, deed).await?;
        }
    }

    /// Together, so that they share a sync. Returns how many there were, once all of them are done.
    async fn do_with_page(&self, entries: Vec<OutboxEntry>, deed: Deed) -> Result<u64, Unavailable> {
        // First all that has to be read, so that nothing comes between the writes: they are made in the order of the
        // logs, and no line that looks meanwhile finds a later entry without the earlier one.
        let states = join_all(entries.iter().map(|entry| self.state_at_the_desk(&entry.id))).await;
        let mut done = Vec::new();
        let mut failed = None;
        for (entry, state) in entries.into_iter().zip(states) {
            match state {
                Ok(Some(state)) => {
                    let write = self.begin_deed(&entry.id, state, deed);
                    done.push(async move { (entry.id, write.await) });
                }
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        let mut count = 0;
        for (id, done) in join_all(done).await {
            match done {
                Ok(()) => {
                    count += 1;
                    self.deed_is_done(&id, deed);
                }
                // Gone with its conversation, since it was looked at.
                Err(Unavailable::NotFound) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(count), Err)
    }

    /// Tells whether there was anything to be done.
    async fn do_with(&self, id: ActivityId, deed: Deed) -> Result<bool, Unavailable> {
        let Some(state) = self.state_at_the_desk(&id).await? else { return Ok(false) };
        self.begin_deed(&id, state, deed).await?;
        self.deed_is_done(&id, deed);
        Ok(true)
    }

    /// `None` where it is not in the outbox.
    async fn state_at_the_desk(&self, id: &ActivityId) -> Result<Option<OutboxState>, Unavailable> {
        let state = self.store().delivery(&id.conversation, id.position).await.map_err(Unavailable::from);
        match state {
            Ok(Some(DeliveryState::Queued(_))) => Ok(Some(OutboxState::Queued)),
            Ok(Some(DeliveryState::Parked(_))) => Ok(Some(OutboxState::Parked)),
            Ok(_) | Err(Unavailable::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is to be written is queued for the disk before this returns.
    fn begin_deed(
        &self,
        id: &ActivityId,
        state: OutboxState,
        deed: Deed,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send + use<> {
        let ActivityId { conversation, position } = id;
        let write = match (deed, state) {
            (Deed::Retry, OutboxState::Queued) => None,
            (Deed::Retry, OutboxState::Parked) => {
                let queued = Some(first_state(self.now()));
                Some(self.store().set_delivery(conversation, *position, queued))
            }
            (Deed::Drop, _) => {
                // Held while it is queued: whoever tries it just now keeps its outcome before this, or not at all.
                let mut lines = self.outbox().lines();
                lines.drop_entry(conversation, *position);
                Some(self.store().set_delivery(conversation, *position, None))
            }
        };
        async move {
            match write {
                Some(write) => written(write.await),
                None => Ok(()),
            }
        }
    }

    fn deed_is_done(&self, id: &ActivityId, deed: Deed) {
        self.observer().outbox_changed(match deed {
            Deed::Retry => OutboxChange::Retried,
            Deed::Drop => OutboxChange::Dropped,
        });
        self.hurry_outbox(&id.conversation);
    }

    /// What is first in this conversation may be another one than before.
    fn hurry_outbox(&self, conversation: &ConversationId) {
        self.outbox().lines().hurry(conversation);
        self.drive_outbox();
    }
}

/// What is done with an entry.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Retry,
    Drop,
}

fn written(outcome: Result<(), AppendError>) -> Result<(), Unavailable> {
    outcome.map_err(|error| match error {
        AppendError::NotFound => Unavailable::NotFound,
        AppendError::Damaged(damage) => Unavailable::Damaged(damage),
        AppendError::Unavailable(error) | AppendError::Unknown(error) => Unavailable::Store(error),
        other @ (AppendError::Conflict { .. } | AppendError::NotReplaceable { .. }) => {
            Unavailable::Store(StoreError(other.to_string()))
        }
    })
}
