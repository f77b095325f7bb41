//! One connection of a client, from accept to close.
//!
//! What a connection counts for (its place under the cap, its line in the metrics) is tied to its socket, so that
//! a connection that became a WebSocket goes on counting until that is closed.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::serve::ServeLimits;
use crate::limits::{REQUEST_HEAD_BYTES, REQUEST_HEADERS};

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

/// Serves requests until the client leaves, becomes a WebSocket, breaks a rule, or the server shuts down.
///
/// `stream` is a [`Held`] socket, or a layer over one.
pub(super) async fn run<S>(stream: S, peer: SocketAddr, router: Router, limits: &ServeLimits, ends: Ends)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        // Without a timer, hyper's timeouts do nothing.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(REQUEST_HEAD_BYTES)
        .max_headers(REQUEST_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);

    let mut draining = false;
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
        }
    };
    if let Err(error) = ended {
        // Lines break all day; a client that breaks a rule was told so by hyper.
        debug!(%error, "A connection ended early");
    }
}

/// A socket, and what is to be dropped with it. A peer that takes nothing for too long is given up.
#[derive(Debug)]
pub(super) struct Held<T> {
    stream: TcpStream,
    _held: T,
    /// How long the peer may take nothing of what is written.
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    given_up_at: Option<Pin<Box<Sleep>>>,
}

impl<T> Held<T> {
    pub(super) fn new(stream: TcpStream, held: T, write_timeout: Duration) -> Self {
        Self { stream, _held: held, write_timeout, given_up_at: None }
    }

    /// Lets a write pass, and turns one that waits for too long into an error.
    fn bounded(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.given_up_at = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let given_up_at = self.given_up_at.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        given_up_at
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<T: Unpin> AsyncRead for Held<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<T: Unpin> AsyncWrite for Held<T> {
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
