//! Whether a request for a stream is the handshake of a WebSocket, and what it is told where it is not.
//!
//! Source: RFC 6455, 4.2.1 (what a client must send), 4.2.2 and 4.4 (426 and 400 with the version that is spoken).

use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Method, Version};

use crate::error::ApiError;

/// How many bytes a client has to make up for its key.
const KEY_BYTES: usize = 16;

/// The handshake, or the refusal.
pub(super) async fn upgrade(parts: &mut Parts) -> Result<WebSocketUpgrade, Response> {
    let names = |name, word: &str| {
        let mut values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
    };
    if parts.version < Version::HTTP_11 || parts.method != Method::GET {
        return Err(bad("a WebSocket is opened by a GET of HTTP/1.1"));
    }
    if !names(UPGRADE, "websocket") || !names(CONNECTION, "upgrade") {
        return Err(required("this is a WebSocket; open it with connection: upgrade and upgrade: websocket"));
    }
    let one = |name| {
        let mut values = parts.headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
    };
    if one(SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(required("the version of the WebSocket protocol has to be 13"));
    }
    let key = one(SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key).ok());
    if key.is_none_or(|key| key.len() != KEY_BYTES) {
        return Err(bad("sec-websocket-key has to be sixteen bytes in base64, once"));
    }
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    upgrade.map_err(|error| bad(&format!("this is a WebSocket: {}", error.body_text())))
}

fn bad(message: &str) -> Response {
    with_version(ApiError::bad_argument(message).into_response())
}

fn required(message: &str) -> Response {
    let mut response = ApiError::upgrade_required(message).into_response();
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    with_version(response)
}

fn with_version(mut response: Response) -> Response {
    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}
