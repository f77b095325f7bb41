//! The bot side: the part of the Bot Framework Connector API by which a bot without an app id answers.
//!
//! Such a bot shows no credentials. What it has instead is the address: its `serviceUrl` holds a segment that nobody can
//! guess, and every route hangs below it.
//!
//! Source: Bot Framework REST reference, "Conversation operations".

use axum::extract::{FromRequestParts, Path, State};
use axum::routing::post;
use axum::{Json, Router};
use http::request::Parts;
use landline_protocol::{BotName, ConversationId, ResourceResponse};

use crate::body::ActivityBody;
use crate::error::ApiError;
use crate::state::App;
use crate::telemetry::ActivityOrigin;

/// The routes of the Connector API.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/connector/{capability}/v3/conversations/{conversation}/activities", post(send))
        .route("/connector/{capability}/v3/conversations/{conversation}/activities/{activity}", post(reply))
}

/// `POST …/v3/conversations/{conversation}/activities`
///
/// Logs what the bot says; answers with the id that clients see, once it is durable.
async fn send(
    State(app): State<App>,
    Bot { name, conversation, .. }: Bot,
    ActivityBody(activity): ActivityBody,
) -> Result<Json<ResourceResponse>, ApiError> {
    say(&app, &name, &conversation, activity, None).await
}

/// `POST …/v3/conversations/{conversation}/activities/{activity}`
///
/// As [`send`], in reply to an activity.
async fn reply(
    State(app): State<App>,
    Bot { name, conversation, activity: reply_to }: Bot,
    ActivityBody(activity): ActivityBody,
) -> Result<Json<ResourceResponse>, ApiError> {
    say(&app, &name, &conversation, activity, reply_to.as_deref()).await
}

async fn say(
    app: &App,
    bot: &BotName,
    conversation: &ConversationId,
    activity: landline_protocol::Activity,
    reply_to: Option<&str>,
) -> Result<Json<ResourceResponse>, ApiError> {
    let id = app.conversations.send_from_bot(bot, conversation, activity, reply_to).await?;
    app.metrics.activity_accepted(ActivityOrigin::Bot);
    Ok(Json(ResourceResponse { id }))
}

/// The bot that the path proves, and what it names.
struct Bot {
    name: BotName,
    conversation: ConversationId,
    activity: Option<String>,
}

#[derive(serde::Deserialize)]
struct Named {
    capability: String,
    conversation: String,
    activity: Option<String>,
}

impl FromRequestParts<App> for Bot {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let named = Path::<Named>::from_request_parts(parts, app).await;
        let Path(named) = named.map_err(|_| ApiError::conversation_not_found())?;
        let directory = app.directory.snapshot();
        // The same answer as for a conversation that is not there: the address is the credential.
        let bot =
            directory.bot_by_capability(&named.capability).ok_or_else(ApiError::conversation_not_found)?;
        let conversation = named.conversation.parse().map_err(|_| ApiError::conversation_not_found())?;
        Ok(Self { name: bot.name.clone(), conversation, activity: named.activity })
    }
}
