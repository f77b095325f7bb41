//! `/admin/v1/bots`: the bots, their credentials, and their capabilities.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use landline_protocol::BotName;
use serde_json::{Value, json};

use super::fields::{Fields, Given};
use super::{Admin, name_in_path, show_secrets, slot_in_path};
use crate::directory::{AppIdChange, Bot, BotChange, ManagedBy, OutgoingChange, fields};
use crate::error::ApiError;
use crate::openapi::shapes;

/// `GET /admin/v1/bots`
#[utoipa::path(
    get, path = "/bots", tag = "Bots", operation_id = "listBots", summary = "List bots",
    responses((status = 200, description = "All of them.", body = shapes::Bots))
)]
pub(super) async fn list(State(admin): State<Admin>) -> Json<Value> {
    let snapshot = admin.editor.snapshot();
    let bots: Vec<_> = snapshot.bots.values().map(|bot| show(bot, &admin)).collect();
    let mut list = json!({ "bots": bots });
    if !snapshot.unreadable_bots.is_empty() {
        list["unreadable"] = snapshot.unreadable_bots.iter().map(|name| name.as_str()).collect();
    }
    Json(list)
}

/// `GET /admin/v1/bots/{name}`
#[utoipa::path(
    get, path = "/bots/{name}", tag = "Bots", operation_id = "getBot", summary = "Show a bot",
    responses((status = 200, description = "The bot.", body = shapes::BotAnswer))
)]
pub(super) async fn get(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let name: BotName = name_in_path(&name)?;
    let snapshot = admin.editor.snapshot();
    let bot = snapshot.bots.get(&name);
    let bot = bot
        .ok_or_else(|| ApiError::not_found(format!("there is no bot {name}; add it, or look at the list")))?;
    Ok(Json(json!({ "bot": show(bot, &admin) })))
}

/// `POST /admin/v1/bots`
///
/// The credential, where one was asked for, is handed out this once.
#[utoipa::path(
    post, path = "/bots", tag = "Bots", operation_id = "addBot", summary = "Add a bot",
    request_body = shapes::NewBot,
    responses((status = 201, description = "The bot, and its credential where one was asked for.", body = shapes::BotAnswer))
)]
pub(super) async fn add(
    State(admin): State<Admin>,
    mut body: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let name: BotName = body.required("name", |text| text.parse().map_err(|why| format!("{why}")))?;
    let endpoint = body.required("endpoint", fields::endpoint)?;
    let change = change(&mut body)?;
    let with_credential = body.flag("credential")?;
    body.done()?;
    let editor = admin.editor.clone();
    let add = async move { editor.add_bot(name, endpoint, change, with_credential).await };
    let (bot, credential) = admin.to_its_end(add).await?;
    let mut answer = json!({ "bot": show(&bot, &admin) });
    if let Some(credential) = credential {
        answer["credential"] = credential.expose().into();
    }
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `PATCH /admin/v1/bots/{name}`
///
/// What is absent stays, `null` takes away or sets back.
#[utoipa::path(
    patch, path = "/bots/{name}", tag = "Bots", operation_id = "changeBot", summary = "Change a bot",
    request_body = shapes::BotChange,
    responses((status = 200, description = "The bot.", body = shapes::BotAnswer))
)]
pub(super) async fn patch(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    mut body: Fields,
) -> Result<Json<Value>, ApiError> {
    let name: BotName = name_in_path(&name)?;
    let endpoint = match body.text("endpoint", fields::endpoint)? {
        Given::Null => return Err(ApiError::bad_argument("endpoint: a bot cannot be without one")),
        Given::Absent => None,
        Given::Value(url) => Some(url),
    };
    let change = BotChange { endpoint, ..change(&mut body)? };
    body.done()?;
    let editor = admin.editor.clone();
    let bot = admin.to_its_end(async move { editor.change_bot(&name, change).await }).await?;
    Ok(Json(json!({ "bot": show(&bot, &admin) })))
}

/// `DELETE /admin/v1/bots/{name}`
#[utoipa::path(
    delete, path = "/bots/{name}", tag = "Bots", operation_id = "removeBot", summary = "Remove a bot",
    responses((status = 204, description = "It is gone."))
)]
pub(super) async fn remove(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let name: BotName = name_in_path(&name)?;
    let editor = admin.editor.clone();
    admin.to_its_end(async move { editor.remove_bot(&name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/v1/bots/{name}/credentials`
///
/// The text is handed out this once.
#[utoipa::path(
    post, path = "/bots/{name}/credentials", tag = "Bots", operation_id = "addCredential", summary = "Make a credential",
    responses((status = 201, description = "It, in the free slot or that of the older one.", body = shapes::NewCredential))
)]
pub(super) async fn add_credential(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    body: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let name: BotName = name_in_path(&name)?;
    body.done()?;
    let editor = admin.editor.clone();
    let (secret, slot) = admin.to_its_end(async move { editor.add_credential(&name).await }).await?;
    Ok((StatusCode::CREATED, Json(json!({ "credential": secret.expose(), "slot": slot.number() }))))
}

/// `DELETE /admin/v1/bots/{name}/credentials/{slot}`
#[utoipa::path(
    delete, path = "/bots/{name}/credentials/{slot}", tag = "Bots", operation_id = "removeCredential", summary = "Take a credential away",
    responses((status = 204, description = "It opens nothing any more."))
)]
pub(super) async fn remove_credential(
    State(admin): State<Admin>,
    Path((name, slot)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (name, slot) = (name_in_path::<BotName>(&name)?, slot_in_path(&slot)?);
    let editor = admin.editor.clone();
    admin.to_its_end(async move { editor.remove_credential(&name, slot).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/v1/bots/{name}/capability`
#[utoipa::path(
    post, path = "/bots/{name}/capability", tag = "Bots", operation_id = "replaceCapability", summary = "Give a bot without app id another address",
    responses((status = 200, description = "The bot.", body = shapes::BotAnswer))
)]
pub(super) async fn new_capability(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    body: Fields,
) -> Result<Json<Value>, ApiError> {
    let name: BotName = name_in_path(&name)?;
    body.done()?;
    let editor = admin.editor.clone();
    let bot = admin.to_its_end(async move { editor.replace_capability(&name).await }).await?;
    Ok(Json(json!({ "bot": show(&bot, &admin) })))
}

/// What adding and changing have in common.
fn change(body: &mut Fields) -> Result<BotChange, ApiError> {
    let app_id = match body.text_or_true("appId", fields::app_id)? {
        Given::Absent => None,
        Given::Null => Some(AppIdChange::None),
        Given::Value(None) => Some(AppIdChange::New),
        Given::Value(Some(text)) => Some(AppIdChange::Is(text)),
    };
    let outgoing = match body.object("outgoing", "outgoing.")? {
        Given::Absent => None,
        Given::Null => Some(None),
        Given::Value(mut body) => {
            let change = OutgoingChange {
                token_url: body.text("tokenUrl", fields::endpoint)?.nullable(),
                client_secret: body.text("clientSecret", fields::client_secret)?.value(),
                scope: body.text("scope", fields::scope)?.nullable(),
            };
            body.done()?;
            Some(Some(change))
        }
    };
    Ok(BotChange {
        endpoint: None,
        app_id,
        tenant: body.text("tenant", fields::tenant)?.nullable(),
        issuer: body.text("issuer", fields::issuer)?.nullable(),
        delivery: body.text("delivery", fields::delivery)?.nullable().map(Option::unwrap_or_default),
        outgoing,
        ca_certificates: body.text("caCertificates", fields::authorities)?.nullable(),
    })
}

/// A bot, without anything that opens a door.
fn show(bot: &Bot, admin: &Admin) -> Value {
    let mut shown = json!({
        "name": bot.name.as_str(),
        "endpoint": bot.endpoint.as_str(),
        "delivery": fields::delivery_text(bot.delivery),
        "credentials": show_secrets(&bot.credentials),
        "baseUrl": admin.editor.base(),
        "managedBy": match bot.managed_by {
            ManagedBy::File => "file",
            ManagedBy::Registry => "registry",
        },
    });
    if let Some(app_id) = &bot.app_id {
        shown["appId"] = json!(&**app_id);
        shown["tenant"] = json!(&*bot.tenant);
        shown["issuer"] = json!(&*bot.issuer);
        // Of a bot without app id it holds the capability.
        shown["serviceUrl"] = json!(&**bot.service_url.expose());
    }
    if let Some(outgoing) = &bot.outgoing {
        shown["outgoing"] = json!({ "tokenUrl": outgoing.token_url.as_str(), "scope": outgoing.scope });
    }
    if let Some(authorities) = &bot.ca_certificates {
        shown["caCertificates"] = authorities.pem().into();
    }
    shown
}
