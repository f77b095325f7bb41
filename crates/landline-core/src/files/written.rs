//! What an upload has written so far, and what becomes of it.
//!
//! Invariant: whoever drops this has said what is to become of the blobs, and at every moment in between that is said
//! already. So it does not matter where an upload is cut, or what fails: before the append, they are taken away; from the
//! moment at which the append is queued, they stay until its outcome is known.

use landline_protocol::FileId;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::answered;
use super::room::Owner;
use crate::conversations::Conversations;
use crate::store::{BlobKey, BlobWriter, StoreError};

/// What becomes of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing names it: it goes.
    Removed,
    /// Something may name it: it stays, and a later sweep looks.
    Undecided,
    /// It is in the log.
    Kept,
}

/// See the module.
pub(crate) struct Written {
    conversations: Conversations,
    owner: Owner,
    files: Vec<FileId>,
    blobs: Vec<BlobKey>,
    bytes: u64,
    /// A blob that is just being finished: only when that is over, it can be taken away for sure.
    finishing: Option<JoinHandle<Result<u64, StoreError>>>,
    fate: Fate,
}

impl Written {
    pub(super) fn new(conversations: Conversations, owner: Owner) -> Self {
        Self {
            conversations,
            owner,
            files: Vec::new(),
            blobs: Vec::new(),
            bytes: 0,
            finishing: None,
            fate: Fate::Removed,
        }
    }

    pub(super) fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// A file is under way of which nothing is written yet.
    pub(super) fn add_file(&mut self, file: FileId) {
        self.files.push(file);
    }

    /// A blob is about to be written.
    pub(super) fn add_blob(&mut self, key: BlobKey) {
        self.blobs.push(key);
    }

    /// So many bytes more were taken of the room.
    pub(super) fn add_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Finishes a blob, to the end also when the caller goes away. Returns its size.
    pub(super) async fn finish(&mut self, writer: Box<dyn BlobWriter>) -> Result<u64, StoreError> {
        let finishing = self.conversations.tasks().spawn(answered(writer.finish()));
        let finished = self.finishing.insert(finishing).await;
        self.finishing = None;
        finished.unwrap_or_else(|_| Err(StoreError("the task that finished a file has failed".into())))
    }

    /// Says what becomes of it from now on.
    pub(crate) fn set_fate(&mut self, fate: Fate) {
        self.fate = fate;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let room = self.conversations.room();
        match self.fate {
            Fate::Kept => {
                room.settle(&self.owner, &self.files, self.bytes);
                let observer = self.conversations.observer();
                observer.files_kept(self.owner.from, self.files.len(), self.bytes);
                observer.file_bytes_held(room.held());
            }
            Fate::Undecided => room.leave_undecided(&self.owner, &self.files, self.bytes),
            Fate::Removed if self.blobs.is_empty() => {
                room.give_back(&self.owner, &self.files, self.bytes);
            }
            Fate::Removed => {
                let removal = Removal {
                    conversations: self.conversations.clone(),
                    owner: self.owner.clone(),
                    files: std::mem::take(&mut self.files),
                    blobs: std::mem::take(&mut self.blobs),
                    bytes: self.bytes,
                    finishing: self.finishing.take(),
                };
                // Without a runtime, the process ends. The next one sweeps.
                if let Ok(runtime) = Handle::try_current() {
                    drop(self.conversations.tasks().spawn_on(removal.run(), &runtime));
                }
            }
        }
    }
}

/// Takes away what nobody names.
struct Removal {
    conversations: Conversations,
    owner: Owner,
    files: Vec<FileId>,
    blobs: Vec<BlobKey>,
    bytes: u64,
    finishing: Option<JoinHandle<Result<u64, StoreError>>>,
}

impl Removal {
    async fn run(mut self) {
        if let Some(finishing) = self.finishing.take() {
            // Whatever its outcome.
            let _ = finishing.await;
        }
        if let Err(error) = self.remove().await {
            tracing::warn!(
                conversation.id = %self.owner.conversation, %error,
                "What was left of an upload could not be removed; the next sweep tries again"
            );
        }
    }

    async fn remove(&self) -> Result<(), StoreError> {
        for key in &self.blobs {
            answered(self.conversations.blobs().delete(key)).await?;
        }
        Ok(())
    }
}

/// Also where the task is cut off.
impl Drop for Removal {
    fn drop(&mut self) {
        self.conversations.room().give_back(&self.owner, &self.files, self.bytes);
    }
}
