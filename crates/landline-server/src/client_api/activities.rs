//! Sending an activity, and polling for them.

use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use landline_core::{Begin, ClientSend, History, Next, Seen};
use landline_protocol::{ActivitySet, Position, ResourceResponse, UserId};
use tokio::time::{Instant, timeout};

use super::credentials::{Participant, check_user};
use super::let_in::LetIn;
use super::query;
use crate::body::ActivityBody;
use crate::error::ApiError;
use crate::http::{HISTORY_EXPIRED, Peer};
use crate::openapi::shapes;
use crate::overload::Door;
use crate::send_name::SendName;
use crate::state::App;
use crate::telemetry::ActivityOrigin;

/// `POST /v3/directline/conversations/{conversation}/activities`
///
/// Logs the activity, gives it to the bot, answers with its id. A failing bot is a 502 or 504, yet the activity stays in
/// the conversation.
/// Source: Direct Line 3.0, "Send an activity to the bot".
#[utoipa::path(
    post, path = "/v3/directline/conversations/{conversation}/activities", tag = "Activities", operation_id = "postActivity",
    summary = "Send an activity", description = "Answered when it is durable and the bot has taken it.",
    params(("idempotency-key" = Option<String>, Header, description = "A repeat under the same key is no second activity. An extension.")),
    request_body = shapes::Activity,
    responses(
        (status = 200, description = "Its id.", body = shapes::ResourceResponse),
        (status = 502, description = "It is in the conversation, and the bot has not taken it.", body = shapes::Error),
        (status = 504, description = "It is in the conversation, and the bot did not answer in time.", body = shapes::Error)
    )
)]
pub(super) async fn send(
    State(app): State<App>,
    LetIn(_until_answered): LetIn,
    participant: Participant,
    SendName(idempotency_key): SendName,
    ActivityBody(activity): ActivityBody,
) -> Result<Json<ResourceResponse>, ApiError> {
    let user = participant.caller.user();
    if user.is_none() {
        // A service says who speaks. Where it names nobody, that is refused where it is read.
        let named = activity.from_id().and_then(|id| id.parse::<UserId>().ok());
        named.map_or(Ok(()), |id| check_user(&participant.caller.site, Some(&id), String::new))?;
    }
    let send = ClientSend { conversation: participant.conversation, user, activity, idempotency_key };
    let id = app.conversations.send_from_client(send).await?;
    app.metrics.activity_accepted(ActivityOrigin::Client);
    Ok(Json(ResourceResponse { id }))
}

/// `GET /v3/directline/conversations/{conversation}/activities?watermark=&wait=`
///
/// What comes after the watermark, up to a page. With `wait`, our extension, an answer that would be empty is held back
/// until something comes. Where clients see nothing of a lot that comes next, it is empty, and has a watermark behind
/// that: then the next poll goes on there.
/// Source: Direct Line 3.0, "Receive activities from the bot", polling.
#[utoipa::path(
    get, path = "/v3/directline/conversations/{conversation}/activities", tag = "Activities", operation_id = "getActivities",
    summary = "Receive activities", description = "What comes after the watermark, up to a page.",
    params(
        ("watermark" = Option<String>, Query, description = "The last one seen; absent or empty: from the first activity."),
        ("wait" = Option<u64>, Query, description = "For how many seconds to hold back an answer that would be empty. An extension.", maximum = 19)
    ),
    responses((status = 200, description = "Activities, and the watermark behind them.", body = shapes::ActivitySet))
)]
pub(super) async fn poll(
    State(app): State<App>,
    axum::Extension(peer): axum::Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    participant: Participant,
) -> Result<Response, ApiError> {
    let begin = Begin::of_poll(query::watermark(query.as_deref())?);
    let wait = query::wait(query.as_deref())?;
    let conversation = &participant.conversation;
    let after = app.conversations.begin(conversation, begin).await?;
    let came = Instant::now();
    let who = participant.caller.who(Some(conversation), None);
    if Box::pin(app.overload.pass(Door::Poll, &who)).await.is_err() {
        // Never refused: the stock client stops polling for good. That there is nothing new yet, where it is, is true of
        // whatever it has not been shown.
        return Ok(activity_set(&app, &[], after));
    }
    // Whoever was held back has waited already.
    let wait = wait.saturating_sub(came.elapsed());
    let mut follower = app.conversations.follow(conversation, after).await?;
    follower.skip_live();
    let History { activities, mut watermark, expired, at_end } = follower.history().await?;
    let mut activities = bodies(activities);
    if activities.is_empty() && at_end && wait > Duration::ZERO {
        app.metrics.poll_held();
        let next = tokio::select! {
            next = timeout(wait, follower.next()) => next.ok().transpose()?,
            () = app.closing.cancelled() => None,
        };
        watermark = follower.position();
        activities = match next {
            Some(Next::Activities(activities)) => bodies(activities),
            Some(Next::Transient(activity)) => vec![activity],
            None => Vec::new(),
        };
    }
    let base = app.public_url.http_base(&headers, peer.0.ip()).unwrap_or_default();
    let now = app.now();
    let activities: Vec<_> =
        activities.into_iter().map(|activity| app.links.render(activity, &base, now)).collect();
    let mut response = activity_set(&app, &activities, watermark);
    if expired {
        response.headers_mut().insert(HISTORY_EXPIRED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Counts until the client has taken it.
fn activity_set(app: &App, activities: &[Bytes], watermark: Position) -> Response {
    let page = app.overload.memory.hold_bytes(ActivitySet::to_json(activities, watermark).into());
    let mut response = page.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

fn bodies(activities: Vec<Seen>) -> Vec<Bytes> {
    activities.into_iter().map(|seen| seen.activity).collect()
}
