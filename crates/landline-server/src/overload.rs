//! What happens when more comes than should: first it is answered late, then it is refused.
//!
//! Every kind of request has a door ([`Door`]), and each door a few limits, of which the narrowest comes first: whoever
//! floods one conversation uses up what that conversation may, and nothing of what their site may. A request that is
//! over a rate waits for its turn, before anything of it is read; one that would wait for too long is 429.
//!
//! Where to look: which limits a door has (`doors`), who waits and who is forgotten (`lanes`), how many may wait
//! (`waiters`), the arithmetic (`rate`), what requests and streams hold (`memory`).
//!
//! Not here: the numbers (`limits::Rates`), who somebody is (`client_api::credentials`, `http::ClientAddress`).

mod doors;
mod lanes;
mod memory;
mod rate;
mod waiters;

use std::sync::Arc;

use landline_protocol::{BotName, ConversationId, SiteName, UserId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::doors::{Door, Network, Who};
pub(crate) use self::lanes::Passed;
use self::lanes::{Lanes, Refused};
pub(crate) use self::memory::{Beside, Memory, Pressure, of_this_machine};
use self::rate::Rate;
use self::waiters::{Owner, Waiters};
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
    /// With the site of whoever comes: what others show for it is not counted as theirs.
    Conversation(SiteName, ConversationId),
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
    /// A table for each limit: whoever fills one, such as that of wrong secrets, which cost nothing, crowds out nobody of
    /// another.
    lanes: [Lanes<Key>; Limit::COUNT],
}

impl Overload {
    pub(crate) fn new(
        rates: Rates,
        memory: Memory,
        metrics: Arc<Metrics>,
        draining: CancellationToken,
    ) -> Self {
        let waiters = Waiters::new(metrics.delayed_requests());
        let lanes = std::array::from_fn(|_| Lanes::new(waiters.clone()));
        Self { rates, metrics, memory, waiters, draining, lanes }
    }

    /// Lets somebody through a door, late if need be.
    ///
    /// # Errors
    /// 429 where that would be too late.
    pub(crate) async fn pass(&self, door: Door, who: &Who<'_>) -> Result<Passed, ApiError> {
        let until = Instant::now() + self.rates.delay;
        let owner = Owner::Site(who.site.name.clone());
        let passed = self.all(doors::checks(&self.rates, door, who), &owner).await?;
        match door {
            Door::Start | Door::Send | Door::Upload => Ok(passed.max(self.room(until, &owner).await?)),
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
    async fn room(&self, until: Instant, owner: &Owner) -> Result<Passed, ApiError> {
        if self.memory.pressure() == Pressure::None {
            return Ok(Passed::AtOnce);
        }
        let enough = match self.waiters.place(owner) {
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
        let check = rate.map(|rate| Check { limit: Limit::BotCalls, rate, key: Key::Bot(bot.clone()) });
        self.all(check, &Owner::Bot(bot.clone())).await
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
        self.all(check, &Owner::Strangers).await.map(|_| ())
    }

    async fn all(&self, checks: impl IntoIterator<Item = Check>, owner: &Owner) -> Result<Passed, ApiError> {
        let until = Instant::now() + self.rates.delay;
        let mut passed = Passed::AtOnce;
        for Check { limit, rate, key } in checks {
            let this = tokio::select! {
                biased;
                this = self.lanes[limit as usize].pass(&key, rate, until, owner) => this,
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};
    use std::time::Duration;

    use super::*;
    use crate::limits::{LIMITED_KEYS, SHARED_LANES};

    /// An address of a customer of its own.
    fn address(number: usize) -> ClientAddress {
        ClientAddress(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | ((number as u128) << 64))))
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_from_everywhere_crowds_out_nobody_who_has_a_token() {
        let rates = Rates { delay: Duration::ZERO, ..Rates::default() };
        let overload =
            Overload::new(rates, Memory::without_cap(), Arc::new(Metrics::new()), CancellationToken::new());
        let each = usize::try_from(overload.rates.failed_authentications).unwrap();
        let mut refused = 0;
        for number in 0..LIMITED_KEYS + 2 * SHARED_LANES * each {
            refused += usize::from(overload.wrong_secret(Some(address(number))).await.is_err());
        }
        assert!(refused > 0, "as many as fill what they share");

        for number in 0..100 {
            let check = Check {
                limit: Limit::AddressStarts,
                rate: Rate::per_second(overload.rates.address_starts).unwrap(),
                key: Key::Address(Network::of(address(usize::MAX - number))),
            };
            let passed = overload.all([check], &Owner::Strangers).await;
            assert!(matches!(passed, Ok(Passed::AtOnce)), "{passed:?}");
        }
    }
}
