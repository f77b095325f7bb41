//! Why an upload was not kept: for the sender, and for the metrics.

use landline_core::SendError;
use landline_core::files::{Quota, UploadError};

use crate::error::ApiError;
use crate::telemetry::FileRefused;

/// Travels through the parser of parts, too, which takes errors of any kind.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .error.message)]
pub(super) struct Refused {
    pub(super) error: ApiError,
    pub(super) reason: FileRefused,
}

impl Refused {
    /// It is no upload that can be read.
    pub(super) fn malformed(error: ApiError) -> Self {
        Self { error, reason: FileRefused::Malformed }
    }

    /// It did not come to its end.
    pub(super) fn broken_off(message: impl Into<String>) -> Self {
        Self { error: ApiError::malformed_data(message), reason: FileRefused::BrokenOff }
    }
}

impl From<UploadError> for Refused {
    fn from(error: UploadError) -> Self {
        let reason = match &error {
            UploadError::TooBig { .. } => FileRefused::TooBig,
            UploadError::TooMany { .. } => FileRefused::TooMany,
            UploadError::Quota(exceeded) => of_quota(exceeded.quota),
            UploadError::Misused(_) => FileRefused::Malformed,
            UploadError::Store(_) | UploadError::NotLogged(_) => FileRefused::Store,
        };
        Self { error: error.into(), reason }
    }
}

impl From<SendError> for Refused {
    fn from(error: SendError) -> Self {
        let reason = match &error {
            SendError::Quota(exceeded) => of_quota(exceeded.quota),
            SendError::NotLogged(_) => FileRefused::Store,
            SendError::TooBig { .. } => FileRefused::TooBig,
            SendError::Missing(_) | SendError::NotAllowed(_) | SendError::Busy | SendError::Bot { .. } => {
                FileRefused::Activity
            }
        };
        Self { error: error.into(), reason }
    }
}

fn of_quota(quota: Quota) -> FileRefused {
    match quota {
        Quota::ConversationFiles | Quota::ConversationBytes => FileRefused::ConversationQuota,
        Quota::SiteBytes => FileRefused::SiteQuota,
    }
}
