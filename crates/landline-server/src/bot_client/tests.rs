//! Every way in which a bot can fail us, played by a bare socket, and what is then said of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use landline_core::{DeliveryMode, Wanted};
use landline_protocol::BotName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::directory::{Bot, DEFAULT_ISSUER, DEFAULT_TENANT, ManagedBy, ServiceUrl, Snapshot};

mod answers;
mod directory;
mod kept_lines;
mod not_reached;
mod tls;

const MAX_ANSWER: usize = 64 * 1024;

fn bot() -> BotName {
    "main".parse().unwrap()
}

fn transport_to(address: SocketAddr) -> HyperBotTransport {
    transport(&format!("http://{address}/api/messages"))
}

fn transport(endpoint: &str) -> HyperBotTransport {
    HyperBotTransport::new(directory([(bot(), endpoint)]), Connector::new())
}

fn directory<const COUNT: usize>(bots: [(BotName, &str); COUNT]) -> Arc<Directory> {
    let directory = Directory::default();
    directory.replace(snapshot(bots));
    Arc::new(directory)
}

fn snapshot<const COUNT: usize>(bots: [(BotName, &str); COUNT]) -> Snapshot {
    let bots = bots.map(|(name, endpoint)| {
        let bot = Bot {
            name: name.clone(),
            endpoint: endpoint.parse().unwrap(),
            app_id: None,
            tenant: DEFAULT_TENANT.into(),
            issuer: DEFAULT_ISSUER.into(),
            delivery: DeliveryMode::Wait,
            credentials: Default::default(),
            outgoing: None,
            capability: None,
            service_url: ServiceUrl::signed("http://127.0.0.1:3000"),
            managed_by: ManagedBy::File,
        };
        (name, Arc::new(bot))
    });
    Snapshot { bots: bots.into(), ..Snapshot::default() }
}

fn request(bot: BotName, body: &'static [u8], time: Duration) -> BotRequest {
    BotRequest {
        bot,
        service_url: "http://127.0.0.1:3000/connector/".into(),
        body: Bytes::from_static(body),
        wanted: Wanted::Body,
        deadline: Instant::now() + time,
        max_answer_bytes: MAX_ANSWER,
    }
}

async fn post(
    transport: &HyperBotTransport,
    body: &'static [u8],
    time: Duration,
) -> Result<BotAnswer, BotFailure> {
    transport.post(request(bot(), body, time)).await
}

const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(10);

/// A bot made of a bare socket: `play` gets each connection with its number, from 0.
struct RawBot {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl RawBot {
    async fn start<F, Fut>(play: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        #[expect(clippy::disallowed_methods, reason = "a test ends its tasks with the handle")]
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                running.spawn(play(count.fetch_add(1, Ordering::SeqCst), stream));
            }
        });
        Self { address, connections, _task: AbortOnDropHandle::new(task) }
    }

    /// Reads a request, then writes this and closes.
    async fn answering(bytes: &'static [u8]) -> Self {
        Self::start(move |_, mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(bytes).await;
        })
        .await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request with its body, and gives it back as text; empty at the end of the line.
async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).await.unwrap_or(0);
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return text.into_owned();
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length || count == 0 {
            return text.into_owned();
        }
    }
}

/// Closes with a reset instead of an orderly end.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}
