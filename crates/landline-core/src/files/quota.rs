//! How much may be kept.

use std::fmt;

use landline_protocol::Timestamp;

use super::StoredFile;
use crate::conversations::Conversations;
use crate::facts::Facts;
use crate::limits::Limits;

/// Something would be more than may be kept. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct QuotaExceeded {
    /// Of what it would be too much.
    pub quota: Quota,
    /// How much may be kept: files, or bytes.
    pub limit: u64,
}

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// How many files a conversation has.
    ConversationFiles,
    /// How many bytes these have.
    ConversationBytes,
    /// How many bytes the files of a site have.
    SiteBytes,
}

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        match self.quota {
            Quota::ConversationFiles => write!(
                f,
                "the conversation would have more than {limit} files; start a new one, or wait until older files expire"
            ),
            Quota::ConversationBytes => write!(
                f,
                "the files of the conversation would be more than {limit} bytes; start a new one, or wait until older \
                 files expire"
            ),
            Quota::SiteBytes => write!(
                f,
                "the files of this site would be more than {limit} bytes; try again when older ones have expired, or \
                 ask the operator for more (site_files_size)"
            ),
        }
    }
}

impl Facts {
    /// How many files there are whose bytes may not go yet, and how many bytes they have.
    pub(crate) fn kept_files(&self, now: Timestamp) -> (usize, u64) {
        let kept = self.files.iter().filter(|file| !file.may_go(now));
        kept.fold((0, 0), |(count, bytes), file| (count + 1, file.all_bytes().saturating_add(bytes)))
    }
}

impl Conversations {
    /// These facts with more files, and without those whose bytes may go.
    pub(crate) fn with_files(&self, facts: &Facts, more: &[StoredFile]) -> Result<Facts, QuotaExceeded> {
        let (mut after, now) = (facts.clone(), self.now());
        after.files.retain(|file| !file.may_go(now));
        after.files.extend_from_slice(more);
        let (count, bytes) = after.kept_files(now);
        self.limits().check_files(count, bytes)?;
        Ok(after)
    }
}

impl Limits {
    /// Whether a conversation may have so many files of so many bytes together.
    pub(crate) fn check_files(&self, count: usize, bytes: u64) -> Result<(), QuotaExceeded> {
        if count > self.conversation_files {
            let limit = u64::try_from(self.conversation_files).unwrap_or(u64::MAX);
            return Err(QuotaExceeded { quota: Quota::ConversationFiles, limit });
        }
        if bytes > self.conversation_files_bytes {
            let limit = self.conversation_files_bytes;
            return Err(QuotaExceeded { quota: Quota::ConversationBytes, limit });
        }
        Ok(())
    }
}
