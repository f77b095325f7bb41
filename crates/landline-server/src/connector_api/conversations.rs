//! Beginning a conversation, and listing those that there are.

use axum::Json;
use axum::extract::{RawQuery, State};
use http::StatusCode;
use landline_auth::{open, seal};
use landline_core::{CreateConversation, Listed};
use landline_protocol::{
    BotName, ConversationId, ConversationMembersBody, ConversationParameters, ConversationResourceBody,
    ConversationsBody, SiteName,
};

use super::credentials::CallingBot;
use super::members::body;
use crate::body::JsonBytes;
use crate::client_api::query::parameter;
use crate::directory::{Bot, Snapshot};
use crate::error::ApiError;
use crate::openapi::shapes;
use crate::state::App;
use crate::telemetry::ActivityOrigin;

/// `POST …/v3/conversations`
///
/// 201 with a conversation for which the site issues tokens (`tokens/generate` with its `conversationId`).
#[utoipa::path(
    post, path = "/v3/conversations", tag = "Conversations", operation_id = "createConversation",
    summary = "Begin a conversation", description = "For whose members the site issues tokens.",
    request_body = Option<shapes::ConversationParameters>,
    responses((status = 201, description = "The conversation.", body = shapes::ConversationResource))
)]
pub(super) async fn create(
    State(app): State<App>,
    CallingBot(bot): CallingBot,
    JsonBytes(bytes): JsonBytes,
) -> Result<(StatusCode, Json<ConversationResourceBody>), ApiError> {
    let wanted = ConversationParameters::parse(&bytes)?;
    let site = site(&app.directory.snapshot(), &bot, wanted.site.as_deref())?;
    let create =
        CreateConversation { bot: bot.name.clone(), site, users: wanted.members, activity: wanted.activity };
    let created = app.conversations.create_from_bot(create).await?;
    if created.activity.is_some() {
        app.metrics.activity_accepted(ActivityOrigin::Bot);
    }
    let service_url = bot.service_url.expose().to_string();
    let body = ConversationResourceBody { id: created.id, activity_id: created.activity, service_url };
    Ok((StatusCode::CREATED, Json(body)))
}

/// The site that the bot names, or else its only one. Sites of other bots are none.
fn site(directory: &Snapshot, bot: &Bot, named: Option<&str>) -> Result<SiteName, ApiError> {
    let mut sites = directory.sites.values().filter(|site| site.bot == bot.name).map(|site| &site.name);
    let problem = match named {
        Some(named) => match sites.find(|site| site.as_str() == named) {
            Some(site) => return Ok(site.clone()),
            None => "channelData.site: this bot has no site of that name",
        },
        None => match (sites.next(), sites.next()) {
            (Some(only), None) => return Ok(only.clone()),
            (Some(_), Some(_)) => "this bot has several sites; name one in channelData.site",
            (None, _) => "this bot has no site, and so nobody to talk to; add one with \"landline site add\"",
        },
    };
    Err(ApiError::bad_argument(problem))
}

/// `GET …/v3/conversations?continuationToken=`
///
/// Those of the calling bot, a part at a time. Where it goes on is sealed: it may be a conversation of another bot.
#[utoipa::path(
    get, path = "/v3/conversations", tag = "Conversations", operation_id = "getConversations",
    summary = "List conversations", description = "Those of the bot.",
    params(("continuationToken" = Option<String>, Query, description = "Where the part before ended.")),
    responses((status = 200, description = "A part of them; may be empty though it goes on.", body = shapes::Conversations))
)]
pub(super) async fn list(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    CallingBot(bot): CallingBot,
) -> Result<Json<ConversationsBody>, ApiError> {
    let token = parameter(query.as_deref(), "continuationToken").filter(|token| !token.is_empty());
    let after = token.map(|token| opened(&app, &bot.name, &token)).transpose()?;
    let Listed { conversations, next } = app.conversations.list(&bot.name, after).await?;
    let conversations = conversations
        .into_iter()
        .map(|(id, members)| ConversationMembersBody { id, members: members.into_iter().map(body).collect() })
        .collect();
    let continuation_token = next.map(|next| sealed(&app, &bot.name, &next)).transpose()?;
    Ok(Json(ConversationsBody { conversations, continuation_token }))
}

/// What a token of one bot is for, so that it opens for no other.
fn usage(bot: &BotName) -> String {
    format!("conversations of {bot}")
}

fn sealed(app: &App, bot: &BotName, next: &ConversationId) -> Result<String, ApiError> {
    let mut nonce = [0; 12];
    app.entropy.fill(&mut nonce);
    seal(&app.key_ring.current(), &usage(bot), next.as_str().as_bytes(), nonce)
        .map_err(|error| ApiError::service_error(format!("a place in a list could not be sealed: {error}")))
}

fn opened(app: &App, bot: &BotName, token: &str) -> Result<ConversationId, ApiError> {
    let bad =
        || ApiError::bad_argument("continuationToken: not one of ours, or too old; begin again without it");
    let bytes = open(&app.key_ring.current(), &usage(bot), token).map_err(|_| bad())?;
    std::str::from_utf8(&bytes).ok().and_then(|id| id.parse().ok()).ok_or_else(bad)
}
