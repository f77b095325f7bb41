//! Reaching bots over HTTP: one `POST`, one answer, and the exact truth about how far it got.
//!
//! The domain repeats an attempt only if **provably** no byte of the request left for the bot. So nothing here is
//! deduced from kinds of errors: `watch::Watch` counts the bytes that the socket took, and looks at the socket right
//! before the first one, so that a kept connection which the bot has closed is found in time.
//!
//! Invariants:
//! - [`BotFailure::NotReached`] is said only when the socket took no byte of the request, or there was no socket.
//! - Redirects are never followed: a `3xx` is an answer like any other.
//! - No connection is made to a link-local or metadata address, whatever a name resolves to (`addresses`).
//! - Nothing is spawned: a connection is driven by the attempt that uses it, and is dropped with it.
//!
//! Not here: when to try and when to try again (`landline_core`), which bots there are (`directory`).

mod addresses;
mod connector;
mod endpoint;
mod line;
mod pool;
mod retry_after;
mod targets;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use landline_core::{BotAnswer, BotFailure, BotRequest, BotTransport};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use addresses::is_forbidden;
pub use endpoint::{EndpointError, check_endpoint};

use crate::directory::Directory;
use crate::limits::{BOT_CONNECT_TIMEOUT, BOT_IDLE_TIME};
pub(crate) use connector::Connector;
use endpoint::Endpoint;
use line::{Line, LineFailure};
use targets::{Target, Targets};

/// Reaches the bots of the directory over `http` and `https`.
#[derive(Clone, Debug)]
pub struct HyperBotTransport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: Arc<Directory>,
    targets: Targets,
    connector: Connector,
}

impl HyperBotTransport {
    /// Looks the bots up in this directory, at each call: they come, go and move while the server runs.
    pub(crate) fn new(directory: Arc<Directory>, connector: Connector) -> Self {
        Self { shared: Arc::new(Shared { directory, targets: Targets::default(), connector }) }
    }

    /// Closes kept connections that were idle for too long, and those of bots that went or moved, until `shutdown`; then closes all of them.
    ///
    /// Without it, they are only found when the bot is next called.
    pub async fn keep_tidy(&self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(BOT_IDLE_TIME);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = ticks.tick() => {
                    self.shared.targets.keep(&self.shared.directory.snapshot(), Instant::now());
                }
            }
        }
        self.shared.targets.close();
    }
}

impl BotTransport for HyperBotTransport {
    fn post(
        &self,
        request: BotRequest,
    ) -> Pin<Box<dyn Future<Output = Result<BotAnswer, BotFailure>> + Send>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Some(bot) = shared.directory.snapshot().bots.get(&request.bot).cloned() else {
                return Err(BotFailure::NotReached(format!("there is no bot {}", request.bot)));
            };
            let target = shared
                .targets
                .at(&bot.name, &bot.endpoint)
                .map_err(|why| BotFailure::NotReached(format!("bot {}: {why}", bot.name)))?;
            attempt(&target, &shared.connector, request).await
        })
    }
}

/// One attempt, which may begin on several kept connections as long as none of them took a byte.
async fn attempt(
    target: &Target,
    connector: &Connector,
    request: BotRequest,
) -> Result<BotAnswer, BotFailure> {
    let BotRequest { body, deadline, max_answer_bytes, .. } = request;
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Err(BotFailure::NotReached("no time was left to begin".into()));
        }
        let kept = target.pool.take(now);
        let was_kept = kept.is_some();
        let mut line = match kept {
            Some(line) => line,
            None => connect(&target.endpoint, connector, deadline).await?,
        };
        line.watch.begin_request(was_kept);
        let post = to_http(&target.endpoint, body.clone());
        let failure = match timeout_at(deadline, line.exchange(post, max_answer_bytes)).await {
            Ok(Ok(exchanged)) => {
                if let Some(idle_time) = exchanged.keep_for {
                    target.pool.put(line, Instant::now() + idle_time);
                }
                return Ok(exchanged.answer);
            }
            Ok(Err(failure)) => failure,
            Err(_) => LineFailure::TimedOut,
        };
        if line.watch.request_bytes() > 0 {
            return Err(failure.after_sending());
        }
        if !was_kept {
            return Err(BotFailure::NotReached(failure.to_string()));
        }
        // The bot closed a kept connection before it took anything: the next one, or a new one.
    }
}

async fn connect(endpoint: &Endpoint, connector: &Connector, deadline: Instant) -> Result<Line, BotFailure> {
    let give_up = deadline.min(Instant::now() + BOT_CONNECT_TIMEOUT);
    let connecting = async {
        let stream = connector.connect(endpoint.uri.clone()).await.map_err(|error| error.to_string())?;
        Line::open(stream).await.map_err(|error| error.to_string())
    };
    match timeout_at(give_up, connecting).await {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(why)) => Err(BotFailure::NotReached(why)),
        Err(_) => Err(BotFailure::NotReached("no connection came up in time".into())),
    }
}

fn to_http(endpoint: &Endpoint, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = endpoint.target.clone();
    *request.headers_mut() = endpoint.headers.clone();
    request
}

/// For how long a connection may be kept, given what the bot said of it (`keep-alive: timeout=5`).
fn keep_for(said: Option<&str>) -> Duration {
    let seconds = said
        .and_then(|text| text.split(',').find_map(|part| part.trim().strip_prefix("timeout=")))
        .and_then(|seconds| seconds.trim().parse::<u64>().ok());
    // A second less than the bot: it must be we who close first.
    seconds.map_or(BOT_IDLE_TIME, |s| BOT_IDLE_TIME.min(Duration::from_secs(s.saturating_sub(1))))
}

#[cfg(test)]
mod tests;
