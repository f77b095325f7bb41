//! The HTTP side over real sockets: bare clients, and routes that do what a test needs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use landline_core::Entropy;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::audit::Audit;
use crate::telemetry::Metrics;

mod answers;
mod bodies;
mod bounds;
mod connections;
mod crowds;
mod draining;
mod framing;
mod tls;

/// Longer than anything takes, shorter than a person's patience.
const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough for something that should not happen to happen.
const A_WHILE: Duration = Duration::from_millis(200);

struct Counting(std::sync::atomic::AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes();
        for (byte, value) in bytes.iter_mut().rev().zip(next.iter().rev()) {
            *byte = *value;
        }
    }
}

/// A server on a free port; it is stopped by the test or ends with it.
struct Server {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

fn limits() -> ServeLimits {
    ServeLimits {
        connections: 100,
        connections_per_address: 0,
        trusted_proxies: TrustedProxies::default(),
        header_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        handshake_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(5),
        drain: Duration::from_secs(5),
    }
}

impl Server {
    async fn start(router: Router) -> Self {
        Self::start_with(router, limits()).await
    }

    async fn start_with(router: Router, limits: ServeLimits) -> Self {
        Self::start_over(router, limits, None, Arc::default()).await
    }

    async fn start_over(
        router: Router,
        limits: ServeLimits,
        tls: Option<crate::tls::Tls>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let entropy = Arc::new(Counting(1.into()));
        let observed = Observed { entropy, metrics: Arc::clone(&metrics), audit: Audit::nowhere() };
        let router = with_layers(router, observed);
        let serving =
            serve(listener, router, limits, tls, Some(Arc::clone(&metrics)), shutdown.clone(), tasks.clone());
        tasks.spawn(serving);
        Self { address, metrics, shutdown, tasks }
    }

    async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// One request on a connection of its own.
    async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    /// Waits until everything has ended.
    async fn ended(&self) {
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.expect("the server did not end");
    }

    fn connections(&self) -> i64 {
        self.metric("landline_connections ")
    }

    /// How many connections were closed for want of room, for a reason.
    fn shed(&self, reason: &str) -> i64 {
        self.metric(&format!("landline_connections_shed_total{{reason=\"{reason}\"}} "))
    }

    fn metric(&self, name: &str) -> i64 {
        let page = self.metrics.render().unwrap();
        page.lines().find_map(|line| line.strip_prefix(name)).map_or(0, |value| value.parse().unwrap())
    }
}

/// A bare connection.
struct Client<S = TcpStream> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.answer().await
    }

    /// The next answer, whole.
    async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer()).await.expect("no answer").expect("the line was closed")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let mut read = Vec::new();
        loop {
            if let Some(answer) = Answer::parse(&read) {
                return Some(answer);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => read.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// Whether the server closes within a while, without saying more.
    async fn is_closed_within(&mut self, time: Duration) -> bool {
        let mut piece = [0; 64];
        matches!(timeout(time, self.stream.read(&mut piece)).await, Ok(Ok(0) | Err(_)))
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let answer =
            Self { status: head.get(9..12)?.parse().ok()?, head: head.to_owned(), body: body.to_owned() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        (answer.status == 101 || body.len() >= length).then_some(answer)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}
