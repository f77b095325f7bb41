//! What happens when more comes than should: first it is answered late, then it is refused.
//!
//! Every kind of request has a door ([`Door`]), and each door a few limits, of which the narrowest comes first: whoever
//! floods one conversation uses up what that conversation may, and nothing of what their site may. A request that is
//! over a rate waits for its turn, before anything of it is read; one that would wait for too long is 429.
//!
//! Where to look: which limits a door has (`doors`), who waits and who is forgotten (`lanes`), the arithmetic (`rate`), what
//! requests and streams hold (`memory`).
//!
//! Not here: the numbers (`limits::Rates`), who somebody is (`client_api::credentials`, `http::ClientAddress`).

mod doors;
mod lanes;
mod memory;
mod rate;

use std::sync::Arc;

use landline_protocol::{BotName, ConversationId, SiteName, UserId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::doors::{Door, Network, Who};
pub(crate) use self::lanes::Passed;
use self::lanes::{Lanes, Refused, Waiters};
pub(crate) use self::memory::{Beside, Memory, Pressure, of_this_machine};
use self::rate::Rate;
use crate::error::ApiError;
use crate::http::ClientAddress;
use crate::limits::{RETRY_AFTER, Rates};
use crate::telemetry::{Limit, Metrics, Throttled};

/// By whom is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Site(SiteName),
    Address(Network),
    User(SiteName, UserId),
    Conversation(ConversationId),
    Bot(BotName),
}

/// One limit, as it is for one request.
#[derive(Debug)]
struct Check {
    limit: Limit,
    rate: Rate,
    key: Key,
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Overload {
    rates: Rates,
    metrics: Arc<Metrics>,
    pub(crate) memory: Memory,
    waiters: Waiters,
    /// Cancelled when the server is to stop: nobody is held back any more.
    draining: CancellationToken,
    // Tables of their own: keys that anybody can have as many of as they like do not crowd out the others.
    sites: Lanes<(Limit, Key)>,
    addresses: Lanes<(Limit, Key)>,
    users: Lanes<(Limit, Key)>,
    conversations: Lanes<(Limit, Key)>,
    bots: Lanes<(Limit, Key)>,
}

impl Overload {
    pub(crate) fn new(
        rates: Rates,
        memory: Memory,
        metrics: Arc<Metrics>,
        draining: CancellationToken,
    ) -> Self {
        let waiters = Waiters::new(metrics.delayed_requests());
        let lanes = || Lanes::new(waiters.clone());
        Self {
            rates,
            metrics,
            memory,
            waiters: waiters.clone(),
            draining,
            sites: lanes(),
            addresses: lanes(),
            users: lanes(),
            conversations: lanes(),
            bots: lanes(),
        }
    }

    /// Lets somebody through a door, late if need be.
    ///
    /// # Errors
    /// 429 where that would be too late.
    pub(crate) async fn pass(&self, door: Door, who: &Who<'_>) -> Result<Passed, ApiError> {
        let until = Instant::now() + self.rates.delay;
        let passed = self.all(doors::checks(&self.rates, door, who)).await?;
        match door {
            Door::Start | Door::Send | Door::Upload => Ok(passed.max(self.room(until).await?)),
            // Who is there already goes on.
            Door::Token | Door::Reconnect | Door::Poll => Ok(passed),
        }
    }

    /// Lets a stream be opened, unless there is no memory for it.
    ///
    /// # Errors
    /// 503: the stock client asks for another one.
    pub(crate) fn room_for_stream(&self) -> Result<(), ApiError> {
        if self.memory.pressure() < Pressure::Full {
            return Ok(());
        }
        self.metrics.throttled(Limit::Memory, Throttled::Refused);
        Err(ApiError::unavailable(
            "the server has no memory for another stream; reconnect in a moment",
            RETRY_AFTER,
        ))
    }

    /// Waits until there is memory for something that begins.
    async fn room(&self, until: Instant) -> Result<Passed, ApiError> {
        if self.memory.pressure() == Pressure::None {
            return Ok(Passed::AtOnce);
        }
        let enough = match self.waiters.place() {
            None => false,
            Some(_place) => tokio::select! {
                enough = self.memory.enough(until) => enough,
                () = self.draining.cancelled() => true,
            },
        };
        if enough {
            self.metrics.throttled(Limit::Memory, Throttled::Delayed);
            return Ok(Passed::Late);
        }
        self.metrics.throttled(Limit::Memory, Throttled::Refused);
        Err(ApiError::throttled(doors::told(Limit::Memory), RETRY_AFTER))
    }

    /// Lets a call of a bot through.
    ///
    /// # Errors
    /// As [`Overload::pass`].
    pub(crate) async fn pass_bot(&self, bot: &BotName) -> Result<Passed, ApiError> {
        let rate = Rate::per_second(self.rates.bot_calls);
        self.all(rate.map(|rate| Check { limit: Limit::BotCalls, rate, key: Key::Bot(bot.clone()) })).await
    }

    /// Somebody has shown a secret that is none. Comes back when they may be told so: nobody is told as often as they
    /// like. A right secret is not asked here, so whoever has it is not locked out by others at the same address.
    ///
    /// # Errors
    /// 429, to be answered instead.
    pub(crate) async fn wrong_secret(&self, from: Option<ClientAddress>) -> Result<(), ApiError> {
        let rate = Rate::per_minute(self.rates.failed_authentications);
        let check = rate.zip(from).map(|(rate, from)| Check {
            limit: Limit::FailedAuthentications,
            rate,
            key: Key::Address(Network::of(from)),
        });
        self.all(check).await.map(|_| ())
    }

    async fn all(&self, checks: impl IntoIterator<Item = Check>) -> Result<Passed, ApiError> {
        let until = Instant::now() + self.rates.delay;
        let mut passed = Passed::AtOnce;
        for Check { limit, rate, key } in checks {
            let lanes = match key {
                Key::Site(_) => &self.sites,
                Key::Address(_) => &self.addresses,
                Key::User(..) => &self.users,
                Key::Conversation(_) => &self.conversations,
                Key::Bot(_) => &self.bots,
            };
            let key = (limit, key);
            let this = tokio::select! {
                biased;
                this = lanes.pass(&key, rate, until) => this,
                // What comes behind this door says that the server is about to stop, or is quick.
                () = self.draining.cancelled() => Ok(Passed::Late),
            };
            match this {
                Ok(Passed::AtOnce) => {}
                Ok(Passed::Late) => {
                    self.metrics.throttled(limit, Throttled::Delayed);
                    passed = Passed::Late;
                }
                Err(Refused { retry_after }) => {
                    self.metrics.throttled(limit, Throttled::Refused);
                    return Err(ApiError::throttled(doors::told(limit), retry_after));
                }
            }
        }
        Ok(passed)
    }
}
