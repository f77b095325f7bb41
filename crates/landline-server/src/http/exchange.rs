//! What the two ends of one connection tell each other: the gate, which reads requests, and the service, which answers
//! them.
//!
//! Invariant: the lock is held for a few lines, and one connection is one task, so nobody waits for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::crowd::Place;
use crate::error::ApiError;

/// One per connection, shared by its gate and its service.
#[derive(Debug, Default)]
pub(super) struct Exchange(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Requests that the gate has let in, the one that stands for a refusal included.
    let_in: u64,
    /// Requests that the service has been given.
    begun: u64,
    /// Answers that are not complete.
    under_way: usize,
    /// What the last request that was let in is to be answered with.
    refusal: Option<ApiError>,
    /// Whether the connection became another protocol's.
    upgraded: bool,
    /// Who waits for the answer to be decided.
    waiting: Option<Waker>,
}

impl Exchange {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The gate lets a request in.
    pub(super) fn let_in(&self) {
        self.with(|inner| inner.let_in += 1);
    }

    /// The gate lets in a request of its own making, to be answered with this; no other one follows.
    pub(super) fn refuse(&self, error: ApiError) {
        self.with(|inner| {
            inner.let_in += 1;
            inner.refusal = Some(error);
        });
    }

    /// Whether everything that was let in is answered in full.
    pub(super) fn is_idle(&self) -> bool {
        self.with(|inner| inner.begun == inner.let_in && inner.under_way == 0)
    }

    /// Whether nothing was let in yet.
    pub(super) fn is_new(&self) -> bool {
        self.with(|inner| inner.let_in == 0)
    }

    /// Whether the last request that was let in made another protocol of the connection, once that is known.
    pub(super) fn poll_upgraded(&self, cx: &Context<'_>) -> Poll<bool> {
        self.with(|inner| {
            if inner.upgraded || inner.begun == inner.let_in && inner.under_way == 0 {
                return Poll::Ready(inner.upgraded);
            }
            inner.waiting = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

/// An answer that is being made or sent. As long as there is one, the connection is at work.
#[derive(Debug)]
pub(super) struct Turn {
    exchange: Arc<Exchange>,
    place: Arc<Place>,
}

impl Turn {
    /// The service is given the next request; and what it is to be answered with where it is refused.
    pub(super) fn begin(exchange: &Arc<Exchange>, place: &Arc<Place>) -> (Self, Option<ApiError>) {
        place.at_work();
        let refusal = exchange.with(|inner| {
            inner.begun += 1;
            inner.under_way += 1;
            if inner.begun == inner.let_in { inner.refusal.take() } else { None }
        });
        (Self { exchange: Arc::clone(exchange), place: Arc::clone(place) }, refusal)
    }

    /// The answer says that from now on another protocol is spoken.
    pub(super) fn upgrades(&self) {
        self.exchange.with(|inner| inner.upgraded = true);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (waker, rests) = self.exchange.with(|inner| {
            inner.under_way = inner.under_way.saturating_sub(1);
            (inner.waiting.take(), !inner.upgraded)
        });
        // Whoever speaks another protocol never rests.
        if rests {
            self.place.rests();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The body of an answer, which holds its turn until it is sent.
#[derive(Debug)]
pub(super) struct Held<B> {
    pub(super) body: B,
    pub(super) _turn: Turn,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// As if the last request that was let in had been answered with an upgrade.
#[cfg(test)]
pub(super) fn upgrade_for_test(exchange: &Exchange) {
    exchange.with(|inner| inner.upgraded = true);
}
