//! Lists the blobs of a folder, a page at a time, so that neither memory nor a thread is held by a large one.

use std::collections::VecDeque;
use std::fs::{DirEntry, ReadDir};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use landline_core::store::{ListedBlob, StoreError};
use landline_protocol::{ConversationId, Timestamp};
use tokio::task::spawn_blocking;

use super::directory::{entries, is_absent};
use super::trouble;
use crate::limits::FOLDER_PAGE;
use crate::names;

/// How far a listing has come.
struct Walk {
    root: PathBuf,
    /// Conversations that are still to come.
    ahead: Ahead,
    /// The conversation that it is in.
    within: Option<(ConversationId, ReadDir)>,
}

enum Ahead {
    /// All of them; not begun.
    All,
    /// The rest of them.
    Rest(ReadDir),
    /// This one.
    One(ConversationId),
    None,
}

pub(super) fn list(
    root: PathBuf,
    of: Option<ConversationId>,
) -> BoxStream<'static, Result<ListedBlob, StoreError>> {
    let ahead = of.map_or(Ahead::All, Ahead::One);
    let walk = Walk { root: root.clone(), ahead, within: None };
    let pages = stream::try_unfold(Some(walk), move |walk| {
        let root = root.clone();
        async move {
            let Some(walk) = walk else { return Ok(None) };
            let walked = spawn_blocking(move || walk.page()).await.map_err(io::Error::other).flatten();
            walked.map(Some).map_err(|error| trouble(&root, &error))
        }
    });
    let blobs = pages.flat_map(|page: Result<VecDeque<ListedBlob>, StoreError>| match page {
        Ok(blobs) => stream::iter(blobs.into_iter().map(Ok)).left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    });
    blobs.boxed()
}

impl Walk {
    /// The next blobs, and what is left when there may be more.
    fn page(mut self) -> io::Result<(VecDeque<ListedBlob>, Option<Self>)> {
        let mut blobs = VecDeque::new();
        for _ in 0..FOLDER_PAGE {
            if let Some((conversation, entries)) = &mut self.within {
                match entries.next() {
                    Some(entry) => blobs.extend(blob(conversation, &entry?)?),
                    None => self.within = None,
                }
            } else if !self.enter()? {
                return Ok((blobs, None));
            }
        }
        Ok((blobs, Some(self)))
    }

    /// Goes on to the next conversation; `false` when there is none.
    fn enter(&mut self) -> io::Result<bool> {
        let next = match &mut self.ahead {
            Ahead::All => {
                self.ahead = entries(&self.root)?.map_or(Ahead::None, Ahead::Rest);
                return Ok(true);
            }
            Ahead::Rest(rest) => match rest.next() {
                Some(entry) => entry?.file_name().to_str().and_then(|name| name.parse().ok()),
                None => return Ok(false),
            },
            Ahead::One(conversation) => {
                let conversation = conversation.clone();
                self.ahead = Ahead::None;
                Some(conversation)
            }
            Ahead::None => return Ok(false),
        };
        if let Some(conversation) = next {
            self.within =
                entries(&self.root.join(conversation.as_str()))?.map(|entries| (conversation, entries));
        }
        Ok(true)
    }
}

fn blob(conversation: &ConversationId, entry: &DirEntry) -> io::Result<Option<ListedBlob>> {
    let Some(key) = entry.file_name().to_str().and_then(|name| names::key(conversation, name)) else {
        return Ok(None);
    };
    match entry.metadata() {
        Ok(about) if about.is_file() => {
            Ok(Some(ListedBlob { key, bytes: about.len(), modified: timestamp(about.modified()?) }))
        }
        Ok(_) => Ok(None),
        // Deleted meanwhile.
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
