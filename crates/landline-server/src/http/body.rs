//! Reading the body of a request: within a size, within a time.
//!
//! Not here: what is in it (`landline_protocol`), how large an activity may be (`landline_core::Limits`).

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::ApiError;
use crate::limits::{
    BODY_BYTES_PER_SECOND, BODY_ROOM_BEFORE, BODY_TIME, OVERSIZE_DISCARD_BYTES, OVERSIZE_DISCARD_TIME,
};
use crate::overload::Memory;

/// Reads a body whole. It may take `time`, and a second more for each [`BODY_BYTES_PER_SECOND`] that have come, so that a
/// slow line is borne with, and one on which next to nothing comes is not. What is read counts in `memory`, for as long as
/// anybody has any of it.
///
/// # Errors
/// - 413 when it is over `limit` bytes. What is left of it is read and thrown away, within bounds, so that the
///   sender sees the answer instead of a reset line.
/// - 400 `MalformedData` when it comes too slowly, or breaks off.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    time: Duration,
    memory: &Memory,
) -> Result<Bytes, ApiError> {
    let began = Instant::now();
    let mut body = body;
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        discard_body(headers, body).await;
        return Err(too_big(limit));
    }

    // What is announced costs nothing before it comes.
    let expected = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut read = BytesMut::with_capacity(expected.min(BODY_ROOM_BEFORE));
    let mut held = memory.hold(0);
    loop {
        let earned = Duration::from_secs(read.len() as u64 / BODY_BYTES_PER_SECOND);
        let deadline = began + (time + earned).min(BODY_TIME.max(time));
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
                let slow = format!(
                    "the body did not arrive within {time:?} and a second for each {BODY_BYTES_PER_SECOND} bytes"
                );
                return Err(ApiError::malformed_data(slow));
            }
            Ok(None) => return Ok(held.around(read.freeze())),
            Ok(Some(Err(_))) => return Err(ApiError::malformed_data("the body broke off before its end")),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue }; // trailers
        if read.len() + data.len() > limit {
            discard(body).await;
            return Err(too_big(limit));
        }
        held.grow(data.len());
        read.extend_from_slice(&data);
    }
}

fn too_big(limit: usize) -> ApiError {
    ApiError::too_big(format!("the body is over the limit of {limit} bytes"))
}

/// Reads a body whose sender is refused, and throws it away, within bounds: so that the sender sees the answer instead of a
/// reset line.
pub(crate) async fn discard_body(headers: &HeaderMap, body: Body) {
    // One who asks first has sent nothing yet, and will not.
    if !headers.contains_key(EXPECT) {
        discard(body).await;
    }
}

/// Reads what is left of a body that was refused, within bounds, so that the sender sees the answer.
pub(crate) async fn discard(mut body: Body) {
    let all = async {
        let mut discarded = 0;
        while let Some(Ok(frame)) = body.frame().await {
            discarded += frame.data_ref().map_or(0, Bytes::len);
            if discarded > OVERSIZE_DISCARD_BYTES {
                break;
            }
        }
    };
    // Out of time is as good as done: the line is closed either way.
    let _ = timeout(OVERSIZE_DISCARD_TIME, all).await;
}
