//! The one way of reading a conversation: by page from a position, and at the tail wait and look again.
//!
//! Sockets, polls and held polls all go through here, history and live activities alike. So there is nothing to merge,
//! nothing to de-duplicate, and no queue per reader: a reader costs one page.
//!
//! What is not logged (typing, live answers) comes between: where the log has something to read, that comes first.
//!
//! Invariant: the position only moves forward, and only over records that were handed out (or of which clients see
//! nothing there). A wake-up is a hint; behind it there is a slow poll of the log itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use landline_protocol::{ConversationId, Position, Watermark};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

use crate::conversations::{Conversations, Unavailable};
use crate::hub::{SocketSeat, Topic};
use crate::limits::{FOLLOW_POLL_MAX, FOLLOW_POLL_MIN, PAGES_THAT_SHOW_NOTHING};
use crate::live::Watching;
use crate::shown::Given;
use crate::store::{PageLimit, ReadError, Record};

/// A logged activity that clients may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its JSON.
    pub activity: Bytes,
    /// The watermark of a reader that has seen it.
    pub watermark: Position,
}

/// What a reader gets next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Logged activities, in order.
    Activities(Vec<Seen>),
    /// An activity that is not logged (typing, a chunk of a live answer); the watermark stays.
    Transient(Bytes),
}

/// A reader of one conversation.
#[derive(Debug)]
pub struct Follower {
    conversations: Conversations,
    topic: Arc<Topic>,
    position: Position,
    given: Given,
    grew: watch::Receiver<Position>,
    transient: broadcast::Receiver<Bytes>,
    live: Watching,
    /// After how long to look into the log without having been woken.
    poll: Duration,
    /// When that is; outlives a `next` that is dropped, or a socket with pings would never look.
    poll_at: Instant,
    expired: bool,
}

/// A part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The activities that clients may see, in order.
    pub activities: Vec<Seen>,
    /// The watermark behind the last.
    pub watermark: Position,
    /// Whether the reader's position was older than what is kept, so that something was skipped.
    pub expired: bool,
    /// Whether this was the end of the log. Where it was not, and there are no activities, clients see nothing of what
    /// was read: ask again.
    pub at_end: bool,
}

/// Where a reader that names this watermark begins; decided once, at the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Right behind this position, or at the log's end where it is ahead of it.
    After(Position),
    /// With what arrives from now on.
    Now,
}

impl Begin {
    /// The meaning of a watermark on a reconnect. `empty_is_history` is the site's choice for `watermark=`.
    pub fn of_reconnect(watermark: Watermark, empty_is_history: bool) -> Self {
        match watermark {
            Watermark::After(position) => Self::After(position),
            Watermark::Empty if empty_is_history => Self::After(Position::START),
            Watermark::Empty | Watermark::Absent => Self::Now,
        }
    }

    /// The meaning of a watermark on a poll: without one, everything.
    pub fn of_poll(watermark: Watermark) -> Self {
        match watermark {
            Watermark::After(position) => Self::After(position),
            Watermark::Empty | Watermark::Absent => Self::After(Position::START),
        }
    }
}

impl Conversations {
    /// Fixes where a reader begins: never ahead of the log.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn begin(&self, conversation: &ConversationId, begin: Begin) -> Result<Position, Unavailable> {
        let topic = self.topic(conversation).await?;
        Ok(match begin {
            Begin::Now => topic.last(),
            Begin::After(position) => position.min(topic.last()),
        })
    }

    /// Follows a conversation from a position on.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn follow(
        &self,
        conversation: &ConversationId,
        after: Position,
    ) -> Result<Follower, Unavailable> {
        let topic = self.topic(conversation).await?;
        Ok(Follower {
            position: after.min(topic.last()),
            given: Given::default(),
            grew: topic.watch(),
            transient: topic.listen_transient(),
            live: topic.live().watch(),
            topic,
            conversations: self.clone(),
            poll: FOLLOW_POLL_MIN,
            poll_at: Instant::now() + FOLLOW_POLL_MIN,
            expired: false,
        })
    }

    fn page_limit(&self) -> PageLimit {
        PageLimit { records: self.limits().page_records, bytes: self.limits().page_bytes }
    }
}

impl Follower {
    /// Where the reader is: behind everything that was handed out.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Passes over what the bot is writing just now: for a reader that comes again and again, and would get the same
    /// chunk each time.
    pub fn skip_live(&mut self) {
        self.topic.live().pass_over(&mut self.live);
    }

    /// Takes one of the conversation's seats for sockets; `None` when all are taken.
    pub fn take_seat(&self) -> Option<SocketSeat> {
        self.topic.take_seat(self.conversations.limits().sockets_per_conversation)
    }

    /// Waits for what comes next. Can be dropped and called again at any time without losing anything.
    ///
    /// # Errors
    /// [`Unavailable`]; the reader may be asked again later.
    pub async fn next(&mut self) -> Result<Next, Unavailable> {
        let mut look_into_log = false;
        loop {
            self.grew.borrow_and_update();
            self.live.mark();
            if let Some(page) = self.page(look_into_log).await? {
                self.look_again_in(FOLLOW_POLL_MIN);
                if page.is_empty() {
                    // Whoever waits beside this (for the end of the socket, for others on this thread) gets a turn.
                    tokio::task::yield_now().await;
                    continue;
                }
                return Ok(Next::Activities(page));
            }
            if let Some(chunk) = self.topic.live().take(&mut self.live, Instant::now()) {
                return Ok(Next::Transient(chunk));
            }
            if look_into_log {
                self.look_again_in((self.poll * 2).min(FOLLOW_POLL_MAX));
            }
            let poll_at = self.poll_at;
            tokio::select! {
                biased;
                grew = self.grew.changed() => {
                    look_into_log = grew.is_err();
                }
                () = self.live.changed() => look_into_log = false,
                said = self.transient.recv() => match said {
                    Ok(activity) => return Ok(Next::Transient(activity)),
                    // Too slow for typing: nothing is owed.
                    Err(_) => look_into_log = false,
                },
                () = sleep_until(poll_at) => look_into_log = true,
            }
        }
    }

    fn look_again_in(&mut self, poll: Duration) {
        self.poll = poll;
        self.poll_at = Instant::now() + poll;
    }

    /// What there is right now: up to a page, maybe nothing, and see [`History::at_end`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn history(&mut self) -> Result<History, Unavailable> {
        let page = self.page(false).await?;
        let at_end = page.is_none();
        let activities = page.unwrap_or_default();
        Ok(History { activities, watermark: self.position, expired: self.expired, at_end })
    }

    /// The next page in which there is something to see, and moves behind it; `None` at the tail. A page with nothing in
    /// it where that is not reached within [`PAGES_THAT_SHOW_NOTHING`].
    async fn page(&mut self, look_into_log: bool) -> Result<Option<Vec<Seen>>, Unavailable> {
        for _ in 0..PAGES_THAT_SHOW_NOTHING {
            if self.topic.is_deleted() {
                return Err(Unavailable::NotFound);
            }
            if self.position >= self.topic.last() && !look_into_log {
                return Ok(None);
            }
            let records = self.records().await?;
            let (mut visible, last) = self.seen(&records).await?;
            let Some(last) = last else { return Ok(None) };
            // Only from here on, without another wait: a reader that is dropped while it reads has read nothing.
            self.position = last;
            self.given.passed(last);
            self.topic.grew_to(last);
            if let Some(newest) = visible.last_mut() {
                // Behind what no client may see, too.
                newest.watermark = last;
            }
            if !visible.is_empty() {
                return Ok(Some(visible));
            }
        }
        Ok(Some(Vec::new()))
    }

    /// What clients see of these records, up to a page of bytes, and the last of those records that were looked at.
    async fn seen(&mut self, records: &[Record]) -> Result<(Vec<Seen>, Option<Position>), Unavailable> {
        let (mut visible, mut last, mut bytes) = (Vec::new(), None, 0);
        for record in records {
            last = Some(record.position);
            let shown = self.conversations.shown(&self.topic, record, records, &mut self.given).await?;
            if let Some(activity) = shown {
                bytes += activity.len();
                visible.push(Seen { activity, watermark: record.position });
            }
            // The newest content may be longer than what it replaces.
            if bytes >= self.conversations.limits().page_bytes {
                break;
            }
        }
        Ok((visible, last))
    }

    async fn records(&mut self) -> Result<Vec<Record>, Unavailable> {
        let limit = self.conversations.page_limit();
        let in_memory = self.topic.ring().read(self.position, limit);
        if let Some(records) = in_memory {
            return Ok(records);
        }
        match self.conversations.store().read(&self.topic.id, self.position, limit).await {
            Ok(page) => {
                self.expired |= page.expired_through > self.position && self.position > Position::START;
                Ok(page.records)
            }
            // The log was cut and went on: everything behind its last is new to this reader.
            Err(ReadError::PastTail { last }) => {
                self.position = last;
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }
}
