//! Requests that share one commit: what they will write, seen already by those that come later in the group.
//!
//! Requests that look through many keys of a conversation (`expire`, `delete`, `repair`) look at the disk only; so
//! they want to be the first of their conversation in a group.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use landline_core::store::{AppendError, PutError, StoreError};
use landline_protocol::ConversationId;

use super::cache::HeadCache;
use super::request::{Answer, Request};
use super::{Committed, Step};
use crate::error::Trouble;
use crate::schema::StoredHead;
use crate::schema::keys::{self, tag};
use crate::space::Room;
use crate::tables::{Keep, Tables};

pub(super) struct Group<'a> {
    pub(super) tables: &'a Tables,
    pub(super) room: Room,
    cache: HeadCache,
    /// What will be written to the first database. Each key once: the newest value.
    writes: HashMap<(Keep, Vec<u8>), Option<Vec<u8>>>,
    /// What will be written to the second database beside the heads, when the first is done.
    second: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// What has to be gone from the second database before it goes from the first.
    second_before: Vec<Vec<u8>>,
    logs: HashMap<ConversationId, Log>,
    answers: Vec<Waiting>,
}

/// An answer that waits for the commit.
type Waiting = Box<dyn FnOnce(&Committed)>;

/// A conversation in this group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    /// As it is on disk.
    pub(super) before: Option<StoredHead>,
    /// As it will be.
    pub(super) now: Option<StoredHead>,
}

impl<'a> Group<'a> {
    pub(super) fn new(tables: &'a Tables, cache: HeadCache, room: Room) -> Self {
        Self {
            tables,
            room,
            cache,
            writes: HashMap::new(),
            second: HashMap::new(),
            second_before: Vec::new(),
            logs: HashMap::new(),
            answers: Vec::new(),
        }
    }

    /// Does the request, as far as it can be done in this group.
    pub(super) fn take(&mut self, request: Request) -> Step {
        match request {
            Request::Create(create, answer) => {
                let outcome = self.create(create);
                self.answer(answer, outcome);
            }
            Request::Append(append, answer) => {
                let outcome = self.append(append);
                self.answer(answer, outcome);
            }
            Request::SetDelivery(conversation, position, state, answer) => {
                let outcome = self.set_delivery(&conversation, position, state);
                self.answer(answer, outcome);
            }
            Request::Expire(conversation, up_to, answer) => {
                match if self.touched(&conversation) { Ok(false) } else { self.expire(&conversation, up_to) }
                {
                    Ok(false) => return Step::Again(Request::Expire(conversation, up_to, answer)),
                    Ok(true) => self.answer(answer, Ok(())),
                    Err(error) => self.answer(answer, Err(error)),
                }
            }
            Request::Delete(conversation, answer) => {
                match if self.touched(&conversation) { Ok(false) } else { self.delete(&conversation) } {
                    Ok(false) => return Step::Again(Request::Delete(conversation, answer)),
                    Ok(true) => self.answer(answer, Ok(())),
                    Err(error) => self.answer(answer, Err(error)),
                }
            }
            Request::Repair(conversation, answer) => {
                if self.touched(&conversation) {
                    return Step::Again(Request::Repair(conversation, answer));
                }
                let outcome = self.repair(&conversation);
                self.answer(answer, outcome);
            }
            Request::PutEntry(table, name, value, expected, answer) => {
                let outcome = self.put_entry(table, &name, value, expected);
                self.answer(answer, outcome);
            }
            Request::TakeEntry(table, name, expected, answer) => {
                let outcome = self.take_entry(table, &name, expected);
                self.answer(answer, outcome);
            }
        }
        Step::Taken
    }

    fn touched(&self, conversation: &ConversationId) -> bool {
        self.logs.contains_key(conversation)
    }

    /// The conversation as this group leaves it so far.
    pub(super) fn log(&mut self, conversation: &ConversationId) -> Result<Log, Trouble> {
        if let Some(log) = self.logs.get(conversation) {
            return Ok(*log);
        }
        let head = match self.cache.get(conversation) {
            Some(head) => Some(head),
            None => self.tables.settled(conversation)?.map(|(_, head)| head),
        };
        Ok(Log { before: head, now: head })
    }

    /// Sets what becomes of a conversation. Its head is written at the end, once.
    pub(super) fn set_log(&mut self, conversation: &ConversationId, log: Log) {
        self.logs.insert(conversation.clone(), log);
    }

    /// A value as this group leaves it so far.
    pub(super) fn get(&self, keep: Keep, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        if let Some(value) = self.writes.get(&(keep, key.to_vec())) {
            return Ok(value.clone());
        }
        Ok(self.tables.view().get(keep, key)?.map(|value| value.to_vec()))
    }

    pub(super) fn put(&mut self, keep: Keep, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert((keep, key), Some(value));
    }

    pub(super) fn remove(&mut self, keep: Keep, key: Vec<u8>) {
        self.writes.insert((keep, key), None);
    }

    /// How many keys will be written.
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Writes to both databases.
    pub(super) fn put_twice(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.second.insert(key.clone(), Some(value.clone()));
        self.put(Keep::State, key, value);
    }

    /// Takes it out of both databases, out of the second one first.
    pub(super) fn remove_twice(&mut self, key: Vec<u8>) {
        self.second_before.push(key.clone());
        self.remove(Keep::State, key);
    }

    /// Answers when the group is committed.
    fn answer<T: Send + 'static, E: Verdict>(&mut self, answer: Answer<T, E>, outcome: Result<T, E>) {
        self.answers.push(Box::new(move |committed| {
            let outcome = match (committed, outcome) {
                (Committed::Done, outcome) => outcome,
                (Committed::Refused(why), _) => Err(E::refused(why.clone())),
                (Committed::Unknown(why), Ok(_)) => Err(E::unknown(why.clone())),
                // It wrote nothing itself, but what it saw may not have come to be.
                (Committed::Unknown(why), Err(_)) => Err(E::refused(why.clone())),
            };
            drop(answer.send(outcome));
        }));
    }

    /// Commits, answers, and hands back the cache; with the reason if the store has failed.
    pub(super) fn commit(mut self) -> (HeadCache, Option<StoreError>) {
        let logs = std::mem::take(&mut self.logs);
        for (conversation, log) in logs.iter().filter(|(_, log)| log.now != log.before) {
            let place = keys::tagged(tag::HEAD, conversation);
            if let Some(head) = log.now {
                let value = head.encode(&place);
                self.put_twice(place, value);
            }
        }
        let (committed, failure) = self.write();
        for answer in self.answers {
            answer(&committed);
        }
        for (conversation, log) in logs {
            match log.now {
                Some(head) if failure.is_none() => self.cache.put(conversation, head),
                _ => self.cache.remove(&conversation),
            }
        }
        (self.cache, failure)
    }

    fn write(&mut self) -> (Committed, Option<StoreError>) {
        if self.writes.is_empty() {
            return (Committed::Done, None);
        }
        let failed =
            |error: &fjall::Error| StoreError(format!("a commit failed ({error}); start the process again"));
        let before = std::mem::take(&mut self.second_before);
        if !before.is_empty() {
            let before = before.into_iter().map(|key| (key, None));
            if let Err(error) = self.tables.commit_second(before, true) {
                let why = failed(&error);
                return (Committed::Refused(why.clone()), Some(why));
            }
            self.tables.deletions.fetch_add(1, Ordering::Release);
        }
        let writes = std::mem::take(&mut self.writes).into_iter();
        match self.tables.commit(writes.map(|((keep, key), value)| (keep, (key, value)))) {
            Ok(()) => {}
            // It refuses before it writes anything, because of an earlier failure in the background.
            Err(error @ fjall::Error::Poisoned) => {
                let why = failed(&error);
                return (Committed::Refused(why.clone()), Some(why));
            }
            Err(error) => {
                let why = failed(&error);
                return (Committed::Unknown(why.clone()), Some(why));
            }
        }
        // The first database has it, so it is done; a second one that can no longer follow is of no use, though.
        let second = std::mem::take(&mut self.second).into_iter();
        let failure = self.tables.commit_second(second, false).err().map(|error| failed(&error));
        (Committed::Done, failure)
    }
}

/// An error that can say what became of a commit.
trait Verdict: Send + 'static {
    fn refused(why: StoreError) -> Self;
    fn unknown(why: StoreError) -> Self;
}

impl Verdict for AppendError {
    fn refused(why: StoreError) -> Self {
        Self::Unavailable(why)
    }

    fn unknown(why: StoreError) -> Self {
        Self::Unknown(why)
    }
}

impl Verdict for PutError {
    fn refused(why: StoreError) -> Self {
        Self::Unavailable(why)
    }

    fn unknown(why: StoreError) -> Self {
        Self::Unknown(why)
    }
}
