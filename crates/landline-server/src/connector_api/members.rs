//! Who is in a conversation.

use axum::Json;
use axum::extract::{RawQuery, State};
use http::StatusCode;
use landline_core::{Member, MemberError, MemberRole};
use landline_protocol::{MemberBody, PagedMembersBody};

use super::named::Named;
use crate::client_api::query::parameter;
use crate::error::ApiError;
use crate::limits::MEMBERS_PAGE;
use crate::openapi::shapes;
use crate::state::App;

/// `GET …/v3/conversations/{conversation}/members`
///
/// The bot and every user seen.
#[utoipa::path(
    get, path = "/v3/conversations/{conversation}/members", tag = "Conversations", operation_id = "getConversationMembers",
    summary = "Who is here",
    responses((status = 200, description = "The bot and every user seen.", body = Vec<shapes::Member>))
)]
pub(super) async fn all(State(app): State<App>, named: Named) -> Result<Json<Vec<MemberBody>>, ApiError> {
    let members = app.conversations.members(&named.bot, &named.conversation).await?;
    Ok(Json(members.into_iter().map(body).collect()))
}

/// `GET …/v3/conversations/{conversation}/members/{member}`
#[utoipa::path(
    get, path = "/v3/conversations/{conversation}/members/{member}", tag = "Conversations", operation_id = "getConversationMember",
    summary = "One of them",
    responses((status = 200, description = "The member.", body = shapes::Member))
)]
pub(super) async fn one(State(app): State<App>, named: Named) -> Result<Json<MemberBody>, ApiError> {
    let members = app.conversations.members(&named.bot, &named.conversation).await?;
    let member = members.into_iter().find(|member| member.id == named.member);
    Ok(Json(body(member.ok_or(MemberError::NoSuchMember)?)))
}

/// `GET …/v3/conversations/{conversation}/pagedmembers?pageSize=&continuationToken=`
///
/// In order of their ids, so that nobody is passed over when others come or go between two pages. The token is the id
/// of the last one: the bot knows it.
#[utoipa::path(
    get, path = "/v3/conversations/{conversation}/pagedmembers", tag = "Conversations", operation_id = "getConversationPagedMembers",
    summary = "Who is here, in parts",
    params(("pageSize" = Option<u32>, Query, description = "A wish.", minimum = 1), ("continuationToken" = Option<String>, Query, description = "Where the part before ended.")),
    responses((status = 200, description = "A part.", body = shapes::PagedMembers))
)]
pub(super) async fn page(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    named: Named,
) -> Result<Json<PagedMembersBody>, ApiError> {
    let size = page_size(query.as_deref())?;
    let behind = parameter(query.as_deref(), "continuationToken").filter(|token| !token.is_empty());
    let mut members = app.conversations.members(&named.bot, &named.conversation).await?;
    members.sort_by(|a, b| a.id.cmp(&b.id));
    members.retain(|member| behind.as_ref().is_none_or(|behind| member.id > *behind));
    let goes_on = members.len() > size;
    members.truncate(size);
    let continuation_token = members.last().filter(|_| goes_on).map(|last| last.id.clone());
    Ok(Json(PagedMembersBody { members: members.into_iter().map(body).collect(), continuation_token }))
}

/// A wish: more than a page is never given.
fn page_size(query: Option<&str>) -> Result<usize, ApiError> {
    match parameter(query, "pageSize").filter(|text| !text.is_empty()) {
        None => Ok(MEMBERS_PAGE),
        Some(text) => match text.parse::<usize>() {
            Ok(size) if size > 0 => Ok(size.min(MEMBERS_PAGE)),
            _ => {
                Err(ApiError::bad_argument(format!("pageSize: send a whole number from 1 to {MEMBERS_PAGE}")))
            }
        },
    }
}

/// `GET …/v3/conversations/{conversation}/activities/{activity}/members`
///
/// Those of the conversation, where the activity is in it.
#[utoipa::path(
    get, path = "/v3/conversations/{conversation}/activities/{activity}/members", tag = "Conversations", operation_id = "getActivityMembers",
    summary = "Who is here, by an activity",
    responses((status = 200, description = "Those of the conversation.", body = Vec<shapes::Member>))
)]
pub(super) async fn of_activity(
    State(app): State<App>,
    named: Named,
) -> Result<Json<Vec<MemberBody>>, ApiError> {
    let Named { bot, conversation, activity, .. } = named;
    let members = app.conversations.members_of_activity(&bot, &conversation, &activity).await?;
    Ok(Json(members.into_iter().map(body).collect()))
}

/// `DELETE …/v3/conversations/{conversation}/members/{member}`
///
/// The bot hears of it by a `conversationUpdate`; the user comes back with what they say next.
#[utoipa::path(
    delete, path = "/v3/conversations/{conversation}/members/{member}", tag = "Conversations", operation_id = "deleteConversationMember",
    summary = "Send a user away",
    responses((status = 200, description = "They are gone, until they say something."))
)]
pub(super) async fn remove(State(app): State<App>, named: Named) -> Result<StatusCode, ApiError> {
    let Named { bot, conversation, member, .. } = named;
    app.conversations.remove_member(&bot, &conversation, &member).await?;
    Ok(StatusCode::OK)
}

pub(super) fn body(member: Member) -> MemberBody {
    let role = match member.role {
        MemberRole::Bot => "bot",
        MemberRole::User => "user",
    };
    MemberBody { id: member.id, name: member.name, role }
}
