//! `/admin/v1/sites`: the sites and their secrets.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use landline_protocol::{BotName, SiteName};
use serde_json::{Value, json};

use super::fields::{Fields, Given};
use super::{Admin, name_in_path, show_secrets, slot_in_path};
use crate::config::show_time;
use crate::directory::{ManagedBy, Site, SiteChange, fields, trusted_origins};
use crate::error::ApiError;
use crate::openapi::shapes;

/// `GET /admin/v1/sites`
#[utoipa::path(
    get, path = "/sites", tag = "Sites", operation_id = "listSites", summary = "List sites",
    responses((status = 200, description = "All of them.", body = shapes::Sites))
)]
pub(super) async fn list(State(admin): State<Admin>) -> Json<Value> {
    let snapshot = admin.editor.snapshot();
    let sites: Vec<_> = snapshot.sites.values().map(|site| show(site)).collect();
    let mut list = json!({ "sites": sites });
    if !snapshot.unreadable_sites.is_empty() {
        list["unreadable"] = snapshot.unreadable_sites.iter().map(|name| name.as_str()).collect();
    }
    Json(list)
}

/// `GET /admin/v1/sites/{name}`
#[utoipa::path(
    get, path = "/sites/{name}", tag = "Sites", operation_id = "getSite", summary = "Show a site",
    responses((status = 200, description = "The site.", body = shapes::SiteAnswer))
)]
pub(super) async fn get(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let name: SiteName = name_in_path(&name)?;
    let snapshot = admin.editor.snapshot();
    let site = snapshot.sites.get(&name);
    let site = site.ok_or_else(|| {
        ApiError::not_found(format!("there is no site {name}; add it, or look at the list"))
    })?;
    Ok(Json(json!({ "site": show(site) })))
}

/// `POST /admin/v1/sites`
///
/// The secret is handed out this once.
#[utoipa::path(
    post, path = "/sites", tag = "Sites", operation_id = "addSite", summary = "Add a site",
    request_body = shapes::NewSite,
    responses((status = 201, description = "The site and its secret.", body = shapes::SiteAnswer))
)]
pub(super) async fn add(
    State(admin): State<Admin>,
    mut body: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let name: SiteName = body.required("name", |text| text.parse().map_err(|why| format!("{why}")))?;
    let bot: BotName = body.required("bot", bot_name)?;
    let change = change(&mut body)?;
    body.done()?;
    let editor = admin.editor.clone();
    let (site, secret) = admin.to_its_end(async move { editor.add_site(name, bot, change).await }).await?;
    Ok((StatusCode::CREATED, Json(json!({ "site": show(&site), "secret": secret.expose() }))))
}

/// `PATCH /admin/v1/sites/{name}`
///
/// What is absent stays, `null` sets back.
#[utoipa::path(
    patch, path = "/sites/{name}", tag = "Sites", operation_id = "changeSite", summary = "Change a site",
    request_body = shapes::SiteChange,
    responses((status = 200, description = "The site.", body = shapes::SiteAnswer))
)]
pub(super) async fn patch(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    mut body: Fields,
) -> Result<Json<Value>, ApiError> {
    let name: SiteName = name_in_path(&name)?;
    let bot = match body.text("bot", bot_name)? {
        Given::Null => return Err(ApiError::bad_argument("bot: a site cannot be without one")),
        Given::Absent => None,
        Given::Value(bot) => Some(bot),
    };
    let change = SiteChange { bot, ..change(&mut body)? };
    body.done()?;
    let editor = admin.editor.clone();
    let site = admin.to_its_end(async move { editor.change_site(&name, change).await }).await?;
    Ok(Json(json!({ "site": show(&site) })))
}

/// `DELETE /admin/v1/sites/{name}`
#[utoipa::path(
    delete, path = "/sites/{name}", tag = "Sites", operation_id = "removeSite", summary = "Remove a site",
    responses((status = 204, description = "It is gone."))
)]
pub(super) async fn remove(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let name: SiteName = name_in_path(&name)?;
    let editor = admin.editor.clone();
    admin.to_its_end(async move { editor.remove_site(&name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/v1/sites/{name}/secrets`
///
/// The text is handed out this once.
#[utoipa::path(
    post, path = "/sites/{name}/secrets", tag = "Sites", operation_id = "addSecret", summary = "Make a secret",
    responses((status = 201, description = "It, in the free slot or that of the older one.", body = shapes::NewSecret))
)]
pub(super) async fn add_secret(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    body: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let name: SiteName = name_in_path(&name)?;
    body.done()?;
    let editor = admin.editor.clone();
    let (secret, slot) = admin.to_its_end(async move { editor.add_secret(&name).await }).await?;
    Ok((StatusCode::CREATED, Json(json!({ "secret": secret.expose(), "slot": slot.number() }))))
}

/// `DELETE /admin/v1/sites/{name}/secrets/{slot}`
#[utoipa::path(
    delete, path = "/sites/{name}/secrets/{slot}", tag = "Sites", operation_id = "removeSecret", summary = "Take a secret away",
    responses((status = 204, description = "It opens nothing any more."))
)]
pub(super) async fn remove_secret(
    State(admin): State<Admin>,
    Path((name, slot)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (name, slot) = (name_in_path::<SiteName>(&name)?, slot_in_path(&slot)?);
    let editor = admin.editor.clone();
    admin.to_its_end(async move { editor.remove_secret(&name, slot).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What adding and changing have in common.
fn change(body: &mut Fields) -> Result<SiteChange, ApiError> {
    let lifetime = body.text("tokenLifetime", fields::token_lifetime)?.nullable();
    let empty_watermark = body.text("emptyWatermark", fields::empty_watermark_is_history)?.nullable();
    let retention = body.text("retention", fields::retention)?.nullable();
    let files = body.text("files", fields::file_life)?.nullable();
    let enhanced = body.optional_flag("enhancedAuthentication")?.nullable();
    let origins = body.texts("trustedOrigins", trusted_origins)?.nullable();
    Ok(SiteChange {
        bot: None,
        token_lifetime: lifetime.map(|time| time.unwrap_or(fields::DEFAULT_TOKEN_LIFETIME)),
        empty_watermark_is_history: empty_watermark.map(|history| history.unwrap_or(true)),
        retention: retention.map(|time| time.unwrap_or(fields::DEFAULT_RETENTION)),
        files,
        enhanced_authentication: enhanced.map(|on| on.unwrap_or(false)),
        trusted_origins: origins.map(|origins| origins.unwrap_or_default()),
    })
}

fn bot_name(text: &str) -> Result<BotName, String> {
    text.parse().map_err(|why| format!("{why}"))
}

/// A site, without anything that opens a door.
fn show(site: &Site) -> Value {
    let mut shown = json!({
        "name": site.name.as_str(),
        "bot": site.bot.as_str(),
        "tokenLifetime": show_time(site.token_lifetime),
        "emptyWatermark": if site.empty_watermark_is_history { fields::HISTORY } else { fields::ONLY_NEW },
        "retention": show_time(site.retention),
        "enhancedAuthentication": site.enhanced.on,
        "trustedOrigins": site.enhanced.trusted_origins,
        "secrets": show_secrets(&site.secrets),
        "managedBy": match site.managed_by {
            ManagedBy::File => "file",
            ManagedBy::Registry => "registry",
        },
    });
    if let Some(files) = site.files {
        shown["files"] = fields::file_life_text(files).into();
    }
    shown
}
