//! `/admin/v1/conversations`: which there are, and deleting one for somebody who asks for that.
//!
//! Not here: what is found of them (`landline_core::Overview`), deleting those whose time is over
//! (`landline_core::Retention`).

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use landline_core::files::StoredFile;
use landline_core::store::{StoreError, View};
use landline_core::{Overview, OverviewFilter, Unavailable};
use landline_protocol::ConversationId;
use serde_json::{Value, json};

use super::Admin;
use super::fields::{Fields, Query};
use crate::error::ApiError;
use crate::limits::RETRY_AFTER;
use crate::openapi::shapes;
use crate::telemetry::AdminChange;

/// `GET /admin/v1/conversations?bot=&site=&continuationToken=`
///
/// A page may be empty and still not be the last one: that is one without a `continuationToken`.
#[utoipa::path(
    get, path = "/conversations", tag = "Conversations", operation_id = "listConversations", summary = "List conversations",
    params(("bot" = Option<String>, Query, description = "Only those of this bot."), ("site" = Option<String>, Query, description = "Only those of this site."), ("continuationToken" = Option<String>, Query, description = "Where the part before ended.")),
    responses((status = 200, description = "A part of them; may be empty though it goes on.", body = shapes::ConversationOverviews))
)]
pub(super) async fn list(State(admin): State<Admin>, mut query: Query) -> Result<Json<Value>, ApiError> {
    let wanted = OverviewFilter { bot: query.take("bot", parse)?, site: query.take("site", parse)? };
    let after = query.take("continuationToken", parse)?;
    query.done()?;
    let page = admin.app.conversations.overviews(&wanted, after).await;
    let page = page.map_err(|error| ApiError::from(Unavailable::Store(error)))?;
    let conversations: Vec<_> = page.conversations.iter().map(in_short).collect();
    let mut answer = json!({ "conversations": conversations });
    if !page.damaged.is_empty() {
        answer["damaged"] = page.damaged.iter().map(ConversationId::as_str).collect();
    }
    if let Some(next) = page.next {
        answer["continuationToken"] = next.as_str().into();
    }
    Ok(Json(answer))
}

/// `GET /admin/v1/conversations/{conversation}`
#[utoipa::path(
    get, path = "/conversations/{conversation}", tag = "Conversations", operation_id = "getConversation", summary = "Show a conversation",
    responses((status = 200, description = "The conversation.", body = shapes::ConversationAnswer))
)]
pub(super) async fn get(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let overview = admin.app.conversations.overview(&in_path(&id)?).await.map_err(refused)?;
    Ok(Json(json!({ "conversation": in_full(&overview) })))
}

/// `DELETE /admin/v1/conversations/{conversation}`
///
/// Its activities, its files, what waits for its bot: all of it. Its tokens open nothing any more. One that is damaged can
/// be deleted too.
#[utoipa::path(
    delete, path = "/conversations/{conversation}", tag = "Conversations", operation_id = "deleteConversation", summary = "Delete a conversation",
    responses((status = 204, description = "It is gone, with its files."))
)]
pub(super) async fn delete(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = in_path(&id)?;
    match admin.app.conversations.overview(&id).await {
        Ok(_) | Err(Unavailable::Damaged(_)) => {}
        Err(error @ (Unavailable::NotFound | Unavailable::Store(_))) => return Err(refused(error)),
    }
    let (conversations, conversation) = (admin.app.conversations.clone(), id.clone());
    admin.to_its_end(async move { conversations.delete(&conversation).await }).await?;
    admin.report(AdminChange::ConversationDeleted, &id);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/v1/purge`
///
/// Makes what was deleted unreadable on the disk of the store, too. May take long; answers when it is done.
#[utoipa::path(
    post, path = "/purge", tag = "Conversations", operation_id = "purge", summary = "Make what was deleted unreadable on the disk",
    responses((status = 204, description = "It is."))
)]
pub(super) async fn purge(State(admin): State<Admin>, body: Fields) -> Result<StatusCode, ApiError> {
    body.done()?;
    let conversations = admin.app.conversations.clone();
    // Who asks is the operator, to whom the store may say what it lacks.
    let purged = async move {
        let purged = conversations.purge().await;
        purged.map_err(|StoreError(why)| ApiError::unavailable(why.clone(), RETRY_AFTER).caused_by(why))
    };
    admin.to_its_end(purged).await?;
    admin.report(AdminChange::Purged, &"what was deleted stands in no file of the store any more");
    Ok(StatusCode::NO_CONTENT)
}

fn in_short(overview: &Overview) -> Value {
    let Overview { id, facts, last_time, entries } = overview;
    json!({
        "id": id.as_str(),
        "site": facts.site.as_str(),
        "bot": facts.bot.as_str(),
        "created": facts.created.to_string(),
        "lastActivity": last_time.to_string(),
        "members": facts.everybody().len(),
        "activities": entries,
        "files": facts.files.len(),
        "filesSize": facts.files.iter().map(StoredFile::all_bytes).fold(0, u64::saturating_add),
    })
}

/// The same, and which files they are; those too whose time is over and that were not taken away yet.
fn in_full(overview: &Overview) -> Value {
    let file = |file: &StoredFile| {
        let mut shown = json!({
            "id": file.id.as_str(),
            "name": file.name,
            "type": file.content_type,
            "size": file.bytes,
        });
        if let Some(thumbnail) = file.view(View::Thumbnail) {
            shown["thumbnailSize"] = thumbnail.bytes.into();
        }
        if let Some(until) = file.until {
            shown["until"] = until.to_string().into();
        }
        shown
    };
    let mut shown = in_short(overview);
    shown["files"] = overview.facts.files.iter().map(file).collect();
    shown
}

fn in_path(text: &str) -> Result<ConversationId, ApiError> {
    // What cannot be an id names nothing.
    text.parse().map_err(|_| unknown())
}

fn refused(error: Unavailable) -> ApiError {
    match error {
        Unavailable::NotFound => unknown(),
        error @ (Unavailable::Damaged(_) | Unavailable::Store(_)) => error.into(),
    }
}

/// Not as clients are told, who may start a new one.
fn unknown() -> ApiError {
    ApiError::not_found("there is no such conversation")
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|why| format!("{why}"))
}
