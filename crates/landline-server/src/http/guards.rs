//! What tells a browser to do nothing with an answer but what it was asked for: not to guess its type, to frame it, to
//! load it into a page of another origin, to keep it, or to tell others where it came from.
//!
//! A handler that wants something else says so itself; what it has set stays.
//!
//! Not here: which page may read an answer (`cors`).

use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Not among the names that `http` knows.
pub(crate) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// An answer is data. Opened as a page, it loads nothing and runs nothing, and nobody puts a frame around it.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

const JSON: &str = "application/json";

/// JSON is UTF-8 anyway; said aloud, no browser takes it for anything else.
const JSON_IN_UTF_8: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// An answer that has no other layer around it.
pub(super) async fn guarded(mut response: Response) -> Response {
    put(response.headers_mut());
    response
}

/// Puts on an answer what it does not say itself.
pub(super) fn put(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let defaults = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(value);
    }
    // A file that somebody has sent keeps the type that it is kept with.
    let is_file = headers.contains_key(CONTENT_DISPOSITION);
    if let Some(kind) = headers.get_mut(CONTENT_TYPE).filter(|kind| !is_file && *kind == JSON) {
        *kind = JSON_IN_UTF_8;
    }
}
