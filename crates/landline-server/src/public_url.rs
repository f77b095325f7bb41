//! How this server is reached: the base of every URL that it hands out.
//!
//! What is configured wins. Without that, what a trusted proxy says (`Forwarded`, `X-Forwarded-*`), and else the
//! `Host` that the client used, and whether the listener speaks TLS. What anyone but a trusted proxy says in those
//! headers is ignored.

use std::net::IpAddr;

use http::{HeaderMap, header};
use url::Url;

use crate::http::TrustedProxies;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct PublicUrl {
    configured: Option<Url>,
    trusted_proxies: TrustedProxies,
    /// Whether the listener speaks TLS.
    tls: bool,
}

/// The scheme and host by which a request came.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    secure: bool,
    host: String,
}

impl PublicUrl {
    /// From the configuration; `tls` is whether the listener speaks TLS.
    pub fn new(configured: Option<Url>, trusted_proxies: TrustedProxies, tls: bool) -> Self {
        Self { configured, trusted_proxies, tls }
    }

    /// The base for WebSockets, such as `wss://bots.example.org`, without a slash at its end; `None` where the
    /// request does not say by which name it came.
    pub fn web_socket_base(&self, headers: &HeaderMap, peer: IpAddr) -> Option<String> {
        self.base(headers, peer, "wss", "ws")
    }

    /// The same for everything else, such as `https://bots.example.org`.
    pub fn http_base(&self, headers: &HeaderMap, peer: IpAddr) -> Option<String> {
        self.base(headers, peer, "https", "http")
    }

    fn base(&self, headers: &HeaderMap, peer: IpAddr, secure: &str, plain: &str) -> Option<String> {
        if let Some(url) = &self.configured {
            let scheme = if url.scheme() == "https" { secure } else { plain };
            let authority = &url[url::Position::BeforeHost..url::Position::AfterPath];
            return Some(format!("{scheme}://{}", authority.trim_end_matches('/')));
        }
        let origin = self.origin(headers, peer)?;
        Some(format!("{}://{}", if origin.secure { secure } else { plain }, origin.host))
    }

    fn origin(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Origin> {
        let host = text(headers, header::HOST.as_str());
        let trusted = self.trusted_proxies.contains(peer);
        let (said_host, said_scheme) = if trusted { forwarded(headers) } else { (None, None) };
        let host = said_host.or(host).filter(|host| is_authority(host))?;
        let secure = said_scheme.map_or(self.tls, |scheme| scheme.eq_ignore_ascii_case("https"));
        Some(Origin { secure, host })
    }
}

/// Host and scheme of the nearest hop, which is the one that the trusted proxy wrote.
fn forwarded(headers: &HeaderMap) -> (Option<String>, Option<String>) {
    let last = |name: &str| text(headers, name)?.rsplit(',').next().map(|value| value.trim().to_owned());
    if let Some(forwarded) = last("forwarded") {
        let parameter = |name: &str| {
            forwarded.split(';').find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
            })
        };
        return (parameter("host"), parameter("proto"));
    }
    (last("x-forwarded-host"), last("x-forwarded-proto"))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get_all(name).iter().next_back()?.to_str().ok().map(str::to_owned)
}

/// Whether a text can stand between `//` and the path of a URL and nothing but a host and a port comes of it.
fn is_authority(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !host.is_empty() && host.len() <= 255 && host.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()])
    }

    #[track_caller]
    fn check(configured: Option<&str>, peer: &str, pairs: &[(&'static str, &str)], expected: Option<&str>) {
        let configured = configured.map(|url| url.parse().unwrap());
        let public = PublicUrl::new(configured, proxies(), false);
        let base = public.web_socket_base(&headers(pairs), peer.parse().unwrap());
        assert_eq!(base.as_deref(), expected);
        let http = public.http_base(&headers(pairs), peer.parse().unwrap());
        assert_eq!(http, expected.map(|base| base.replacen("ws", "http", 1)));
    }

    #[test]
    fn the_configured_one_wins() {
        let host = [("host", "localhost:3000")];
        check(Some("https://bots.example.org"), "10.0.0.1", &host, Some("wss://bots.example.org"));
        check(
            Some("http://bots.example.org:8080/line/"),
            "10.0.0.1",
            &host,
            Some("ws://bots.example.org:8080/line"),
        );
    }

    #[test]
    fn the_host_serves_where_nothing_is_configured() {
        check(None, "192.0.2.1", &[("host", "localhost:3000")], Some("ws://localhost:3000"));
        check(None, "192.0.2.1", &[("host", "[::1]:3000")], Some("ws://[::1]:3000"));
        check(None, "192.0.2.1", &[], None);
        check(None, "192.0.2.1", &[("host", "evil/path?")], None);
    }

    #[test]
    fn proxies_are_believed_only_when_trusted() {
        let said = [("host", "inner"), ("x-forwarded-host", "outer"), ("x-forwarded-proto", "https")];
        check(None, "10.1.2.3", &said, Some("wss://outer"));
        check(None, "::ffff:10.1.2.3", &said, Some("wss://outer"));
        check(None, "192.0.2.1", &said, Some("ws://inner"));
        let said =
            [("host", "inner"), ("forwarded", "for=1.2.3.4;host=far;proto=http, host=\"near\";proto=https")];
        check(None, "10.1.2.3", &said, Some("wss://near"));
        check(None, "10.1.2.3", &[("host", "inner"), ("x-forwarded-proto", "https")], Some("wss://inner"));
    }

    #[test]
    fn a_listener_with_tls_is_named_so_unless_a_proxy_says_what_is_outside() {
        let public = PublicUrl::new(None, proxies(), true);
        let base = |peer: &str, pairs: &[(&'static str, &str)]| {
            public.web_socket_base(&headers(pairs), peer.parse().unwrap()).unwrap()
        };
        let said = [("host", "inner:3443"), ("x-forwarded-proto", "http")];
        assert_eq!(base("192.0.2.1", &said), "wss://inner:3443");
        assert_eq!(base("10.1.2.3", &said), "ws://inner:3443");
        assert_eq!(base("10.1.2.3", &said[..1]), "wss://inner:3443");
    }

    proptest! {
        #[test]
        fn any_forwarded_header_gives_a_plain_authority_or_none(value in "[ -~]{0,60}") {
            let public = PublicUrl::new(None, proxies(), false);
            let headers = headers(&[("host", "h"), ("forwarded", &value), ("x-forwarded-host", &value)]);
            if let Some(base) = public.web_socket_base(&headers, "10.0.0.1".parse().unwrap()) {
                let host = base.split_once("://").unwrap().1;
                prop_assert!(is_authority(host), "{host:?}");
            }
        }
    }
}
