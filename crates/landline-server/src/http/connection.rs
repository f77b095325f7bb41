//! One connection of a client, from accept to close.
//!
//! What a connection counts for (its place under the cap, its line in the metrics) is tied to its socket, so that
//! a connection that became a WebSocket goes on counting until that is closed.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::crowd::Place;
use super::exchange::{self, Exchange, Turn};
use super::gate::{Gate, Times};
use super::layers::Refused;
use super::serve::ServeLimits;
use crate::limits::{LEAVE_TIME, REQUEST_HEAD_BYTES, REQUEST_HEADERS, WRITE_BYTES_PER_SECOND};

/// The other end of the connection: a client, or a proxy in front of it. An extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Two moments that end a connection.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Finish what is under way, take nothing new.
    pub(super) drain: CancellationToken,
    /// Stop where you are.
    pub(super) abort: CancellationToken,
}

/// Serves requests until the client leaves, becomes a WebSocket, breaks a rule, has to make room, or the server shuts
/// down.
///
/// `stream` is a [`Held`] socket, or a layer over one.
pub(super) async fn run<S>(
    stream: S,
    peer: SocketAddr,
    place: Arc<Place>,
    router: Router,
    limits: &ServeLimits,
    ends: Ends,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let exchange = Arc::new(Exchange::default());
    let times = Times { head: limits.header_timeout, idle: limits.idle_timeout };
    let gate = Gate::new(stream, Arc::clone(&exchange), times);
    let leave = place.leave.clone();
    let both_ends = Arc::clone(&exchange);
    let service = service_fn(move |request: Request<Incoming>| {
        let (turn, refusal) = Turn::begin(&both_ends, &place);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        if let Some(error) = refusal {
            request.extensions_mut().insert(Refused(error));
        }
        let answering = router.clone().oneshot(request);
        async move {
            let response = answering.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                turn.upgrades();
            }
            Ok::<_, Infallible>(response.map(|body| exchange::Held { body, _turn: turn }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The gate has times of its own, and stops before.
        .header_read_timeout(limits.header_timeout + limits.idle_timeout)
        .max_buf_size(REQUEST_HEAD_BYTES)
        .max_headers(REQUEST_HEADERS)
        .serve_connection(TokioIo::new(gate), service)
        .with_upgrades();
    let mut connection = pin!(connection);

    let mut draining = false;
    let mut leave_by = None;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = ends.abort.cancelled() => {
                debug!("Cut a connection that outlived the shutdown");
                return;
            }
            () = ends.drain.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = leave.cancelled(), if leave_by.is_none() => {
                leave_by = Some(Instant::now() + LEAVE_TIME);
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(leave_by.unwrap_or_else(Instant::now)), if leave_by.is_some() => {
                // A request that came at the last moment is answered; what is only slow to take its answer is not
                // waited for.
                if exchange.is_idle() {
                    return;
                }
                leave_by = Some(Instant::now() + LEAVE_TIME);
            }
        }
    };
    if let Err(error) = ended {
        // Lines break all day; a client that breaks a rule was told so.
        debug!(%error, "A connection ended early");
    }
}

/// A socket, and what is to be dropped with it. A peer that takes nothing for too long is given up, and so is one that
/// takes a little now and then.
#[derive(Debug)]
pub(super) struct Held<T, S = TcpStream> {
    stream: S,
    _held: T,
    /// How long the peer may take nothing of what is written.
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    given_up_at: Option<Pin<Box<Sleep>>>,
    /// Since when the peer takes nothing.
    waits_since: Option<Instant>,
    /// For how long it was waited for, less what it takes at the slowest rate that is borne with.
    debt: Duration,
}

impl<T, S> Held<T, S> {
    pub(super) fn new(stream: S, held: T, write_timeout: Duration) -> Self {
        Self {
            stream,
            _held: held,
            write_timeout,
            given_up_at: None,
            waits_since: None,
            debt: Duration::ZERO,
        }
    }

    /// Lets a write pass, and turns one that waits for too long into an error, or one that comes forward too slowly.
    fn bounded(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.given_up_at = None;
                let waited = self.waits_since.take().map_or(Duration::ZERO, |since| since.elapsed());
                let worth = Duration::from_micros(bytes as u64 * 1_000_000 / WRITE_BYTES_PER_SECOND);
                self.debt = (self.debt + waited).saturating_sub(worth);
                if self.debt > self.write_timeout {
                    return Poll::Ready(Err(timed_out("the peer takes next to nothing")));
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                self.waits_since.get_or_insert_with(Instant::now);
                let write_timeout = self.write_timeout;
                let given_up_at = self.given_up_at.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
                given_up_at.as_mut().poll(cx).map(|()| Err(timed_out("the peer takes nothing")))
            }
        }
    }
}

fn timed_out(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<T> Held<T> {
    /// The first byte that the peer sends, which stays to be read; `None` where it leaves without any.
    pub(super) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0; 1];
        let count = self.stream.peek(&mut first).await?;
        Ok(first.first().copied().filter(|_| count > 0))
    }
}

impl<T: Unpin, S: AsyncRead + Unpin> AsyncRead for Held<T, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<T: Unpin, S: AsyncWrite + Unpin> AsyncWrite for Held<T, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bounded(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
