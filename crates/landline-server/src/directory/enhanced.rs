//! Enhanced authentication of a site: whose pages its tokens are for, and what its users are called.
//!
//! What a site says here holds at once for every token that is out: it is looked up at each call and stands in no token.
//! A token whose request named origins of its own (which it may where the switch is off) is held to those as well.
//!
//! Source: Direct Line enhanced authentication; user ids beginning with `dl_`, a list of trusted origins with one entry or
//! more.
//!
//! Not here: how two origins are compared (`landline_auth::origin_allowed`), what a refusal looks like
//! (`client_api::credentials`).

use landline_auth::{is_origin, origin_allowed};
use landline_protocol::UserId;
use url::Url;

use crate::limits::{MAX_ORIGIN_CHARS, MAX_TRUSTED_ORIGINS};

/// What the ids of users begin with.
///
/// Source: Direct Line enhanced authentication, "Impersonation mitigation".
pub const USER_PREFIX: &str = "dl_";

/// The switch and what belongs to it. Off, with no origins, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enhanced {
    /// Whether it is on.
    pub on: bool,
    /// The origins whose pages may use the site's tokens while it is on; at least one then. As browsers spell them.
    pub trusted_origins: Vec<String>,
}

/// Why somebody may not act in a site with enhanced authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserProblem {
    /// Nobody is named.
    Nobody,
    /// The id does not begin with [`USER_PREFIX`].
    NoPrefix,
}

impl Enhanced {
    /// What is asked for, checked.
    ///
    /// # Errors
    /// It is on without an origin: nobody could use it from a page.
    pub(crate) fn new(on: bool, trusted_origins: Vec<String>) -> Result<Self, String> {
        if on && trusted_origins.is_empty() {
            return Err(
                "with enhanced authentication, name at least one origin whose pages may use the site's \
                        tokens, such as \"https://www.example.org\""
                    .into(),
            );
        }
        Ok(Self { on, trusted_origins })
    }

    /// Whether a page of this origin may use a token or ticket that was issued for these origins (empty: any).
    ///
    /// `None` is a call without an `Origin` header: no browser, which passes.
    pub(crate) fn admits(&self, origin: Option<&str>, of_token: &[String]) -> bool {
        // An empty list means *any* to the comparison. A site that is on never has one; if it had, it were *none*.
        let none_named = self.trusted_origins.is_empty() && origin.is_some();
        let by_site = !self.on || (!none_named && origin_allowed(origin, &self.trusted_origins));
        by_site && origin_allowed(origin, of_token)
    }

    /// Whether any origin is named by which pages could be told apart.
    pub(crate) fn names_origins(&self, of_token: &[String]) -> bool {
        self.on || !of_token.is_empty()
    }

    /// Whether this user may act; where the switch is off, anybody may.
    pub(crate) fn check_user(&self, user: Option<&UserId>) -> Result<(), UserProblem> {
        match user {
            _ if !self.on => Ok(()),
            None => Err(UserProblem::Nobody),
            Some(id) if id.as_str().starts_with(USER_PREFIX) => Ok(()),
            Some(_) => Err(UserProblem::NoPrefix),
        }
    }
}

/// A list of origins as an operator writes them, spelled as browsers spell them, each once.
///
/// # Errors
/// What is wrong with the first that cannot be one, and what to write.
pub(crate) fn trusted_origins<T: AsRef<str>>(texts: &[T]) -> Result<Vec<String>, String> {
    if texts.len() > MAX_TRUSTED_ORIGINS {
        return Err(format!("there are {} origins, the limit is {MAX_TRUSTED_ORIGINS}", texts.len()));
    }
    let mut origins: Vec<String> = Vec::new();
    for text in texts {
        let origin = as_browsers_spell_it(text.as_ref())?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

/// `https://Bücher.example:443/` is `https://xn--bcher-kva.example`.
fn as_browsers_spell_it(text: &str) -> Result<String, String> {
    let problem = || {
        format!(
            "{text:?} is no origin; write scheme, host and, where it is not the usual one, port, such as \
                 \"https://www.example.org\", without a path and without wild cards"
        )
    };
    if text.len() > MAX_ORIGIN_CHARS {
        return Err(format!("an origin of {} characters, the limit is {MAX_ORIGIN_CHARS}", text.len()));
    }
    let url = text.parse::<Url>().map_err(|_| problem())?;
    let plain = text.bytes().all(|byte| byte > b' ' && byte != 0x7f && !b"*\\?#@".contains(&byte));
    if !plain || !matches!(url.path(), "" | "/") {
        return Err(problem());
    }
    let origin = match url.origin().is_tuple() {
        true => url.origin().ascii_serialization(),
        // Of an application on a phone or an extension: browsers compare them letter by letter.
        false => text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase(),
    };
    if matches!(url.scheme(), "ws" | "wss") {
        return Err(format!(
            "{text:?} is the address of a socket; write the origin of the page, which begins with \
                            https:// (or http://)"
        ));
    }
    if is_origin(&origin) { Ok(origin) } else { Err(problem()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "https://www.example.org";

    fn on(origins: &[&str]) -> Enhanced {
        Enhanced::new(true, trusted_origins(origins).unwrap()).unwrap()
    }

    #[track_caller]
    fn spelled(text: &str, expected: Option<&str>) {
        let list = trusted_origins(&[text]).ok();
        assert_eq!(list.as_deref().map(|list| list[0].as_str()), expected, "{text:?}");
    }

    #[test]
    fn origins_are_kept_as_browsers_spell_them() {
        for (text, same) in [
            (HOME, HOME),
            ("https://www.example.org/", HOME),
            ("HTTPS://WWW.Example.org:443", HOME),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://XN--bcher-kva.example:8443", "https://xn--bcher-kva.example:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.1", "http://127.0.0.1"),
            ("http://[0:0::1]:80", "http://[::1]"),
            ("https://www.example.org.", "https://www.example.org."),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://AbCdef/", "chrome-extension://abcdef"),
        ] {
            spelled(text, Some(same));
            spelled(same, Some(same));
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "null",
            "*",
            "www.example.org",
            "//www.example.org",
            "https://",
            "https://*.example.org",
            "https://*",
            "https://www.example.org/path",
            "https://www.example.org/?q",
            "https://www.example.org?q",
            "https://www.example.org/#f",
            "https://me@www.example.org",
            "https://me:pass@www.example.org",
            "https://www.example.org:99999",
            "https://www.exa mple.org",
            "https://www.example.org\n",
            "\thttps://www.example.org",
            "https:\\\\www.example.org",
            "https://a, https://b",
            "wss://www.example.org",
            "file:///home",
            "data:text/html,x",
            "javascript:alert(1)",
        ] {
            spelled(text, None);
        }
        spelled(&format!("https://{}", "a".repeat(MAX_ORIGIN_CHARS)), None);
        assert!(trusted_origins(&vec![HOME; MAX_TRUSTED_ORIGINS + 1]).is_err());
        assert_eq!(trusted_origins(&[HOME, "https://WWW.example.org/"]), Ok(vec![HOME.to_owned()]));
    }

    #[test]
    fn it_is_not_on_without_an_origin() {
        assert!(Enhanced::new(true, Vec::new()).is_err());
        assert_eq!(Enhanced::new(false, Vec::new()), Ok(Enhanced::default()));
    }

    #[test]
    fn the_site_and_the_token_both_decide() {
        let of_token = |origin: &str| vec![origin.to_owned()];
        let both = on(&[HOME, "https://b.example"]);
        assert!(both.admits(Some(HOME), &[]));
        assert!(both.admits(Some("https://b.example"), &[]));
        assert!(!both.admits(Some("https://c.example"), &[]));
        assert!(!both.admits(Some("null"), &[]));
        assert!(both.admits(None, &of_token(HOME)), "no browser");
        assert!(both.admits(Some(HOME), &of_token(HOME)));
        assert!(!both.admits(Some("https://b.example"), &of_token(HOME)), "the token names less");
        assert!(
            !both.admits(Some("https://c.example"), &of_token("https://c.example")),
            "the site names less"
        );
        let off = Enhanced { on: false, ..both };
        assert!(off.admits(Some("https://c.example"), &[]));
        assert!(!off.admits(Some(HOME), &of_token("https://c.example")));
    }

    #[test]
    fn users_are_named_and_begin_with_the_prefix() {
        let user = |id: &str| id.parse::<UserId>().unwrap();
        let site = on(&[HOME]);
        assert_eq!(site.check_user(None), Err(UserProblem::Nobody));
        for id in ["ann", "DL_ann", "xdl_ann", " dl_ann", "dl-ann", "dl"] {
            assert_eq!(site.check_user(Some(&user(id))), Err(UserProblem::NoPrefix), "{id}");
        }
        for id in ["dl_ann", "dl_"] {
            assert_eq!(site.check_user(Some(&user(id))), Ok(()), "{id}");
        }
        assert_eq!(Enhanced::default().check_user(None), Ok(()));
    }
}
