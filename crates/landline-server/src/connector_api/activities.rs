//! What a bot says, changes and takes away.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use landline_protocol::ResourceResponse;

use super::named::Named;
use crate::body::{ActivityBody, TranscriptBody};
use crate::error::ApiError;
use crate::openapi::shapes;
use crate::send_name::SendName;
use crate::state::App;
use crate::telemetry::ActivityOrigin;

/// `POST …/v3/conversations/{conversation}/activities`
///
/// Logs what the bot says; answers with the id that clients see, once it is durable. A repeat under the same
/// `Idempotency-Key`, our extension, is answered with the same id and logged once.
#[utoipa::path(
    post, path = "/v3/conversations/{conversation}/activities", tag = "Conversations", operation_id = "sendToConversation",
    summary = "Say something", description = "To everybody in the conversation.",
    params(("idempotency-key" = Option<String>, Header, description = "A repeat under the same key is no second activity. An extension.")),
    request_body = shapes::Activity,
    responses((status = 200, description = "Its id; it is durable.", body = shapes::ResourceResponse))
)]
pub(super) async fn send(
    State(app): State<App>,
    named: Named,
    name: SendName,
    ActivityBody(activity): ActivityBody,
) -> Result<Json<ResourceResponse>, ApiError> {
    say(&app, &named, name, activity, None).await
}

/// `POST …/v3/conversations/{conversation}/activities/{activity}`
///
/// As [`send`], in reply to an activity.
#[utoipa::path(
    post, path = "/v3/conversations/{conversation}/activities/{activity}", tag = "Conversations", operation_id = "replyToActivity",
    summary = "Reply", description = "To an activity.",
    params(("idempotency-key" = Option<String>, Header, description = "A repeat under the same key is no second activity. An extension.")),
    request_body = shapes::Activity,
    responses((status = 200, description = "Its id; it is durable.", body = shapes::ResourceResponse))
)]
pub(super) async fn reply(
    State(app): State<App>,
    named: Named,
    name: SendName,
    ActivityBody(activity): ActivityBody,
) -> Result<Json<ResourceResponse>, ApiError> {
    say(&app, &named, name, activity, Some(&named.activity)).await
}

async fn say(
    app: &App,
    named: &Named,
    SendName(name): SendName,
    activity: landline_protocol::Activity,
    reply_to: Option<&str>,
) -> Result<Json<ResourceResponse>, ApiError> {
    let Named { bot, conversation, .. } = named;
    let sent = app.conversations.send_named_from_bot(bot, conversation, activity, reply_to, name.as_deref());
    let id = sent.await?;
    app.metrics.activity_accepted(ActivityOrigin::Bot);
    Ok(Json(ResourceResponse { id }))
}

/// `PUT …/v3/conversations/{conversation}/activities/{activity}`
///
/// Replaces what the bot said. Clients that have it get the new content under the same id.
#[utoipa::path(
    put, path = "/v3/conversations/{conversation}/activities/{activity}", tag = "Conversations", operation_id = "updateActivity",
    summary = "Change what the bot said", description = "Clients that have it get the new content under the same id.",
    request_body = shapes::Activity,
    responses((status = 200, description = "Its id.", body = shapes::ResourceResponse))
)]
pub(super) async fn update(
    State(app): State<App>,
    named: Named,
    ActivityBody(activity): ActivityBody,
) -> Result<Json<ResourceResponse>, ApiError> {
    let Named { bot, conversation, activity: id, .. } = named;
    let id = app.conversations.update_from_bot(&bot, &conversation, &id, activity).await?;
    Ok(Json(ResourceResponse { id }))
}

/// `DELETE …/v3/conversations/{conversation}/activities/{activity}`
///
/// Takes away what the bot said. Clients that have it get a `messageDelete`. Once more is no error.
#[utoipa::path(
    delete, path = "/v3/conversations/{conversation}/activities/{activity}", tag = "Conversations", operation_id = "deleteActivity",
    summary = "Take away what the bot said", description = "Clients that have it get a `messageDelete`.",
    responses((status = 200, description = "It is gone."))
)]
pub(super) async fn delete(State(app): State<App>, named: Named) -> Result<StatusCode, ApiError> {
    let Named { bot, conversation, activity, .. } = named;
    app.conversations.delete_from_bot(&bot, &conversation, &activity).await?;
    Ok(StatusCode::OK)
}

/// `POST …/v3/conversations/{conversation}/activities/history`
///
/// Logs what was said elsewhere, all of it or nothing; answers with the id of the last.
#[utoipa::path(
    post, path = "/v3/conversations/{conversation}/activities/history", tag = "Conversations", operation_id = "sendConversationHistory",
    summary = "Add what was said elsewhere", description = "All of it or nothing.",
    request_body = shapes::Transcript,
    responses((status = 200, description = "The id of the last.", body = shapes::ResourceResponse))
)]
pub(super) async fn upload_history(
    State(app): State<App>,
    named: Named,
    TranscriptBody(transcript): TranscriptBody,
) -> Result<Json<ResourceResponse>, ApiError> {
    let id = app.conversations.upload_history(&named.bot, &named.conversation, transcript).await?;
    app.metrics.activity_accepted(ActivityOrigin::Bot);
    Ok(Json(ResourceResponse { id }))
}
