//! The sender's own name for a send: the header `Idempotency-Key`, for clients and bots alike.
//!
//! Not here: what a repeat under the same name comes to, and how long a name may be (`landline_core`).

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::error::ApiError;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The name, where there is one.
#[derive(Debug)]
pub(crate) struct SendName(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for SendName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        idempotency_key(&parts.headers).map(Self)
    }
}

/// The name in these headers, where there is one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    match headers.get(IDEMPOTENCY_KEY).map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(name)) => Ok(Some(name.to_owned()).filter(|name| !name.is_empty())),
        Some(Err(_)) => Err(ApiError::bad_argument("idempotency-key: send visible ASCII characters")),
    }
}
