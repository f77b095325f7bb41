//! `/admin/v1/outbox`: what waits for bots with queued delivery, and what was given up.
//!
//! Not here: when an attempt is made, and what retrying and dropping do (`landline_core`).

use axum::Json;
use axum::extract::State;
use landline_core::{OutboxEntry, OutboxFilter, OutboxState, OutboxTarget, Unavailable};
use landline_protocol::{ActivityId, BotName};
use serde_json::{Value, json};

use super::Admin;
use super::fields::{Fields, Query};
use crate::error::ApiError;
use crate::limits::OUTBOX_PAGE;
use crate::openapi::shapes;
use crate::telemetry::AdminChange;

/// `GET /admin/v1/outbox?bot=&state=&continuationToken=`
///
/// A page may be empty and still not be the last one: that is one without a `continuationToken`.
#[utoipa::path(
    get, path = "/outbox", tag = "Outbox", operation_id = "listOutbox", summary = "What waits for bots",
    params(("bot" = Option<String>, Query, description = "Only that of this bot."), ("state" = Option<String>, Query, description = "`queued` or `parked`."), ("continuationToken" = Option<String>, Query, description = "Where the part before ended.")),
    responses((status = 200, description = "A part of it.", body = shapes::Outbox))
)]
pub(super) async fn list(State(admin): State<Admin>, mut query: Query) -> Result<Json<Value>, ApiError> {
    let filter = OutboxFilter { bot: query.take("bot", bot)?, state: query.take("state", state)? };
    let after = query.take("continuationToken", |text| text.parse().map_err(|why| format!("{why}")))?;
    query.done()?;
    let page = admin.app.conversations.outbox_list(&filter, after, OUTBOX_PAGE).await;
    let page = page.map_err(|error| ApiError::from(Unavailable::Store(error)))?;
    let entries: Vec<_> = page.entries.iter().map(show).collect();
    let mut answer = json!({ "entries": entries });
    if let Some(next) = page.next {
        answer["continuationToken"] = next.to_string().into();
    }
    Ok(Json(answer))
}

/// `POST /admin/v1/outbox/retry`
#[utoipa::path(
    post, path = "/outbox/retry", tag = "Outbox", operation_id = "retryOutbox", summary = "Try again",
    request_body = shapes::OutboxTarget,
    responses((status = 200, description = "How many are tried.", body = shapes::Count))
)]
pub(super) async fn retry(State(admin): State<Admin>, body: Fields) -> Result<Json<Value>, ApiError> {
    let target = target(body)?;
    let retried = admin.app.conversations.outbox_retry(target.clone()).await;
    counted(&admin, AdminChange::OutboxRetried, &target, retried)
}

/// `POST /admin/v1/outbox/drop`
#[utoipa::path(
    post, path = "/outbox/drop", tag = "Outbox", operation_id = "dropOutbox", summary = "Give up",
    request_body = shapes::OutboxTarget,
    responses((status = 200, description = "How many were dropped.", body = shapes::Count))
)]
pub(super) async fn drop(State(admin): State<Admin>, body: Fields) -> Result<Json<Value>, ApiError> {
    let target = target(body)?;
    let dropped = admin.app.conversations.outbox_drop(target.clone()).await;
    counted(&admin, AdminChange::OutboxDropped, &target, dropped)
}

/// One activity, or all that were given up for a bot; the bot may be gone by now.
fn target(mut body: Fields) -> Result<OutboxTarget, ApiError> {
    let activity: Option<ActivityId> =
        body.text("activityId", |text| text.parse().map_err(|why| format!("{why}")))?.value();
    let bot = body.text("bot", bot)?.value();
    let state = body.text("state", state)?.value();
    body.done()?;
    match (activity, bot, state) {
        (Some(activity), None, None) => Ok(OutboxTarget::Activity(activity)),
        (None, Some(bot), Some(OutboxState::Parked)) => Ok(OutboxTarget::Parked(bot)),
        _ => Err(ApiError::bad_argument(
            "send {\"activityId\":\"…\"} for one activity, or {\"bot\":\"…\",\"state\":\"parked\"} for all that were given \
             up for a bot",
        )),
    }
}

fn counted(
    admin: &Admin,
    change: AdminChange,
    target: &OutboxTarget,
    done: Result<u64, Unavailable>,
) -> Result<Json<Value>, ApiError> {
    let count = match done {
        Ok(count) => count,
        // Its conversation is gone, and what waited in it too.
        Err(Unavailable::NotFound) => 0,
        Err(error @ (Unavailable::Damaged(_) | Unavailable::Store(_))) => return Err(error.into()),
    };
    match target {
        OutboxTarget::Activity(id) => admin.report(change, &format_args!("{count} of {id}")),
        OutboxTarget::Parked(bot) => admin.report(change, &format_args!("{count} of bot {bot}")),
    }
    Ok(Json(json!({ "count": count })))
}

fn bot(text: &str) -> Result<BotName, String> {
    text.parse().map_err(|why| format!("{why}"))
}

fn state(text: &str) -> Result<OutboxState, String> {
    let known = [OutboxState::Queued, OutboxState::Parked];
    let found = known.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| format!("{text:?} is not known; write \"queued\" or \"parked\""))
}

fn show(entry: &OutboxEntry) -> Value {
    let mut shown = json!({
        "activityId": entry.id.to_string(),
        "conversationId": entry.id.conversation.as_str(),
        "bot": entry.bot.as_str(),
        "state": entry.state.as_str(),
        "attempts": entry.attempts,
        "since": entry.since.to_string(),
    });
    if let Some(due) = entry.due {
        shown["due"] = due.to_string().into();
    }
    if let Some(status) = entry.last_status {
        shown["lastStatus"] = status.into();
    }
    shown
}
