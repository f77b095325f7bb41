//! Which conversations have something queued, and whose turn it is. Only decides; does nothing itself.
//!
//! Each line is in one place: with a timer, in the queue of those to be looked at, in the queue of its bot, or with
//! whoever serves it. A line that is looked at either rests, or takes a part of its bot's room for one attempt.
//!
//! Invariant: where lines wait for a bot's room, somebody holds a part of it, or one of them was called to take it. So a
//! call is passed on by whoever finds, when it is looked at, that it has nothing to bring.

use std::collections::{BTreeMap, HashMap, VecDeque};

use landline_protocol::{BotName, ConversationId, Position};
use tokio::time::Instant;

use crate::limits::{OUTBOX_ATTEMPTS_PER_BOT, OUTBOX_LOOKS};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<ConversationId, Line>,
    timers: BTreeMap<Timer, ConversationId>,
    /// To be looked at, in this order.
    fresh: VecDeque<ConversationId>,
    bots: HashMap<BotName, Room>,
    /// How many are looked at just now.
    looking: usize,
    /// The number of the next timer.
    timer: u64,
    driven: bool,
    stopped: bool,
}

/// When, and a number of its own.
type Timer = (Instant, u64);

#[derive(Debug)]
enum Line {
    /// Until the pause of this entry is over.
    Resting { timer: Timer, entry: Position },
    /// In a queue.
    Waiting {
        /// This entry has rested.
        rested: Option<Position>,
        /// There is room for it with this bot.
        called: Option<BotName>,
    },
    /// With whoever serves it.
    Served {
        /// Whether something happened meanwhile that asks for another look.
        again: bool,
        /// What was taken away meanwhile.
        dropped: Vec<Position>,
        /// Whose room it was called to take, and has not taken yet.
        called: Option<BotName>,
    },
}

/// What is left of what one bot may take.
#[derive(Debug, Default)]
struct Room {
    taken: usize,
    waiting: VecDeque<ConversationId>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Serve this line; this entry's pause is over, whatever the clock says.
    Serve(ConversationId, Option<Position>),
    /// Nothing, until then at the latest.
    Wait(Option<Instant>),
    /// Nothing any more.
    Over,
}

/// What becomes of a line that was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more: look again.
    Look,
    /// Its first entry has a pause.
    Rest {
        /// Until then.
        until: Instant,
        /// Which entry.
        entry: Position,
    },
    /// It has nothing queued.
    Nothing,
}

impl Lines {
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// From now on nothing is begun; what is served ends.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether the caller is to drive; somebody else does otherwise, or nobody any more.
    pub(super) fn begin_driving(&mut self) -> bool {
        !self.stopped && !std::mem::replace(&mut self.driven, true)
    }

    /// Something was put behind what is queued in this conversation. What is first stays first, so a line that rests
    /// goes on resting.
    pub(super) fn wake(&mut self, conversation: &ConversationId) {
        match self.lines.get_mut(conversation) {
            None => self.enqueue(conversation.clone(), None),
            Some(Line::Served { again, .. }) => *again = true,
            Some(Line::Resting { .. } | Line::Waiting { .. }) => {}
        }
    }

    /// What is first in this conversation is to be tried now.
    pub(super) fn hurry(&mut self, conversation: &ConversationId) {
        match self.lines.get(conversation) {
            Some(Line::Resting { timer, entry }) => {
                let (timer, entry) = (*timer, *entry);
                self.timers.remove(&timer);
                self.enqueue(conversation.clone(), Some(entry));
            }
            _ => self.wake(conversation),
        }
    }

    pub(super) fn rest_unless_known(
        &mut self,
        conversation: &ConversationId,
        until: Instant,
        entry: Position,
    ) {
        if !self.lines.contains_key(conversation) {
            self.rest(conversation.clone(), until, entry);
        }
    }

    /// An entry was taken away: whoever tries it just now keeps no outcome of that.
    pub(super) fn drop_entry(&mut self, conversation: &ConversationId, entry: Position) {
        if let Some(Line::Served { dropped, .. }) = self.lines.get_mut(conversation) {
            dropped.push(entry);
        }
    }

    pub(super) fn is_dropped(&self, conversation: &ConversationId, entry: Position) -> bool {
        matches!(self.lines.get(conversation), Some(Line::Served { dropped, .. }) if dropped.contains(&entry))
    }

    pub(super) fn step(&mut self, now: Instant) -> Step {
        while let Some(first) = self.timers.first_entry() {
            if self.stopped || first.key().0 > now {
                break;
            }
            let conversation = first.remove();
            if let Some(Line::Resting { entry, .. }) = self.lines.get(&conversation) {
                let rested = Some(*entry);
                self.enqueue(conversation, rested);
            }
        }
        if self.stopped || self.lines.is_empty() {
            self.driven = false;
            return Step::Over;
        }
        if self.looking < OUTBOX_LOOKS
            && let Some(conversation) = self.fresh.pop_front()
        {
            let (rested, called) = match self.lines.remove(&conversation) {
                Some(Line::Waiting { rested, called }) => (rested, called),
                _ => (None, None),
            };
            let served = Line::Served { again: false, dropped: Vec::new(), called };
            self.lines.insert(conversation.clone(), served);
            self.looking += 1;
            return Step::Serve(conversation, rested);
        }
        Step::Wait(self.timers.first_key_value().map(|((at, _), _)| *at))
    }

    /// Takes a part of the bot's room for a line that was looked at; where there is none, it waits for it. Nobody gets
    /// any after the stop.
    pub(super) fn take_room(
        &mut self,
        conversation: &ConversationId,
        bot: &BotName,
        rested: Option<Position>,
    ) -> bool {
        self.looking = self.looking.saturating_sub(1);
        let room = self.bots.entry(bot.clone()).or_default();
        let free = room.taken < OUTBOX_ATTEMPTS_PER_BOT && !self.stopped;
        let called = match self.lines.get_mut(conversation) {
            Some(Line::Served { called, .. }) => called.take(),
            _ => None,
        };
        if free {
            room.taken += 1;
            return true;
        }
        match called {
            // Somebody else was quicker; it has waited longest all the same.
            Some(_) => room.waiting.push_front(conversation.clone()),
            None => room.waiting.push_back(conversation.clone()),
        }
        self.lines.insert(conversation.clone(), Line::Waiting { rested, called: None });
        false
    }

    /// A line is not served any more; `bot` is the one of whose room it held a part.
    pub(super) fn leave(&mut self, conversation: &ConversationId, bot: Option<&BotName>, next: Next) {
        let (again, called) = match self.lines.get_mut(conversation) {
            Some(Line::Served { again, called, .. }) => (*again, called.take()),
            _ => (false, None),
        };
        match bot {
            None => self.looking = self.looking.saturating_sub(1),
            Some(bot) => self.give_room_back(bot),
        }
        if let Some(bot) = called {
            self.call_next(&bot);
        }
        match next {
            Next::Rest { until, entry } if !again => self.rest(conversation.clone(), until, entry),
            Next::Nothing if !again => drop(self.lines.remove(conversation)),
            Next::Look | Next::Rest { .. } | Next::Nothing => self.enqueue(conversation.clone(), None),
        }
    }

    fn give_room_back(&mut self, bot: &BotName) {
        if let Some(room) = self.bots.get_mut(bot) {
            room.taken = room.taken.saturating_sub(1);
            self.call_next(bot);
        }
    }

    /// Whoever has waited longest for this bot is looked at before others.
    fn call_next(&mut self, bot: &BotName) {
        let Some(room) = self.bots.get_mut(bot) else { return };
        match room.waiting.pop_front() {
            Some(next) => {
                if let Some(Line::Waiting { called, .. }) = self.lines.get_mut(&next) {
                    *called = Some(bot.clone());
                }
                self.fresh.push_front(next);
            }
            None if room.taken == 0 => drop(self.bots.remove(bot)),
            None => {}
        }
    }

    fn rest(&mut self, conversation: ConversationId, until: Instant, entry: Position) {
        let timer = (until, self.timer);
        self.timer += 1;
        self.timers.insert(timer, conversation.clone());
        self.lines.insert(conversation, Line::Resting { timer, entry });
    }

    fn enqueue(&mut self, conversation: ConversationId, rested: Option<Position>) {
        self.lines.insert(conversation.clone(), Line::Waiting { rested, called: None });
        self.fresh.push_back(conversation);
    }
}

#[cfg(test)]
mod tests;
