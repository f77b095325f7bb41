//! Which limits a kind of request has, the narrowest first.
//!
//! Whoever shows the secret of a site is that site's own service and speaks for all of its users: such a request counts
//! for the site, and for no address. Nor does one from a loopback address: that is a program of this machine, or a proxy
//! that nobody has named, and then it is everybody.

use std::net::{IpAddr, Ipv6Addr};

use landline_protocol::{ConversationId, UserId};

use super::rate::Rate;
use super::{Check, Key};
use crate::directory::Site;
use crate::http::ClientAddress;
use crate::limits::Rates;
use crate::telemetry::Limit;

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// A token is issued or refreshed.
    Token,
    /// A conversation is started.
    Start,
    /// Somebody comes back to theirs.
    Reconnect,
    /// Somebody asks what is new.
    Poll,
    /// An activity comes.
    Send,
    /// Files come, with an activity.
    Upload,
}

/// What is known of who stands at a door.
#[derive(Debug)]
pub(crate) struct Who<'a> {
    /// Whose credentials they show.
    pub(crate) site: &'a Site,
    /// Whether these are the secret itself.
    pub(crate) is_service: bool,
    /// The user of the token.
    pub(crate) user: Option<&'a UserId>,
    /// Where they want to.
    pub(crate) conversation: Option<&'a ConversationId>,
    /// Where they come from.
    pub(crate) address: Option<ClientAddress>,
}

/// An address, or all those that one customer of a provider has: with IPv6, the first 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl Network {
    pub(crate) fn of(ClientAddress(address): ClientAddress) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (!0 << 64)).into(),
            v4 => v4,
        })
    }
}

pub(super) fn checks(rates: &Rates, door: Door, who: &Who<'_>) -> Vec<Check> {
    let mut checks = Checks { rates, who, list: Vec::new() };
    match door {
        Door::Token => {
            checks.address(Limit::AddressTokens, rates.address_tokens);
            checks.site(Limit::SiteTokens, who.site.rates.tokens.unwrap_or(rates.site_tokens));
        }
        Door::Start => {
            checks.user(Limit::UserStarts, rates.user_starts);
            checks.address(Limit::AddressStarts, rates.address_starts);
            checks.site(Limit::SiteStarts, who.site.rates.starts.unwrap_or(rates.site_starts));
        }
        Door::Reconnect => checks.conversation(Limit::ConversationReconnects, rates.conversation_reconnects),
        Door::Poll => {
            checks.conversation(Limit::ConversationPolls, rates.conversation_polls);
            checks.site(Limit::SitePolls, who.site.rates.polls.unwrap_or(rates.site_polls));
        }
        Door::Send => checks.sends(),
        Door::Upload => {
            checks.address(Limit::AddressUploads, rates.address_uploads);
            checks.site(Limit::SiteUploads, who.site.rates.uploads.unwrap_or(rates.site_uploads));
            checks.sends();
        }
    }
    checks.list
}

struct Checks<'a> {
    rates: &'a Rates,
    who: &'a Who<'a>,
    list: Vec<Check>,
}

impl Checks<'_> {
    fn sends(&mut self) {
        let Rates { conversation_sends, user_sends, address_sends, site_sends, .. } = *self.rates;
        self.conversation(Limit::ConversationSends, conversation_sends);
        self.user(Limit::UserSends, user_sends);
        self.address(Limit::AddressSends, address_sends);
        self.site(Limit::SiteSends, self.who.site.rates.sends.unwrap_or(site_sends));
    }

    fn site(&mut self, limit: Limit, per_second: u32) {
        self.add(limit, per_second, Some(Key::Site(self.who.site.name.clone())));
    }

    fn address(&mut self, limit: Limit, per_second: u32) {
        let counts = |address: &ClientAddress| !self.who.is_service && !address.0.is_loopback();
        let address = self.who.address.filter(counts);
        self.add(limit, per_second, address.map(|address| Key::Address(Network::of(address))));
    }

    fn user(&mut self, limit: Limit, per_second: u32) {
        let key = self.who.user.map(|user| Key::User(self.who.site.name.clone(), user.clone()));
        self.add(limit, per_second, key);
    }

    fn conversation(&mut self, limit: Limit, per_second: u32) {
        let key = self.who.conversation.map(|id| Key::Conversation(self.who.site.name.clone(), id.clone()));
        self.add(limit, per_second, key);
    }

    fn add(&mut self, limit: Limit, per_second: u32, key: Option<Key>) {
        let rate = Rate::per_second(per_second);
        self.list.extend(rate.zip(key).map(|(rate, key)| Check { limit, rate, key }));
    }
}

/// What somebody is told who is over a limit.
pub(super) fn told(limit: Limit) -> &'static str {
    match limit {
        Limit::SiteSends => "too many activities come to this site; send this one again later",
        Limit::SiteStarts => "too many conversations of this site are started; start this one later",
        Limit::SiteTokens => "too many tokens of this site are asked for; ask again later",
        Limit::SiteUploads => "too many files come to this site; send these again later",
        Limit::SitePolls => "the conversations of this site are polled too often; poll again later",
        Limit::AddressSends => "too many activities come from your address; send this one again later",
        Limit::AddressStarts => "too many conversations are started from your address; start this one later",
        Limit::AddressTokens => "too many tokens are asked for from your address; ask again later",
        Limit::AddressUploads => "too many files come from your address; send these again later",
        Limit::FailedAuthentications => {
            "too many wrong secrets come from your address; look at how yours is spelled, and try again later"
        }
        Limit::UserSends => "this user sends too many activities; send this one again later",
        Limit::UserStarts => "this user starts too many conversations; start this one later",
        Limit::ConversationSends => {
            "too many activities come to this conversation; send this one again later"
        }
        Limit::ConversationPolls => "this conversation is polled too often; poll again later",
        Limit::ConversationReconnects => "too many reconnect to this conversation; come back later",
        Limit::Memory => "the server has too much to do at once; send this again in a moment",
        Limit::BotCalls => "this bot calls too often; call again later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_customer_has_count_as_one() {
        let network = |text: &str| Network::of(ClientAddress(text.parse().unwrap()));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
