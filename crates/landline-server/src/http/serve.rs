//! The accept loop of a listener, and its end.
//!
//! Invariants:
//! - At most `connections` sockets are open, and one that waits for room.
//! - After `shutdown`, nothing is accepted, what runs is finished within `drain`, and then [`serve`] returns. A socket
//!   that became a WebSocket is not waited for here: whoever took it ends it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::accept::{Acceptor, OutOfDescriptors};
use super::client_address::TrustedProxies;
use super::connection::{self, Ends, Held};
use super::crowd::{Crowd, Entered, Place};
use super::handshake::handshake;
use super::shed::Shedding;
use crate::limits::{LEAVE_TIME, PLACE_WAIT};
use crate::telemetry::{Metrics, Shed};
use crate::tls::Tls;

/// The bounds of one listener.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// How many connections may be open.
    pub connections: usize,
    /// How many may come from one address; 0: any number.
    pub connections_per_address: usize,
    /// Those whose connections are not counted by address.
    pub trusted_proxies: TrustedProxies,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a connection is kept on which nothing comes.
    pub idle_timeout: Duration,
    /// How long the handshake of TLS may take, where there is one.
    pub handshake_timeout: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// How long a shutdown waits for what is under way.
    pub drain: Duration,
}

/// Serves a router on a listener until `shutdown`, and returns when its last request is done.
///
/// Every task is spawned on `tasks`. With `tls`, TLS is spoken and nothing else. `metrics`, where given, counts the
/// connections, those that are shed as well, and the handshakes.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    tls: Option<Tls>,
    metrics: Option<Arc<Metrics>>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    let ends = Ends { drain: shutdown.clone(), abort: CancellationToken::new() };
    let running = TaskTracker::new();
    let mut door = Door::new(listener, &limits, metrics.clone());

    loop {
        let (stream, peer, slot, place) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            came = door.next() => came,
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "A connection was gone as soon as it was accepted");
            continue;
        }
        let counted = metrics.as_ref().map(|metrics| metrics.connection_opened());
        let place = Arc::new(place);
        let stream = Held::new(stream, (slot, counted, Arc::clone(&place)), limits.write_timeout);
        let (router, limits, ends) = (router.clone(), limits.clone(), ends.clone());
        let Some(tls) = &tls else {
            tasks.spawn(running.track_future(async move {
                connection::run(stream, peer, place, router, &limits, ends).await;
            }));
            continue;
        };
        let (server, metrics) = (tls.current(), metrics.clone());
        tasks.spawn(running.track_future(async move {
            let handshake = handshake(stream, server, limits.handshake_timeout, metrics.as_deref());
            let stream = tokio::select! {
                stream = handshake => stream,
                // Until it is done, it holds nothing that was accepted.
                () = ends.drain.cancelled() => None,
                () = place.leave.cancelled() => None,
            };
            let Some(stream) = stream else { return };
            connection::run(stream, peer, place, router, &limits, ends).await;
        }));
    }

    drop(door);
    running.close();
    if timeout(limits.drain, running.wait()).await.is_err() {
        let left = running.len();
        warn!(connections = left, "Cutting {left} connections that were not done within {:?}", limits.drain);
        ends.abort.cancel();
        running.wait().await;
    }
}

/// Where connections come in, one by one, as far as there is room.
struct Door {
    acceptor: Acceptor,
    slots: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    shedding: Shedding,
    /// Since when nobody found a slot free.
    full_since: Option<Instant>,
}

impl Door {
    fn new(listener: TcpListener, limits: &ServeLimits, metrics: Option<Arc<Metrics>>) -> Self {
        let slots = Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            acceptor: Acceptor::new(listener),
            slots: Arc::new(slots),
            crowd: Arc::new(Crowd::new(limits.connections_per_address, limits.trusted_proxies.clone())),
            shedding: Shedding::new(metrics),
            full_since: None,
        }
    }

    /// The next connection that there is room for.
    async fn next(&mut self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit, Place) {
        loop {
            let (stream, peer) = self.accept().await;
            let Some(Entered { place, instead }) = self.crowd.enter(peer.ip()) else {
                self.shedding.one(Shed::Address, peer.ip());
                continue;
            };
            if instead {
                self.shedding.one(Shed::AddressIdle, peer.ip());
            }
            if let Some(slot) = self.slot(peer.ip()).await {
                place.rests();
                return (stream, peer, slot, place);
            }
            self.shedding.one(Shed::Full, peer.ip());
        }
    }

    /// The next connection. Where the system has no descriptor for it, one that rests makes room.
    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.acceptor.next().await {
                Ok(accepted) => return accepted,
                Err(OutOfDescriptors) => {
                    if self.crowd.make_room() {
                        self.shedding.one(Shed::Descriptors, Ipv4Addr::UNSPECIFIED.into());
                    }
                    self.acceptor.pause().await;
                }
            }
        }
    }

    /// A slot, at once or soon.
    async fn slot(&mut self, peer: IpAddr) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            self.full_since = None;
            return Some(slot);
        }
        // A few that come while nobody rests wait; where that goes on, nobody waits any more, and none stays in the
        // kernel's queue.
        let until = *self.full_since.get_or_insert_with(Instant::now) + PLACE_WAIT;
        let mut slot = pin!(Arc::clone(&self.slots).acquire_owned());
        loop {
            if self.crowd.make_room() {
                self.shedding.one(Shed::Idle, peer);
                // It is gone by then, unless a request of it came at the last moment.
                if let Ok(slot) = timeout(2 * LEAVE_TIME, slot.as_mut()).await {
                    return slot.ok();
                }
                continue;
            }
            tokio::select! {
                biased;
                slot = slot.as_mut() => return slot.ok(),
                () = self.crowd.somebody_rests() => {}
                () = sleep_until(until) => return None,
            }
        }
    }
}
