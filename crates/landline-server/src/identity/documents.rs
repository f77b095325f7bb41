//! What bots and their SDKs fetch before they trust anybody: keys, and where they are.
//!
//! Sources: Bot Framework, "Authenticate requests from the Bot Connector service to your bot", for the paths below
//! `/v1`; Microsoft identity platform, "OpenID Connect", for those below a tenant.

use axum::Json;
use axum::extract::{Path, State};
use landline_auth::{OpenIdMetadata, PublishedKeys};

use crate::directory::fields;
use crate::error::ApiError;
use crate::state::App;

/// `GET /v1/.well-known/keys` and `GET /{tenant}/discovery/v2.0/keys`
///
/// The same keys for everybody, with those that will sign soon and those that signed lately.
pub(super) async fn keys(State(app): State<App>) -> Json<PublishedKeys> {
    Json(app.identity.keys.current().jwks(app.now()))
}

/// `GET /v1/.well-known/openidconfiguration`
///
/// By which keys a bot knows whoever calls it.
pub(super) async fn channel(State(app): State<App>) -> Json<OpenIdMetadata> {
    Json(OpenIdMetadata::of_channel(app.identity.base()))
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`, and without `v2.0`, where MSAL looks for that of an ADFS.
///
/// Where a bot of the tenant gets its tokens.
pub(super) async fn tenant(
    State(app): State<App>,
    Path(tenant): Path<String>,
) -> Result<Json<OpenIdMetadata>, ApiError> {
    let tenant = fields::tenant(&tenant).map_err(|_| ApiError::not_found("there is no such tenant"))?;
    Ok(Json(OpenIdMetadata::of_tenant(app.identity.base(), &tenant)))
}
