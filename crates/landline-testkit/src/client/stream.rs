//! The client's side of a stream: frames in, keep-alive out.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{ActivitySet, CallError};
use crate::wire::{Trust, Wire};

/// A handshake that took longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// Small, so that ten thousand sockets fit into one test process.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    socket: WebSocketStream<Wire>,
}

/// What came over a stream.
#[derive(Debug)]
pub enum StreamEvent {
    Activities(ActivitySet),
    /// An empty frame: the line is alive.
    Alive,
    /// The server said goodbye, and how; `None` when the line was just cut.
    Closed(Option<(u16, String)>),
}

impl Stream {
    /// Opens a `streamUrl`.
    ///
    /// # Errors
    /// [`CallError::Answered`] when the server refused before the upgrade.
    pub async fn open(url: &str) -> Result<Self, CallError> {
        Self::open_trusting(url, &Trust::default()).await
    }

    /// The same with TLS, where that is what the trust is for; then the scheme has to be `wss`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_trusting(url: &str, trust: &Trust) -> Result<Self, CallError> {
        match timeout(HANDSHAKE_TIMEOUT, Box::pin(Self::connect(url, trust))).await {
            Ok(result) => result,
            Err(_) => Err(CallError::Unknown(format!("no handshake within {HANDSHAKE_TIMEOUT:?}"))),
        }
    }

    async fn connect(url: &str, trust: &Trust) -> Result<Self, CallError> {
        let scheme = trust.stream_scheme();
        let address = url
            .strip_prefix(scheme)
            .and_then(|rest| rest.split('/').next()?.parse().ok())
            .ok_or_else(|| CallError::Malformed(format!("no {scheme} address: {url}")))?;
        let not_sent = |error: std::io::Error| CallError::NotSent(error.to_string());
        let wire = trust.connect(address).await.map_err(not_sent)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        match client_async_with_config(url, wire, Some(config)).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(answer)) => {
                let status = answer.status().as_u16();
                let body = answer.body().as_deref().unwrap_or_default();
                let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
                let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
                Err(CallError::Answered { status, code: text("code"), message: text("message") })
            }
            Err(error) => Err(CallError::Unknown(error.to_string())),
        }
    }

    /// Waits for the next frame. Pings are answered on the way.
    ///
    /// # Errors
    /// [`CallError::Malformed`] for a frame the stock client would choke on.
    pub async fn next(&mut self) -> Result<StreamEvent, CallError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) if text.is_empty() => return Ok(StreamEvent::Alive),
                Some(Ok(Message::Text(text))) => {
                    let set = serde_json::from_str(&text)
                        .map_err(|error| CallError::Malformed(format!("frame is no ActivitySet: {error}")))?;
                    return Ok(StreamEvent::Activities(set));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => {
                    return Err(CallError::Malformed("binary frame".to_owned()));
                }
                Some(Ok(Message::Close(frame))) => {
                    let said = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                    return Ok(StreamEvent::Closed(said));
                }
                Some(Err(_)) | None => return Ok(StreamEvent::Closed(None)),
            }
        }
    }

    /// The empty frame with which a client keeps its line open.
    pub async fn keep_alive(&mut self) -> Result<(), CallError> {
        let sent = self.socket.send(Message::text("")).await;
        sent.map_err(|error| CallError::Unknown(error.to_string()))
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // The peer may be gone already; either way the socket is closed when it is dropped.
        let _ = timeout(HANDSHAKE_TIMEOUT, self.socket.close(None)).await;
    }
}
