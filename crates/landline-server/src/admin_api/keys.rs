//! `/admin/v1/keys`: which keys there are, and exchanging them.
//!
//! Not here: when an identity key signs (`landline_auth::IdentityKeys`), how keys are kept (`identity::IdentityHolder`,
//! `token_keys`).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use landline_auth::{IDENTITY_PUBLISH_AHEAD, IdentityKey, IdentityKeysError, KeyState};
use serde_json::{Value, json};

use super::Admin;
use super::fields::{Fields, Query};
use crate::error::ApiError;
use crate::identity::RotateError;
use crate::limits::RETRY_AFTER;
use crate::openapi::shapes;
use crate::telemetry::AdminChange;
use crate::token_keys::ListedKey;

/// `GET /admin/v1/keys`
#[utoipa::path(
    get, path = "/keys", tag = "Keys", operation_id = "listKeys", summary = "List keys",
    responses((status = 200, description = "All of them.", body = shapes::Keys))
)]
pub(super) async fn list(State(admin): State<Admin>) -> Json<Value> {
    Json(show(&admin).await)
}

/// `POST /admin/v1/keys/identity?now=`
///
/// A new key is published, and signs when every bot had a day to fetch it. With `now=true`, for a key that was stolen,
/// it signs at once and the older ones are revoked.
#[utoipa::path(
    post, path = "/keys/identity", tag = "Keys", operation_id = "rotateIdentityKey", summary = "Make a new key by which bots know this server",
    params(("now" = Option<bool>, Query, description = "Whether it signs at once, and the old ones are revoked.")),
    responses((status = 200, description = "The keys.", body = shapes::Keys))
)]
pub(super) async fn rotate_identity(
    State(admin): State<Admin>,
    mut query: Query,
    body: Fields,
) -> Result<Json<Value>, ApiError> {
    let now = query.take("now", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("write true or false".to_owned()),
    })?;
    query.done()?;
    body.done()?;
    let ahead = if now.unwrap_or(false) { Duration::ZERO } else { IDENTITY_PUBLISH_AHEAD };
    let app = admin.app.clone();
    let keys = Arc::clone(&app.identity.keys);
    admin.to_its_end(async move { keys.rotate(app.now(), ahead).await.map_err(ApiError::from) }).await?;
    if ahead.is_zero() {
        admin.report(AdminChange::IdentityKeyRotated, &"to sign at once; the older ones are revoked");
    } else {
        admin.report(AdminChange::IdentityKeyRotated, &format_args!("to sign in {ahead:?}"));
    }
    Ok(Json(show(&admin).await))
}

/// `POST /admin/v1/keys/tokens`
///
/// The new key signs from now on; the older ones go on verifying. 409 while there is no room for one more.
#[utoipa::path(
    post, path = "/keys/tokens", tag = "Keys", operation_id = "rotateTokenKey", summary = "Make a new key for tokens",
    responses((status = 200, description = "The keys.", body = shapes::Keys))
)]
pub(super) async fn rotate_tokens(State(admin): State<Admin>, body: Fields) -> Result<Json<Value>, ApiError> {
    body.done()?;
    let app = admin.app.clone();
    let sites = app.directory.snapshot();
    let longest = sites.sites.values().map(|site| site.token_lifetime).max().unwrap_or_default();
    admin.to_its_end(async move { app.key_ring.rotate(&*app.entropy, app.now(), longest).await }).await?;
    admin.report(AdminChange::TokenKeyRotated, &admin.app.key_ring.current().signing().id());
    Ok(Json(show(&admin).await))
}

async fn show(admin: &Admin) -> Value {
    let ring = admin.app.identity.keys.current();
    let identity: Vec<_> = ring.published(admin.app.now()).map(show_identity).collect();
    let tokens: Vec<_> = admin.app.key_ring.list().await.iter().map(show_token).collect();
    json!({ "identity": identity, "tokens": tokens })
}

fn show_identity((key, state): (&IdentityKey, KeyState)) -> Value {
    json!({
        "kid": key.id(),
        "created": key.created.to_string(),
        "signsFrom": key.signs_from.to_string(),
        "state": match state {
            KeyState::Next => "next",
            KeyState::Signing => "signing",
            KeyState::Published => "published",
        },
    })
}

fn show_token(key: &ListedKey) -> Value {
    let mut shown = json!({ "kid": key.kid });
    if let Some(created) = key.created {
        shown["created"] = created.to_string().into();
    }
    shown
}

impl From<RotateError> for ApiError {
    fn from(error: RotateError) -> Self {
        let unavailable = |message: &str, error: &RotateError| {
            Self::unavailable(message, RETRY_AFTER).caused_by(error.to_string())
        };
        match &error {
            RotateError::Ring(full @ IdentityKeysError::TooMany { .. }) => Self::conflict(full.to_string()),
            RotateError::Conflict => Self::conflict(error.to_string()),
            RotateError::Unknown(_) => unavailable(
                "it is not known whether the new key was written; look at the keys before trying again",
                &error,
            ),
            RotateError::Unavailable(_) => {
                unavailable("nothing was changed: the store cannot take it now; try again", &error)
            }
            RotateError::Ring(
                IdentityKeysError::Empty
                | IdentityKeysError::SameId
                | IdentityKeysError::Damaged
                | IdentityKeysError::Version { .. }
                | IdentityKeysError::Failed,
            )
            | RotateError::Unreadable(_)
            | RotateError::Key(_) => {
                unavailable("nothing was changed: the new key could not be made", &error)
            }
        }
    }
}
