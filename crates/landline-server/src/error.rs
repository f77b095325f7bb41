//! How a refusal looks on the wire: status, code, message, and the headers that go with it.
//!
//! One constructor per row of the error table in `docs/protocol.md`. A handler turns its domain error into one of
//! these with a `match` that has no `_` arm.
//!
//! Invariant: no message holds a secret, a token or a body.
//!
//! Not here: the names of the codes (`landline_protocol::ErrorCode`); the request id, which `http::layers` adds to
//! the message of a 5xx on its way out.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use landline_protocol::{ErrorBody, ErrorCode};

/// A refusal, as the client gets to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable name of the error.
    pub code: ErrorCode,
    /// What is wrong and what to do next; may change from release to release.
    pub message: String,
    /// When to try again, where that helps. Sent in whole seconds, at least one.
    pub retry_after: Option<Duration>,
    /// What the bot answered, where it did.
    pub bot_status: Option<u16>,
    /// What the operator gets to read in the log, and the client does not.
    pub cause: Option<String>,
}

impl ApiError {
    /// A refusal of a kind; the named constructors below are what handlers use.
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, bot_status: None, cause: None }
    }

    /// 400 `MissingProperty`: a required property is absent.
    pub fn missing_property(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::MissingProperty, message)
    }

    /// 400 `MalformedData`: the body is not JSON, or not an object, or never came to its end.
    pub fn malformed_data(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::MalformedData, message)
    }

    /// 400 `BadArgument`: a value is out of range or not allowed.
    pub fn bad_argument(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::BadArgument, message)
    }

    /// 401 `Unauthorized`: `Authorization` is absent or malformed.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message)
    }

    /// 403 `TokenExpired`: a once valid token or ticket has expired. Never 401: the stock client acts on 403 alone.
    pub fn token_expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::TokenExpired, message)
    }

    /// 403 `BadArgument`: these credentials do not open this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::BadArgument, message)
    }

    /// 404 `ResourceNotFound`: it is truly gone, or never was. Never for trouble in the store.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::ResourceNotFound, message)
    }

    /// 405 `NotSupported`: the path exists, the method does not.
    pub fn method_not_supported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::NotSupported, message)
    }

    /// 409 `Conflict`: it does not fit what there is.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
    }

    /// 413 `MessageSizeTooBig`.
    pub fn too_big(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageSizeTooBig, message)
    }

    /// 413 `QuotaExceeded`: there is no room for the file.
    pub fn quota_exceeded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::QuotaExceeded, message)
    }

    /// 408 `MalformedData`: the head of the request did not come in time.
    pub fn head_timed_out(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::MalformedData, message)
    }

    /// 414 `MessageSizeTooBig`: the first line of the request is too long.
    pub fn target_too_long(message: impl Into<String>) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, ErrorCode::MessageSizeTooBig, message)
    }

    /// 426 `NotSupported`: this is spoken as another protocol.
    pub fn upgrade_required(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, ErrorCode::NotSupported, message)
    }

    /// 431 `MessageSizeTooBig`: the head of the request is too large, or has too many fields.
    pub fn head_too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ErrorCode::MessageSizeTooBig, message)
    }

    /// 416 `BadArgument`: no part of so many bytes is within the range.
    pub fn unsatisfiable_range(bytes: u64) -> Self {
        let message = format!("the file has {bytes} bytes; ask for a range that begins within them");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BadArgument, message)
    }

    /// 415 `NotSupported`: a content type that is not read here.
    pub fn media_type_not_supported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::NotSupported, message)
    }

    /// 429 `ThrottledRequests`.
    pub fn throttled(message: impl Into<String>, retry_after: Duration) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::ThrottledRequests, message);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// 500 `ServiceError`: a bug of ours. The cause is for the log alone.
    pub fn service_error(cause: impl Into<String>) -> Self {
        let message = "the server made a mistake; its operator finds it in the log";
        let error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServiceError, message);
        Self { cause: Some(cause.into()), ..error }
    }

    /// 502 `BotError`: the bot refused, could not be reached, or answered other than 2xx.
    pub fn bot_failed(message: impl Into<String>, bot_status: Option<u16>) -> Self {
        Self { bot_status, ..Self::new(StatusCode::BAD_GATEWAY, ErrorCode::BotError, message) }
    }

    /// 503 `ServiceUnavailable`: the store cannot answer now, or the server is draining.
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServiceUnavailable, message);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// 504 `BotError`: the bot did not answer in time.
    pub fn bot_timed_out(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, ErrorCode::BotError, message)
    }

    /// The same refusal, with what the operator should read in the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody::new(self.code, self.message.clone()).with_bot_status(self.bot_status);
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
        }
        // For `http::layers`, which names the request in the message of a 5xx and logs the cause.
        response.extensions_mut().insert(self);
        response
    }
}
