//! What the path names, behind the base.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use landline_protocol::{BotName, ConversationId};
use serde::Deserialize;

use super::credentials::CallingBot;
use crate::error::ApiError;
use crate::state::App;

/// The bot that calls, and what it names. Whether the conversation is one of its own is for the domain to say.
pub(super) struct Named {
    pub(super) bot: BotName,
    pub(super) conversation: ConversationId,
    /// The id of an activity as it was sent; empty where the path has none.
    pub(super) activity: String,
    /// The id of a member as it was sent; empty where the path has none.
    pub(super) member: String,
}

#[derive(Deserialize)]
struct Segments {
    conversation: String,
    #[serde(default)]
    activity: String,
    #[serde(default)]
    member: String,
}

impl FromRequestParts<App> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let CallingBot(bot) = CallingBot::from_request_parts(parts, app).await?;
        let named = Path::<Segments>::from_request_parts(parts, app).await;
        let Path(named) = named.map_err(|_| ApiError::conversation_not_found())?;
        let conversation = named.conversation.parse().map_err(|_| ApiError::conversation_not_found())?;
        let Segments { activity, member, .. } = named;
        Ok(Self { bot: bot.name.clone(), conversation, activity, member })
    }
}
