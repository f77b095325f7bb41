//! The only door to a log: everything that is logged gets its id, its time and its place here.
//!
//! Appends to one conversation are queued in the order of their positions without waiting for one another, so that
//! many of them share one write to disk. The store has the last word: where it disagrees about the tail, the door
//! is opened anew from what the store says and the append is made again.
//!
//! Invariant: the times of records never go back within a conversation; ids are made of positions, and what replaces
//! something has the id of that.
//!
//! Not here: what may be appended (`client_send`, `bot_send`), who is told (`hub`, `delivery`).

use std::convert::Infallible;
use std::sync::Arc;

use landline_protocol::{Activity, ActivityId, ChannelAccount, ConversationId, Position, Timestamp};

use tokio::time::Instant;

use crate::conversations::Conversations;
use crate::delivery::{Before, OutboxChange, Turn, first_state};
use crate::facts::{Change, Facts};
use crate::files::{QuotaExceeded, StoredFile};
use crate::hub::Topic;
use crate::limits::APPEND_TRIES;
use crate::store::{
    Append, AppendError, Appended, Audience, Damage, DeliveryState, Head, IdempotencyKey, NewRecord,
    ReadError, Record, StoreError, StoreFuture,
};

/// What is known of the end of a log, by whoever appends to it.
#[derive(Debug)]
pub(crate) struct Door {
    last: Position,
    tail: Position,
    last_time: Timestamp,
    facts: Arc<Facts>,
    /// Resolves when the delivery before the next one is over.
    last_turn: Option<Before>,
    /// Counts how often the door was opened anew, so that of many appends that failed together only one does so.
    generation: u64,
}

impl Door {
    pub(crate) fn new(conversation: &ConversationId, head: Head) -> Result<Self, Damage> {
        let facts = Facts::from_bytes(conversation, &head.facts)?;
        Ok(Self {
            last: head.last,
            tail: head.tail,
            last_time: head.last_time,
            facts: Arc::new(facts),
            last_turn: None,
            generation: 0,
        })
    }

    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts)
    }

    /// Puts facts that are durable now. What was read of the store before that may hold older ones, and does not count.
    fn set_facts(&mut self, facts: Facts) {
        self.facts = Arc::new(facts);
        self.generation += 1;
    }

    /// A place behind all deliveries so far.
    pub(crate) fn next_turn(&mut self) -> Turn {
        Turn::behind(&mut self.last_turn)
    }
}

/// What is to be logged, before it has a place.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) activity: Activity,
    pub(crate) audience: Audience,
    /// Whether the bot is to get it.
    pub(crate) to_bot: bool,
    /// When it was said, where that is not now.
    pub(crate) said: Option<Timestamp>,
    /// Which draft of the same append it replies to, by index.
    pub(crate) replies_to: Option<usize>,
    /// The activity whose content it replaces, and whose id it therefore has.
    pub(crate) replaces: Option<ActivityId>,
}

impl Draft {
    /// Something that a client says.
    pub(crate) fn of_client(activity: Activity) -> Self {
        Self { to_bot: true, ..Self::of_bot(activity, Audience::Everyone) }
    }

    /// Something that a bot says.
    pub(crate) fn of_bot(activity: Activity, audience: Audience) -> Self {
        Self { activity, audience, to_bot: false, said: None, replies_to: None, replaces: None }
    }

    /// Something that the bot alone is told.
    pub(crate) fn for_bot(activity: Activity) -> Self {
        Self { to_bot: true, ..Self::of_bot(activity, Audience::Bot) }
    }
}

/// One append.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) first: Draft,
    /// What stands right behind it.
    pub(crate) more: Vec<Draft>,
    pub(crate) key: Option<IdempotencyKey>,
    /// The user who says it, and may say for the first time what they are called.
    pub(crate) named: Option<ChannelAccount>,
}

impl Entry {
    pub(crate) fn of(first: Draft) -> Self {
        Self { first, more: Vec::new(), key: None, named: None }
    }

    fn drafts(&self) -> impl Iterator<Item = &Draft> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// What was logged and is durable.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) id: ActivityId,
    pub(crate) activity: Activity,
    /// Its place in the order of deliveries, where whoever logged it is to bring it to the bot.
    pub(crate) turn: Option<Turn>,
    /// Whether the outbox brings it to the bot.
    pub(crate) queued: bool,
}

/// What became of an [`Entry`].
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The first, and what stands right behind it.
    Logged(Logged, Vec<Logged>),
    /// The key was seen; the first send has this id.
    Repeat(ActivityId),
}

/// Nothing was appended: who was to join or to leave did so before.
struct Unchanged;

/// What became of asking the store to append.
enum Ask<N> {
    Asked(Box<Asked>),
    /// The facts would change, and it is somebody else's turn to change them.
    NeedsTurn,
    NothingToDo(N),
}

struct Asked {
    sealed: Sealed,
    written: StoreFuture<Appended, AppendError>,
    facts: Option<Facts>,
    generation: u64,
    queued: bool,
}

struct Sealed {
    first: Logged,
    more: Vec<Logged>,
    tail: Position,
    records: Vec<Record>,
    deliveries: Vec<Option<DeliveryState>>,
}

impl Conversations {
    /// Appends, and tells the readers. Runs to its end once it is called in a tracked task.
    pub(crate) async fn append(&self, topic: &Topic, entry: &Entry) -> Result<Outcome, AppendError> {
        let named = |facts: &Facts| {
            let named = entry.named.clone().map(Change::Named);
            Ok::<_, Infallible>(named.and_then(|named| facts.after(&named)))
        };
        match self.append_with(topic, entry, named).await? {
            Ok(outcome) => Ok(outcome),
            Err(never) => match never {},
        }
    }

    /// As [`Self::append`], with more files; or why there is no room for them.
    pub(crate) async fn append_with_files(
        &self,
        topic: &Topic,
        entry: &Entry,
        files: &[StoredFile],
    ) -> Result<Result<Outcome, QuotaExceeded>, AppendError> {
        let changed = |facts: &Facts| {
            let named = entry.named.clone().and_then(|named| facts.after(&Change::Named(named)));
            self.with_files(named.as_ref().unwrap_or(facts), files).map(Some)
        };
        self.append_with(topic, entry, changed).await
    }

    /// Appends what tells of a change, with the change; `None` where there is nothing to change.
    pub(crate) async fn append_change(
        &self,
        topic: &Topic,
        draft: Draft,
        change: &Change,
    ) -> Result<Option<Outcome>, AppendError> {
        let changed = |facts: &Facts| facts.after(change).map(Some).ok_or(Unchanged);
        Ok(self.append_with(topic, &Entry::of(draft), changed).await?.ok())
    }

    /// Appends with the facts that `change` makes of those that there are, unless it finds that nothing is to be done.
    ///
    /// Whoever changes the facts waits for whoever did before: a change that builds upon one that is not durable could
    /// bring back what was never written. Those who do not change them wait for nobody.
    async fn append_with<N>(
        &self,
        topic: &Topic,
        entry: &Entry,
        change: impl Fn(&Facts) -> Result<Option<Facts>, N> + Send,
    ) -> Result<Result<Outcome, N>, AppendError> {
        let began = Instant::now();
        let mut turn = None;
        for _ in 0..APPEND_TRIES {
            let asked = match self.ask(topic, entry, &change, turn.is_some())? {
                Ask::Asked(asked) => asked,
                Ask::NeedsTurn => {
                    turn = Some(topic.facts_turn().await);
                    continue;
                }
                Ask::NothingToDo(why) => return Ok(Err(why)),
            };
            let Asked { sealed, written, facts, generation, queued } = *asked;
            match written.await {
                Ok(Appended::Done) => {
                    if let Some(facts) = facts {
                        topic.door().set_facts(facts);
                    }
                    topic.publish(sealed.records);
                    if queued {
                        self.observer().outbox_changed(OutboxChange::Queued);
                        self.wake_outbox(&topic.id);
                    }
                    self.observer().append_committed(began.elapsed());
                    return Ok(Ok(Outcome::Logged(sealed.first, sealed.more)));
                }
                Ok(Appended::Duplicate { position }) => {
                    // Nothing was written, so the door is one step ahead of the log.
                    self.reopen(topic, generation).await?;
                    let conversation = topic.id.clone();
                    return Ok(Ok(Outcome::Repeat(ActivityId { conversation, position })));
                }
                Err(AppendError::Conflict { .. }) => {
                    topic.ring().clear();
                    self.reopen(topic, generation).await?;
                }
                Err(error) => {
                    if queued && matches!(error, AppendError::Unknown(_)) {
                        self.wake_outbox(&topic.id);
                    }
                    // What may be written without being known here may replace what is in memory.
                    topic.ring().clear();
                    // The first error says more than a second one about the same store would.
                    let _ = self.reopen(topic, generation).await;
                    return Err(error);
                }
            }
        }
        Err(too_many_at_once())
    }

    /// Queues an append of what there is now.
    fn ask<N>(
        &self,
        topic: &Topic,
        entry: &Entry,
        change: &impl Fn(&Facts) -> Result<Option<Facts>, N>,
        has_turn: bool,
    ) -> Result<Ask<N>, AppendError> {
        let mut door = topic.door();
        if topic.is_closed() {
            return Err(AppendError::NotFound);
        }
        let queued = entry.drafts().any(|draft| draft.to_bot) && self.is_queued(&door.facts.bot);
        let facts = match change(&door.facts) {
            Ok(Some(_)) if !has_turn => return Ok(Ask::NeedsTurn),
            Ok(facts) => facts,
            Err(nothing_to_do) => return Ok(Ask::NothingToDo(nothing_to_do)),
        };
        let sealed = door.seal(topic, entry, self.now(), queued).ok_or_else(out_of_positions)?;
        let written = self.store().append(Append {
            conversation: topic.id.clone(),
            expected_tail: sealed.tail,
            records: sealed.new_records(),
            idempotency: entry.key.clone(),
            facts: facts.as_ref().map(Facts::to_bytes),
        });
        let generation = door.generation;
        Ok(Ask::Asked(Box::new(Asked { sealed, written, facts, generation, queued })))
    }

    /// Changes the facts and logs nothing.
    pub(crate) async fn append_facts<N>(
        &self,
        topic: &Topic,
        change: impl Fn(&Facts) -> Result<Facts, N> + Send,
    ) -> Result<Result<(), N>, AppendError> {
        let _turn = topic.facts_turn().await;
        for _ in 0..APPEND_TRIES {
            let (facts, written, generation) = {
                let door = topic.door();
                if topic.is_closed() {
                    return Err(AppendError::NotFound);
                }
                let facts = match change(&door.facts) {
                    Ok(facts) => facts,
                    Err(nothing_to_do) => return Ok(Err(nothing_to_do)),
                };
                let written = self.store().append(Append {
                    conversation: topic.id.clone(),
                    expected_tail: door.tail,
                    records: Vec::new(),
                    idempotency: None,
                    facts: Some(facts.to_bytes()),
                });
                (facts, written, door.generation)
            };
            match written.await {
                // Without a key, nothing is a duplicate.
                Ok(Appended::Done | Appended::Duplicate { .. }) => {
                    topic.door().set_facts(facts);
                    return Ok(Ok(()));
                }
                Err(AppendError::Conflict { .. }) => self.reopen(topic, generation).await?,
                Err(error) => {
                    let _ = self.reopen(topic, generation).await;
                    return Err(error);
                }
            }
        }
        Err(too_many_at_once())
    }

    /// Where the send with this key stands, if it counts; nothing is written.
    pub(crate) async fn logged_before(
        &self,
        topic: &Topic,
        key: IdempotencyKey,
    ) -> Result<Option<ActivityId>, AppendError> {
        // The key is looked at first; then this tail, which no log has.
        let appended = self.store().append(Append {
            conversation: topic.id.clone(),
            expected_tail: Position::START,
            records: Vec::new(),
            idempotency: Some(key),
            facts: None,
        });
        match appended.await {
            Ok(Appended::Duplicate { position }) => {
                Ok(Some(ActivityId { conversation: topic.id.clone(), position }))
            }
            Ok(Appended::Done) | Err(AppendError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the end of the log from the store again, unless somebody did since `generation`.
    async fn reopen(&self, topic: &Topic, generation: u64) -> Result<(), AppendError> {
        if topic.door().generation != generation {
            return Ok(());
        }
        let head = self.store().head(&topic.id).await.map_err(|error| match error {
            ReadError::NotFound | ReadError::PastTail { .. } => AppendError::NotFound,
            ReadError::Damaged(damage) => damage.into(),
            ReadError::Unavailable(error) => AppendError::Unavailable(error),
        })?;
        topic.grew_to(head.last);
        let fresh = Door::new(&topic.id, head)?;
        let mut door = topic.door();
        if door.generation == generation {
            let last_turn = door.last_turn.take();
            *door = Door { generation: generation + 1, last_turn, ..fresh };
        }
        Ok(())
    }
}

impl Door {
    /// Gives every draft its place, and moves on behind the last; `None` when there are no more numbers.
    fn seal(&mut self, topic: &Topic, entry: &Entry, now: Timestamp, queued: bool) -> Option<Sealed> {
        let mut sealing = Sealing {
            topic,
            state: if queued { first_state(now) } else { DeliveryState::Pending },
            queued,
            time: now.max(self.last_time),
            position: self.tail,
            previous: self.last,
            ids: Vec::new(),
            records: Vec::new(),
            deliveries: Vec::new(),
        };
        let first = sealing.seal(&entry.first, &mut self.last_turn)?;
        let more = entry.more.iter().map(|draft| sealing.seal(draft, &mut self.last_turn));
        let more = more.collect::<Option<Vec<_>>>()?;
        let Sealing { records, deliveries, .. } = sealing;
        let tail = std::mem::replace(&mut self.tail, sealing.position);
        self.last = sealing.previous;
        self.last_time = sealing.time;
        Some(Sealed { first, more, tail, records, deliveries })
    }
}

/// Where the next draft gets its place.
struct Sealing<'a> {
    topic: &'a Topic,
    /// Of what the bot is to get.
    state: DeliveryState,
    /// Whether the outbox brings it there.
    queued: bool,
    time: Timestamp,
    position: Position,
    previous: Position,
    /// Of what is sealed already.
    ids: Vec<String>,
    records: Vec<Record>,
    deliveries: Vec<Option<DeliveryState>>,
}

impl Sealing<'_> {
    fn seal(&mut self, draft: &Draft, last_turn: &mut Option<Before>) -> Option<Logged> {
        let position = self.position;
        let id = ActivityId { conversation: self.topic.id.clone(), position };
        let mut activity = draft.activity.clone();
        let shown_id = draft.replaces.as_ref().unwrap_or(&id).to_string();
        activity.stamp(&shown_id, &self.topic.id, draft.said.unwrap_or(self.time));
        if let Some(replied) = draft.replies_to.and_then(|index| self.ids.get(index)) {
            activity.properties_mut().set_text("replyToId", replied);
        }
        self.ids.push(shown_id);
        self.records.push(Record {
            position,
            previous: std::mem::replace(&mut self.previous, position),
            time: self.time,
            audience: draft.audience,
            body: activity.to_json(),
            replaces: draft.replaces.as_ref().map(|root| root.position),
            replaced_by: None,
        });
        self.deliveries.push(draft.to_bot.then_some(self.state));
        self.position = position.next()?;
        let queued = draft.to_bot && self.queued;
        let turn = (draft.to_bot && !queued).then(|| Turn::behind(last_turn));
        Some(Logged { id, activity, turn, queued })
    }
}

impl Sealed {
    fn new_records(&self) -> Vec<(NewRecord, Option<DeliveryState>)> {
        let records = self.records.iter().map(|record| NewRecord {
            time: record.time,
            audience: record.audience,
            body: record.body.clone(),
            replaces: record.replaces,
        });
        records.zip(self.deliveries.iter().copied()).collect()
    }
}

fn too_many_at_once() -> AppendError {
    AppendError::Unavailable(StoreError("too many appends at once in one conversation".into()))
}

fn out_of_positions() -> AppendError {
    AppendError::Unavailable(StoreError("the conversation has no positions left".into()))
}
