//! How the domain's refusals are spelled in HTTP: one `match` each, without a `_` arm, so that a new variant has to be
//! placed before it compiles.

use landline_core::files::UploadError;
use landline_core::{BotSendError, Delivered, MemberError, NotLogged, SendError, Unavailable, UpdateError};
use landline_protocol::{ActivityError, RequestBodyError};

use crate::error::ApiError;
use crate::limits::RETRY_AFTER;

impl ApiError {
    /// 404: the conversation is not there, or not the caller's.
    pub(crate) fn conversation_not_found() -> Self {
        Self::not_found("there is no such conversation; start a new one")
    }

    /// 404: the file is not there, or not any more.
    pub(crate) fn file_not_found() -> Self {
        Self::not_found("the file is not there any more; its time is over, or its conversation's")
    }

    /// 503: the bytes of a file cannot be read, or not be written.
    pub(crate) fn files_unavailable(cause: &dyn std::fmt::Display) -> Self {
        unavailable("files cannot be read or kept now; try again in a moment", cause)
    }

    /// 503: the server is about to stop.
    pub(crate) fn draining() -> Self {
        Self::unavailable("the server is restarting; try again in a moment", RETRY_AFTER)
    }
}

impl From<Unavailable> for ApiError {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::NotFound => Self::conversation_not_found(),
            // Never 404, which would end the chat for good: the conversation is there, and can be repaired.
            Unavailable::Damaged(damage) => unavailable("this conversation cannot be read now", &damage),
            Unavailable::Store(error) => {
                unavailable("the store cannot answer now; try again in a moment", &error)
            }
        }
    }
}

impl From<NotLogged> for ApiError {
    fn from(error: NotLogged) -> Self {
        match error {
            NotLogged::Nothing(error) => error.into(),
            NotLogged::Unknown(error) => unavailable(
                "it is not known whether this was kept; send it again with the same clientActivityID",
                &error,
            ),
        }
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Missing(_) => Self::missing_property(error.to_string()),
            SendError::NotAllowed(_) => Self::bad_argument(error.to_string()),
            SendError::Quota(full) => Self::quota_exceeded(full.to_string()),
            SendError::TooBig { .. } => Self::too_big(error.to_string()),
            SendError::Busy => Self::unavailable(error.to_string(), RETRY_AFTER),
            SendError::NotLogged(error) => error.into(),
            SendError::Bot { ref delivered, .. } => bot_error(&error, delivered),
        }
    }
}

fn bot_error(error: &SendError, delivered: &Delivered) -> ApiError {
    match delivered {
        Delivered::Refused { status } => {
            ApiError::bot_failed(format!("{error}: it answered {status}"), Some(*status))
        }
        Delivered::NotReached(why) => {
            ApiError::bot_failed(format!("{error}: it was not reached"), None).caused_by(why)
        }
        Delivered::Unknown(why) => {
            ApiError::bot_failed(format!("{error} for certain: its answer cannot be used"), None)
                .caused_by(why)
        }
        Delivered::TimedOut => ApiError::bot_timed_out(format!("{error} in time")),
        Delivered::Accepted => ApiError::service_error("an accepted delivery was reported as failed"),
    }
}

impl From<BotSendError> for ApiError {
    fn from(error: BotSendError) -> Self {
        match error {
            BotSendError::Missing(_) => Self::missing_property(error.to_string()),
            BotSendError::NotAllowed(_) => Self::bad_argument(error.to_string()),
            BotSendError::NotLogged(NotLogged::Nothing(error)) => error.into(),
            BotSendError::NotLogged(NotLogged::Unknown(error)) => unavailable(
                "it is not known whether this was kept; an activity that is sent with an idempotency-key can be sent again \
                 with the same one, and is not there twice",
                &error,
            ),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::TooBig { .. } => Self::too_big(error.to_string()),
            UploadError::TooMany { .. } => Self::bad_argument(error.to_string()),
            UploadError::Quota(full) => Self::quota_exceeded(full.to_string()),
            UploadError::Misused(why) => Self::service_error(why),
            UploadError::Store(error) => {
                unavailable("files cannot be kept now; try again in a moment", &error)
            }
            UploadError::NotLogged(error) => error.into(),
        }
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Missing(_) => Self::missing_property(error.to_string()),
            UpdateError::NotAllowed(_) => Self::bad_argument(error.to_string()),
            UpdateError::NoSuchActivity => Self::not_found(error.to_string()),
            UpdateError::NotTheirs => Self::forbidden(error.to_string()),
            UpdateError::NotLogged(error) => may_be_repeated(error),
        }
    }
}

impl From<MemberError> for ApiError {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::NoSuchMember | MemberError::NoSuchActivity => Self::not_found(error.to_string()),
            MemberError::IsTheBot => Self::bad_argument(error.to_string()),
            MemberError::NotLogged(error) => may_be_repeated(error),
        }
    }
}

impl From<ActivityError> for ApiError {
    fn from(error: ActivityError) -> Self {
        match error {
            ActivityError::Json(error) => Self::malformed_data(error.to_string()),
            ActivityError::WrongKind { .. } => Self::bad_argument(error.to_string()),
        }
    }
}

impl From<RequestBodyError> for ApiError {
    fn from(error: RequestBodyError) -> Self {
        match error {
            RequestBodyError::Json(_) => Self::malformed_data(error.to_string()),
            RequestBodyError::Activity(error) => error.into(),
            RequestBodyError::MissingUserId | RequestBodyError::Missing(_) => {
                Self::missing_property(error.to_string())
            }
            RequestBodyError::Bad { .. } => Self::bad_argument(error.to_string()),
        }
    }
}

/// For what is done once, however often it is asked for.
fn may_be_repeated(error: NotLogged) -> ApiError {
    match error {
        NotLogged::Nothing(error) => error.into(),
        NotLogged::Unknown(error) => {
            unavailable("it is not known whether this was done; ask again, which does no harm", &error)
        }
    }
}

/// 503; the cause goes to the log, not to the client.
fn unavailable(message: &str, cause: &dyn std::fmt::Display) -> ApiError {
    ApiError::unavailable(message, RETRY_AFTER).caused_by(cause.to_string())
}
