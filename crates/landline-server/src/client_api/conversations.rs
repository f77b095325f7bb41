//! Starting a conversation, and coming back to one.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use landline_auth::{ClientToken, STREAM_TICKET_TTL, StreamTicket};
use landline_core::store::Created;
use landline_core::{Begin, StartConversation};
use landline_protocol::{ConversationBody, Position, StartRequest};

use super::credentials::{Caller, Participant, check_user};
use super::{query, tokens};
use crate::body::JsonBytes;
use crate::directory::Site;
use crate::error::ApiError;
use crate::http::Peer;
use crate::openapi::shapes;
use crate::state::App;

/// `POST /v3/directline/conversations`
///
/// 201 when it started a conversation, 200 when the token's was started before. The stream begins at the first
/// activity. Never waits for the bot: the stock client takes any error here for final.
/// Source: Direct Line 3.0, "Start a conversation".
#[utoipa::path(
    post, path = "/v3/directline/conversations", tag = "Conversations", operation_id = "startConversation",
    summary = "Start a conversation", description = "With the site's secret a new one, with a token that of the token.",
    request_body = Option<shapes::StartRequest>,
    responses(
        (status = 201, description = "It was started.", body = shapes::Conversation),
        (status = 200, description = "It was started before.", body = shapes::Conversation)
    )
)]
pub(super) async fn start(
    State(app): State<App>,
    axum::Extension(peer): axum::Extension<Peer>,
    headers: HeaderMap,
    caller: Caller,
    JsonBytes(body): JsonBytes,
) -> Result<impl IntoResponse, ApiError> {
    let request = StartRequest::parse(&body)?;
    let origins = tokens::origins_for(&caller.site, request.trusted_origins)?;
    let user = caller.user().or(request.user);
    check_user(&caller.site, user.as_ref().map(|user| &user.id), || {
        "the property \"user\" is required, because this site has enhanced authentication".into()
    })?;
    let token = match &caller.token {
        Some(token) => tokens::refreshed(&app, &caller.site, token),
        None => {
            let new = app.conversations.new_conversation_id();
            tokens::new_token(&app, &caller.site, new, user.clone(), origins)
        }
    };
    // First whatever can refuse it: a start that is refused has started nothing.
    let body = conversation_body(&app, &caller.site, &token, Position::START, &headers, peer)?;
    let start = StartConversation {
        conversation: token.conversation,
        site: caller.site.name.clone(),
        bot: caller.site.bot.clone(),
        user,
        locale: request.locale,
    };
    let status = match app.conversations.start(start).await? {
        Created::New => StatusCode::CREATED,
        Created::Existed => StatusCode::OK,
    };
    Ok((status, Json(body)))
}

/// `GET /v3/directline/conversations/{conversation}?watermark=`
///
/// A fresh token and a new stream. Where the stream begins is fixed now and travels in its URL.
/// Source: Direct Line 3.0, "Reconnect to a conversation".
#[utoipa::path(
    get, path = "/v3/directline/conversations/{conversation}", tag = "Conversations", operation_id = "reconnectToConversation",
    summary = "Reconnect", description = "A fresh token and a new stream, which begins behind the watermark.",
    params(("watermark" = Option<String>, Query, description = "The last one seen; empty: from the first activity.")),
    responses((status = 200, description = "The conversation.", body = shapes::Conversation))
)]
pub(super) async fn reconnect(
    State(app): State<App>,
    axum::Extension(peer): axum::Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    Participant { caller, conversation, facts }: Participant,
) -> Result<Json<ConversationBody>, ApiError> {
    let watermark = query::watermark(query.as_deref())?;
    let begin = Begin::of_reconnect(watermark, caller.site.empty_watermark_is_history);
    let position = app.conversations.begin(&conversation, begin).await?;
    let token = match &caller.token {
        Some(token) => tokens::refreshed(&app, &caller.site, token),
        None => {
            check_user(&caller.site, facts.user.as_ref(), || {
                "the conversation has no user, and this site has enhanced authentication: ask for a token with \
                 \"user\" and \"conversationId\" at tokens/generate"
                    .into()
            })?;
            let user = facts
                .user
                .clone()
                .map(|id| landline_protocol::ChannelAccount { id, name: facts.user_name.clone() });
            tokens::new_token(&app, &caller.site, conversation, user, Vec::new())
        }
    };
    conversation_body(&app, &caller.site, &token, position, &headers, peer).map(Json)
}

fn conversation_body(
    app: &App,
    site: &Site,
    token: &ClientToken,
    start: Position,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<ConversationBody, ApiError> {
    let now = app.now();
    let ticket = StreamTicket {
        site: site.name.clone(),
        conversation: token.conversation.clone(),
        start,
        trusted_origins: token.trusted_origins.clone(),
        user: token.user.as_ref().map(|user| user.id.clone()),
        expires: site.issue_moment(now).plus(STREAM_TICKET_TTL),
        id: app.unique_id(),
    };
    let ticket = ticket
        .sign(&app.key_ring.current(), now)
        .map_err(|error| ApiError::bad_argument(error.to_string()))?;
    let base = app.public_url.web_socket_base(headers, peer.0.ip()).ok_or_else(|| {
        ApiError::bad_argument("the request has no usable host header, and the server no public_url")
    })?;
    let conversation = &token.conversation;
    Ok(ConversationBody {
        stream_url: format!(
            "{base}/v3/directline/conversations/{conversation}/stream?watermark={start}&t={ticket}"
        ),
        token: tokens::sign(app, token)?,
        reference_grammar_id: site.bot.to_string(),
    })
}
