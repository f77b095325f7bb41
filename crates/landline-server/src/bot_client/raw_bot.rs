//! For tests: somebody at the other end of a line, who does with its bytes what the test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A bot made of a bare socket: `play` gets each connection with its number, from 0.
pub(crate) struct RawBot {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl RawBot {
    pub(crate) async fn start<F, Fut>(play: F) -> Self
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
    pub(crate) async fn answering(bytes: &'static [u8]) -> Self {
        Self::start(move |_, mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(bytes).await;
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request with its body, and gives it back as text; empty at the end of the line.
pub(crate) async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
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
