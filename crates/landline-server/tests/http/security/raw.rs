//! HTTP as bytes: nothing between the test and the wire corrects what a test gets wrong on purpose.
//!
//! [`Ask`] spells a request, [`Line`] is a connection on which bytes are written and answers are read, by their
//! `content-length`, by their chunks, or to the end of the line. Everything has a deadline.

use std::net::SocketAddr;
use std::time::Duration;

use landline_testkit::in_process::inside::of_the_inside;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take, and the end of a line.
const DEADLINE: Duration = Duration::from_secs(20);

/// More than this is no answer of ours.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A request, spelled as it is told.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    method: String,
    target: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
    has_host: bool,
    has_length: bool,
}

impl Ask {
    pub(super) fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.as_ref().to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
            has_host: false,
            has_length: false,
        }
    }

    pub(super) fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    pub(super) fn post(target: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target)
    }

    /// The handshake of a WebSocket.
    pub(super) fn upgrade(target: impl AsRef<[u8]>) -> Self {
        Self::get(target)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// A header, as it is. `host` and `content-length` stand in for what would be made up.
    pub(super) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.has_host |= name.eq_ignore_ascii_case("host");
        self.has_length |=
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding");
        self.headers.extend_from_slice(name.as_bytes());
        self.headers.extend_from_slice(b": ");
        self.headers.extend_from_slice(value.as_ref());
        self.headers.extend_from_slice(b"\r\n");
        self
    }

    pub(super) fn bearer(self, credential: &str) -> Self {
        self.header("authorization", format!("Bearer {credential}"))
    }

    /// A body of no type.
    pub(super) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// A body that says it is JSON.
    pub(super) fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// What goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.method.clone().into_bytes();
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        if !self.has_host {
            bytes.extend_from_slice(b"host: landline.test\r\n");
        }
        bytes.extend_from_slice(&self.headers);
        if !self.has_length && (!self.body.is_empty() || matches!(&*self.method, "POST" | "PUT" | "PATCH")) {
            bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Asks on a line of its own.
    pub(super) async fn send(&self, address: SocketAddr) -> Answer {
        let mut line = Line::open(address).await;
        line.write(&self.bytes()).await;
        line.answer(&self.method).await
    }
}

/// An answer, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// `0` where the line ended without one.
    pub(super) status: u16,
    /// As they came, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The first value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and the code of the error; empty where there is none.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// What must not tell two refusals apart: all but the request's own id and the date.
    pub(super) fn without_its_id(&self) -> Self {
        let id = self.header("x-request-id").unwrap_or("-").to_owned();
        let mut same = self.clone();
        same.headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        same.body = self.text().replace(&id, "ID").into_bytes();
        same
    }

    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }

    #[track_caller]
    pub(super) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.refusal(), (status, code.to_owned()), "{:?} {}", self.headers, self.text());
        self
    }
}

/// A connection.
pub(super) struct Line {
    stream: TcpStream,
    /// Read, and not yet part of an answer.
    kept: Vec<u8>,
}

impl Line {
    pub(super) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option of TCP");
        Self { stream, kept: Vec::new() }
    }

    /// Writes; the other side may have closed already.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let _ = timeout(DEADLINE, self.stream.write_all(bytes)).await;
    }

    /// Says that nothing more comes.
    pub(super) async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer to a request of this method. Panics where it does not end in time.
    pub(super) async fn answer(&mut self, to: &str) -> Answer {
        timeout(DEADLINE, self.read_answer(to)).await.expect("an answer, or the end of the line, in time")
    }

    /// What comes until the line ends. Panics where it does not end in time.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let all = async { while self.more().await {} };
        timeout(DEADLINE, all).await.expect("the end of the line in time");
        std::mem::take(&mut self.kept)
    }

    /// Whether the line has ended, or ends within the time; what comes until then is kept.
    pub(super) async fn ends_within(&mut self, wait: Duration) -> bool {
        let all = async { while self.more().await {} };
        timeout(wait, all).await.is_ok()
    }

    /// Reads some; whether there was any.
    async fn more(&mut self) -> bool {
        let mut some = vec![0; 64 * 1024];
        let read = self.stream.read(&mut some).await.unwrap_or(0);
        self.kept.extend_from_slice(&some[..read]);
        assert!(self.kept.len() <= MAX_ANSWER_BYTES, "more than any answer has");
        read > 0
    }

    async fn read_answer(&mut self, to: &str) -> Answer {
        let end = loop {
            if let Some(at) = find(&self.kept, b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return Answer { body: std::mem::take(&mut self.kept), ..Answer::default() };
            }
        };
        let head = String::from_utf8_lossy(&self.kept[..end]).into_owned();
        self.kept.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status: status.unwrap_or(0), headers, body: Vec::new() };
        if answer.status == 100 {
            return Box::pin(self.read_answer(to)).await;
        }
        let bodiless = to == "HEAD" || matches!(answer.status, 101 | 204 | 304);
        let length: Option<usize> = answer.header("content-length").and_then(|value| value.parse().ok());
        answer.body = match length {
            _ if bodiless => Vec::new(),
            Some(length) => {
                while self.kept.len() < length && self.more().await {}
                let length = length.min(self.kept.len());
                self.kept.drain(..length).collect()
            }
            None if answer.header("transfer-encoding").is_some() => self.chunks().await,
            None => {
                while self.more().await {}
                std::mem::take(&mut self.kept)
            }
        };
        if answer.status >= 400 {
            assert_eq!(of_the_inside(&answer.text()), None, "{}", answer.text());
        }
        answer
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = find(&self.kept, b"\r\n") {
                    break at;
                }
                if !self.more().await {
                    return body;
                }
            };
            let size = String::from_utf8_lossy(&self.kept[..end]).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
            while self.kept.len() < end + 2 + size + 2 && self.more().await {}
            let whole = (end + 2 + size).min(self.kept.len());
            body.extend_from_slice(&self.kept[end + 2..whole]);
            self.kept.drain(..(whole + 2).min(self.kept.len()));
            if size == 0 {
                return body;
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
