//! How every error looks: `{"error":{"code":"…","message":"…"}}`.

use serde::Serialize;

/// What kind of error it is. The spelling is stable, the message beside it is not.
///
/// Source: Direct Line 3.0, "Error responses", and what the hosted service sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ErrorCode {
    /// A required property is absent.
    MissingProperty,
    /// The body is not what its content type says, or not an object.
    MalformedData,
    /// A value is out of range or not allowed; also: these credentials do not open this.
    BadArgument,
    /// `Authorization` is absent or malformed.
    Unauthorized,
    /// A once valid token has expired.
    TokenExpired,
    /// The conversation, activity or path is not there.
    ResourceNotFound,
    /// The path exists, the method or content type does not.
    NotSupported,
    /// It does not fit what there is: a name that is taken, a thing that is used. Only in the admin API.
    Conflict,
    /// Too large.
    MessageSizeTooBig,
    /// There is no room for more files. **Ours**: the hosted service has no such bound.
    QuotaExceeded,
    /// Over a rate limit.
    ThrottledRequests,
    /// A bug of ours.
    ServiceError,
    /// The bot refused, could not be reached, or took too long.
    BotError,
    /// The store cannot answer now, or the server is draining.
    ServiceUnavailable,
}

/// The body of an error answer.
#[derive(Debug, Serialize)]
pub struct ErrorBody {
    error: Inner,
    /// The bot's own status, where there was one.
    #[serde(rename = "httpStatusCode", skip_serializing_if = "Option::is_none")]
    http_status_code: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Inner {
    code: ErrorCode,
    message: String,
}

impl ErrorBody {
    /// An error of a kind, with a sentence that tells the reader what to do.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { error: Inner { code, message: message.into() }, http_status_code: None }
    }

    /// Names the status that the bot answered with.
    #[must_use]
    pub fn with_bot_status(mut self, status: Option<u16>) -> Self {
        self.http_status_code = status;
        self
    }
}
