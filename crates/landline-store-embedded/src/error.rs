//! What can go wrong: when opening (for the operator), and inside (for the rest of this crate).

use std::io;
use std::path::{Path, PathBuf};

use landline_core::store::{AppendError, Damage, ReadError, StoreError};
use landline_protocol::ConversationId;

/// Why a store was not opened, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data folder {} is in use by another process; stop that one, or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It was written by a version of this software that keeps its data in another way.
    #[error(
        "the data folder {} has format {found}, this version knows format {known}; start it with the version that wrote it",
        path.display()
    )]
    Format {
        /// The folder.
        path: PathBuf,
        /// What the folder says.
        found: String,
        /// What this version knows.
        known: u32,
    },
    /// It cannot be made sense of.
    #[error("the data in {} is damaged: {what}; restore the folder from a backup, and keep a copy of it as it is", path.display())]
    Damaged {
        /// The folder or file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The operating system said no.
    #[error("{} cannot be used: {source}; check that it exists, belongs to this user, and has free space", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    /// Tells an I/O error, a lock and damage apart.
    pub(crate) fn from_database(path: &Path, error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::InUse { path: path.to_owned() },
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
                Self::io(path, source)
            }
            other => Self::damaged(path, other.to_string()),
        }
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// What is on disk is not what was written.
    Damaged(String),
    /// The disk does not answer.
    Unavailable(String),
}

impl Trouble {
    pub(crate) fn damaged<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Damaged(what.into()))
    }

    pub(crate) fn for_append(self, conversation: &ConversationId) -> AppendError {
        match self {
            Self::Damaged(what) => Damage { conversation: conversation.clone(), what }.into(),
            Self::Unavailable(why) => AppendError::Unavailable(StoreError(why)),
        }
    }

    pub(crate) fn for_read(self, conversation: &ConversationId) -> ReadError {
        match self {
            Self::Damaged(what) => Damage { conversation: conversation.clone(), what }.into(),
            Self::Unavailable(why) => ReadError::Unavailable(StoreError(why)),
        }
    }

    pub(crate) fn for_store(self) -> StoreError {
        match self {
            Self::Damaged(what) => StoreError(format!("{what}; run `landline check`")),
            Self::Unavailable(why) => StoreError(why),
        }
    }
}

impl From<fjall::Error> for Trouble {
    fn from(error: fjall::Error) -> Self {
        match error {
            // A file that ends too early is not an answer of the disk but of the file.
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source))
                if source.kind() != io::ErrorKind::UnexpectedEof =>
            {
                Self::Unavailable(format!("the disk cannot be read: {source}"))
            }
            other => Self::Damaged(format!("a block cannot be read ({other})")),
        }
    }
}
