//! Large bodies over a bare socket: sent and received piece by piece and never held, so that what a transfer costs is what
//! it costs the server.
//!
//! Not here: small requests (`line`). Nothing here waits with a bound; whoever calls gives one.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is written at once, and read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// A head that is longer is none.
const HEAD_BYTES: usize = 16 * 1024;
/// As much of a body is kept, for whoever wants to know what was answered.
const KEPT_BYTES: usize = 64 * 1024;

/// One kept-alive connection; one request at a time.
#[derive(Debug)]
pub struct Bulk {
    address: SocketAddr,
    stream: TcpStream,
    piece: Vec<u8>,
    /// Read, and not looked at yet.
    ahead: Vec<u8>,
}

/// What was answered.
#[derive(Debug)]
pub struct BulkAnswer {
    pub status: u16,
    /// How long the body was.
    pub bytes: u64,
    /// How it began.
    pub start: Vec<u8>,
}

impl Bulk {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        // Not the same byte again and again: somebody might think of compressing it.
        let piece = (0..=u8::MAX).cycle().take(PIECE_BYTES).collect();
        Ok(Self { address, stream, piece, ahead: Vec::new() })
    }

    /// Sends the head of a request; a body of `bytes` is to follow by [`Self::body`].
    pub async fn head(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        bytes: u64,
    ) -> Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if bytes > 0 {
            head += &format!("content-length: {bytes}\r\n");
        }
        head += "\r\n";
        Ok(self.stream.write_all(head.as_bytes()).await?)
    }

    /// Sends so many bytes of the body.
    ///
    /// # Errors
    /// Also when the server has answered and closed the line; then [`Self::answer`] may say why.
    pub async fn body(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            let now = self.piece.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.stream.write_all(&self.piece[..now]).await.context("the line was cut in the body")?;
            bytes -= now as u64;
        }
        Ok(())
    }

    /// Reads the answer to its end.
    pub async fn answer(&mut self) -> Result<BulkAnswer> {
        let head = self.read_head().await?;
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).context("no status")?;
        if status == 100 {
            bail!("an interim answer that nobody asked for");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let bytes: u64 = length.context("an answer without a length")?;
        let mut start = Vec::new();
        let mut left = bytes;
        while left > 0 {
            if self.ahead.is_empty() {
                self.ahead.reserve(PIECE_BYTES);
                ensure!(self.stream.read_buf(&mut self.ahead).await? > 0, "cut with {left} bytes to come");
            }
            let now = self.ahead.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            start.extend(&self.ahead[..now.min(KEPT_BYTES - start.len())]);
            self.ahead.drain(..now);
            left -= now as u64;
        }
        Ok(BulkAnswer { status, bytes, start })
    }

    async fn read_head(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.ahead.drain(..end + 4).collect();
                return Ok(head);
            }
            ensure!(self.ahead.len() < HEAD_BYTES, "a head without an end");
            ensure!(self.stream.read_buf(&mut self.ahead).await? > 0, "cut before the answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn bodies_of_both_directions_arrive_whole_over_one_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let long = 3 * PIECE_BYTES as u64 + 17;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..2 {
                let mut read = Vec::new();
                let mut wanted = usize::MAX;
                while read.len() < wanted {
                    assert!(stream.read_buf(&mut read).await.unwrap() > 0);
                    if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                        wanted = end + 4 + usize::try_from(long).unwrap();
                    }
                }
                let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {long}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&vec![b'x'; usize::try_from(long).unwrap()]).await.unwrap();
            }
        };
        let client = async {
            let mut bulk = Bulk::connect(address).await.unwrap();
            for _ in 0..2 {
                bulk.head("POST", "/", &[("a", "b")], long).await.unwrap();
                bulk.body(long).await.unwrap();
                let answer = bulk.answer().await.unwrap();
                assert_eq!((answer.status, answer.bytes, answer.start.len()), (201, long, KEPT_BYTES));
            }
        };

        tokio::join!(server, client);
    }
}
