//! Who is at the other end: the address that limits, logs and audits go by.
//!
//! It is the peer of the connection; or, when that is a trusted proxy, the nearest address in what the proxies said
//! that is not one of theirs. An address behind that was written by somebody whom nobody vouches for, and is not
//! looked at.
//!
//! `X-Forwarded-For` comes before `Forwarded`: proxies that write the first let the second pass as the client sent it
//! far more often than the other way round.
//!
//! Invariant: whoever is not behind a trusted proxy decides nothing about it.
//!
//! Not here: the name by which a client reached this server (`public_url`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

use super::Peer;

/// The address of the client; an IPv4 address is never spelled as an IPv6 one. An extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Of a request, by its extensions: of one that [`with_client_address`] has not seen, the peer's.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let peer = || extensions.get::<Peer>().map(|peer| Self(peer.0.ip().to_canonical()));
        extensions.get::<Self>().copied().or_else(peer)
    }
}

/// Whose word is taken for who is behind them.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// From the configuration.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }

    /// Whether this is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client behind a peer that sent these headers.
    pub fn client(&self, headers: &HeaderMap, peer: IpAddr) -> ClientAddress {
        let mut nearest = peer.to_canonical();
        for hop in hops(headers).into_iter().rev() {
            if !self.contains(nearest) {
                break;
            }
            // What is no address hides who is behind it: then it is the proxy that counts.
            let Some(hop) = hop else { break };
            nearest = hop;
        }
        ClientAddress(nearest)
    }
}

/// What the proxies say of whom they were asked by, the nearest last; `None` for what is no address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let elements = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        // Bytes that are no text make an element that is no address.
        let values = values.map(|value| value.to_str().unwrap_or("-"));
        values.flat_map(|value| value.split(',')).map(|element| element.trim().to_owned()).collect()
    };
    let said = elements("x-forwarded-for");
    if !said.is_empty() {
        return said.iter().map(|element| address(element)).collect();
    }
    let said_for = |element: &String| {
        element.split(';').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            key.eq_ignore_ascii_case("for").then(|| address(value.trim_matches('"')))?
        })
    };
    elements("forwarded").iter().map(said_for).collect()
}

/// An address as proxies write it: bare, in brackets, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bare).map(|address: IpAddr| address.to_canonical())
}

/// Gives every request of a router its [`ClientAddress`]; put around all other layers.
pub fn with_client_address(router: Router, proxies: TrustedProxies) -> Router {
    router.layer(from_fn_with_state(proxies, name_client))
}

async fn name_client(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    if let Some(&Peer(peer)) = request.extensions().get::<Peer>() {
        let client = proxies.client(request.headers(), peer.ip());
        request.extensions_mut().insert(client);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    #[track_caller]
    fn check(peer: &str, pairs: &[(&'static str, &str)], expected: &str) {
        let client = proxies().client(&headers(pairs), peer.parse().unwrap());
        assert_eq!(client.0.to_string(), expected, "{peer} {pairs:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let said = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        check("203.0.113.9", &said, "203.0.113.9");
        check("10.0.0.1", &said, "192.0.2.1");
        check("::ffff:10.0.0.1", &said, "192.0.2.1");
        check("10.0.0.1", &said[1..], "192.0.2.2");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn the_nearest_that_is_no_proxy_is_the_client() {
        let lies = "1.1.1.1, 192.0.2.1, 10.0.0.2, fd00::1";
        check("10.0.0.1", &[("x-forwarded-for", lies)], "192.0.2.1");
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "192.0.2.1,10.0.0.2")];
        check("10.0.0.1", &lines, "192.0.2.1");
        check(
            "10.0.0.1",
            &[("forwarded", "for=1.1.1.1, for=192.0.2.1;proto=https, by=x;for=10.0.0.2")],
            "192.0.2.1",
        );
        check("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3");
    }

    #[test]
    fn addresses_as_proxies_write_them() {
        for (said, client) in [
            ("192.0.2.1:5000", "192.0.2.1"),
            ("[2001:db8::1]:5000", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            check("10.0.0.1", &[("x-forwarded-for", said)], client);
            check("10.0.0.1", &[("forwarded", &format!("For=\"{said}\""))], client);
        }
    }

    #[test]
    fn what_is_no_address_hides_what_stands_before_it() {
        for said in ["unknown", "", "_hidden", "1.1.1.1, unknown", "1.1.1.1, 10.0.0.2:x"] {
            check("10.0.0.1", &[("x-forwarded-for", said)], "10.0.0.1");
        }
        check("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, unknown, 10.0.0.2")], "10.0.0.2");
        check("10.0.0.1", &[("forwarded", "proto=https")], "10.0.0.1");
    }

    proptest! {
        #[test]
        fn whatever_is_said_an_untrusted_peer_is_itself(said in "[ -~]{0,80}", peer: [u8; 4]) {
            let peer = IpAddr::from(peer);
            prop_assume!(!proxies().contains(peer));
            let headers = headers(&[("x-forwarded-for", &said), ("forwarded", &said)]);
            prop_assert_eq!(proxies().client(&headers, peer), ClientAddress(peer));
        }
    }
}
