//! What stands between the line and hyper, and lets requests in, one by one.
//!
//! The head of a request is held back until it is whole and in order (`head`); its body passes as it comes, followed to
//! its end (`framing`). A head that is refused is not let in: in its place goes a request of our own, which the service
//! answers with the refusal. So refusals stand in line behind the answers that are due before them, and look as all
//! others do. Nothing is read behind them.
//!
//! Here also is the time that a head may take, and for how long a connection may rest. hyper has one time for both.
//!
//! Once the connection has become a WebSocket, all of this ends; what is left is how much may come a second.
//!
//! Invariant: at most one head, and what came with it, is held.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::exchange::Exchange;
use super::framing::{BadFraming, Framing};
use super::head::Scan;
use super::meter::Meter;
use crate::error::ApiError;
use crate::limits::{HEAD_PIECE_BYTES, REFUSED_DISCARD_BYTES, REFUSED_DISCARD_TIME};

/// Stands in for a request that was refused.
const REFUSED: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// How long requests may take to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// From the end of one answer to the first byte of the next head. For the first one, `head` counts from the beginning
    /// of the connection.
    pub(super) idle: Duration,
}

#[derive(Debug)]
enum State {
    /// Between requests, or in a head.
    Head(Scan),
    Body(Framing),
    /// What comes next depends on the answer.
    Undecided,
    /// Another protocol is spoken.
    Open(Meter),
    /// Nothing more is let in.
    Refused,
}

/// A line with a gate.
#[derive(Debug)]
pub(super) struct Gate<S> {
    line: S,
    exchange: Arc<Exchange>,
    times: Times,
    state: State,
    /// What has come and is not let in yet.
    held: BytesMut,
    /// What is let in and was not taken yet.
    passed: BytesMut,
    /// When the head must be whole, or a request must have begun.
    due: Option<Due>,
    timer: Option<Pin<Box<Sleep>>>,
    parting: Option<Parting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Head,
    Idle,
}

/// Reading what comes behind a refusal, to throw it away.
#[derive(Debug)]
struct Parting {
    until: Pin<Box<Sleep>>,
    read: usize,
}

impl<S: AsyncRead + Unpin> Gate<S> {
    pub(super) fn new(line: S, exchange: Arc<Exchange>, times: Times) -> Self {
        Self {
            line,
            exchange,
            times,
            state: State::Head(Scan::default()),
            held: BytesMut::new(),
            passed: BytesMut::new(),
            due: None,
            timer: None,
            parting: None,
        }
    }

    /// Lets in what is held and can be judged; whether anything can be taken now.
    fn judge(&mut self) -> io::Result<bool> {
        if !self.passed.is_empty() {
            return Ok(true);
        }
        match &mut self.state {
            State::Head(scan) => match scan.look(&self.held) {
                Ok(None) => return Ok(false),
                Ok(Some(head)) => {
                    self.passed = self.held.split_to(head.length);
                    self.exchange.let_in();
                    self.due = None;
                    self.state = match head.body {
                        _ if head.may_upgrade => State::Undecided,
                        body if body.is_over() => State::Head(Scan::default()),
                        body => State::Body(body),
                    };
                }
                Err(error) => self.refuse(error),
            },
            State::Body(framing) => {
                let Ok(here) = framing.follow(&self.held) else { return Err(self.bad_framing()) };
                self.passed = self.held.split_to(here);
                if framing.is_over() {
                    self.state = State::Head(Scan::default());
                }
            }
            State::Open(_) => self.passed = std::mem::take(&mut self.held),
            State::Undecided | State::Refused => {}
        }
        if self.held.is_empty() {
            // Nothing is kept for a connection that rests.
            self.held = BytesMut::new();
        }
        Ok(!self.passed.is_empty())
    }

    fn refuse(&mut self, error: ApiError) {
        tracing::debug!(message = %error.message, "Refused what is no request: {}", error.message);
        self.exchange.refuse(error);
        self.state = State::Refused;
        self.due = None;
        self.held = BytesMut::new();
        self.passed = BytesMut::from(REFUSED);
    }

    /// Nobody knows where the next request would begin: whoever reads the body gets an error, and that is the end.
    fn bad_framing(&mut self) -> io::Error {
        self.state = State::Refused;
        self.held = BytesMut::new();
        io::Error::new(io::ErrorKind::InvalidData, BadFraming)
    }

    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) {
        let count = buf.remaining().min(self.passed.len());
        buf.put_slice(&self.passed.split_to(count));
        if self.passed.is_empty() {
            self.passed = BytesMut::new();
        }
    }

    /// Reads what may be a head. Ready: there is more, or the line has ended (`false`).
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut piece = [MaybeUninit::uninit(); HEAD_PIECE_BYTES];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.line).poll_read(cx, &mut piece))?;
        self.held.extend_from_slice(piece.filled());
        Poll::Ready(Ok(!piece.filled().is_empty()))
    }

    /// Reads a body to where it belongs, and takes back what comes behind its end.
    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.line).poll_read(cx, buf))?;
        let State::Body(framing) = &mut self.state else { return Poll::Ready(Ok(())) };
        let new = &buf.filled()[before..];
        let Ok(here) = framing.follow(new) else { return Poll::Ready(Err(self.bad_framing())) };
        self.held.extend_from_slice(&new[here..]);
        if framing.is_over() {
            self.state = State::Head(Scan::default());
        }
        buf.set_filled(before + here);
        Poll::Ready(Ok(()))
    }

    /// Ready when what is waited for has taken too long.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        let due = if !self.held.is_empty() {
            Due::Head
        } else if self.exchange.is_idle() {
            Due::Idle
        } else {
            self.due = None;
            return Poll::Pending;
        };
        if self.due != Some(due) {
            let first = due == Due::Idle && self.exchange.is_new();
            let time = if due == Due::Head || first { self.times.head } else { self.times.idle };
            let at = Instant::now() + time;
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(at),
                None => self.timer = Some(Box::pin(sleep_until(at))),
            }
            self.due = Some(due);
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| due),
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.judge()? {
                this.hand_out(buf);
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Head(_) => match this.poll_head(cx) {
                    Poll::Ready(Ok(true)) => {}
                    // Half a head and then nothing is no request.
                    Poll::Ready(Ok(false)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => match ready!(this.poll_due(cx)) {
                        Due::Idle => return Poll::Ready(Ok(())),
                        Due::Head => {
                            let time = this.times.head;
                            let late = format!("the head of the request did not come within {time:?}");
                            this.refuse(ApiError::head_timed_out(late));
                        }
                    },
                },
                State::Body(_) => return this.poll_body(cx, buf),
                State::Undecided => {
                    let open = ready!(this.exchange.poll_upgraded(cx));
                    this.state =
                        if open { State::Open(Meter::default()) } else { State::Head(Scan::default()) };
                }
                State::Open(ref mut meter) => {
                    ready!(meter.poll_ready(cx));
                    let before = buf.filled().len();
                    ready!(Pin::new(&mut this.line).poll_read(cx, buf))?;
                    meter.count(buf.filled().len() - before);
                    return Poll::Ready(Ok(()));
                }
                // The answer to the refusal ends the connection.
                State::Refused => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    /// Behind a refusal, or in a body that nobody wanted, what the sender goes on to send is read for a while, so that the answer reaches him.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.parting.is_none() {
            ready!(Pin::new(&mut this.line).poll_shutdown(cx))?;
            if !matches!(this.state, State::Refused | State::Body(_)) {
                return Poll::Ready(Ok(()));
            }
        }
        let until = || Box::pin(sleep_until(Instant::now() + REFUSED_DISCARD_TIME));
        let parting = this.parting.get_or_insert_with(|| Parting { until: until(), read: 0 });
        loop {
            let mut piece = [MaybeUninit::uninit(); HEAD_PIECE_BYTES];
            let mut piece = ReadBuf::uninit(&mut piece);
            match Pin::new(&mut this.line).poll_read(cx, &mut piece) {
                Poll::Pending => return parting.until.as_mut().poll(cx).map(Ok),
                Poll::Ready(Ok(())) if !piece.filled().is_empty() && parting.read < REFUSED_DISCARD_BYTES => {
                    parting.read += piece.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }
}
