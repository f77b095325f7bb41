//! The socket: pages of the log until its end, then whenever it has grown.

use std::sync::Arc;

use futures_util::SinkExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::task::TaskTracker;

use crate::door::{Answer, empty};
use crate::log::Log;

pub(crate) fn open(
    mut request: Request<Incoming>,
    log: Arc<Log>,
    conversation: String,
    after: usize,
    tasks: &TaskTracker,
) -> Answer {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else { return empty(StatusCode::BAD_REQUEST) };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tasks.spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            // The peer went away; there is nobody to tell.
            let _ = follow(socket, &log, &conversation, after).await;
        }
    });
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, accept)
        .body(Default::default());
    answer.unwrap_or_else(|_| empty(StatusCode::BAD_REQUEST))
}

async fn follow(
    mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>,
    log: &Log,
    conversation: &str,
    mut after: usize,
) -> anyhow::Result<()> {
    let mut grown = log.grown();
    loop {
        grown.borrow_and_update();
        let (page, watermark) = log.read(conversation, after);
        if watermark == after {
            grown.changed().await?;
            continue;
        }
        after = watermark;
        let set = json!({"activities": page, "watermark": watermark.to_string()});
        socket.send(Message::text(set.to_string())).await?;
    }
}
