//! Who calls, and what that opens. Handlers take these as arguments, so that no check can be forgotten.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use landline_auth::{ClientToken, TokenError, bearer};
use landline_core::Facts;
use landline_protocol::{ChannelAccount, ConversationId, UserId};

use crate::audit::KnownSite;
use crate::directory::{Site, USER_PREFIX, UserProblem};
use crate::error::ApiError;
use crate::http::ClientAddress;
use crate::overload::Who;
use crate::state::App;

/// A caller that showed a secret or a token.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The site that the credentials belong to.
    pub(super) site: Arc<Site>,
    /// The token, where it was one and not the site's secret.
    pub(super) token: Option<ClientToken>,
}

/// A caller of this very request who was looked at already.
#[derive(Clone)]
struct Known(Caller);

impl Caller {
    /// Spares whoever asks next for the caller of this request to look at the credentials once more.
    pub(super) fn vouch_for(self, parts: &mut Parts) {
        parts.extensions.insert(Known(self));
    }

    /// Who this is, for the limits.
    pub(super) fn who<'a>(
        &'a self,
        conversation: Option<&'a ConversationId>,
        address: Option<ClientAddress>,
    ) -> Who<'a> {
        let user = self.token.as_ref().and_then(|token| token.user.as_ref()).map(|user| &user.id);
        Who { site: &self.site, is_service: self.token.is_none(), user, conversation, address }
    }

    /// The user that the token speaks for.
    pub(super) fn user(&self) -> Option<ChannelAccount> {
        let user = self.token.as_ref()?.user.as_ref()?;
        Some(ChannelAccount { id: user.id.clone(), name: user.name.clone() })
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let Some(Known(caller)) = parts.extensions.remove() {
            return Ok(caller);
        }
        let presented = presented(parts)?;
        let directory = app.directory.snapshot();
        if let Some(site) = directory.site_by_secret(&presented) {
            known(parts, site);
            // A secret in a page is one that was given away. It is good for what the site's own pages do.
            check_origin(&parts.headers, site, &[])?;
            return Ok(Self { site: Arc::clone(site), token: None });
        }
        let token = match ClientToken::verify(&presented, &app.key_ring.current(), app.now()) {
            Ok(token) => token,
            Err(error) => {
                // Nobody guesses a signature; and whoever holds a token of yesterday has to hear so at once.
                if !looks_like_a_token(&presented) {
                    Box::pin(app.overload.wrong_secret(ClientAddress::of(&parts.extensions))).await?;
                }
                return Err(token_error(error));
            }
        };
        // The site may have another bot by now. A conversation stays with the one it was started with.
        let site = directory.sites.get(&token.site).filter(|site| site.has_issued(token.issued_at));
        let site = site.ok_or_else(not_opened)?;
        known(parts, site);
        if token.issued_at.plus(app.token_max_age) <= app.now() {
            return Err(token_error(TokenError::Expired));
        }
        check_origin(&parts.headers, site, &token.trusted_origins)?;
        check_user(site, token.user.as_ref().map(|user| &user.id), || {
            "the token names no user, and this site has enhanced authentication; ask the site for a new one"
                .into()
        })?;
        Ok(Self { site: Arc::clone(site), token: Some(token) })
    }
}

/// For the audit log, where the caller is refused all the same.
pub(super) fn known(parts: &Parts, site: &Site) {
    if let Some(known) = parts.extensions.get::<KnownSite>() {
        known.set(&site.name);
    }
}

/// Whether this is no guess at a secret: all tokens begin with their header in JSON, and have three parts.
fn looks_like_a_token(presented: &str) -> bool {
    presented.starts_with("eyJ") && presented.split('.').count() == 3
}

/// The text behind `Bearer`.
fn presented(parts: &Parts) -> Result<String, ApiError> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let malformed =
        || ApiError::unauthorized("send one authorization header: Bearer and a site secret or a token");
    let header = headers.next().map(|header| header.to_str().map_err(|_| malformed())).transpose()?;
    if headers.next().is_some() {
        return Err(malformed());
    }
    bearer(header).map(str::to_owned).map_err(|error| ApiError::unauthorized(error.to_string()))
}

/// Unknown secrets and forged tokens get the same answer, so that neither can be told from the other.
fn not_opened() -> ApiError {
    ApiError::forbidden(
        "these credentials open nothing here; check the secret or ask the site for a new token",
    )
}

pub(super) fn token_error(error: TokenError) -> ApiError {
    match error {
        TokenError::Expired => ApiError::token_expired("the token has expired; ask the site for a new one"),
        TokenError::Invalid(_) | TokenError::NotYetValid => not_opened(),
    }
}

/// A page may use a token or ticket only if its origin is one of those that the site names, and of those that the token
/// names.
pub(super) fn check_origin(headers: &HeaderMap, site: &Site, of_token: &[String]) -> Result<(), ApiError> {
    if site.enhanced.admits(origin(headers)?, of_token) {
        return Ok(());
    }
    Err(not_trusted())
}

/// What the browser says whose page calls; `None`: no browser calls. What cannot be read is nobody's origin.
pub(super) fn origin(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut origins = headers.get_all(ORIGIN).iter().map(|origin| origin.to_str().unwrap_or("null"));
    let origin = origins.next();
    // No browser sends two, and a reader that takes the first and one that takes the last must not differ.
    origins.next().map_or(Ok(origin), |_| Err(not_trusted()))
}

pub(super) fn not_trusted() -> ApiError {
    ApiError::forbidden("the origin of this page is not one of the trusted origins of the site or token")
}

/// In a site with enhanced authentication whoever acts is somebody, whose id has the prefix.
///
/// Source: Direct Line enhanced authentication.
pub(super) fn check_user(
    site: &Site,
    user: Option<&UserId>,
    nobody: impl FnOnce() -> String,
) -> Result<(), ApiError> {
    site.enhanced.check_user(user).map_err(|problem| match problem {
        UserProblem::Nobody => ApiError::missing_property(nobody()),
        UserProblem::NoPrefix => ApiError::bad_argument(format!(
            "the id of the user has to begin with {USER_PREFIX:?}, because this site has enhanced authentication"
        )),
    })
}

/// A caller in a conversation of the path that exists and that the credentials open.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) caller: Caller,
    pub(super) conversation: ConversationId,
    pub(super) facts: Arc<Facts>,
}

impl FromRequestParts<App> for Participant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let conversation = conversation_in_path(parts, app).await?;
        // The same answer whether the other conversation exists or not.
        if caller.token.as_ref().is_some_and(|token| token.conversation != conversation) {
            return Err(ApiError::forbidden("the token is for another conversation"));
        }
        let facts = app.conversations.facts(&conversation).await?;
        if facts.site != caller.site.name {
            return Err(ApiError::conversation_not_found());
        }
        Ok(Self { caller, conversation, facts })
    }
}

/// What cannot be an id names no conversation.
pub(super) async fn conversation_in_path(parts: &mut Parts, app: &App) -> Result<ConversationId, ApiError> {
    let path = Path::<String>::from_request_parts(parts, app).await;
    path.ok().and_then(|Path(id)| id.parse().ok()).ok_or_else(ApiError::conversation_not_found)
}
