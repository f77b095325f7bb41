//! Addresses that nothing is ever connected to, in whatever way they are written.
//!
//! On machines of a cloud, link-local addresses hand out the machine's own credentials to whoever asks. `0.0.0.0` and
//! `::` name no machine, but kernels take them for this one, past every rule that names `127.0.0.1`.
//!
//! IPv6 has many ways to write an IPv4 address into its own. Some are another spelling of it (see [`canonical`]);
//! through others, a relay of the network reaches it (see [`carried`]).
//!
//! Not seen: prefixes that a network has chosen for its own translators (RFC 6052, 2.2) or relays (6rd). Who runs such
//! a network denies them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What hands out a machine's own credentials outside the link-local ranges: Alibaba Cloud, Oracle Cloud (classic), and
/// the host of an Azure machine. Source: the documentation of these clouds.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// The same for IPv6: Google Cloud, Oracle Cloud, Linode, Scaleway. Source: the documentation of these clouds. AWS has a
/// range of its own, see [`never_v6`].
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042),
];

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Link-local, or a metadata service; no rule allows it.
    #[error("is link-local or a metadata service; those are never connected to")]
    Metadata,
    /// `0.0.0.0/8` or `::`; no rule allows it.
    #[error("names no machine; write 127.0.0.1 or ::1 for this one")]
    Unspecified,
    /// Multicast or broadcast; no rule allows it.
    #[error("stands for many machines; write the address of one")]
    Many,
    /// `deny` has it.
    #[error("is among the addresses that [outbound] deny names")]
    Denied,
    /// `allow` does not have it.
    #[error("is not among the addresses that [outbound] allow names")]
    NotAllowed,
}

/// Refuses what is never connected to, whatever the operator allows.
///
/// # Errors
/// [`Refused::Metadata`], [`Refused::Unspecified`], [`Refused::Many`].
pub fn check_never(address: IpAddr) -> Result<(), Refused> {
    match canonical(address) {
        IpAddr::V4(v4) => never_v4(v4),
        IpAddr::V6(v6) => never_v6(v6),
    }
}

fn never_v4(v4: Ipv4Addr) -> Result<(), Refused> {
    if is_metadata(v4) {
        Err(Refused::Metadata)
    } else if v4.octets()[0] == 0 {
        Err(Refused::Unspecified)
    } else if v4.is_multicast() || v4.is_broadcast() {
        Err(Refused::Many)
    } else {
        Ok(())
    }
}

fn never_v6(v6: Ipv6Addr) -> Result<(), Refused> {
    // AWS: what a machine or a pod asks of its surroundings, credentials included.
    let is_aws = v6.segments()[..2] == [0xfd00, 0x0ec2];
    if v6.is_unicast_link_local() || is_aws || METADATA_V6.contains(&v6) || carried(v6).any(is_metadata) {
        Err(Refused::Metadata)
    } else if v6.is_unspecified() {
        Err(Refused::Unspecified)
    } else if v6.is_multicast() {
        Err(Refused::Many)
    } else {
        Ok(())
    }
}

fn is_metadata(v4: Ipv4Addr) -> bool {
    v4.is_link_local() || METADATA_V4.contains(&v4)
}

/// The IPv4 address that the kernel or a translator makes of this one and nothing else: `::ffff:a.b.c.d` (RFC 4291,
/// 2.5.5.2), `::a.b.c.d` (2.5.5.1), `::ffff:0:a.b.c.d` (RFC 2765), `64:ff9b::a.b.c.d` (RFC 6052). Any other address as
/// it is.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let is_plain = v6.is_unspecified() || v6.is_loopback();
    match v6.segments()[..6] {
        [0, 0, 0, 0, 0, 0] if is_plain => address,
        [0, 0, 0, 0, 0, 0xffff | 0] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => {
            read_v4(v6, [12, 13, 14, 15]).into()
        }
        _ => address,
    }
}

/// The IPv4 addresses that a relay or a translator of the network would reach when it is sent something for this one.
///
/// 6to4 (RFC 3056), Teredo with its server and its client (RFC 4380), ISATAP (RFC 5214), and the translators of local
/// use, which may put it in four places (RFC 8215; RFC 6052, 2.2).
pub(crate) fn carried(v6: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let at = |places| Some(read_v4(v6, places));
    let found = match v6.segments() {
        [0x2002, ..] => [at([2, 3, 4, 5]), None, None, None],
        [0x2001, 0, ..] => {
            let client = read_v4(v6, [12, 13, 14, 15]);
            [at([4, 5, 6, 7]), Some(Ipv4Addr::from_bits(!client.to_bits())), None, None]
        }
        [0x64, 0xff9b, 1, ..] => {
            [at([6, 7, 9, 10]), at([7, 9, 10, 11]), at([9, 10, 11, 12]), at([12, 13, 14, 15])]
        }
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [at([12, 13, 14, 15]), None, None, None],
        _ => [None; 4],
    };
    found.into_iter().flatten()
}

/// The octets at these places.
fn read_v4(v6: Ipv6Addr, places: [usize; 4]) -> Ipv4Addr {
    let octets = v6.octets();
    Ipv4Addr::from(places.map(|place| octets.get(place).copied().unwrap_or_default()))
}
