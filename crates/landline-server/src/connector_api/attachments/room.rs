//! How many bytes of bodies that hold files may be in memory at a time.
//!
//! Invariants: what is given out together is never more than there is; who came first gets room first, so a large body
//! does not wait behind small ones for ever.
//!
//! Not here: how large one body may be.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::ApiError;
use crate::limits::RETRY_AFTER;

/// What is counted, in bytes: so that all of it fits into the counter.
const UNIT: usize = 1024;

/// Room for bodies.
#[derive(Clone, Debug)]
pub(crate) struct BodyRoom {
    /// One permit for each [`UNIT`].
    units: Arc<Semaphore>,
    wait: Duration,
}

/// Taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken(#[expect(dead_code, reason = "held for what its drop does")] OwnedSemaphorePermit);

impl BodyRoom {
    /// Room for so many bytes together; who finds none waits so long for it.
    pub(crate) fn new(bytes: usize, wait: Duration) -> Self {
        Self { units: Arc::new(Semaphore::new(bytes / UNIT)), wait }
    }

    /// Takes room for a body of so many bytes, which is no more than there is altogether.
    ///
    /// # Errors
    /// 503 where there is none in time.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Taken, ApiError> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        match timeout(self.wait, Arc::clone(&self.units).acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(Taken(permit)),
            Ok(Err(_)) | Err(_) => Err(ApiError::unavailable(
                "too many attachments come in at once; send this one again in a moment",
                RETRY_AFTER,
            )),
        }
    }
}

/// How much a body may take: what its sender announces, or else as much as it may have.
pub(crate) fn announced(headers: &HeaderMap, limit: usize) -> usize {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    announced.map_or(limit, |length: usize| length.min(limit))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_for_it_and_not_for_ever() {
        let room = BodyRoom::new(10 * UNIT, WAIT);
        let first = room.take(8 * UNIT).await.unwrap();
        let _small = room.take(2 * UNIT).await.unwrap();

        let began = Instant::now();
        let busy = room.take(1).await.unwrap_err();
        assert_eq!((busy.status.as_u16(), began.elapsed()), (503, WAIT));

        let leaves = async {
            sleep(WAIT / 2).await;
            drop(first);
        };
        let (taken, ()) = tokio::join!(room.take(8 * UNIT), leaves);
        taken.unwrap();
        assert_eq!(began.elapsed(), WAIT + WAIT / 2);
        room.take(8 * UNIT).await.unwrap();
    }

    #[test]
    fn who_announces_nothing_takes_as_much_as_a_body_may_have() {
        let mut headers = HeaderMap::new();
        assert_eq!(announced(&headers, 100), 100);
        for (length, takes) in
            [("7", 7), ("100", 100), ("101", 100), ("x", 100), ("99999999999999999999999", 100)]
        {
            headers.insert(CONTENT_LENGTH, length.parse().unwrap());
            assert_eq!(announced(&headers, 100), takes, "{length}");
        }
    }
}
