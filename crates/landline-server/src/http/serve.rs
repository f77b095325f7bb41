//! The accept loop of a listener, and its end.
//!
//! Invariants:
//! - At most `connections` sockets are open; further ones wait in the kernel's queue.
//! - After `shutdown`, nothing is accepted, what runs is finished within `drain`, and then [`serve`] returns. A socket
//!   that became a WebSocket is not waited for here: whoever took it ends it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::accept::Acceptor;
use super::connection::{self, Ends, Held};
use crate::telemetry::Metrics;

/// The bounds of one listener.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// How many connections may be open.
    pub connections: usize,
    /// How long the head of a request may take, and how long an idle connection is kept.
    pub header_timeout: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// How long a shutdown waits for what is under way.
    pub drain: Duration,
}

/// Serves a router on a listener until `shutdown`, and returns when its last request is done.
///
/// Every task is spawned on `tasks`. `metrics`, where given, counts the open connections.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    metrics: Option<Arc<Metrics>>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    let ends = Ends { drain: shutdown.clone(), abort: CancellationToken::new() };
    let running = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut acceptor = Acceptor::new(listener);

    loop {
        let accepted = async {
            // The slot first: without one, the connection stays in the kernel's queue.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, acceptor.next().await)
        };
        let (slot, (stream, peer)) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        let Ok(slot) = slot else { break }; // nobody closes the semaphore
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "A connection was gone as soon as it was accepted");
            continue;
        }
        let counted = metrics.as_ref().map(|metrics| metrics.connection_opened());
        let stream = Held::new(stream, (slot, counted), limits.write_timeout);
        let (router, limits, ends) = (router.clone(), limits.clone(), ends.clone());
        tasks.spawn(running.track_future(async move {
            connection::run(stream, peer, router, &limits, ends).await;
        }));
    }

    drop(acceptor);
    running.close();
    if tokio::time::timeout(limits.drain, running.wait()).await.is_err() {
        let left = running.len();
        warn!(connections = left, "Cutting {left} connections that were not done within {:?}", limits.drain);
        ends.abort.cancel();
        running.wait().await;
    }
}
