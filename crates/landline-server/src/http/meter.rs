//! How much is read of somebody who is only expected to listen.
//!
//! Whoever sends more is not cut off but read later: his own line fills up. What that does not show at all, such as the
//! pieces of a message that never ends, costs no more than this.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{STREAM_IN_BURST, STREAM_IN_BYTES_PER_SECOND};

/// Counts bytes against time.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// When everything that was read would have come at the rate that is allowed.
    even_at: Option<Instant>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Meter {
    /// Ready when more may be read.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pause) = &mut self.pause else { return Poll::Ready(()) };
        std::task::ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(())
    }

    /// So many bytes were read.
    pub(super) fn count(&mut self, bytes: usize) {
        let now = Instant::now();
        let worth = time_for(bytes);
        let even_at = self.even_at.map_or(now, |even_at| even_at.max(now)) + worth;
        self.even_at = Some(even_at);
        let burst = time_for(STREAM_IN_BURST);
        if even_at > now + burst {
            self.pause = Some(Box::pin(sleep_until(even_at - burst)));
        }
    }
}

fn time_for(bytes: usize) -> Duration {
    Duration::from_secs(1).mul_f64(bytes as f64 / f64::from(STREAM_IN_BYTES_PER_SECOND))
}
