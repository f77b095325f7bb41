//! A file comes in, piece by piece; then it is logged with an activity, or kept alone.
//!
//! Not here: how the pieces come (`landline-server`), what becomes of those that are not logged (`written`).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use landline_protocol::{BotName, ConversationId, FileId, Timestamp};
use sha2::{Digest, Sha256};

use super::room::Owner;
use super::thumbnails::{Picture, pictures};
use super::{
    Fate, FileDigest, FilesFrom, KIND_BYTES, NewFile, QuotaExceeded, StoredFile, StoredView, Written,
    answered, clean_name, served_type,
};
use crate::client_send::{ClientSend, SendError};
use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::hub::Topic;
use crate::limits::FILES_PER_UPLOAD;
use crate::store::{AppendError, BlobKey, BlobWriter, StoreError, View};

/// Why a file was not, or not certainly, kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file is larger than a file may be.
    #[error("the file is larger than {limit} bytes, the limit")]
    TooBig {
        /// How many bytes it may have.
        limit: u64,
    },
    /// There are more files than may come at a time.
    #[error("the upload has more than {limit} files, the limit; send the others with another one")]
    TooMany {
        /// How many may come at a time.
        limit: usize,
    },
    /// There is no room for it.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// The caller has made a mistake: what it says is not begun, or not ended.
    #[error("{0}")]
    Misused(&'static str),
    /// The store of the bytes cannot take it now. Nothing is kept.
    #[error("the file cannot be kept now: {0}")]
    Store(StoreError),
    /// The conversation is not there or cannot be used now; or it is not known whether the file was kept.
    #[error(transparent)]
    NotLogged(#[from] NotLogged),
}

impl From<Unavailable> for UploadError {
    fn from(error: Unavailable) -> Self {
        Self::NotLogged(error.into())
    }
}

/// Files that come in together. Dropping it takes away all of them.
///
/// After an error, or a call that was dropped before its end, only dropping is left.
pub struct Upload {
    written: Written,
    topic: Arc<Topic>,
    came: Vec<Came>,
    /// What is being written, until it is ended.
    writing: Option<Writing>,
    /// Whether a call is under way, has failed, or was dropped before its end.
    unsound: bool,
}

/// A file that is there with all its bytes, and what its sender said of it.
#[derive(Clone, Debug)]
struct Came {
    said: NewFile,
    file: StoredFile,
}

struct Writing {
    key: BlobKey,
    said: NewFile,
    writer: Box<dyn BlobWriter>,
    hash: Sha256,
    bytes: u64,
    first_bytes: Vec<u8>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("conversation", &self.topic.id)
            .field("files", &self.came.len())
            .finish_non_exhaustive()
    }
}

impl Conversations {
    /// Begins to take files of a client.
    ///
    /// # Errors
    /// Where the conversation is not there, or has as many files as it may have.
    pub async fn upload(&self, conversation: &ConversationId) -> Result<Upload, UploadError> {
        let topic = self.topic(conversation).await.map_err(Unavailable::from)?;
        self.upload_to(topic, FilesFrom::Clients)
    }

    /// The same for a bot: to one of its own conversations; another bot's is *not found*.
    ///
    /// # Errors
    /// As [`Self::upload`].
    pub async fn upload_from_bot(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
    ) -> Result<Upload, UploadError> {
        let topic = self.topic_of(bot, conversation).await?;
        self.upload_to(topic, FilesFrom::Bot)
    }

    fn upload_to(&self, topic: Arc<Topic>, from: FilesFrom) -> Result<Upload, UploadError> {
        let facts = topic.door().facts();
        let (kept, _) = facts.kept_files(self.now());
        self.limits().check_files(kept + 1, 0)?;
        let owner = Owner { from, site: facts.site.clone(), conversation: topic.id.clone() };
        Ok(Upload {
            written: Written::new(self.clone(), owner),
            topic,
            came: Vec::new(),
            writing: None,
            unsound: false,
        })
    }

    /// Until when a file is kept that comes into a conversation now.
    fn files_until(&self, topic: &Topic) -> Option<Timestamp> {
        let site = topic.door().facts().site.clone();
        self.file_life(&site).until(self.now())
    }
}

impl Upload {
    /// Begins a file, or the thumbnail of the file before. Its bytes follow.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn begin(&mut self, said: NewFile, view: View) -> Result<(), UploadError> {
        if self.writing.is_some() {
            return Err(UploadError::Misused("the file before was not ended"));
        }
        self.begins()?;
        let file = match (view, self.came.last()) {
            (View::Original, _) => self.begin_file()?,
            (View::Thumbnail, Some(Came { file, .. })) if file.thumbnail.is_none() => file.id.clone(),
            (View::Thumbnail, _) => {
                return Err(UploadError::Misused("a thumbnail needs a file that has none"));
            }
        };
        self.open(file, view, said).await?;
        self.unsound = false;
        Ok(())
    }

    async fn open(&mut self, file: FileId, view: View, said: NewFile) -> Result<(), UploadError> {
        let key = BlobKey { conversation: self.topic.id.clone(), file, view };
        // First, so that whatever becomes of it is taken away.
        self.written.add_blob(key.clone());
        let creating = self.written.conversations().blobs().create(&key);
        let writer = answered(creating).await.map_err(UploadError::Store)?;
        let (hash, bytes, first_bytes) = (Sha256::new(), 0, Vec::new());
        self.writing = Some(Writing { key, said, writer, hash, bytes, first_bytes });
        Ok(())
    }

    fn begin_file(&mut self) -> Result<FileId, UploadError> {
        if self.came.len() >= FILES_PER_UPLOAD {
            return Err(UploadError::TooMany { limit: FILES_PER_UPLOAD });
        }
        let conversations = self.written.conversations();
        let file = conversations.entropy().file_id();
        let kept = self.topic.door().facts().kept_files(conversations.now());
        conversations.room().begin(self.written.owner(), &file, kept, conversations.limits())?;
        self.written.add_file(file.clone());
        Ok(file)
    }

    /// Takes the next bytes of the file; waits while the store is behind.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn write(&mut self, piece: Bytes) -> Result<(), UploadError> {
        self.begins()?;
        let conversations = self.written.conversations();
        let writing = self.writing.as_mut().ok_or(UploadError::Misused("no file was begun"))?;
        if self.topic.is_closed() {
            return Err(Unavailable::NotFound.into());
        }
        let (limits, more) = (conversations.limits(), u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let bytes = writing.bytes.saturating_add(more);
        if bytes > limits.file_bytes {
            return Err(UploadError::TooBig { limit: limits.file_bytes });
        }
        let kept = self.topic.door().facts().kept_files(conversations.now());
        conversations.room().take(self.written.owner(), more, kept, limits)?;
        self.written.add_bytes(more);
        let missing = KIND_BYTES.saturating_sub(writing.first_bytes.len());
        writing.first_bytes.extend(piece.iter().take(missing));
        writing.hash.update(&piece);
        writing.bytes = bytes;
        answered(writing.writer.write(piece)).await.map_err(UploadError::Store)?;
        self.unsound = false;
        Ok(())
    }

    /// Ends the file: its bytes are durable.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn end(&mut self) -> Result<(), UploadError> {
        self.begins()?;
        let Writing { key, said, writer, hash, bytes, first_bytes } =
            self.writing.take().ok_or(UploadError::Misused("no file was begun"))?;
        let kept = self.written.finish(writer).await.map_err(UploadError::Store)?;
        if kept != bytes {
            let problem = format!("of {bytes} bytes the store of files has kept {kept}");
            return Err(UploadError::Store(StoreError(problem)));
        }
        let content_type = served_type(said.content_type.as_deref(), &first_bytes).into_owned();
        let view = StoredView { content_type, bytes, digest: FileDigest::new(hash.finalize().into()) };
        if key.view == View::Thumbnail {
            if let Some(came) = self.came.iter_mut().find(|came| came.file.id == key.file) {
                came.file.thumbnail = Some(view);
            }
            self.unsound = false;
            return Ok(());
        }
        let StoredView { content_type, bytes, digest } = view;
        let name = clean_name(said.name.as_deref());
        let until = self.written.conversations().files_until(&self.topic);
        let file = StoredFile { id: key.file, name, content_type, bytes, digest, thumbnail: None, until };
        self.came.push(Came { said, file });
        self.unsound = false;
        Ok(())
    }

    /// Keeps the thumbnail of a file that has come.
    async fn keep_thumbnail(&mut self, picture: Picture) -> Result<(), UploadError> {
        let came = self.came.get(picture.of).filter(|came| came.file.thumbnail.is_none());
        let came = came.ok_or(UploadError::Misused("a thumbnail needs a file that has none"))?;
        let said = NewFile { name: None, content_type: Some(picture.content_type) };
        self.open(came.file.id.clone(), View::Thumbnail, said).await?;
        self.write(picture.bytes).await?;
        self.end().await
    }

    /// A call begins; until it has ended well, there is nothing to go on with.
    fn begins(&mut self) -> Result<(), UploadError> {
        if std::mem::replace(&mut self.unsound, true) {
            return Err(UploadError::Misused("a call before this one has failed, or was cut off"));
        }
        Ok(())
    }

    /// Whether all that was begun has ended well.
    fn is_whole(&self) -> bool {
        self.writing.is_none() && !self.unsound
    }

    /// The files that were ended so far, in order.
    pub fn files(&self) -> impl Iterator<Item = &StoredFile> {
        self.came.iter().map(|came| &came.file)
    }

    /// Logs an activity with the files, as [`Conversations::send_from_client`] does without: in one write, with the same
    /// answers. A repeat gets the id of the first, and its files are dropped.
    ///
    /// A file becomes the content of the first attachment of its name that the activity declares without content, and an
    /// attachment of its own where there is none. A thumbnail that the activity declares as a `data:` URI is kept as well,
    /// and a link stands in its place.
    ///
    /// # Errors
    /// [`SendError`]; its variants say what was logged.
    pub async fn send(mut self, send: ClientSend) -> Result<String, SendError> {
        if !self.is_whole() {
            return Err(SendError::NotAllowed("a file did not come to its end".to_owned()));
        }
        if send.conversation != self.topic.id {
            return Err(Unavailable::NotFound.into());
        }
        let names = self.came.iter().map(|came| came.said.name.as_deref());
        for picture in pictures(&send.activity, names) {
            // Where it cannot be kept, it stays in the activity, as it came.
            if let Err(error) = self.keep_thumbnail(picture).await {
                tracing::debug!(%error, "A thumbnail stays in its activity");
                (self.writing, self.unsound) = (None, false);
            }
        }
        let Self { written, topic, came, .. } = self;
        let conversations = written.conversations().clone();
        let until = conversations.files_until(&topic);
        conversations.send_in_task(send, Some(Brought { came, until, written })).await
    }

    /// Keeps the one file without an activity, for a bot that will name it in one.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`UploadError`]; nothing is kept but where it says that this is not known.
    pub async fn keep(self) -> Result<StoredFile, UploadError> {
        let tasks = self.written.conversations().tasks().clone();
        let kept = tasks.spawn(self.keep_to_the_end());
        kept.await.unwrap_or_else(|_| {
            Err(NotLogged::Unknown(StoreError("the task that kept it has failed".into())).into())
        })
    }

    async fn keep_to_the_end(self) -> Result<StoredFile, UploadError> {
        let is_whole = self.is_whole();
        let Self { mut written, topic, mut came, .. } = self;
        let (Some(Came { file, .. }), true, true) = (came.pop(), came.is_empty(), is_whole) else {
            return Err(UploadError::Misused("exactly one file can be kept, when it is ended"));
        };
        let conversations = written.conversations().clone();
        let file = StoredFile { until: conversations.files_until(&topic), ..file };
        let files = std::slice::from_ref(&file);
        written.set_fate(Fate::Undecided);
        let kept = conversations.append_facts(&topic, |facts| conversations.with_files(facts, files)).await;
        written.set_fate(match &kept {
            Ok(Ok(())) => Fate::Kept,
            Err(AppendError::Unknown(_)) => Fate::Undecided,
            Ok(Err(_)) | Err(_) => Fate::Removed,
        });
        kept.map_err(NotLogged::from)??;
        Ok(file)
    }
}

/// Files that are to be logged with an activity.
pub(crate) struct Brought {
    came: Vec<Came>,
    until: Option<Timestamp>,
    written: Written,
}

impl Brought {
    /// What their sender said of them, and how they are logged.
    pub(crate) fn files(&self) -> Vec<(NewFile, StoredFile)> {
        let file = |came: &Came| StoredFile { until: self.until, ..came.file.clone() };
        self.came.iter().map(|came| (came.said.clone(), file(came))).collect()
    }

    /// How they are logged.
    pub(crate) fn stored(&self) -> Vec<StoredFile> {
        self.files().into_iter().map(|(_, file)| file).collect()
    }

    /// Whether there are any.
    pub(crate) fn has_files(&self) -> bool {
        !self.came.is_empty()
    }

    /// Says what becomes of the bytes from now on.
    pub(crate) fn set_fate(&mut self, fate: Fate) {
        self.written.set_fate(fate);
    }
}
