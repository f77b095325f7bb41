//! What bots and their SDKs fetch before they trust anybody: keys, and where they are.
//!
//! Sources: Bot Framework, "Authenticate requests from the Bot Connector service to your bot", for the paths below
//! `/v1`; Microsoft identity platform, "OpenID Connect", for those below a tenant.

use axum::Json;
use axum::extract::{Path, State};
use landline_auth::{OpenIdMetadata, PublishedKeys};

use crate::directory::fields;
use crate::error::ApiError;
use crate::openapi::shapes;
use crate::state::App;

/// `GET /v1/.well-known/keys`
///
/// The same keys for everybody, with those that will sign soon and those that signed lately.
#[utoipa::path(
    get, path = "/v1/.well-known/keys", tag = "Identity", operation_id = "getChannelKeys", summary = "The keys that sign what bots are sent",
    responses((status = 200, description = "The document.", body = shapes::KeySet)),
    security(())
)]
pub(super) async fn keys(State(app): State<App>) -> Json<PublishedKeys> {
    Json(app.identity.keys.current().jwks(app.now()))
}

/// `GET /{tenant}/discovery/v2.0/keys`
///
/// As [`keys`].
#[utoipa::path(
    get, path = "/{tenant}/discovery/v2.0/keys", tag = "Identity", operation_id = "getTenantKeys", summary = "The keys that sign tokens of bots",
    responses((status = 200, description = "The document.", body = shapes::KeySet)),
    security(())
)]
pub(super) async fn keys_of_tenant(app: State<App>) -> Json<PublishedKeys> {
    keys(app).await
}

/// `GET /v1/.well-known/openidconfiguration`
///
/// By which keys a bot knows whoever calls it.
#[utoipa::path(
    get, path = "/v1/.well-known/openidconfiguration", tag = "Identity", operation_id = "getChannelMetadata", summary = "By which keys a bot knows this server",
    responses((status = 200, description = "The document.", body = shapes::OpenIdMetadata)),
    security(())
)]
pub(super) async fn channel(State(app): State<App>) -> Json<OpenIdMetadata> {
    Json(OpenIdMetadata::of_channel(app.identity.base()))
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
///
/// Where a bot of the tenant gets its tokens.
#[utoipa::path(
    get, path = "/{tenant}/v2.0/.well-known/openid-configuration", tag = "Identity", operation_id = "getTenantMetadata", summary = "Where a bot gets its tokens",
    responses((status = 200, description = "The document.", body = shapes::OpenIdMetadata)),
    security(())
)]
pub(super) async fn tenant(
    State(app): State<App>,
    Path(tenant): Path<String>,
) -> Result<Json<OpenIdMetadata>, ApiError> {
    let tenant = fields::tenant(&tenant).map_err(|_| ApiError::not_found("there is no such tenant"))?;
    Ok(Json(OpenIdMetadata::of_tenant(app.identity.base(), &tenant)))
}

/// `GET /{tenant}/.well-known/openid-configuration`
///
/// As [`tenant`], where MSAL looks for that of an ADFS.
#[utoipa::path(
    get, path = "/{tenant}/.well-known/openid-configuration", tag = "Identity", operation_id = "getTenantMetadataOfAdfs", summary = "The same, where MSAL looks for that of an ADFS",
    responses((status = 200, description = "The document.", body = shapes::OpenIdMetadata)),
    security(())
)]
pub(super) async fn tenant_of_adfs(
    app: State<App>,
    tenant_in_path: Path<String>,
) -> Result<Json<OpenIdMetadata>, ApiError> {
    tenant(app, tenant_in_path).await
}
