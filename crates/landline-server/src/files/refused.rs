//! Why a file was not kept, as it is counted.

use landline_core::files::{Quota, UploadError};

use crate::telemetry::FileRefused;

/// `None` where nothing was refused: its conversation is not there, or it is not known whether it was kept.
pub(crate) fn refused_because(error: &UploadError) -> Option<FileRefused> {
    match error {
        UploadError::TooBig { .. } => Some(FileRefused::TooBig),
        UploadError::TooMany { .. } => Some(FileRefused::TooMany),
        UploadError::Quota(full) => Some(match full.quota {
            Quota::ConversationFiles | Quota::ConversationBytes => FileRefused::ConversationQuota,
            Quota::SiteBytes => FileRefused::SiteQuota,
        }),
        UploadError::Misused(_) => Some(FileRefused::Malformed),
        UploadError::Store(_) => Some(FileRefused::Store),
        UploadError::NotLogged(_) => None,
    }
}
