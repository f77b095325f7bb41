//! Files in conversations: how they come in, what is kept of them, and for how long.
//!
//! A file is its bytes in the store of blobs and an entry in the conversation's facts ([`StoredFile`]). The entry is the
//! truth. The bytes are durable before it is written, and it is written in the same append as the activity that shows the
//! file; so a blob that no entry names is garbage, whatever happened, and nothing else needs to be remembered.
//!
//! Invariants: no activity without its files, no file without its activity (or, of bots, without an answer to them); what
//! came in for an activity that was not logged is taken away again, by whoever brought it or by the next sweep; while it
//! is not known whether it was logged, nothing is taken away.
//!
//! Not here: how bytes are kept (`store::blob`, engines), how links are signed and served (`landline-auth`,
//! `landline-server`).

mod check;
mod kind;
mod life;
mod links;
mod merge;
mod name;
mod own_links;
mod quota;
mod room;
mod stored;
mod sweep;
mod thumbnails;
mod upload;
mod written;

use std::ops::Range;

use futures_util::StreamExt;
use landline_protocol::{BotName, ConversationId, FileId};
use tokio::time::timeout;

pub use self::check::problem_with;
pub use self::kind::{KIND_BYTES, OCTET_STREAM, is_shown_inline, served_type};
pub use self::life::FileLife;
pub use self::links::FileLinks;
pub use self::name::{MAX_NAME_BYTES, clean_name};
pub use self::quota::{Quota, QuotaExceeded};
pub use self::room::FilesFrom;
pub use self::stored::{FileDigest, NewFile, StoredFile, StoredView};
pub use self::upload::{Upload, UploadError};

pub(crate) use self::room::Room;
pub(crate) use self::upload::Brought;
pub(crate) use self::written::{Fate, Written};

use crate::conversations::{Conversations, Unavailable};
use crate::hub::Topic;
use crate::limits::BLOB_WAIT;
use crate::store::{BlobKey, BlobRead, StoreError, View};

impl Conversations {
    /// What is kept of a file; `None` where it never was, or its time is over.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn file(
        &self,
        conversation: &ConversationId,
        file: &FileId,
    ) -> Result<Option<StoredFile>, Unavailable> {
        Ok(self.file_in(&*self.topic(conversation).await?, file))
    }

    /// The same for a bot: of one of its own conversations; another bot's is *not found*.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn file_of_bot(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
        file: &FileId,
    ) -> Result<Option<StoredFile>, Unavailable> {
        Ok(self.file_in(&*self.topic_of(bot, conversation).await?, file))
    }

    fn file_in(&self, topic: &Topic, file: &FileId) -> Option<StoredFile> {
        let (facts, now) = (topic.door().facts(), self.now());
        facts.files.iter().find(|known| known.id == *file && !known.is_over(now)).cloned()
    }

    /// The bytes of a file, or a range of them; `None` where there is no such view, or the bytes are gone. A range is cut
    /// at the end of the file.
    ///
    /// Whoever begins to read while [`Self::file`] has the file gets all of it. Every piece comes within a bounded time,
    /// or there is an error.
    ///
    /// # Errors
    /// The store of the bytes cannot answer, or what it has is not what was kept.
    pub async fn open_file(
        &self,
        conversation: &ConversationId,
        file: &StoredFile,
        view: View,
        range: Option<Range<u64>>,
    ) -> Result<Option<BlobRead>, StoreError> {
        let Some(kept) = file.view(view) else { return Ok(None) };
        let key = BlobKey { conversation: conversation.clone(), file: file.id.clone(), view };
        let Some(read) = answered(self.blobs().read(&key, range)).await? else { return Ok(None) };
        if read.bytes != kept.bytes {
            let problem = format!("file {} has {} bytes, {} were kept", file.id, read.bytes, kept.bytes);
            return Err(StoreError(problem));
        }
        let BlobRead { bytes, pieces } = read;
        let pieces = futures_util::stream::unfold(Some(pieces), |pieces| async {
            let mut pieces = pieces?;
            match timeout(BLOB_WAIT, pieces.next()).await {
                Ok(piece) => piece.map(|piece| (piece, Some(pieces))),
                Err(_) => Some((Err(no_answer()), None)),
            }
        });
        Ok(Some(BlobRead { bytes, pieces: pieces.boxed() }))
    }
}

/// What a store of blobs says, within a bounded time.
pub(crate) async fn answered<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(BLOB_WAIT, answer).await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> StoreError {
    StoreError(format!("the store of files has not answered for {BLOB_WAIT:?}"))
}
