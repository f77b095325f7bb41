//! The body of an upload as it comes: in pieces, within a time, within a size.
//!
//! The parser of parts keeps what it has not made sense of, without a bound of its own: the head of a part, or what
//! comes before the first one. So it is given small pieces, one at a time, and no more than is allowed until the next
//! head is read ([`Allowance`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::refused::Refused;
use crate::error::ApiError;
use crate::http::discard;
use crate::limits::{
    UPLOAD_BYTES_PER_SECOND, UPLOAD_PART_HEAD_BYTES, UPLOAD_PIECE_BYTES, UPLOAD_SLOW_TIME, UPLOAD_TIME,
};
use crate::telemetry::FileRefused;

/// See the module.
pub(super) struct Incoming {
    body: Body,
    /// What came and was not handed out.
    rest: Bytes,
    /// How long each piece may take.
    wait: Duration,
    since: Instant,
    /// When all of it has to be there.
    deadline: Instant,
    /// How many bytes may still come, and how many it were at first.
    left: u64,
    limit: u64,
    allowance: Allowance,
    begun: bool,
    /// Whether it has ended, broken off, or come too slowly: nothing follows.
    over: bool,
}

/// How many bytes may be handed out until somebody says that they have led to something.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// Enough for the head of one part, and for what is between two; and for one more piece, because the parser asks
    /// for the next one before it looks at what it has.
    pub(super) fn of_a_head(&self) {
        self.0.store(UPLOAD_PART_HEAD_BYTES + UPLOAD_PIECE_BYTES, Ordering::Relaxed);
    }

    /// As much as comes: each piece goes on as soon as it is there.
    pub(super) fn of_content(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }
}

impl Incoming {
    /// A body of at most so many bytes, each piece of which comes within this time.
    pub(super) fn new(body: Body, limit: u64, wait: Duration) -> Self {
        let allowance = Allowance(Arc::new(AtomicUsize::new(usize::MAX)));
        let since = Instant::now();
        let deadline = since + UPLOAD_TIME;
        let (rest, begun, over) = (Bytes::new(), false, false);
        Self { body, rest, wait, since, deadline, left: limit, limit, allowance, begun, over }
    }

    pub(super) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }

    /// Reads what is left of a body that was refused, within bounds: who is still sending sees no answer on a line that is
    /// closed. A client that waits to be asked has sent nothing, if it never was.
    pub(super) async fn discard(self, waits_to_be_asked: bool) {
        if !self.over && (self.begun || !waits_to_be_asked) {
            discard(self.body).await;
        }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        // Lets whoever reads look at each piece before it gets the next one.
        yield_now().await;
        while self.rest.is_empty() {
            match self.frame().await? {
                Some(data) => self.rest = data,
                None => return Ok(None),
            }
        }
        let allowed = self.allowance.0.load(Ordering::Relaxed);
        let piece = self.rest.split_to(self.rest.len().min(UPLOAD_PIECE_BYTES).min(allowed));
        if piece.is_empty() {
            return Err(Refused::malformed(ApiError::malformed_data(format!(
                "between two parts, or in the head of a part, there are more than {UPLOAD_PART_HEAD_BYTES} bytes"
            ))));
        }
        self.allowance.0.store(allowed - piece.len(), Ordering::Relaxed);
        Ok(Some(piece))
    }

    /// Waits for the end, which is not far: whoever hangs up before it has not sent the upload.
    pub(super) async fn end(&mut self) -> Result<(), Refused> {
        self.allowance.of_a_head();
        while self.next().await?.is_some() {}
        Ok(())
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, Refused> {
        self.begun = true;
        loop {
            let until = self.deadline.min(self.slowest()).min(Instant::now() + self.wait);
            let frame = timeout_at(until, self.body.frame()).await;
            self.over = !matches!(frame, Ok(Some(Ok(_))));
            let frame = match frame {
                Err(_) => return Err(self.too_slow()),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(Refused::broken_off("the body broke off before its end")),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue }; // trailers
            self.left = match self.left.checked_sub(data.len() as u64) {
                Some(left) => left,
                None => return Err(too_big(self.limit)),
            };
            return Ok(Some(data));
        }
    }

    /// When the next bytes have to be there at the latest, so that nobody keeps a place by a byte now and then.
    fn slowest(&self) -> Instant {
        let came = self.limit.saturating_sub(self.left) / UPLOAD_BYTES_PER_SECOND;
        let latest = self.since.checked_add(UPLOAD_SLOW_TIME + Duration::from_secs(came));
        latest.unwrap_or(self.deadline)
    }

    fn too_slow(&self) -> Refused {
        let wait = self.wait;
        let now = Instant::now();
        if now < self.deadline {
            if now >= self.slowest() {
                return Refused::broken_off(format!(
                    "the body came more slowly than {UPLOAD_BYTES_PER_SECOND} bytes a second"
                ));
            }
            return Refused::broken_off(format!("nothing of the body arrived for {wait:?}"));
        }
        Refused::broken_off(format!("the body did not arrive within {UPLOAD_TIME:?}"))
    }
}

/// 413, before or after it is there.
pub(super) fn too_big(limit: u64) -> Refused {
    let message = format!("the body is over the limit of {limit} bytes; send fewer or smaller files");
    Refused { error: ApiError::too_big(message), reason: FileRefused::TooBig }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::unfold;
    use tokio::time::sleep;

    use super::*;

    /// So many bytes come each five seconds, without end; gives how long that is listened to, and why no longer.
    async fn listened(bytes: usize) -> (Duration, String) {
        let drops = unfold((), move |()| async move {
            sleep(Duration::from_secs(5)).await;
            Some((Ok::<_, Infallible>(Bytes::from(vec![0; bytes])), ()))
        });
        let mut incoming = Incoming::new(Body::from_stream(drops), u64::MAX, Duration::from_secs(30));
        let begun = Instant::now();
        loop {
            if let Err(refused) = incoming.next().await {
                return (begun.elapsed(), refused.error.message);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_keeps_a_place_by_a_byte_now_and_then() {
        let (time, why) = listened(1).await;
        assert!(time < Duration::from_secs(65) && why.contains("1024 bytes a second"), "{time:?} {why}");
        let (time, why) = listened(2560).await;
        assert!(time > Duration::from_secs(110) && time < Duration::from_secs(130), "{time:?} {why}");
        let (time, why) = listened(6000).await;
        assert!(time >= UPLOAD_TIME && why.contains("within"), "{time:?} {why}");
    }
}
