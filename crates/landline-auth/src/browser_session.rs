//! Which browser it is: a cookie that only this server reads, and an id of it that pages may know.
//!
//! The id follows from the cookie and the site; from the id nothing follows. So a page that knows the id can say which
//! browser it means, and cannot pass for it, and what two sites know does not say whether they met the same browser.
//! Nothing is kept: a cookie is as good as any that is hard to guess.
//!
//! Invariants: neither debug output nor errors hold the cookie. Neither cookie nor id opens anything.
//!
//! Source: what Web Chat does with the session id of Direct Line: it adds it to the links of sign-in cards as
//! `code_challenge`. Whoever comes back from the sign-in in a browser with another cookie is not who began it.
//!
//! Not here: who may ask for it, and the header with which the browser is told (`landline-server`).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_protocol::SiteName;

use crate::limits::BROWSER_SESSION_BYTES;

/// What is digested in front of the rest, so that no other digest can be taken for one of these.
const DOMAIN: &[u8] = b"landline browser session 1\0";

/// A browser that was here before, or is here for the first time.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSession([u8; BROWSER_SESSION_BYTES]);

impl BrowserSession {
    /// Of these random bytes.
    pub fn from_random(bytes: [u8; BROWSER_SESSION_BYTES]) -> Self {
        Self(bytes)
    }

    /// The one whose cookie has this value; `None` for what [`BrowserSession::cookie`] did not write.
    pub fn from_cookie(value: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok().map(Self)
    }

    /// The value of its cookie: letters, digits, `-` and `_`. For that browser alone.
    pub fn cookie(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What pages of this site may call it: 43 letters, digits, `-` and `_`.
    pub fn id(&self, site: &SiteName) -> String {
        // No name of a site holds a zero byte, and the rest has a fixed length.
        let text = [DOMAIN, site.as_str().as_bytes(), b"\0", &self.0].concat();
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &text))
    }
}

impl fmt::Debug for BrowserSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSession(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> SiteName {
        name.parse().unwrap()
    }

    #[test]
    fn a_cookie_brings_the_same_browser_back() {
        let session = BrowserSession::from_random([7; 32]);
        let again = BrowserSession::from_cookie(&session.cookie()).unwrap();
        assert_eq!(again, session);
        assert_eq!(again.id(&site("shop")), session.id(&site("shop")));
        assert_eq!(session.id(&site("shop")).len(), 43);
    }

    #[test]
    fn the_id_is_another_one_for_each_browser_and_site_and_does_not_show_the_cookie() {
        let (one, other) = (BrowserSession::from_random([7; 32]), BrowserSession::from_random([8; 32]));
        let ids = [one.id(&site("a")), one.id(&site("b")), other.id(&site("a")), other.id(&site("b"))];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        for id in &ids {
            assert!(BrowserSession::from_cookie(id).is_some_and(|guess| guess != one && guess != other));
        }
        assert_eq!(format!("{one:?}"), "BrowserSession(…)");
    }

    #[test]
    fn what_is_no_cookie_of_ours() {
        let cookie = BrowserSession::from_random([0xff; 32]).cookie();
        for value in
            ["", "x", &cookie[1..], &format!("{cookie}A"), &format!("{cookie}="), &cookie.replace('_', "/")]
        {
            assert_eq!(BrowserSession::from_cookie(value), None, "{value:?}");
        }
    }
}
