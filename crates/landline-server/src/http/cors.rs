//! What lets a browser on another origin read our answers.
//!
//! Any origin may: who may do what is decided by tokens and trusted origins, not by CORS. Without these headers on
//! every answer, errors included, a browser hides the real status from the client.
//!
//! Invariant: an answer that a browser got by sending a cookie is readable for trusted origins alone. Only the handler of
//! that one call knows them, and says so itself; here, only its preflight is told that cookies may be sent.
//!
//! Source: Fetch standard, "CORS protocol"; `*` for allowed headers does not cover `authorization`.

use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE,
    ORIGIN, RETRY_AFTER,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

use crate::limits::PREFLIGHT_MAX_AGE;

/// The one call that the stock client makes with credentials.
const WITH_CREDENTIALS: &str = "/v3/directline/session/getsessionid";

/// Says that a reader's watermark was older than what is kept.
pub(crate) const HISTORY_EXPIRED: HeaderName = HeaderName::from_static("x-landline-history-expired");

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers preflights, on every path, and marks every other answer.
pub(super) fn layer() -> CorsLayer {
    CorsLayer::new()
        // The origin is echoed rather than `*`, which browsers refuse for calls with credentials.
        .allow_origin(AllowOrigin::mirror_request())
        // A preflight names no token, so it cannot be known yet whose page it is.
        .allow_credentials(AllowCredentials::predicate(|_: &HeaderValue, parts: &Parts| {
            parts.method == Method::OPTIONS && parts.uri.path() == WITH_CREDENTIALS
        }))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CACHE_CONTROL,
            CONTENT_DISPOSITION,
            CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-ms-bot-agent"),
            HeaderName::from_static("x-ms-client-request-id"),
            HeaderName::from_static("x-requested-with"),
        ])
        .expose_headers([REQUEST_ID, RETRY_AFTER, HISTORY_EXPIRED])
        .max_age(PREFLIGHT_MAX_AGE)
        .vary([ORIGIN])
}

/// Marks an answer to a request without an `Origin` too: a cache may hand it to a browser.
pub(super) fn mark_unasked(headers: &mut HeaderMap) {
    headers.entry(ACCESS_CONTROL_ALLOW_ORIGIN).or_insert(HeaderValue::from_static("*"));
}
