//! The demo's page: stock Web Chat from the binary itself, and tokens for it.
//!
//! The page makes no request but to this server, and its content security policy holds it to that.

use std::sync::Arc;

use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, http::header};
use http::StatusCode;
use landline_auth::SiteSecret;
use landline_core::Entropy;
use landline_server::SystemEntropy;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use crate::http_client::HttpClient;

// `const BUNDLE: Option<&[u8]>`: Web Chat as npm brings it, if it was there when this was built.
include!(concat!(env!("OUT_DIR"), "/webchat_bundle.rs"));

const PAGE: &str = include_str!("../../webchat/page.html");
const WITHOUT_BUNDLE: &str = include_str!("../../webchat/without_bundle.html");
const STYLE: &str = include_str!("../../webchat/page.css");
const SCRIPT: &str = include_str!("../../webchat/page.js");

/// `unsafe-inline` for styles: Web Chat writes its own into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; \
                      worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Page {
    http: HttpClient,
    generate: Arc<str>,
    secret: SiteSecret,
}

/// The page, what it loads, and where it gets its token, on a server with this base URL.
pub(super) fn routes(base: &str, secret: SiteSecret) -> Router {
    let generate = format!("{base}/v3/directline/tokens/generate").into();
    let page = Page { http: HttpClient::new(), generate, secret };
    Router::new()
        .route("/", get(|| async { html(if BUNDLE.is_some() { PAGE } else { WITHOUT_BUNDLE }) }))
        .route("/demo/page.css", get(|| async { file("text/css; charset=utf-8", STYLE.as_bytes()) }))
        .route("/demo/page.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT.as_bytes()) }))
        .route("/demo/webchat.js", get(web_chat))
        .route("/demo/token", post(token))
        .with_state(page)
}

fn html(page: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, page).into_response()
}

fn file(kind: &'static str, content: &'static [u8]) -> Response {
    // Asked for again each time: another version of the demo may be on this port tomorrow.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content).into_response()
}

async fn web_chat() -> Response {
    match BUNDLE {
        Some(bundle) => file("text/javascript; charset=utf-8", bundle),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the page knows from before a reload.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    conversation_id: Option<String>,
    user_id: Option<String>,
}

/// A token for a new user, or for the one and the conversation from before. What a site's own back end would do, where
/// it knows its users: here, anybody is whoever they say.
async fn token(State(page): State<Page>, before: Option<Json<Before>>) -> Response {
    let before = before.map(|Json(before)| before).unwrap_or_default();
    let user = before.user_id.unwrap_or_else(new_user);
    let mut body = json!({"user": {"id": user, "name": "You"}});
    if let Some(conversation) = before.conversation_id {
        body["conversationId"] = Value::String(conversation);
    }
    match page.http.post_here(&page.generate, Some(page.secret.expose()), &body).await {
        Ok((status, mut answer)) => {
            answer["userId"] = Value::String(user);
            (status, Json(answer)).into_response()
        }
        Err(error) => {
            warn!(%error, "The demo's page could not get a token: {error:#}");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

fn new_user() -> String {
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes);
    format!("dl_{:016x}", u64::from_be_bytes(bytes))
}
