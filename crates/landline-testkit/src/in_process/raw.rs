//! Bytes that no HTTP client would send, and what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the server may take to answer and close.
const RAW_TIMEOUT: Duration = Duration::from_secs(15);

/// What came back until the line was closed.
#[derive(Clone, Debug, Default)]
pub struct RawReply {
    /// `0` where nothing came.
    pub status: u16,
    /// The head, without the status line, in lower case.
    pub head: String,
    pub body: String,
}

impl RawReply {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}:");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::trim)
    }

    /// The code of the error envelope; empty where there is none.
    pub fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        json["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Writes the bytes and reads until the server closes. Ask for that with `connection: close`.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> RawReply {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // The server may answer and close before everything is written.
    let _ = timeout(RAW_TIMEOUT, stream.write_all(bytes)).await;
    read_reply(&mut stream).await
}

/// Reads until the server closes.
pub async fn read_reply(stream: &mut TcpStream) -> RawReply {
    let mut all = Vec::new();
    let _ = timeout(RAW_TIMEOUT, stream.read_to_end(&mut all)).await.expect("the server closes in time");
    parse(&String::from_utf8_lossy(&all))
}

/// `GET`, and whatever else has no body, with a path of any bytes.
pub fn request(method: &str, path: &[u8], headers: &str) -> Vec<u8> {
    let mut bytes = format!("{method} ").into_bytes();
    bytes.extend_from_slice(path);
    bytes.extend_from_slice(format!(" HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}\r\n").as_bytes());
    bytes
}

fn parse(text: &str) -> RawReply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let (status_line, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    RawReply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
