//! Which addresses an operator wants to be connected to.
//!
//! By default all, but for those that nothing is ever connected to: bots are on this machine and in private networks
//! as often as not. What `deny` names is refused, whatever `allow` says; where there is an `allow`, what it does not
//! name is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::Host;

use crate::addresses::{Refused, canonical, carried, check_never};

/// Which addresses are connected to. The default: all that are not refused for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allow: Option<Vec<Rule>>,
    deny: Vec<Rule>,
}

/// Some addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What is reached from everywhere: neither of the following, nor set aside for something else.
    Public,
    /// What is reached within a network: 10/8, 172.16/12, 192.168/16, 100.64/10, 198.18/15, fc00::/7, fec0::/10.
    ///
    /// Source: RFC 1918, 6598, 2544, 4193, 3879.
    Private,
    /// This machine: 127/8 and ::1.
    Loopback,
    /// A network.
    Net(IpNet),
}

/// A text that is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write \"public\", \"private\", \"loopback\", an address, or a network such as \"10.0.0.0/8\"")]
pub struct BadRule;

impl AddressPolicy {
    /// `allow` of `None` is everything.
    pub fn new(allow: Option<Vec<Rule>>, deny: Vec<Rule>) -> Self {
        Self { allow, deny }
    }

    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        check_never(address)?;
        let meant = canonical(address);
        let spellings: Vec<_> = [address, meant].into_iter().chain(reached_through(meant)).collect();
        if self.deny.iter().any(|rule| spellings.iter().any(|spelling| rule.has(*spelling))) {
            return Err(Refused::Denied);
        }
        // What is reached through it need not be allowed by itself: whoever allows a translator's network means it.
        let allowed = |rules: &Vec<Rule>| rules.iter().any(|rule| rule.has(address) || rule.has(meant));
        if self.allow.as_ref().is_none_or(allowed) { Ok(()) } else { Err(Refused::NotAllowed) }
    }

    /// The same for a host of a URL. Of a name nothing is known before it is looked up, so it passes.
    ///
    /// # Errors
    /// As [`AddressPolicy::check`].
    pub fn check_host<S>(&self, host: &Host<S>) -> Result<(), Refused> {
        match host {
            Host::Domain(_) => Ok(()),
            Host::Ipv4(v4) => self.check((*v4).into()),
            Host::Ipv6(v6) => self.check((*v6).into()),
        }
    }
}

impl Rule {
    fn has(&self, address: IpAddr) -> bool {
        match self {
            Self::Net(net) => net.contains(&address),
            Self::Loopback => canonical(address).is_loopback(),
            Self::Private => is_private(canonical(address)),
            Self::Public => {
                let meant = canonical(address);
                is_public(meant) && reached_through(meant).all(is_public)
            }
        }
    }
}

impl FromStr for Rule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        match text {
            "public" => return Ok(Self::Public),
            "private" => return Ok(Self::Private),
            "loopback" => return Ok(Self::Loopback),
            _ => {}
        }
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from); // a plain address stands for itself
        let net: IpNet = text.parse().ok().or_else(single).ok_or(BadRule)?;
        Ok(Self::Net(plain(net)))
    }
}

/// A network of IPv4 addresses that is written as one of IPv6 (`::ffff:10.0.0.0/104`), as what it is.
fn plain(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(v4, length)| Ipv4Net::new(v4, length).ok()).map_or(net, IpNet::V4)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || (a == 100 && b & 0xc0 == 64) || (a == 198 && b & 0xfe == 18)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.segments()[0] & 0xffc0 == 0xfec0,
    }
}

/// See [`carried`].
fn reached_through(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let v6 = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6),
    };
    v6.into_iter().flat_map(carried).map(IpAddr::V4)
}

/// Source: the registries of special-purpose addresses of the IANA (RFC 6890), as of 2026.
fn is_public(address: IpAddr) -> bool {
    let set_aside = match address {
        IpAddr::V4(v4) => special_v4().any(|net| net.contains(&v4)),
        // Of IPv6, only 2000::/3 was ever given out.
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 != 0x2000 || special_v6().any(|net| net.contains(&v6)),
    };
    !set_aside && !address.is_loopback() && !is_private(address)
}

fn special_v4() -> impl Iterator<Item = Ipv4Net> {
    let nets = [
        ([0, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 3),
    ];
    nets.into_iter().filter_map(|(octets, length)| Ipv4Net::new(Ipv4Addr::from(octets), length).ok())
}

/// Documentation, protocol assignments with Teredo, and 6to4: what a relay makes of them, nobody knows.
fn special_v6() -> impl Iterator<Item = Ipv6Net> {
    let nets = [([0x2001, 0], 23), ([0x2001, 0xdb8], 32), ([0x2002, 0], 16), ([0x3fff, 0], 20)];
    nets.into_iter()
        .filter_map(|([a, b], length)| Ipv6Net::new(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length).ok())
}

#[cfg(test)]
pub(crate) mod tests;
