//! Tokens: issued for a secret, refreshed for a token.

use axum::Json;
use axum::extract::State;
use landline_auth::{ClientToken, TokenUser, is_origin};
use landline_protocol::{ChannelAccount, ConversationId, Timestamp, TokenBody, TokenRequest};

use super::credentials::{Caller, check_user};
use crate::body::JsonBytes;
use crate::directory::Site;
use crate::error::ApiError;
use crate::openapi::shapes;
use crate::state::App;

/// `POST /v3/directline/tokens/generate`
///
/// Issues a token for a new conversation, which is not started by that, or, our extension, for one that exists.
/// Source: Direct Line 3.0, "Generate a Direct Line token".
#[utoipa::path(
    post, path = "/v3/directline/tokens/generate", tag = "Tokens", operation_id = "generateToken",
    summary = "Issue a token", description = "For a new conversation, or, an extension, for one that exists. Needs the site's secret.",
    request_body = Option<shapes::TokenRequest>,
    responses((status = 200, description = "The token.", body = shapes::Token))
)]
pub(super) async fn generate(
    State(app): State<App>,
    caller: Caller,
    JsonBytes(body): JsonBytes,
) -> Result<Json<TokenBody>, ApiError> {
    if caller.token.is_some() {
        return Err(ApiError::forbidden(
            "a token cannot issue tokens; call this from a service, with the site's secret",
        ));
    }
    let request = TokenRequest::parse(&body)?;
    let origins = origins_for(&caller.site, request.trusted_origins)?;
    if let Some(user) = &request.user {
        check_user(&caller.site, Some(&user.id), String::new)?;
    }
    let conversation = match request.conversation_id {
        None => app.conversations.new_conversation_id(),
        Some(existing) => {
            if app.conversations.facts(&existing).await?.site != caller.site.name {
                return Err(ApiError::conversation_not_found());
            }
            existing
        }
    };
    let token = new_token(&app, &caller.site, conversation, request.user, origins);
    sign(&app, &token).map(Json)
}

/// `POST /v3/directline/tokens/refresh`
///
/// The same conversation, user and origins for another while.
/// Source: Direct Line 3.0, "Refresh a Direct Line token".
#[utoipa::path(
    post, path = "/v3/directline/tokens/refresh", tag = "Tokens", operation_id = "refreshToken",
    summary = "Refresh a token", description = "Needs a token that has not expired.",
    responses((status = 200, description = "The same conversation, user and origins for another while.", body = shapes::Token))
)]
pub(super) async fn refresh(State(app): State<App>, caller: Caller) -> Result<Json<TokenBody>, ApiError> {
    let Some(token) = &caller.token else {
        return Err(ApiError::forbidden(
            "only a token can be refreshed; a secret is valid until it is exchanged",
        ));
    };
    sign(&app, &refreshed(&app, &caller.site, token)).map(Json)
}

/// The origins that a token is to name: those of the request, or none where the site has a list that beats them.
///
/// What is no origin would never match one, and the token would open nothing from a page: it is refused either way.
pub(super) fn origins_for(site: &Site, requested: Vec<String>) -> Result<Vec<String>, ApiError> {
    match requested.iter().find(|origin| !is_origin(origin)) {
        None if site.enhanced.on => Ok(Vec::new()),
        None => Ok(requested),
        Some(_) => Err(ApiError::bad_argument(
            "trustedOrigins: send origins without a path, such as \"https://www.example.org\"",
        )),
    }
}

/// A token that nobody had before.
pub(super) fn new_token(
    app: &App,
    site: &Site,
    conversation: ConversationId,
    user: Option<ChannelAccount>,
    trusted_origins: Vec<String>,
) -> ClientToken {
    let now = app.now();
    let issued_at = site.issue_moment(now);
    ClientToken {
        site: site.name.clone(),
        bot: site.bot.clone(),
        conversation,
        user: user.map(|user| TokenUser { id: user.id, name: user.name }),
        trusted_origins,
        issued_at,
        expires: end(app, site, issued_at),
        id: app.unique_id(),
    }
}

/// The same token for another while.
pub(super) fn refreshed(app: &App, site: &Site, token: &ClientToken) -> ClientToken {
    token.refreshed(end(app, site, token.issued_at), app.unique_id())
}

/// Until when a token is good that is signed now, and whose first one was issued at this moment.
fn end(app: &App, site: &Site, issued_at: Timestamp) -> Timestamp {
    app.now().plus(site.token_lifetime).min(issued_at.plus(app.token_max_age))
}

/// The answer that carries a token.
pub(super) fn sign(app: &App, token: &ClientToken) -> Result<TokenBody, ApiError> {
    let now = app.now();
    let text = token
        .sign(&app.key_ring.current(), now)
        .map_err(|error| ApiError::bad_argument(error.to_string()))?;
    let expires_in = u64::try_from((token.expires.as_millis() - now.as_millis()) / 1000).unwrap_or_default();
    Ok(TokenBody { conversation_id: token.conversation.clone(), token: text, expires_in })
}
