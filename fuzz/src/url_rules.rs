//! Where a connection may lead: addresses of bots as operators write them, and what proxies say of this server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use landline_outbound::{AddressPolicy, Rule, check_never};
use landline_server::PublicUrl;
use landline_server::bot_client;
use landline_server::http::TrustedProxies;
use url::{Host, Url};

use crate::Target;
use crate::input::{halves, split, text};

pub(crate) const TARGET: Target = Target {
    name: "url_rules",
    longest: 2048,
    share: 1,
    claim: "an endpoint that is accepted is http or https, has a host, no credentials, and no address that is link-local, \
            multicast or a metadata service in any spelling; what a proxy says gives a plain host or none",
    run,
};

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    match kind % 4 {
        0 => endpoint(&text(rest)),
        1 => endpoint(&format!("http://{}/", text(rest))),
        2 => address(rest),
        _ => base(rest),
    }
}

/// With the policy of an operator who has none.
fn check_endpoint(url: &Url) -> Result<(), ()> {
    bot_client::check_endpoint(url, &AddressPolicy::default()).map_err(drop)
}

fn is_forbidden(address: IpAddr) -> bool {
    check_never(address).is_err()
}

fn endpoint(said: &str) {
    let Ok(url) = Url::parse(said) else { return };
    if check_endpoint(&url).is_err() {
        return;
    }
    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    match url.host().expect("a host") {
        Host::Domain(name) => {
            assert!(!name.is_empty());
            // What the system's resolver takes for an address must not have come through as a name. Behind a name, one dot
            // is its end; with two it is no name, and nothing is found under it.
            let name = name.strip_suffix('.').unwrap_or(name);
            if let Ok(address) = name.parse::<IpAddr>() {
                assert!(!by_hand(address), "{url}");
            }
        }
        Host::Ipv4(v4) => assert!(!by_hand(v4.into()), "{url}"),
        Host::Ipv6(v6) => assert!(!by_hand(v6.into()), "{url}"),
    }
}

/// Nothing that an operator allows opens what nothing is connected to; what is denied stays so, and so does it behind what
/// carries it.
fn policies(address: IpAddr) {
    let rules = || vec![Rule::Public, Rule::Private, Rule::Loopback];
    let open = AddressPolicy::new(Some(rules()), Vec::new());
    assert!(open.check(address).is_err() || !is_forbidden(address), "{address}");
    let closed = AddressPolicy::new(None, rules());
    assert!(
        closed.check(address).is_err() || open.check(address).is_err(),
        "{address} is allowed and not denied"
    );
    if let IpAddr::V4(v4) = address {
        let public = AddressPolicy::new(Some(vec![Rule::Public]), Vec::new());
        let mapped = v4.to_ipv6_mapped().into();
        assert_eq!(public.check(address).is_ok(), public.check(mapped).is_ok(), "{address} and {mapped}");
        let not_public = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified();
        assert!(!not_public || public.check(address).is_err(), "{address} is taken for a public one");
    }
}

fn address(bytes: &[u8]) {
    if let Some(bytes) = bytes.first_chunk::<16>() {
        let v6 = Ipv6Addr::from(*bytes);
        policies(v6.into());
        assert!(is_forbidden(v6.into()) || !by_hand(v6.into()), "{v6}");
    }
    if let Some(bytes) = bytes.first_chunk::<4>() {
        let v4 = Ipv4Addr::from(*bytes);
        policies(v4.into());
        let forbidden = is_forbidden(v4.into());
        assert!(forbidden || !by_hand(v4.into()), "{v4}");
        // However it is wrapped, it stays what it is.
        assert!(!forbidden || is_forbidden(v4.to_ipv6_mapped().into()), "{v4} mapped");
        let [a, b, c, d] = v4.octets();
        let nat64 = Ipv6Addr::from([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]);
        assert!(!forbidden || is_forbidden(nat64.into()), "{v4} behind NAT64");
        for written in [
            format!("{v4}"),
            format!("{}", u32::from(v4)),
            format!("0x{:x}", u32::from(v4)),
            format!("{v4}."),
        ] {
            let url = Url::parse(&format!("http://{written}/")).expect("an address");
            assert!(!forbidden || check_endpoint(&url).is_err(), "{written}");
        }
    }
}

/// Said in other words than in the code.
fn by_hand(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            (a, b) == (169, 254) || (224..240).contains(&a) || v4 == Ipv4Addr::BROADCAST
        }
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            first & 0xffc0 == 0xfe80
                || first >> 8 == 0xff
                || v6.to_ipv4_mapped().is_some_and(|v4| by_hand(v4.into()))
        }
    }
}

fn base(said: &[u8]) {
    let (first, second) = halves(said);
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("inner"));
    for (name, value) in
        [("forwarded", first), ("x-forwarded-host", second), ("x-forwarded-proto", first), ("host", second)]
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let public =
        PublicUrl::new(None, TrustedProxies::new(vec!["10.0.0.0/8".parse().expect("a network")]), false);
    let proxy: IpAddr = "10.0.0.1".parse().expect("an address");
    if let Some(base) = public.http_base(&headers, proxy) {
        let host =
            base.strip_prefix("http://").or_else(|| base.strip_prefix("https://")).expect("http or https");
        assert!(!host.is_empty() && host.len() <= 255);
        assert!(
            host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)),
            "{host:?}"
        );
    }
    let anybody: IpAddr = "192.0.2.1".parse().expect("an address");
    let plain = public.http_base(&headers, anybody);
    headers.remove("forwarded");
    headers.remove("x-forwarded-host");
    headers.remove("x-forwarded-proto");
    assert_eq!(public.http_base(&headers, anybody), plain, "nobody but a proxy is believed");
}
