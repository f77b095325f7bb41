//! Bytes that nobody has any more are taken away: those whose time is over, whose conversation is gone, and what uploads
//! that were cut off have left behind.
//!
//! Invariants: what the log names is never taken away before its time is over, nor what is on its way into the log. It is
//! asked first what is under way and then what the log names, never the other way round. A log that cannot be read names
//! everything.
//!
//! Not here: when it is swept (`landline-server`).

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use landline_protocol::{ConversationId, SiteName};
use tokio::time::timeout;

use super::room::Touch;
use super::{answered, no_answer};
use crate::conversations::Conversations;
use crate::facts::Facts;
use crate::limits::{BLOB_WAIT, FILES_SWEPT_AT_ONCE, REMOVE_FILES_WAIT};
use crate::store::{BlobKey, ListedBlob, ReadError, StoreError};

type List = BoxStream<'static, Result<ListedBlob, StoreError>>;

/// What was found.
#[derive(Debug, Default)]
struct Tally {
    kept: HashMap<SiteName, u64>,
    /// How many blobs were taken away, and of how many bytes.
    removed: u64,
    removed_bytes: u64,
}

/// What a conversation says of its files.
enum Names {
    /// It is gone, with all of them.
    None,
    /// These, and no others.
    Some(Box<Facts>),
    /// It cannot be read: nobody knows.
    Unknown,
}

impl Conversations {
    /// Looks at all bytes of files that are kept, and takes away what nobody has any more. Returns how many files, or
    /// thumbnails, these were. To be called after the start of the process, and again and again.
    ///
    /// # Errors
    /// Where a store cannot answer: the next one goes on.
    pub async fn sweep_files(&self) -> Result<u64, StoreError> {
        let _one_at_a_time = self.room().sweeping().await;
        let counting = Counting(self);
        self.room().begin_count();
        let mut tally = Tally::default();
        let swept = self.sweep_list(self.blobs().list(None), &mut tally).await;
        self.observer().files_swept(tally.removed);
        if swept.is_ok() {
            self.room().end_count(Some(tally.kept));
        }
        drop(counting);
        self.observer().file_bytes_held(self.room().held());
        swept.map(|()| tally.removed)
    }

    /// Takes away the bytes of the files of a conversation that is gone, but for those that are under way: who brings them
    /// finds out. Bounded in time; what is left is left to the next sweep.
    pub(crate) async fn remove_files_of(
        &self,
        conversation: &ConversationId,
        site: Option<&SiteName>,
    ) -> Result<(), StoreError> {
        let mut tally = Tally::default();
        let removing = self.sweep_list(self.blobs().list(Some(conversation)), &mut tally);
        let removed = timeout(REMOVE_FILES_WAIT, removing).await.unwrap_or_else(|_| Err(no_answer()));
        if let Some(site) = site {
            self.room().gone(site, tally.removed_bytes);
            self.observer().file_bytes_held(self.room().held());
        }
        self.observer().files_swept(tally.removed);
        removed
    }

    async fn sweep_list(&self, mut list: List, tally: &mut Tally) -> Result<(), StoreError> {
        loop {
            let mut by_conversation: BTreeMap<ConversationId, Vec<ListedBlob>> = BTreeMap::new();
            let mut at_end = false;
            for _ in 0..FILES_SWEPT_AT_ONCE {
                match timeout(BLOB_WAIT, list.next()).await {
                    Ok(Some(blob)) => {
                        let blob = blob?;
                        by_conversation.entry(blob.key.conversation.clone()).or_default().push(blob);
                    }
                    Ok(None) => {
                        at_end = true;
                        break;
                    }
                    Err(_) => return Err(no_answer()),
                }
            }
            for (conversation, blobs) in by_conversation {
                self.sweep_blobs(&conversation, blobs, tally).await?;
            }
            if at_end {
                return Ok(());
            }
        }
    }

    async fn sweep_blobs(
        &self,
        conversation: &ConversationId,
        blobs: Vec<ListedBlob>,
        tally: &mut Tally,
    ) -> Result<(), StoreError> {
        // First what is under way, then what the log names.
        let blobs: Vec<_> = blobs.into_iter().map(|blob| (self.room().touch(&blob.key.file), blob)).collect();
        let names = self.names(conversation).await?;
        for (touch, ListedBlob { key, bytes, .. }) in blobs {
            let (is_named, site) = match &names {
                Names::Unknown => continue,
                Names::None => (false, None),
                Names::Some(facts) => (self.is_named(facts, &key), Some(&facts.site)),
            };
            match (touch, site) {
                (Touch::Nothing, _) => {}
                (Touch::Remove | Touch::CountOrRemove, _) if !is_named => {
                    answered(self.blobs().delete(&key)).await?;
                    tally.removed += 1;
                    tally.removed_bytes += bytes;
                }
                (Touch::Count | Touch::CountOrRemove, Some(site)) => {
                    *tally.kept.entry(site.clone()).or_default() += bytes;
                }
                (Touch::Count | Touch::Remove | Touch::CountOrRemove, _) => {}
            }
        }
        Ok(())
    }

    /// Past the topics that are alive: only what is durable counts.
    async fn names(&self, conversation: &ConversationId) -> Result<Names, StoreError> {
        match self.store().head(conversation).await {
            Ok(head) => Ok(Facts::from_bytes(conversation, &head.facts)
                .map_or(Names::Unknown, |facts| Names::Some(Box::new(facts)))),
            Err(ReadError::NotFound) => Ok(Names::None),
            Err(ReadError::Damaged(_) | ReadError::PastTail { .. }) => Ok(Names::Unknown),
            Err(ReadError::Unavailable(error)) => Err(error),
        }
    }

    fn is_named(&self, facts: &Facts, key: &BlobKey) -> bool {
        let now = self.now();
        let mut files = facts.files.iter();
        files.any(|file| file.id == key.file && file.view(key.view).is_some() && !file.may_go(now))
    }
}

/// A sweep that counts; where it is cut off, what it has counted so far says nothing.
struct Counting<'a>(&'a Conversations);

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.0.room().end_count(None);
    }
}
