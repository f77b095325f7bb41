//! The `Origin` of a request against the trusted origins of a token.

use landline_auth::{is_origin, origin_allowed};
use url::Url;

use crate::Target;
use crate::input::{halves, text};

pub(crate) const TARGET: Target = Target {
    name: "origin",
    longest: 1024,
    share: 1,
    claim: "an origin that is allowed by a list is the same as one of it for the WHATWG URL parser, too, by which browsers \
            go; `null` never is; it stays allowed in another case, and nothing longer is",
    run,
};

fn run(data: &[u8]) {
    let (origin, trusted) = halves(data);
    let (origin, trusted) = (text(origin), text(trusted));
    let list = [trusted.clone()];
    assert!(origin_allowed(None, &list) && origin_allowed(Some(&origin), &[]));
    assert!(!origin_allowed(Some("null"), &list), "a sandboxed frame is never one of a list");
    if !origin_allowed(Some(&origin), &list) {
        return;
    }
    assert!(is_origin(&trusted) && is_origin(&origin));
    for other in [origin.to_ascii_uppercase(), origin.to_ascii_lowercase()] {
        assert!(origin_allowed(Some(&other), &list), "{other:?} differs in case alone");
    }
    for longer in [
        format!("{origin}.evil.example"),
        format!("{origin}/"),
        format!("{origin}@evil.example"),
        format!("x{origin}"),
    ] {
        assert!(!origin_allowed(Some(&longer), &list), "{longer:?} is another one than {trusted:?}");
    }
    // Where browsers know the scheme, they must see it in the same way.
    if let (Ok(one), Ok(other)) = (Url::parse(&origin), Url::parse(&trusted)) {
        if matches!(one.scheme(), "http" | "https" | "ws" | "wss") {
            assert_eq!(one.origin(), other.origin(), "{origin:?} and {trusted:?}");
        }
    }
}
