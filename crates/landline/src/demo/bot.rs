//! A bot, reached and answering as any bot: activities come in over HTTP, replies go to the activity's `serviceUrl`.
//!
//! It answers to this server alone: whoever else posts to it is refused, so that it cannot be used to post elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tracing::warn;

use super::replies::{Reply, replies_to};
use crate::http_client::HttpClient;

/// Where it is.
pub(super) const PATH: &str = "/demo/bot/messages";

#[derive(Clone)]
struct Bot {
    http: HttpClient,
    /// What the `serviceUrl` of every activity from this server begins with.
    connector: Arc<str>,
}

/// Its one route, on a server with this base URL.
pub(super) fn routes(base: &str) -> Router {
    let bot = Bot { http: HttpClient::new(), connector: format!("{base}/connector/").into() };
    Router::new().route(PATH, post(take)).with_state(bot)
}

/// Takes an activity; answers when its replies are delivered, as stock bots do.
async fn take(State(bot): State<Bot>, body: Bytes) -> StatusCode {
    let Ok(activity) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let Some(address) = reply_address(&bot.connector, &activity) else {
        return StatusCode::FORBIDDEN;
    };
    for reply in replies_to(&activity) {
        if let Reply { after: Some(pause), .. } = reply {
            tokio::time::sleep(pause).await;
        }
        let sent = bot.http.post_here(&address, None, &complete(reply.activity, &activity)).await;
        match sent {
            Ok((status, _)) if status.is_success() => {}
            Ok((status, answer)) => {
                warn!(%status, "The demo's bot could not reply: {status} {answer}");
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            Err(error) => {
                warn!(%error, "The demo's bot could not reply: {error:#}");
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
    }
    StatusCode::OK
}

/// `{serviceUrl}v3/conversations/{id}/activities/{id}`, if the `serviceUrl` is ours.
fn reply_address(connector: &str, activity: &Value) -> Option<String> {
    let service_url = activity["serviceUrl"].as_str().filter(|url| url.starts_with(connector))?;
    let conversation = activity["conversation"]["id"].as_str()?;
    // The `|` in the id of an activity is no character of a path.
    let id = activity["id"].as_str()?.replace('|', "%7C");
    Some(format!("{service_url}v3/conversations/{conversation}/activities/{id}"))
}

/// What every reply holds, whatever it says.
fn complete(mut reply: Value, to: &Value) -> Value {
    reply["from"] = to["recipient"].clone();
    reply["recipient"] = to["from"].clone();
    reply["conversation"] = to["conversation"].clone();
    reply["replyToId"] = to["id"].clone();
    if reply["recipient"].is_null() {
        reply["recipient"] = json!({});
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_go_to_this_server_alone() {
        let connector = "http://127.0.0.1:3000/connector/";
        let activity = |service_url: &str| json!({"serviceUrl": service_url, "id": "c|0000001", "conversation": {"id": "c"}});

        let ours = reply_address(connector, &activity("http://127.0.0.1:3000/connector/abc/"));
        assert_eq!(
            ours.as_deref(),
            Some("http://127.0.0.1:3000/connector/abc/v3/conversations/c/activities/c%7C0000001")
        );
        for elsewhere in
            ["http://127.0.0.1:3001/connector/abc/", "http://evil.example.org/", "", "/connector/"]
        {
            assert_eq!(reply_address(connector, &activity(elsewhere)), None, "{elsewhere}");
        }
        assert_eq!(reply_address(connector, &json!({"type": "message"})), None);
    }
}
