//! How many bytes of a request a socket has taken, and whether it was still whole right before the first.
//!
//! It also counts interim answers, of which there may be some.
//!
//! The count is taken below TLS: once a line is up, whatever is written to the socket is, or holds, a part of the
//! request.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;

use crate::limits::BOT_INTERIM_ANSWERS;

/// Shared between the socket, which counts, and the attempt, which asks.
///
/// `Relaxed` will do: both are polled by one task, one after the other.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// A request has begun, and none of it was written yet.
    look_first: AtomicBool,
    /// The line has carried a request before.
    kept: AtomicBool,
    /// Bytes taken since then.
    taken: AtomicUsize,
    /// Interim answers (1xx) since then.
    interims: AtomicUsize,
}

impl Watch {
    /// From here on, everything written belongs to a request; the first one of this line, or another.
    pub(super) fn begin_request(&self, kept: bool) {
        self.kept.store(kept, Ordering::Relaxed);
        self.taken.store(0, Ordering::Relaxed);
        self.interims.store(0, Ordering::Relaxed);
        self.look_first.store(true, Ordering::Relaxed);
    }

    /// An interim answer came. After too many of them, no more is read: they cost processor time and say nothing.
    pub(super) fn interim(&self) {
        self.interims.fetch_add(1, Ordering::Relaxed);
    }

    /// How many bytes the socket took since the request began; may be more than the request, where TLS adds to it.
    pub(super) fn request_bytes(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A handle to the [`Watch`] of a line, found in what the connector says of the connection.
#[derive(Clone, Debug)]
pub(super) struct WatchHandle(pub(super) Arc<Watch>);

/// A socket that counts.
#[derive(Debug)]
pub(super) struct Watched {
    io: TokioIo<TcpStream>,
    watch: Arc<Watch>,
}

impl Watched {
    pub(super) fn new(io: TokioIo<TcpStream>) -> Self {
        Self { io, watch: Arc::default() }
    }

    /// Fails if the other end has closed before a request began.
    ///
    /// Asks the kernel, not the runtime, whose news may be older than the request. Something to read is the farewell
    /// of TLS on a kept line, which then is as good as closed; on a new one it belongs to the greeting.
    fn look(&self) -> io::Result<()> {
        if !self.watch.look_first.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let mut byte = [0_u8; 1];
        match rustix::net::recv(self.io.inner(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
            Ok((1.., _)) if !self.watch.kept.load(Ordering::Relaxed) => Ok(()),
            Ok(_) => {
                Err(io::Error::new(ErrorKind::NotConnected, "the bot closed the line before the request"))
            }
        }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.watch.taken.fetch_add(bytes, Ordering::Relaxed);
        }
        written
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        Connected::new().extra(WatchHandle(Arc::clone(&self.watch)))
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watch.interims.load(Ordering::Relaxed) > BOT_INTERIM_ANSWERS {
            let why = format!("more than {BOT_INTERIM_ANSWERS} interim answers");
            return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, why)));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.look()?;
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.count(written)
    }
}
