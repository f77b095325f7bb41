//! Live answers: what a bot is still writing, chunk by chunk, for whoever is connected.
//!
//! A [`Lane`] belongs to a conversation and holds, for each answer that is being written, its newest few chunks. A
//! reader that keeps up gets every chunk in order; one that fell behind, or joins in the middle, goes on with the
//! newest. Chunks are not history: the `message` that ends an answer is.
//!
//! Invariants: an answer that has ended takes no more chunks and hands none out, so whoever logs its last message ends
//! it first, and no reader ever gets a chunk behind that message. Chunks, bytes and answers are bounded, in a
//! conversation and in the process; over a bound, chunks are lost, which nobody is owed. An answer that nobody goes on
//! with is forgotten after a while.
//!
//! Not here: what a chunk is (`bot_send`), how a reader waits (`follow`).

mod watching;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits::{
    ALL_LIVE_ANSWERS, ALL_LIVE_BYTES, LIVE_ANSWER_BYTES, LIVE_ANSWER_CHUNKS, LIVE_ANSWER_TIMEOUT,
    LIVE_ANSWERS_PER_CONVERSATION,
};

pub(crate) use watching::Watching;

/// The live answers of all conversations of the process.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// The bytes of all chunks that are kept.
    bytes: AtomicUsize,
    /// How many answers are remembered, those that have ended included.
    answers: AtomicUsize,
    /// Lanes that hold answers, each once, and when to look into them: by that time. Held for a few lines, and never
    /// taken by whoever holds a lane.
    due: Mutex<VecDeque<(Instant, Weak<Lane>)>>,
}

/// The live answers of one conversation.
#[derive(Debug)]
pub(crate) struct Lane {
    all: Arc<Live>,
    /// Held for a few lines; never across an await.
    answers: Mutex<Answers>,
    /// Counts the chunks, so that readers wake.
    grew: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Answers {
    list: Vec<Answer>,
    /// How many there have been; the next one's serial number.
    begun: u64,
    /// How many chunks there have been.
    chunks: u64,
    /// Whether the lane stands in [`Live::due`].
    awaited: bool,
}

#[derive(Debug)]
struct Answer {
    id: Box<str>,
    serial: u64,
    /// The newest, oldest first.
    chunks: VecDeque<Kept>,
    /// The number of the newest chunk; the first one is 1.
    newest: u64,
    /// What the newest chunk says that it is.
    sequence: Option<u64>,
    ended: bool,
    /// When it is forgotten, unless it goes on.
    until: Instant,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    /// Its place among the chunks of all answers of the conversation.
    place: u64,
    body: Bytes,
}

/// A chunk that just came.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    /// The answer that it belongs to; one that is not known begins.
    pub(crate) answer: &'a str,
    /// Where the bot says that it stands. One that is not behind the newest comes too late, and is passed over.
    pub(crate) sequence: Option<u64>,
    /// Whether the answer ends with it.
    pub(crate) last: bool,
    /// As clients get it.
    pub(crate) body: Bytes,
}

impl Live {
    /// A lane for one conversation.
    pub(crate) fn lane(self: &Arc<Self>) -> Arc<Lane> {
        Arc::new(Lane { all: Arc::clone(self), answers: Mutex::default(), grew: watch::Sender::new(0) })
    }

    fn due(&self) -> MutexGuard<'_, VecDeque<(Instant, Weak<Lane>)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what nobody went on with.
    fn forget_old(&self, now: Instant) {
        loop {
            let lane = {
                let mut due = self.due();
                match due.front() {
                    Some((at, _)) if *at <= now => due.pop_front().and_then(|(_, lane)| lane.upgrade()),
                    _ => return,
                }
            };
            let Some(lane) = lane else { continue };
            let mut answers = lane.answers();
            lane.forget(&mut answers, |answer| answer.until <= now);
            answers.awaited = !answers.list.is_empty();
            let again = answers.awaited;
            drop(answers);
            if again {
                self.due().push_back((now + LIVE_ANSWER_TIMEOUT, Arc::downgrade(&lane)));
            }
        }
    }
}

impl Lane {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a chunk in and wakes the readers.
    pub(crate) fn push(self: &Arc<Self>, chunk: Chunk<'_>, now: Instant) {
        self.all.forget_old(now);
        let mut answers = self.answers();
        let Some(index) = self.answer(&mut answers, chunk.answer, now) else { return };
        let place = answers.chunks + 1;
        let answer = &mut answers.list[index];
        let late = chunk.sequence.is_some_and(|new| answer.sequence.is_some_and(|newest| new <= newest));
        if answer.ended || late || !self.make_room(answer, chunk.body.len()) {
            return;
        }
        answer.newest += 1;
        answer.sequence = chunk.sequence.or(answer.sequence);
        answer.ended = chunk.last;
        answer.until = now + LIVE_ANSWER_TIMEOUT;
        answer.chunks.push_back(Kept { number: answer.newest, place, body: chunk.body });
        answers.chunks = place;
        self.await_end(answers, now);
        self.grew.send_replace(place);
    }

    /// Ends an answer: none of its chunks is handed out from now on, and none is taken in, whether it is known or not.
    pub(crate) fn end(self: &Arc<Self>, id: &str, now: Instant) {
        let mut answers = self.answers();
        let Some(index) = self.answer(&mut answers, id, now) else { return };
        let answer = &mut answers.list[index];
        answer.ended = true;
        answer.until = now + LIVE_ANSWER_TIMEOUT;
        self.free(answer.chunks.drain(..));
        self.await_end(answers, now);
    }

    /// Where an answer stands, which begins where it is not known; `None` where there are too many in the process.
    fn answer(&self, answers: &mut Answers, id: &str, now: Instant) -> Option<usize> {
        self.forget(answers, |answer| answer.until <= now);
        if let Some(known) = answers.list.iter().position(|answer| &*answer.id == id) {
            return Some(known);
        }
        if answers.list.len() >= LIVE_ANSWERS_PER_CONVERSATION {
            let oldest = answers.list.iter().min_by_key(|answer| answer.until).map(|answer| answer.serial);
            self.forget(answers, |answer| Some(answer.serial) == oldest);
        }
        if self.all.answers.load(Ordering::Relaxed) >= ALL_LIVE_ANSWERS {
            return None;
        }
        self.all.answers.fetch_add(1, Ordering::Relaxed);
        answers.begun += 1;
        answers.list.push(Answer {
            id: id.into(),
            serial: answers.begun,
            chunks: VecDeque::new(),
            newest: 0,
            sequence: None,
            ended: false,
            until: now + LIVE_ANSWER_TIMEOUT,
        });
        Some(answers.list.len() - 1)
    }

    /// Drops older chunks until one of so many bytes has room; `false` where it has none even so.
    fn make_room(&self, answer: &mut Answer, bytes: usize) -> bool {
        let mut kept: usize = answer.chunks.iter().map(|chunk| chunk.body.len()).sum();
        let full = |kept| self.all.bytes.load(Ordering::Relaxed) + bytes > ALL_LIVE_BYTES && kept > 0;
        while answer.chunks.len() >= LIVE_ANSWER_CHUNKS || kept + bytes > LIVE_ANSWER_BYTES || full(kept) {
            let Some(oldest) = answer.chunks.pop_front() else { break };
            kept -= oldest.body.len();
            self.free([oldest]);
        }
        // Counted before it is compared, so that many at once stay within the bound together.
        let before = self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= ALL_LIVE_BYTES;
        if !fits {
            self.all.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn forget(&self, answers: &mut Answers, is_over: impl Fn(&Answer) -> bool) {
        for over in answers.list.extract_if(.., |answer| is_over(answer)) {
            self.all.answers.fetch_sub(1, Ordering::Relaxed);
            self.free(over.chunks);
        }
    }

    fn free(&self, chunks: impl IntoIterator<Item = Kept>) {
        let bytes = chunks.into_iter().map(|chunk| chunk.body.len()).sum();
        self.all.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Sees to it that somebody looks into the lane when its answers may be over.
    fn await_end(self: &Arc<Self>, mut answers: MutexGuard<'_, Answers>, now: Instant) {
        if !std::mem::replace(&mut answers.awaited, true) {
            drop(answers);
            self.all.due().push_back((now + LIVE_ANSWER_TIMEOUT, Arc::downgrade(self)));
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut answers = std::mem::take(&mut *self.answers());
        self.forget(&mut answers, |_| true);
    }
}

#[cfg(test)]
mod tests;
