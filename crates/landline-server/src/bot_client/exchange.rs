//! One request and its answer, on a line of its own for the time.
//!
//! Invariant: a head with 2xx says that the bot took the activity. Where nobody wants what follows it, nothing that
//! follows can change that: it is read as long as it costs little, so that the line can be kept, and is cut off then.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use landline_core::{BotAnswer, Wanted};
use tokio::time::{Instant, timeout_at};

use super::connector::Connector;
use super::endpoint::Endpoint;
use super::events::are_events;
use super::line::{Line, LineFailure};
use super::retry_after::retry_after;
use crate::limits::{BOT_CONNECT_TIMEOUT, BOT_IDLE_TIME, BOT_UNWANTED_BODY_TIME};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What one request came to.
#[derive(Debug)]
pub(super) enum Exchanged {
    /// All of the answer, or as much as was wanted.
    Answer {
        answer: BotAnswer,
        /// For how long the line may be kept for another request; `None` when it is of no further use.
        keep_for: Option<Duration>,
    },
    /// The head of an answer that goes on, and where it does.
    Events { answer: BotAnswer, body: Incoming },
}

/// Sends, and reads as much of the answer as is wanted, up to `max` bytes of body, until the deadline.
pub(super) async fn exchange(
    line: &mut Line,
    request: Request<Full<Bytes>>,
    wanted: Wanted,
    max: usize,
    deadline: Instant,
) -> Result<Exchanged, LineFailure> {
    let (head, mut body) = in_time(deadline, line.send(request)).await?.into_parts();
    let answer = |body| BotAnswer {
        retry_after: retry_after(&head.headers),
        ..BotAnswer::new(head.status.as_u16(), body)
    };
    let wanted = if head.status.is_success() { wanted } else { Wanted::Status };
    let whole = match wanted {
        Wanted::Events if are_events(&head.headers) => {
            return Ok(Exchanged::Events { answer: answer(Bytes::new()), body });
        }
        Wanted::Body | Wanted::Events => Some(in_time(deadline, line.read_whole(&mut body, max)).await?),
        Wanted::Status => {
            let give_up = deadline.min(Instant::now() + BOT_UNWANTED_BODY_TIME);
            in_time(give_up, line.read_whole(&mut body, max)).await.ok()
        }
    };
    let idle_time = keep_for(head.headers.get(KEEP_ALIVE).and_then(|value| value.to_str().ok()));
    let reusable = whole.is_some() && line.is_reusable();
    let answer = answer(whole.unwrap_or_default());
    Ok(Exchanged::Answer { answer, keep_for: reusable.then_some(idle_time) })
}

async fn in_time<T>(
    deadline: Instant,
    waited_for: impl Future<Output = Result<T, LineFailure>>,
) -> Result<T, LineFailure> {
    timeout_at(deadline, waited_for).await.unwrap_or(Err(LineFailure::TimedOut))
}

/// A new line, or why there is none: provably nothing was sent.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    connector: &Connector,
    deadline: Instant,
) -> Result<Line, String> {
    let give_up = deadline.min(Instant::now() + BOT_CONNECT_TIMEOUT);
    let connecting = async {
        let stream = connector
            .connect(endpoint.uri.clone(), endpoint.only.as_ref())
            .await
            .map_err(|error| error.to_string())?;
        Line::open(stream).await.map_err(|error| error.to_string())
    };
    timeout_at(give_up, connecting).await.unwrap_or_else(|_| Err("no connection came up in time".into()))
}

pub(super) fn to_http(
    endpoint: &Endpoint,
    authorization: Option<&HeaderValue>,
    wanted: Wanted,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = endpoint.target.clone();
    *request.headers_mut() = endpoint.headers.clone();
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value.clone());
    }
    if wanted == Wanted::Events {
        let accepted = HeaderValue::from_static("text/event-stream, application/json");
        request.headers_mut().insert(ACCEPT, accepted);
    }
    request
}

/// For how long a connection may be kept, given what the bot said of it (`keep-alive: timeout=5`).
pub(crate) fn keep_for(said: Option<&str>) -> Duration {
    let seconds = said
        .and_then(|text| text.split(',').find_map(|part| part.trim().strip_prefix("timeout=")))
        .and_then(|seconds| seconds.trim().parse::<u64>().ok());
    // A second less than the bot: it must be we who close first.
    seconds.map_or(BOT_IDLE_TIME, |s| BOT_IDLE_TIME.min(Duration::from_secs(s.saturating_sub(1))))
}
