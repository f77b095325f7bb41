//! Bringing activities to a bot in `queued` mode: the client's send is answered when the activity is durable, and the
//! bot gets it at least once, in the order of the log.
//!
//! The outbox is the delivery states *queued* and *parked* of the store: an entry is made in the same atomic write as its
//! activity. Here is only what a process needs to know besides: one line per conversation that has something queued.
//! A line rests until its first entry is due, waits for its bot to have room, or is served: one attempt at a time.
//! An entry that the bot does not take is tried again after a pause (`schedule`), in its place; when the time is over,
//! or the bot says *gone*, it is parked and the next one goes. All of it can be lost without losing data.
//!
//! Invariants:
//! - One attempt per conversation is under way at the most, always of the first queued entry.
//! - What leads to an attempt is on disk before it; what comes of it is on disk before the next.
//! - A bot that hangs takes its own room and nobody else's.
//!
//! A bot that is switched to `wait`, or taken away, leaves its entries behind: they are tried, parked, listed and
//! dropped as before.
//!
//! Not here: what operators see and do (`desk`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landline_protocol::{BotName, ConversationId, Position, Timestamp};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use self::lines::{Lines, Next, Step};
use crate::bot::DeliveryMode;
use crate::conversations::Conversations;
use crate::limits::{LIST_PAGE, OUTBOX_PAUSE_MAX, OUTBOX_STORE_PAUSE};
use crate::store::{DeliveryKind, DeliveryState, Queued, StoreError};

mod attempt;
mod desk;
mod lines;
mod schedule;

pub use desk::{
    InvalidOutboxCursor, OutboxCursor, OutboxEntry, OutboxFilter, OutboxPage, OutboxState, OutboxTarget,
};

/// What happened in the outbox; for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxChange {
    /// An entry was made.
    Queued,
    /// The bot took one.
    Delivered,
    /// An attempt failed; there will be another.
    Failed,
    /// One was given up.
    Parked,
    /// Somebody asked to try one that was given up.
    Retried,
    /// Somebody took one away.
    Dropped,
}

/// What all lines share.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Held for a few lines; never across an await.
    lines: Mutex<Lines>,
    /// Tells the driver that there may be something to do.
    changed: Notify,
    /// Lines that are served just now.
    served: TaskTracker,
    /// What operators ask for goes one after the other, so that nothing that was dropped comes back by a retry.
    desk: AsyncMutex<()>,
}

impl Outbox {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        // A panic while it was held leaves a line that is served too late at worst.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on no attempt is begun.
    pub(super) fn stop(&self) {
        self.lines().stop();
        self.changed.notify_one();
        self.served.close();
    }

    /// Resolves when no attempt is under way; see [`Self::stop`].
    pub(super) async fn over(&self) {
        self.served.wait().await;
    }
}

/// What a new entry is.
pub(crate) fn first_state(now: Timestamp) -> DeliveryState {
    DeliveryState::Queued(Queued { attempts: 0, due: now, since: now, waited_ms: 0, last_status: None })
}

impl Conversations {
    /// Whether this bot gets by the outbox what is logged from now on.
    pub(crate) fn is_queued(&self, bot: &BotName) -> bool {
        self.bot(bot).is_some_and(|profile| profile.delivery == DeliveryMode::Queued)
    }

    /// How many conversations have something queued, as far as this process knows; for metrics.
    pub fn outbox_lines(&self) -> usize {
        self.outbox().lines().len()
    }

    /// Something was queued in this conversation, or may have been.
    pub(crate) fn wake_outbox(&self, conversation: &ConversationId) {
        self.outbox().lines().wake(conversation);
        self.drive_outbox();
    }

    /// Finds what is queued and no line knows of, in a task of its own: after a start, and now and then, because a
    /// wake-up is only a hint.
    pub fn resume_outbox(&self) {
        let this = self.clone();
        self.tasks().spawn(async move {
            let mut after = None;
            while !this.outbox().lines().is_stopped() {
                match this.resume_page(after.clone()).await {
                    Ok(None) => return,
                    Ok(Some(conversation)) => after = Some((conversation, Position::new(u64::MAX))),
                    Err(error) => {
                        tracing::warn!(%error, "The outbox cannot be listed; trying again");
                        sleep(OUTBOX_STORE_PAUSE).await;
                    }
                }
            }
        });
    }

    /// Returns the conversation behind which to go on.
    async fn resume_page(
        &self,
        after: Option<(ConversationId, Position)>,
    ) -> Result<Option<ConversationId>, StoreError> {
        let page = self.store().deliveries(DeliveryKind::Queued, after, LIST_PAGE).await?;
        let now = self.now();
        for entries in page.chunk_by(|a, b| a.conversation == b.conversation) {
            let Some(first) = entries.first() else { continue };
            let pause = match &first.state {
                Ok(DeliveryState::Queued(queued)) => pause_until_due(queued, now),
                // Whoever serves the line finds out.
                _ => Duration::ZERO,
            };
            let mut lines = self.outbox().lines();
            if pause.is_zero() {
                lines.wake(&first.conversation);
            } else {
                lines.rest_unless_known(&first.conversation, Instant::now() + pause, first.position);
            }
        }
        self.drive_outbox();
        Ok(page.last().map(|last| last.conversation.clone()))
    }

    /// Sees to it that somebody looks whose turn it is, until there is nothing left.
    fn drive_outbox(&self) {
        if !self.outbox().lines().begin_driving() {
            self.outbox().changed.notify_one();
            return;
        }
        let this = self.clone();
        self.tasks().spawn(async move {
            loop {
                let (step, count) = {
                    let mut lines = this.outbox().lines();
                    (lines.step(Instant::now()), lines.len())
                };
                this.observer().outbox_lines(count);
                let changed = this.outbox().changed.notified();
                match step {
                    Step::Serve(conversation, rested) => this.serve_outbox(conversation, rested),
                    Step::Wait(None) => changed.await,
                    Step::Wait(Some(until)) => tokio::select! {
                        () = sleep_until(until) => {}
                        () = changed => {}
                    },
                    Step::Over => return,
                }
            }
        });
    }

    fn serve_outbox(&self, conversation: ConversationId, rested: Option<Position>) {
        let this = self.clone();
        let seat = Seat { of: self.clone(), conversation, bot: None, left: false };
        let served = self.outbox().served.track_future(async move { this.serve_line(seat, rested).await });
        self.tasks().spawn(served);
    }
}

/// How long until an entry is due. One that was never tried always is, and no clock that was set back makes any wait
/// longer than the longest pause.
fn pause_until_due(queued: &Queued, now: Timestamp) -> Duration {
    if queued.attempts == 0 {
        return Duration::ZERO;
    }
    let millis = queued.due.as_millis().saturating_sub(now.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or_default()).min(OUTBOX_PAUSE_MAX)
}

/// Whoever serves a line. Leaves it to others when it is over, also when its task panics.
struct Seat {
    of: Conversations,
    conversation: ConversationId,
    /// The bot of whose room it holds a part.
    bot: Option<BotName>,
    left: bool,
}

impl Seat {
    /// Takes a part of the bot's room; where there is none, the line waits for it, and is not served any more.
    fn take_room(&mut self, bot: &BotName, rested: Option<Position>) -> bool {
        let taken = self.of.outbox().lines().take_room(&self.conversation, bot, rested);
        if taken {
            self.bot = Some(bot.clone());
        } else {
            self.left = true;
            self.of.outbox().changed.notify_one();
        }
        taken
    }

    fn leave(mut self, next: Next) {
        self.give_up(next);
    }

    fn give_up(&mut self, next: Next) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        self.of.outbox().lines().leave(&self.conversation, self.bot.as_ref(), next);
        self.of.outbox().changed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let until = Instant::now() + OUTBOX_STORE_PAUSE;
        self.give_up(Next::Rest { until, entry: Position::START });
    }
}
