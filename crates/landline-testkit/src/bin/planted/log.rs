//! All conversations in memory, and one file of lines from which they come back.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use landline_testkit::client::file_of_link;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::Mistake;

/// Records of a page.
const PAGE: usize = 20;
/// One activity in so many is mistreated, where not every one is.
const SOME: usize = 10;

pub(crate) struct Log {
    inner: Mutex<Inner>,
    grown: watch::Sender<()>,
    mistake: Mistake,
}

struct Inner {
    conversations: HashMap<String, Vec<Value>>,
    /// Sender and `clientActivityID`, to the place.
    keys: HashMap<(String, String), usize>,
    accepted: HashSet<String>,
    /// Files of bots.
    kept: HashSet<String>,
    file: File,
    unwritten: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum Line {
    Start(String),
    Append(String, Value),
    Accepted(String),
    Kept(String),
}

impl Log {
    pub(crate) fn open(data: &Path, mistake: Mistake) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let path = data.join("log");
        let text = std::fs::read(&path).unwrap_or_default();
        // A line that was cut by a kill was never answered.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        let mut inner = Inner {
            conversations: HashMap::new(),
            keys: HashMap::new(),
            accepted: HashSet::new(),
            kept: HashSet::new(),
            file,
            unwritten: Vec::new(),
        };
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line)? {
                Line::Start(conversation) => drop(inner.conversations.entry(conversation).or_default()),
                Line::Append(conversation, activity) => {
                    drop(inner.remember(&conversation, activity, mistake))
                }
                Line::Accepted(id) => drop(inner.accepted.insert(id)),
                Line::Kept(file) => drop(inner.kept.insert(file)),
            }
        }
        Ok(Self { inner: Mutex::new(inner), grown: watch::Sender::new(()), mistake })
    }

    /// Writes late what was not written at once.
    pub(crate) fn flush(&self) {
        let mut inner = self.lock();
        let late = std::mem::take(&mut inner.unwritten);
        // The worst that can come of it is what this server is for.
        let _ = inner.file.write_all(&late);
    }

    /// The ids of all files that something in the log names.
    pub(crate) fn files(&self) -> HashSet<String> {
        let inner = self.lock();
        let activities = inner.conversations.values().flatten();
        let attachments = activities.filter_map(|activity| activity["attachments"].as_array()).flatten();
        let links = attachments.filter_map(|attachment| file_of_link(attachment["contentUrl"].as_str()?));
        links.map(str::to_owned).chain(inner.kept.iter().cloned()).collect()
    }

    /// A bot's file is there, without an activity.
    pub(crate) fn keep(&self, file: &str) -> Result<()> {
        let mut inner = self.lock();
        inner.kept.insert(file.to_owned());
        inner.write(&Line::Kept(file.to_owned()), false)
    }

    pub(crate) fn start(&self, conversation: &str) -> Result<()> {
        let mut inner = self.lock();
        inner.conversations.insert(conversation.to_owned(), Vec::new());
        inner.write(&Line::Start(conversation.to_owned()), false)
    }

    pub(crate) fn exists(&self, conversation: &str) -> bool {
        self.lock().conversations.contains_key(conversation)
    }

    /// Gives the activity with its id, and whether it is new.
    pub(crate) fn append(&self, conversation: &str, mut activity: Value) -> Result<(Value, bool)> {
        let mut inner = self.lock();
        if let (Some(key), true) = (key_of(&activity), self.mistake != Mistake::NoDedupe)
            && let Some(place) = inner.keys.get(&key)
        {
            return Ok((inner.conversations[conversation][*place].clone(), false));
        }
        let place = inner.conversations.get(conversation).map_or(0, Vec::len);
        activity["id"] = format!("{conversation}|{:07}", place + 1).into();
        inner.write(
            &Line::Append(conversation.to_owned(), activity.clone()),
            self.mistake == Mistake::LazyWrite,
        )?;
        let activity = inner.remember(conversation, activity, self.mistake);
        drop(inner);
        self.grown.send_replace(());
        Ok((activity, true))
    }

    pub(crate) fn is_accepted(&self, id: &str) -> bool {
        self.lock().accepted.contains(id)
    }

    pub(crate) fn accept(&self, id: &str) -> Result<()> {
        let mut inner = self.lock();
        inner.accepted.insert(id.to_owned());
        inner.write(&Line::Accepted(id.to_owned()), false)
    }

    pub(crate) fn grown(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// What stands after `after`, and the new watermark.
    pub(crate) fn read(&self, conversation: &str, after: usize) -> (Vec<Value>, usize) {
        let inner = self.lock();
        let all = inner.conversations.get(conversation).map_or(&[][..], Vec::as_slice);
        let end = all.len().min(after + PAGE);
        let mut page = all.get(after..end).unwrap_or_default().to_vec();
        if self.mistake == Mistake::LosesPageEnd && page.len() == PAGE {
            page.pop();
        }
        (page, end.max(after))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, conversation: &str, mut activity: Value, mistake: Mistake) -> Value {
        let all = self.conversations.entry(conversation.to_owned()).or_default();
        let place = all.len();
        if mistake == Mistake::Reorders && place % SOME == SOME - 1 {
            // The one before gives its place and its id to the new one.
            let mut before = all.remove(place - 1);
            std::mem::swap(&mut before["id"], &mut activity["id"]);
            all.push(activity.clone());
            all.push(before);
        } else {
            all.push(activity.clone());
        }
        if let Some(key) = key_of(&activity) {
            self.keys.insert(key, place);
        }
        activity
    }

    fn write(&mut self, line: &Line, late: bool) -> Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        if late {
            self.unwritten.extend(bytes);
            return Ok(());
        }
        Ok(self.file.write_all(&bytes)?)
    }
}

fn key_of(activity: &Value) -> Option<(String, String)> {
    let id = activity["channelData"]["clientActivityID"].as_str()?;
    Some((activity["from"]["id"].as_str()?.to_owned(), id.to_owned()))
}
