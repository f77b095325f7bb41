//! The bot side: the part of the Bot Framework Connector API by which a bot answers.
//!
//! Every route hangs on two bases: `/connector`, where a bot shows a token, and `/connector/{capability}`, where the
//! address itself is what only the bot knows. Which bot calls is found out in [`credentials`].
//!
//! Source: Bot Framework REST reference, "Conversation operations".

mod credentials;

use axum::extract::{FromRequestParts, Path, State};
use axum::routing::{MethodRouter, post};
use axum::{Json, Router};
use http::request::Parts;
use landline_protocol::{BotName, ConversationId, ResourceResponse};

use self::credentials::CallingBot;

use crate::body::ActivityBody;
use crate::error::ApiError;
use crate::state::App;
use crate::telemetry::ActivityOrigin;

/// The routes of the Connector API.
pub fn routes() -> Router<App> {
    let both = |router: Router<App>, path: &str, to: MethodRouter<App>| {
        router
            .route(&format!("/connector{path}"), to.clone())
            .route(&format!("/connector/{{capability}}{path}"), to)
    };
    let router = both(Router::new(), "/v3/conversations/{conversation}/activities", post(send));
    both(router, "/v3/conversations/{conversation}/activities/{activity}", post(reply))
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

/// The bot that calls, and what the path names.
struct Bot {
    name: BotName,
    conversation: ConversationId,
    activity: Option<String>,
}

#[derive(serde::Deserialize)]
struct Named {
    conversation: String,
    activity: Option<String>,
}

impl FromRequestParts<App> for Bot {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let CallingBot(bot) = CallingBot::from_request_parts(parts, app).await?;
        let named = Path::<Named>::from_request_parts(parts, app).await;
        let Path(named) = named.map_err(|_| ApiError::conversation_not_found())?;
        let conversation = named.conversation.parse().map_err(|_| ApiError::conversation_not_found())?;
        Ok(Self { name: bot.name.clone(), conversation, activity: named.activity })
    }
}
