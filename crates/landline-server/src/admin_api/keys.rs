//! `/admin/v1/keys`: which keys there are, and exchanging them.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Admin;
use super::fields::Fields;
use crate::error::ApiError;
use crate::telemetry::AdminChange;
use crate::token_keys::ListedKey;

/// `GET /admin/v1/keys`
pub(super) async fn list(State(admin): State<Admin>) -> Json<Value> {
    Json(show(&admin).await)
}

/// `POST /admin/v1/keys/tokens`
///
/// The new key signs from now on; the older ones go on verifying.
pub(super) async fn rotate_tokens(State(admin): State<Admin>, body: Fields) -> Result<Json<Value>, ApiError> {
    body.done()?;
    let app = admin.app.clone();
    admin.to_its_end(async move { app.key_ring.rotate(&*app.entropy, app.now()).await }).await?;
    admin.app.metrics.admin_changed(AdminChange::TokenKeyRotated);
    let kid = admin.app.key_ring.current().signing().id().to_owned();
    tracing::info!(key.id = %kid, "Changed by the admin API: tokens are signed with the new key {kid}");
    Ok(Json(show(&admin).await))
}

async fn show(admin: &Admin) -> Value {
    let token = |key: ListedKey| {
        let mut shown = json!({ "kid": key.kid });
        if let Some(created) = key.created {
            shown["created"] = created.to_string().into();
        }
        shown
    };
    let tokens: Vec<_> = admin.app.key_ring.list().await.into_iter().map(token).collect();
    json!({ "tokens": tokens })
}
