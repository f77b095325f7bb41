//! A stream as a test sees it: every frame, control frames included.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::SOON;
use super::http::Reply;

/// An open stream.
#[derive(Debug)]
pub struct Socket {
    inner: WebSocketStream<TcpStream>,
}

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A text frame with a set in it, and its very text.
    Set(Value, String),
    /// An empty text frame.
    Empty,
    Ping,
    Pong,
    /// The server closed, with this code and reason.
    Closed(u16, String),
    /// The line ended without a close frame.
    Cut,
}

/// How a socket is opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    headers: Vec<(HeaderName, HeaderValue)>,
    receive_buffer_bytes: Option<u32>,
}

impl Opening {
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((HeaderName::from_static(name), value.parse().expect("a header value")));
        self
    }

    /// A small receive buffer makes a reader slow.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// Opens a `streamUrl`; what the server said where it refused.
    ///
    /// # Errors
    /// The answer in place of the upgrade.
    pub async fn open(self, url: &str) -> Result<Socket, Box<Reply>> {
        let mut request: Request = url.into_client_request().expect("a ws:// URL");
        request.headers_mut().extend(self.headers);
        let address = request.uri().authority().expect("an authority").as_str().parse().expect("an address");
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes).expect("a buffer size");
        }
        let stream =
            timeout(SOON, socket.connect(address)).await.expect("no time-out").expect("a connection");
        match timeout(SOON, client_async(request, stream)).await.expect("a handshake in time") {
            Ok((inner, _)) => Ok(Socket { inner }),
            Err(Error::Http(answer)) => {
                let (head, body) = answer.into_parts();
                let body = body.unwrap_or_default().into();
                Err(Box::new(Reply { status: head.status.as_u16(), headers: head.headers, body }))
            }
            Err(error) => panic!("no handshake: {error}"),
        }
    }
}

impl Socket {
    /// Opens a `streamUrl`. Panics where the server refuses.
    pub async fn open(url: &str) -> Self {
        match Opening::default().open(url).await {
            Ok(socket) => socket,
            Err(reply) => panic!("the stream was refused: {reply:?}"),
        }
    }

    /// The next frame, which must come within a bound.
    pub async fn next(&mut self) -> Frame {
        self.within(SOON).await.expect("a frame")
    }

    /// The next frame, if one comes in time.
    pub async fn within(&mut self, time: Duration) -> Option<Frame> {
        let message = timeout(time, self.inner.next()).await.ok()?;
        Some(match message {
            Some(Ok(Message::Text(text))) if text.is_empty() => Frame::Empty,
            Some(Ok(Message::Text(text))) => {
                let set: Value = serde_json::from_str(&text).expect("a text frame holds JSON");
                assert!(
                    set["activities"].is_array(),
                    "the stock client fails on a frame without activities: {text}"
                );
                Frame::Set(set, text.to_string())
            }
            Some(Ok(Message::Ping(_))) => Frame::Ping,
            Some(Ok(Message::Pong(_))) => Frame::Pong,
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) =
                    frame.map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
                Frame::Closed(code, reason)
            }
            Some(Ok(other @ (Message::Binary(_) | Message::Frame(_)))) => {
                panic!("not of the protocol: {other:?}")
            }
            Some(Err(_)) | None => Frame::Cut,
        })
    }

    /// The next set; control and empty frames are passed over.
    pub async fn set(&mut self) -> Value {
        loop {
            match self.next().await {
                Frame::Set(set, _) => return set,
                Frame::Empty | Frame::Ping | Frame::Pong => {}
                end => panic!("the stream ended: {end:?}"),
            }
        }
    }

    /// Reads sets until so many texts were seen. What comes beyond them in the same frame fails the test.
    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        self.texts_and_watermark(count).await.0
    }

    /// The same, and the last watermark.
    pub async fn texts_and_watermark(&mut self, count: usize) -> (Vec<String>, String) {
        let (mut texts, mut watermark) = (Vec::new(), String::new());
        while texts.len() < count {
            let set = self.set().await;
            texts.extend(texts_of(&set));
            if let Some(text) = set["watermark"].as_str() {
                watermark = text.to_owned();
            }
        }
        assert_eq!(texts.len(), count, "more came than was waited for: {texts:?}");
        (texts, watermark)
    }

    /// Reads until the server closes or cuts; gives that, and the texts that came before.
    pub async fn until_end(&mut self) -> (Frame, Vec<String>) {
        let mut texts = Vec::new();
        loop {
            match self.within(Duration::from_secs(30)).await.expect("the stream ends in time") {
                Frame::Set(set, _) => texts.extend(texts_of(&set)),
                Frame::Empty | Frame::Ping | Frame::Pong => {}
                end => return (end, texts),
            }
        }
    }

    /// Asserts that no activity comes for a while.
    pub async fn silent_for(&mut self, time: Duration) {
        let deadline = tokio::time::Instant::now() + time;
        while let Some(left) = deadline.checked_duration_since(tokio::time::Instant::now()) {
            match self.within(left).await {
                None | Some(Frame::Empty | Frame::Ping | Frame::Pong) => {}
                Some(frame) => panic!("nothing was to come: {frame:?}"),
            }
        }
    }

    /// Sends a message; whether the line took it.
    pub async fn send(&mut self, message: Message) -> bool {
        matches!(timeout(SOON, self.inner.send(message)).await, Ok(Ok(())))
    }

    /// The bytes below, for what no WebSocket library sends.
    pub fn into_tcp(self) -> TcpStream {
        self.inner.into_inner()
    }
}

/// The texts of a set.
pub fn texts_of(set: &Value) -> Vec<String> {
    let activities = set["activities"].as_array().map(Vec::as_slice).unwrap_or_default();
    activities.iter().filter_map(|activity| activity["text"].as_str().map(str::to_owned)).collect()
}
