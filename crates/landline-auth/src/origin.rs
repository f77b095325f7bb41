//! Which pages may use a token: the `Origin` header against the trusted origins of the token.
//!
//! Not here: CORS headers. Those tell a browser what it may read; this decides what is answered at all.

/// The ports that a scheme means when none is named.
const DEFAULT_PORTS: [(&str, u16); 4] = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443)];

/// An origin in its parts. Source: RFC 6454, section 4.
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

/// True when a call with this `Origin` header may use a token with these trusted origins.
///
/// Scheme, host and port must be those of one of the list: whole, without wild cards. Case does not
/// matter, a default port is the same as none, and one of the list may end with a slash. `null` (a
/// sandboxed frame, a file) is never one of a list. An empty list means *any*; no `Origin` header means *no
/// browser*, and whoever is no browser could write any origin, so it passes.
pub fn origin_allowed(origin: Option<&str>, trusted: &[String]) -> bool {
    match origin {
        None => true,
        Some(_) if trusted.is_empty() => true,
        Some(text) => parse(text).is_some_and(|origin| {
            trusted.iter().filter_map(|text| parse_trusted(text)).any(|other| origin.is(&other))
        }),
    }
}

/// True when this text can stand in a list of trusted origins: `scheme://host` or `scheme://host:port`.
///
/// For a configuration that wants to say so at the start: what is no origin never matches one.
pub fn is_origin(text: &str) -> bool {
    parse_trusted(text).is_some()
}

impl Origin<'_> {
    fn is(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
    }
}

fn parse_trusted(text: &str) -> Option<Origin<'_>> {
    parse(text.strip_suffix('/').unwrap_or(text))
}

fn parse(text: &str) -> Option<Origin<'_>> {
    let (scheme, authority) = text.split_once("://")?;
    let (host, port) = split_port(authority)?;
    let default = DEFAULT_PORTS.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name));
    let port = match port {
        Some(digits) => Some(parse_port(digits)?),
        None => default.map(|(_, port)| *port),
    };
    (is_scheme(scheme) && is_host(host)).then_some(Origin { scheme, host, port })
}

/// An IPv6 address stands in brackets, and the colons in it are not the port's.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let name_end = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    match authority.get(name_end..)?.find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at_checked(name_end + colon)?;
            Some((host, port.get(1..)))
        }
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// A name or an IPv4 address, or an IPv6 address in brackets. Browsers send names in ASCII.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
        }),
        None => !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_trusted_origin() {
        let site = "https://www.example.org";
        check("https://www.example.org", site, true);
        check("HTTPS://WWW.Example.ORG", site, true);
        check("https://www.example.org:443", site, true);
        check("https://www.example.org", "https://www.example.org/", true);
        check("https://www.example.org", "https://www.example.org:443/", true);
        check("http://localhost:8080", "http://localhost:8080", true);
        check("http://localhost", "http://localhost:80", true);
        check("http://[::1]:3000", "http://[::1]:3000", true);
        check("http://[::1]", "http://[::1]:80", true);
        check("http://127.0.0.1:3000", "http://127.0.0.1:3000", true);
        check("chrome-extension://abcdef", "chrome-extension://abcdef", true);
        for other in [
            "http://www.example.org",
            "https://example.org",
            "https://evil.www.example.org",
            "https://www.example.org.evil.example",
            "https://www.example.org:444",
            "https://www.example.org:80",
            "https://www.example.org:0443x",
            "https://www.example.org:",
            "https://www.example.org:+443",
            "https://www.example.org:65979", // 443 + 65536
            "https://www.example.org/",      // no browser sends this
            "https://www.example.org/path",
            "https://www.example.org?x",
            "https://www.example.org#x",
            "https://www.example.org@evil.example",
            "https://evil.example@www.example.org",
            "https://www.example.org, https://evil.example",
            "https://www.example.org ",
            " https://www.example.org",
            "https://www.example.org.",
            "https:/www.example.org",
            "https:www.example.org",
            "//www.example.org",
            "www.example.org",
            "null",
            "NULL",
            "*",
            "",
        ] {
            check(other, site, false);
        }
    }

    #[test]
    fn what_is_no_origin_in_the_list_matches_nothing() {
        for listed in [
            "null",
            "*",
            "",
            "/",
            "https://",
            "https://*.example.org",
            "https://a/b",
            "https://a//",
            "://a",
            "1://a",
            "ht tp://a",
            "é://a",
        ] {
            check(listed, listed, false);
            check("https://a.example.org", listed, false);
            assert!(!is_origin(listed), "{listed:?}");
        }
    }

    #[test]
    fn any_of_the_list_will_do_and_an_empty_list_is_any() {
        let list = ["https://a.example".to_owned(), "https://b.example/".to_owned()];
        assert!(origin_allowed(Some("https://a.example"), &list));
        assert!(origin_allowed(Some("https://b.example"), &list));
        assert!(!origin_allowed(Some("https://c.example"), &list));
        assert!(origin_allowed(None, &list));
        assert!(origin_allowed(Some("https://c.example"), &[]));
        assert!(origin_allowed(Some("null"), &[]));
        assert!(origin_allowed(None, &[]));
    }

    #[track_caller]
    fn check(origin: &str, trusted: &str, expected: bool) {
        let allowed = origin_allowed(Some(origin), &[trusted.to_owned()]);
        assert_eq!(allowed, expected, "{origin:?} where {trusted:?} is trusted");
    }

    proptest! {
        #[test]
        fn any_two_texts_are_compared(origin in ".*", trusted in ".*") {
            if origin_allowed(Some(&origin), std::slice::from_ref(&trusted)) {
                prop_assert!(is_origin(&origin) && is_origin(&trusted));
            }
        }

        #[test]
        fn an_origin_is_itself_and_no_other(
            a in "(http|https|ws)://[a-z]{1,3}(:[1-9][0-9]{0,3})?",
            b in "(http|https|ws)://[a-z]{1,3}(:[1-9][0-9]{0,3})?",
        ) {
            prop_assert!(origin_allowed(Some(&a), std::slice::from_ref(&a)));
            let spelled_out = |text: &str| match (text.matches(':').count(), text.starts_with("https")) {
                (1, true) => format!("{text}:443"),
                (1, false) => format!("{text}:80"),
                _ => text.to_owned(),
            };
            let same = spelled_out(&a) == spelled_out(&b);
            prop_assert_eq!(origin_allowed(Some(&a), std::slice::from_ref(&b)), same);
        }

        #[test]
        fn near_misses_are_refused(extra in "[!-~]") {
            let site = "https://www.example.org";
            let origin = format!("{site}{extra}");
            prop_assert!(!origin_allowed(Some(&origin), &[site.to_owned()]));
        }
    }
}
