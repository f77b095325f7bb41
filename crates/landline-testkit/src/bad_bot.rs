//! A bot on a bare socket: it takes activities, and answers by no rules but those of the test.
//!
//! Not here: bots that speak HTTP as they should (`bot`).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What the largest answers hold.
pub const HUGE: usize = 64 * 1024 * 1024;

/// Between two drops.
const DRIP: Duration = Duration::from_secs(1);

/// `{"activities":[{"type":"message","text":"unpacked"}]}`, packed with gzip.
const PACKED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x4c, 0x2e, 0xc9, 0x2c,
    0xcb, 0x2c, 0xc9, 0x4c, 0x2d, 0x56, 0xb2, 0x8a, 0xae, 0x56, 0x2a, 0xa9, 0x2c, 0x48, 0x55, 0xb2, 0x52,
    0xca, 0x4d, 0x2d, 0x2e, 0x4e, 0x4c, 0x4f, 0x55, 0xd2, 0x51, 0x2a, 0x49, 0xad, 0x28, 0x01, 0x0a, 0x94,
    0xe6, 0x15, 0x24, 0x26, 0x67, 0xa7, 0xa6, 0x28, 0xd5, 0xc6, 0xd6, 0x02, 0x00, 0xca, 0x1e, 0x5f, 0xe8,
    0x35, 0x00, 0x00, 0x00,
];

/// How the bot answers what it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As it should: 200.
    Accept,
    /// Never.
    Hang,
    /// A byte of the head each second.
    DripHead,
    /// 200, then a byte of the body each second.
    DripBody,
    /// 200 and 64 MiB, announced.
    HugeLength,
    /// 200 and 64 MiB in one chunk.
    HugeChunk,
    /// 200 and 64 MiB, until the line is closed.
    HugeUntilClose,
    /// A redirect to a place where somebody would take it.
    Redirect,
    /// 200, and chunks that are none.
    BadChunks,
    /// 200, packed as nobody asked for.
    Packed,
    /// A reset instead of an answer.
    ResetBefore,
    /// A reset in the middle of the head.
    ResetInHead,
    /// 200, and a reset in the middle of the body.
    ResetInBody,
    /// 200 with all of its body, and a reset.
    ResetAfter,
    /// 100 without end.
    Interim,
    /// A head of very many fields.
    ManyHeaders,
    /// A field without end.
    HugeHeader,
    /// What HTTP/0.9 would have said.
    NoHttp,
    /// 200 before the activity was read; it never is.
    Early,
    /// 200, and more bytes behind it.
    Extra,
    /// 200 and this many events of a stream, one in 100 ms; then the end.
    Events(usize),
}

/// A running bot. Stops when dropped.
#[derive(Debug)]
pub struct BadBot {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    way: Mutex<Way>,
    requests: AtomicUsize,
    last: Mutex<String>,
    stop: CancellationToken,
}

impl Shared {
    fn way(&self) -> Way {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BadBot {
    /// A bot that answers as it should until it is told otherwise.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            way: Mutex::new(Way::Accept),
            requests: AtomicUsize::new(0),
            last: Mutex::default(),
            stop: stop.clone(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(listen(listener, Arc::clone(&shared), tasks.clone()));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    /// Where the server finds the bot.
    pub fn endpoint(&self) -> String {
        format!("http://{}/api/messages", self.address)
    }

    /// How to answer from now on.
    pub fn set_way(&self, way: Way) {
        *self.shared.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }

    /// The last request that was read, as it came.
    pub fn last_request(&self) -> String {
        self.shared.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        if let Ok((stream, _)) = accepted {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                let stopped = shared.stop.clone();
                tokio::select! {
                    () = serve(stream, &shared) => {}
                    () = stopped.cancelled() => {}
                }
            });
        }
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) {
    // Without it a delayed acknowledgement costs 40 ms; the bot works all the same.
    let _ = stream.set_nodelay(true);
    let mut read = Vec::new();
    loop {
        let way = shared.way();
        if way == Way::Early {
            if stream.readable().await.is_err() {
                return;
            }
        } else if let Some(request) = read_request(&mut stream, &mut read).await {
            *shared.last.lock().unwrap_or_else(PoisonError::into_inner) = request;
        } else {
            return;
        }
        shared.requests.fetch_add(1, Ordering::SeqCst);
        // What was meant for a request is asked when it is there.
        let way = if way == Way::Early { way } else { shared.way() };
        // A peer that cuts the line is what these tests are about.
        if !answer(&mut stream, way).await.unwrap_or(false) {
            return;
        }
        if matches!(way, Way::ResetBefore | Way::ResetInHead | Way::ResetInBody | Way::ResetAfter) {
            // What was written is to be taken before the reset throws it away.
            sleep(Duration::from_millis(20)).await;
            let _ = stream.set_zero_linger();
            return;
        }
    }
}

/// Reads one request with its body; `None` at the end of the line.
async fn read_request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let end = head + 4 + length.unwrap_or(0_usize);
            if read.len() >= end {
                let request = read.drain(..end).collect::<Vec<_>>();
                return Some(String::from_utf8_lossy(&request).into_owned());
            }
        }
        if !matches!(stream.read_buf(read).await, Ok(1..)) {
            return None;
        }
    }
}

/// Whether another request may come on this line.
async fn answer(stream: &mut TcpStream, way: Way) -> std::io::Result<bool> {
    let ok = "HTTP/1.1 200 OK\r\n";
    let text = match way {
        Way::Accept => format!("{ok}content-length: 2\r\n\r\n{{}}"),
        Way::Hang => return std::future::pending().await,
        Way::DripHead => return drip(stream, ok.as_bytes()).await,
        Way::DripBody => {
            stream.write_all(format!("{ok}content-length: 1000\r\n\r\n").as_bytes()).await?;
            return drip(stream, &[b'x'; 1000]).await;
        }
        Way::HugeLength => return huge(stream, &format!("content-length: {HUGE}\r\n\r\n")).await,
        Way::HugeChunk => {
            return huge(stream, &format!("transfer-encoding: chunked\r\n\r\n{HUGE:x}\r\n")).await;
        }
        Way::HugeUntilClose => return huge(stream, "\r\n").await,
        Way::Redirect => {
            let here = stream.local_addr()?;
            format!("HTTP/1.1 302 Go\r\nlocation: http://{here}/else\r\ncontent-length: 0\r\n\r\n")
        }
        Way::BadChunks => format!("{ok}transfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n"),
        Way::Packed => {
            let length = PACKED.len();
            let head = format!(
                "{ok}content-encoding: gzip\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all(&[head.as_bytes(), PACKED].concat()).await?;
            return Ok(true);
        }
        Way::ResetBefore => return Ok(true),
        Way::ResetInHead => "HTTP/1.1 200 O".to_owned(),
        Way::ResetInBody => format!("{ok}content-length: 1000\r\n\r\nhalf"),
        Way::ResetAfter => format!("{ok}content-length: 17\r\n\r\n{{\"activities\":[]}}"),
        Way::Interim => loop {
            stream.write_all("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000).as_bytes()).await?;
        },
        Way::ManyHeaders => format!("{ok}{}content-length: 0\r\n\r\n", "x: y\r\n".repeat(10_000)),
        Way::HugeHeader => return huge(stream, "x: ").await,
        Way::NoHttp => "<html>hello</html>\r\n\r\n".to_owned(),
        Way::Early => {
            stream
                .write_all(format!("{ok}connection: close\r\ncontent-length: 0\r\n\r\n").as_bytes())
                .await?;
            return std::future::pending().await;
        }
        Way::Extra => format!("{ok}content-length: 17\r\n\r\n{{\"activities\":[]}}HTTP/1.1 500 No\r\n\r\n"),
        Way::Events(count) => {
            let head = format!("{ok}content-type: text/event-stream\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            for number in 0..count {
                sleep(Duration::from_millis(100)).await;
                let event = format!(
                    "event: activity\r\ndata: {{\"type\":\"message\",\"text\":\"part {number}\"}}\r\n\r\n"
                );
                stream.write_all(event.as_bytes()).await?;
            }
            return Ok(false);
        }
    };
    stream.write_all(text.as_bytes()).await?;
    Ok(true)
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<bool> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        sleep(DRIP).await;
    }
    Ok(false)
}

/// A head that ends like this, and 64 MiB.
async fn huge(stream: &mut TcpStream, rest: &str) -> std::io::Result<bool> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes()).await?;
    for _ in 0..HUGE / 65_536 {
        stream.write_all(&[b'x'; 65_536]).await?;
    }
    Ok(false)
}
