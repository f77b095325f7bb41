//! What clients and bots may rely on, row by row, at the HTTP and WebSocket boundary.
//!
//! Each file is a chapter of the protocol; `bad_input` and `random_input` are what nobody should send.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod admin;
mod admin_conversations;
mod admin_keys;
mod admin_live;
mod admin_outbox;
mod admin_restart;
mod bad_files;
mod bad_input;
mod bot_answers;
mod bot_answers_shown;
mod connector;
mod connector_activities;
mod connector_attachments;
mod connector_conversations;
mod connector_members;
mod connector_routes;
mod connector_tokens;
mod cors;
mod damage;
mod enhanced;
mod errors;
mod files_download;
mod files_upload;
mod forge;
mod form;
mod identity;
mod identity_tokens;
mod live;
mod lossless;
mod openapi;
mod poll;
mod random_input;
mod reconnect;
mod restart;
mod security;
mod send;
mod start;
mod stop;
mod storm;
mod stream;
mod stream_bounds;
mod tls;
mod tokens;
mod trusted_issuers;

use landline_testkit::in_process::Reply;

/// What stands on every refusal, whoever gets it.
#[track_caller]
fn looks_like_a_refusal(reply: &Reply, status: u16, code: &str) {
    let json = reply.json();
    assert_eq!(reply.status, status, "{json}");
    assert_eq!(json["error"]["code"], code, "{json}");
    let message = json["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "no message in {json}");
    assert_eq!(json["error"].as_object().map(serde_json::Map::len), Some(2), "{json}");
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    marked(reply);
    let id = reply.header("x-request-id");
    assert_eq!(message.contains(id), status >= 500, "a 5xx names its request: {message:?}");
    assert_eq!(reply.headers.contains_key("retry-after"), matches!(status, 429 | 503), "{json}");
    assert_eq!(reply.headers.contains_key("www-authenticate"), status == 401);
    assert_eq!(reply.headers.contains_key("allow"), status == 405);
    if status != 502 {
        assert!(json.get("httpStatusCode").is_none(), "{json}");
    }
}

/// What stands on every answer of the API.
#[track_caller]
fn marked(reply: &Reply) {
    assert_eq!(reply.header("x-request-id").len(), 16, "{:?}", reply.headers);
    assert!(reply.headers.contains_key("access-control-allow-origin"), "{:?}", reply.headers);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
}
