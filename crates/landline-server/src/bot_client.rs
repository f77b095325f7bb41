//! Reaching bots over HTTP: one `POST`, one answer, and the exact truth about how far it got.
//!
//! The domain repeats an attempt only if **provably** no byte of the request left for the bot. So nothing here is
//! deduced from kinds of errors: `watch::Watch` counts the bytes that the socket took, and looks at the socket right
//! before the first one, so that a kept connection which the bot has closed is found in time.
//!
//! Invariants:
//! - [`BotFailure::NotReached`] is said only when the socket took no byte of the request, or there was no socket.
//! - Redirects are never followed: a `3xx` is an answer like any other.
//! - Connections are opened by `landline_outbound`, which checks the address, whatever a name resolves to.
//! - Nothing is spawned: a connection is driven by the attempt that uses it, and is dropped with it.
//!
//! Not here: when to try and when to try again (`landline_core`), which bots there are (`directory`).

mod authorization;
mod connector;
mod endpoint;
mod event_parser;
mod events;
mod exchange;
mod line;
mod pool;
mod retry_after;
mod targets;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;
use landline_core::{BotAnswer, BotFailure, BotRequest, BotTransport, Clock};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use authorization::CurrentKeys;
pub use connector::Connector;
pub(crate) use endpoint::check_shape;
pub use endpoint::{EndpointError, check_endpoint};

use crate::directory::Directory;
use crate::limits::BOT_IDLE_TIME;
use crate::outbound::Outbound;
use authorization::Authorization;
pub(crate) use endpoint::Endpoint;
#[cfg(feature = "fuzzing")]
pub(crate) use event_parser::EventParser;
use events::events;
pub(crate) use exchange::connect;
#[cfg(feature = "fuzzing")]
pub(crate) use exchange::keep_for;
use exchange::{Exchanged, exchange, to_http};
pub(crate) use line::LineFailure;
#[cfg(feature = "fuzzing")]
pub(crate) use retry_after::retry_after;
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
    authorization: Authorization,
}

impl HyperBotTransport {
    /// Looks the bots up in this directory, at each call: they come, go and move while the server runs. Bots with an
    /// app id are shown tokens that these keys sign, at the time that this clock tells.
    pub fn new(
        directory: Arc<Directory>,
        connector: Connector,
        keys: CurrentKeys,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let authorization = Authorization::new(clock, keys, Outbound::new(connector.clone()));
        let targets = Targets::default();
        Self { shared: Arc::new(Shared { directory, targets, connector, authorization }) }
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
                    let snapshot = self.shared.directory.snapshot();
                    self.shared.targets.keep(&snapshot, Instant::now());
                    self.shared.authorization.keep(&snapshot);
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
                .at(&bot)
                .map_err(|why| BotFailure::NotReached(format!("bot {}: {why}", bot.name)))?;
            let shown = shared
                .authorization
                .header(&bot, &request.service_url, request.deadline)
                .await
                .map_err(BotFailure::NotReached)?;
            let answer = attempt(&target, &shared.connector, shown.as_ref(), request).await?;
            shared.authorization.answered(&bot, shown.as_ref(), answer.status);
            Ok(answer)
        })
    }
}

/// One attempt, which may begin on several kept connections as long as none of them took a byte.
async fn attempt(
    target: &Target,
    connector: &Connector,
    authorization: Option<&HeaderValue>,
    request: BotRequest,
) -> Result<BotAnswer, BotFailure> {
    let BotRequest { body, wanted, deadline, max_answer_bytes, .. } = request;
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Err(BotFailure::NotReached("no time was left to begin".into()));
        }
        let kept = target.pool.take(now);
        let was_kept = kept.is_some();
        let mut line = match kept {
            Some(line) => line,
            None => connect(&target.endpoint, connector, deadline).await.map_err(BotFailure::NotReached)?,
        };
        line.watch.begin_request(was_kept);
        let post = to_http(&target.endpoint, authorization, wanted, body.clone());
        let failure = match exchange(&mut line, post, wanted, max_answer_bytes, deadline).await {
            Ok(Exchanged::Answer { answer, keep_for }) => {
                if let Some(idle_time) = keep_for {
                    target.pool.put(line, Instant::now() + idle_time);
                }
                return Ok(answer);
            }
            Ok(Exchanged::Events { answer, body }) => {
                let events = Some(events(line, body, max_answer_bytes));
                return Ok(BotAnswer { events, ..answer });
            }
            Err(failure) => failure,
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

#[cfg(test)]
pub(crate) mod raw_bot;
#[cfg(test)]
mod tests;
