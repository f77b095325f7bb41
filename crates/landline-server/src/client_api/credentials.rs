//! Who calls, and what that opens. Handlers take these as arguments, so that no check can be forgotten.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use landline_auth::{ClientToken, TokenError, bearer, origin_allowed};
use landline_core::Facts;
use landline_protocol::{ChannelAccount, ConversationId};

use crate::directory::Site;
use crate::error::ApiError;
use crate::state::App;

/// A caller that showed a secret or a token.
#[derive(Debug)]
pub(super) struct Caller {
    /// The site that the credentials belong to.
    pub(super) site: Arc<Site>,
    /// The token, where it was one and not the site's secret.
    pub(super) token: Option<ClientToken>,
}

impl Caller {
    /// The user that the token speaks for.
    pub(super) fn user(&self) -> Option<ChannelAccount> {
        let user = self.token.as_ref()?.user.as_ref()?;
        Some(ChannelAccount { id: user.id.clone(), name: user.name.clone() })
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let presented = presented(parts)?;
        let directory = app.directory.snapshot();
        if let Some(site) = directory.site_by_secret(&presented) {
            return Ok(Self { site: Arc::clone(site), token: None });
        }
        let token =
            ClientToken::verify(&presented, &app.key_ring.current(), app.now()).map_err(token_error)?;
        // The site may have another bot by now. A conversation stays with the one it was started with.
        let site = directory.sites.get(&token.site).filter(|site| site.has_issued(token.issued_at));
        let site = site.ok_or_else(not_opened)?;
        if token.issued_at.plus(app.token_max_age) <= app.now() {
            return Err(token_error(TokenError::Expired));
        }
        check_origin(parts, &token.trusted_origins)?;
        Ok(Self { site: Arc::clone(site), token: Some(token) })
    }
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

/// A page may use a token only if its origin is one of those that the token names.
pub(super) fn check_origin(parts: &Parts, trusted: &[String]) -> Result<(), ApiError> {
    let mut origins = parts.headers.get_all(ORIGIN).iter().map(|origin| origin.to_str().unwrap_or("null"));
    let origin = origins.next();
    if origins.next().is_none() && origin_allowed(origin, trusted) {
        return Ok(());
    }
    Err(ApiError::forbidden("the origin of this page is not one of the trusted origins of the token"))
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
