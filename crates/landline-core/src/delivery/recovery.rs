//! What a crash left untried is tried after the start.

use std::sync::Arc;

use landline_protocol::{Activity, ActivityId, ConversationId, Position};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Again, Job, Turn, outcome};
use crate::conversations::{Conversations, Unavailable};
use crate::limits::{LIST_PAGE, RECOVERED_DELIVERIES};
use crate::store::{DeliveryKind, ListedDelivery, PageLimit};

impl Conversations {
    /// Makes every delivery that was accepted and never tried, a few at a time, in order within a conversation.
    ///
    /// Run it once, before the first request: what comes in later is delivered by whoever brings it.
    ///
    /// # Errors
    /// Where the store cannot list them.
    pub async fn list_untried(&self) -> Result<Untried, Unavailable> {
        let mut untried = Vec::new();
        let mut after = None;
        loop {
            let page = self.store().deliveries(DeliveryKind::Pending, after, LIST_PAGE).await?;
            let Some(last) = page.last() else { return Ok(Untried(untried)) };
            after = Some(last.place());
            untried.extend(page.iter().map(ListedDelivery::place));
        }
    }

    /// Begins the deliveries in tasks of their own.
    pub fn deliver_untried(&self, untried: Untried) {
        if untried.0.is_empty() {
            return;
        }
        tracing::info!(
            deliveries = untried.0.len(),
            "Delivering what was accepted before the stop and never tried"
        );
        let room = Arc::new(Semaphore::new(RECOVERED_DELIVERIES));
        let by_conversation = untried.0.chunk_by(|a, b| a.0 == b.0).map(<[_]>::to_vec).collect::<Vec<_>>();
        let this = self.clone();
        self.tasks().spawn(async move {
            for places in by_conversation {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
                let each = this.clone();
                this.tasks().spawn(async move {
                    for (conversation, position) in places {
                        each.deliver_one_untried(conversation, position).await;
                    }
                    drop(permit);
                });
            }
        });
    }

    async fn deliver_one_untried(&self, conversation: ConversationId, position: Position) {
        let id = ActivityId { conversation, position };
        match self.job_for(&id, Turn::alone(), Again::UnlessTried).await {
            Ok(Some(job)) => {
                let delivered = outcome(self.deliver(job)).await;
                tracing::info!(activity.id = %id, ?delivered, "Delivered after the start");
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(activity.id = %id, %error, "Could not be delivered after the start"),
        }
    }

    /// A delivery of what the log holds; `None` where it holds nothing there, or there is no room.
    pub(crate) async fn job_for(
        &self,
        id: &ActivityId,
        turn: Turn,
        again: Again,
    ) -> Result<Option<Job>, Unavailable> {
        let topic = self.topic(&id.conversation).await?;
        topic.note_repeat();
        let bot = topic.door().facts().bot.clone();
        let before = Position::new(id.position.get().saturating_sub(1));
        let one = PageLimit { records: 1, bytes: 1 };
        let page = self.store().read(&id.conversation, before, one).await?;
        let record = page.records.into_iter().find(|record| record.position == id.position);
        let Some(activity) = record.and_then(|record| Activity::parse(&record.body).ok()) else {
            return Ok(None);
        };
        let Some(permit) = self.deliveries().permit(&bot) else { return Ok(None) };
        let deadline = Instant::now() + self.limits().bot_deadline;
        Ok(Some(Job {
            id: id.to_string(),
            place: Some(id.clone()),
            bot,
            activity,
            turn,
            deadline,
            again,
            _permit: permit,
        }))
    }
}

/// Deliveries that were pending when the server was started.
#[derive(Debug)]
pub struct Untried(Vec<(ConversationId, Position)>);
