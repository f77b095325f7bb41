//! Addresses that a bot never has, and that a name must not lead us to.
//!
//! A bot may well be on this machine or in a private network, so those are allowed. Link-local addresses are not: on
//! cloud machines they hand out the machine's own credentials to whoever asks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

/// What hands out a machine's own credentials outside the link-local ranges: Alibaba Cloud, Oracle Cloud (classic), and
/// the host of an Azure machine. Source: the documentation of these clouds.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// The same for IPv6: AWS (of a machine, of a pod), Google Cloud, Oracle Cloud, Linode, Scaleway. Source: the
/// documentation of these clouds.
const METADATA_V6: [Ipv6Addr; 6] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0023),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042),
];

/// Whether no connection may be made to this address.
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_multicast()
                || METADATA_V6.contains(&v6)
                || embedded_v4(v6).is_some_and(forbidden_v4)
        }
    }
}

fn forbidden_v4(v4: Ipv4Addr) -> bool {
    v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || METADATA_V4.contains(&v4)
}

/// The IPv4 address that the kernel or a translator would make of this one: `::ffff:a.b.c.d`, `::a.b.c.d`,
/// `64:ff9b::a.b.c.d` (RFC 6052).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = v6.octets();
    let prefix = &v6.segments()[..6];
    let embeds = matches!(prefix, [0, 0, 0, 0, 0, 0xffff | 0] | [0x64, 0xff9b, 0, 0, 0, 0]);
    embeds.then(|| Ipv4Addr::new(a, b, c, d))
}

/// The resolver of the machine, without the forbidden addresses. The addresses it gives are the ones connected to:
/// a name is not looked up a second time in between.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver(GaiResolver);

impl CheckedResolver {
    pub(super) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for CheckedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.0.call(name.clone());
        Box::pin(async move { allowed(name.as_str(), lookup.await?) })
    }
}

fn allowed(name: &str, found: impl Iterator<Item = SocketAddr>) -> io::Result<vec::IntoIter<SocketAddr>> {
    let (forbidden, allowed): (Vec<_>, Vec<_>) = found.partition(|address| is_forbidden(address.ip()));
    if allowed.is_empty() && !forbidden.is_empty() {
        let why = format!("{name} leads to a link-local or metadata address, which is never connected to");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(allowed.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_forbidden_in_every_spelling() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:a9fe:a9fe::1",
            "fd00:42::42",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(is_forbidden(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn this_machine_and_private_networks_are_allowed() {
        for address in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.1.1",
            "169.253.255.255",
            "169.255.0.1",
            "::ffff:10.0.0.1",
            "fec0::1",
        ] {
            assert!(!is_forbidden(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_name_gives_only_its_allowed_addresses() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();

        let mixed = [address("169.254.169.254:80"), address("10.0.0.1:80")];
        assert_eq!(allowed("bot", mixed.into_iter()).unwrap().collect::<Vec<_>>(), [address("10.0.0.1:80")]);

        let refused = allowed("bot", [address("169.254.169.254:80")].into_iter()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
