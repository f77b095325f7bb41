//! What the domain knows of a bot: a name, what it is told of us, how it wants its activities, and how one attempt to
//! reach it can end.
//!
//! Not here: when to try (`delivery`), how to speak HTTP and where bots are kept (`landline-server`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use landline_protocol::{BotName, SiteName};
use tokio::time::Instant;

use crate::files::FileLife;

/// How a bot gets what clients send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The client's send is answered when the bot has taken it, as the protocol documents.
    #[default]
    Wait,
    /// The client's send is answered when it is durable; the bot gets it at least once, in order.
    Queued,
}

/// What the domain asks of a bot's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotProfile {
    /// The base of the Connector API that the bot is told, with a slash at its end.
    pub service_url: Arc<str>,
    /// The part of it that opens the Connector API, for a bot that shows no tokens: for nobody else's eyes.
    pub capability: Option<Arc<str>>,
    /// How it gets what clients send.
    pub delivery: DeliveryMode,
}

/// The bots that there are just now. They come and go while the server runs.
pub trait BotDirectory: fmt::Debug + Send + Sync + 'static {
    /// The settings of a bot; `None` where there is none of that name.
    fn bot(&self, name: &BotName) -> Option<BotProfile>;

    /// How long the files of a site are kept, where that is not [`Limits::file_life`](crate::Limits::file_life).
    fn file_life(&self, _site: &SiteName) -> Option<FileLife> {
        None
    }
}

/// One `POST` of one activity.
#[derive(Clone)]
pub struct BotRequest {
    /// To whom.
    pub bot: BotName,
    /// The `serviceUrl` in the activity: a bot compares it with the one in the token that it is shown.
    pub service_url: Arc<str>,
    /// The activity as the bot gets it.
    pub body: Bytes,
    /// What the bot's answer is for.
    pub wanted: Wanted,
    /// When to give up.
    pub deadline: Instant,
    /// How much of the answer to read, in bytes.
    pub max_answer_bytes: usize,
}

/// What is wanted of a bot's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Whether it took the activity. Its status says so; what follows a 2xx is nobody's concern.
    Status,
    /// What it says in the answer's body (`invoke`, `expectReplies`).
    Body,
    /// The same, and what it says meanwhile, where it answers with a stream of events (`deliveryMode: "stream"`).
    Events,
}

/// Without what nobody but the bot may know: the activity, and the address that may hold a capability.
impl fmt::Debug for BotRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BotRequest")
            .field("bot", &self.bot)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// What the bot answered, whatever its status.
#[derive(Debug)]
pub struct BotAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body: whole where it was wanted and the status is 2xx, else as much as came. Empty where there are events.
    pub body: Bytes,
    /// What the bot says from now on; only where [`Wanted::Events`] was asked for, and with a status of 2xx.
    pub events: Option<BotEvents>,
    /// How long the bot asks to be left alone before the next attempt (`retry-after`), already bounded.
    pub retry_after: Option<Duration>,
}

impl BotAnswer {
    /// A status and a body, and nothing else.
    pub fn new(status: u16, body: Bytes) -> Self {
        Self { status, body, events: None, retry_after: None }
    }
}

/// What a bot says in an answer that goes on. To drop it is to hang up.
pub struct BotEvents(BoxStream<'static, Result<BotEvent, BotFailure>>);

impl BotEvents {
    /// Events, each as soon as it is there; an error is the last.
    ///
    /// Whoever makes it bounds the size of each, of all together, and how long it may be silent.
    pub fn new(events: impl Stream<Item = Result<BotEvent, BotFailure>> + Send + 'static) -> Self {
        Self(events.fuse().boxed())
    }

    /// The next one; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<BotEvent, BotFailure>> {
        self.0.next().await
    }
}

impl fmt::Debug for BotEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BotEvents(…)")
    }
}

/// One event of such an answer, as `text/event-stream` has them.
#[derive(Clone, PartialEq, Eq)]
pub struct BotEvent {
    /// Its type: `activity`, for example.
    pub name: String,
    /// What it says.
    pub data: Bytes,
}

/// Without what is said.
impl fmt::Debug for BotEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BotEvent").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why there is no answer. The difference between the first and the others decides whether to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BotFailure {
    /// Provably no byte of the request reached the bot: no such name, refused, TLS failed, or cut before it was sent.
    #[error("the bot could not be reached: {0}")]
    NotReached(String),
    /// No answer before the deadline, though the bot may have got the request.
    #[error("the bot did not answer in time")]
    TimedOut,
    /// The line broke after the request was, or may have been, sent.
    #[error("the bot's answer was cut off: {0}")]
    Broken(String),
    /// There was an answer, but it breaks a rule (too large, not HTTP). The bot did get the request.
    #[error("the bot's answer cannot be used: {0}")]
    BadAnswer(String),
}

/// How bots are reached. An argument, so that tests decide what a bot does.
pub trait BotTransport: fmt::Debug + Send + Sync + 'static {
    /// Makes one attempt. Ends at the deadline: as [`BotFailure::NotReached`] where the line was not even up.
    fn post(
        &self,
        request: BotRequest,
    ) -> Pin<Box<dyn Future<Output = Result<BotAnswer, BotFailure>> + Send>>;
}
