//! Which browser a page runs in: an id for the page, and a cookie by which the browser is known again.
//!
//! The one place of the client API that reads or sets a cookie. What is known by it is the browser, nothing else: no call
//! is let in by a cookie, so there is nothing that a foreign page could have a browser do with it.
//!
//! Source: `getSessionId` of DirectLineJS, and Web Chat, which adds the id to the links of sign-in cards as
//! `code_challenge`. Microsoft documents neither.
//!
//! Not here: the sign-in itself, which this server does not do.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use landline_auth::{BROWSER_SESSION_BYTES, BrowserSession};
use serde_json::json;

use super::credentials::{Caller, origin};
use crate::error::ApiError;
use crate::openapi::shapes;
use crate::state::App;

/// `__Host-`: browsers take it only over https, from this very host and for all of it, so that no neighbour in the domain
/// can plant one.
///
/// Source: RFC 6265bis, section 4.1.3.2.
const COOKIE_NAME: &str = "__Host-landline-session";

/// `SameSite=None`: it is for calls of pages on other sites. No life: it goes with the browser's session.
const COOKIE_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=None";

/// `GET /v3/directline/session/getsessionid`
///
/// 200 `{"sessionId"}`, for pages of trusted origins alone: where neither the site nor the token names any, it is
/// 403. The browser lets the page read the answer because its origin is named in it.
#[utoipa::path(
    get, path = "/v3/directline/session/getsessionid", tag = "Tokens", operation_id = "getSessionId",
    summary = "An id for the browser", description = "For pages of trusted origins; sets a cookie.",
    params(("origin" = String, Header, description = "Sent by the browser.")),
    responses((status = 200, description = "The id.", body = shapes::SessionId))
)]
pub(super) async fn id(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    if origin(&headers)?.is_none() {
        return Err(ApiError::bad_argument(
            "there is no origin header; this is for pages in a browser, which sends one by itself",
        ));
    }
    let of_token = caller.token.as_ref().map(|token| token.trusted_origins.as_slice());
    // That the origin is one of those was seen when the caller was let in.
    if !caller.site.enhanced.names_origins(of_token.unwrap_or_default()) {
        return Err(ApiError::forbidden(
            "there are no trusted origins; switch enhanced authentication of the site on, or name them when the token is \
             issued",
        ));
    }
    let mut answer = HeaderMap::new();
    answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    let session = match known(&headers) {
        Some(session) => session,
        None => {
            let mut bytes = [0; BROWSER_SESSION_BYTES];
            app.entropy.fill(&mut bytes);
            let session = BrowserSession::from_random(bytes);
            let cookie = format!("{COOKIE_NAME}={}; {COOKIE_ATTRIBUTES}", session.cookie());
            let cookie = HeaderValue::try_from(cookie).map(|mut cookie| {
                cookie.set_sensitive(true);
                cookie
            });
            answer.insert(SET_COOKIE, cookie.map_err(|error| ApiError::service_error(error.to_string()))?);
            session
        }
    };
    Ok((answer, Json(json!({ "sessionId": session.id(&caller.site.name) }))))
}

/// The browser of the cookie; two cookies of that name are none, for no browser has two.
fn known(headers: &HeaderMap) -> Option<BrowserSession> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut values = pairs.flat_map(|header| header.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE_NAME).then_some(value)
    });
    let value = values.next()?;
    values.next().is_none().then(|| BrowserSession::from_cookie(value))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cookies: &[&str], is_known: bool) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, cookie.parse().unwrap());
        }
        assert_eq!(known(&headers).is_some(), is_known, "{cookies:?}");
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_once() {
        let ours = format!("{COOKIE_NAME}={}", BrowserSession::from_random([1; 32]).cookie());
        check(&[], false);
        check(&["a=b"], false);
        check(&[&ours], true);
        check(&[&format!("a=b; {ours}; c")], true);
        check(&["a=b", &ours], true);
        check(&[&format!("{ours}; {ours}")], false);
        check(&[&ours, &ours], false);
        check(&[&format!("x{ours}")], false);
        check(&[&format!("{COOKIE_NAME}=short")], false);
        check(&[COOKIE_NAME], false);
    }
}
