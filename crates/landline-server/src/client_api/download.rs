//! Handing out a file to whoever has a link to it: a picture in a page has no way to show a token.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use landline_auth::FileLinkError;
use landline_core::store::View;
use landline_protocol::{ConversationId, FileId};

use crate::error::ApiError;
use crate::files::{Presented, ServedView, serve};
use crate::state::App;

/// `GET|HEAD /v3/directline/conversations/{conversation}/files/{file}/{view}/{name}?e=&s=`
///
/// The file, or a part of it. What is not what was signed is 403, as is what has expired; what is gone is 404.
#[utoipa::path(
    get, path = "/v3/directline/conversations/{conversation}/files/{file}/{view}/{name}", tag = "Files", operation_id = "download",
    summary = "Fetch a file", description = "By the link as it stands in an activity.",
    params(
        ("e" = String, Query, description = "Part of the link."), ("s" = String, Query, description = "Part of the link."),
        ("range" = Option<String>, Header, description = "A part of it.")
    ),
    responses(
        (status = 200, description = "The file.", content_type = "*/*"),
        (status = 206, description = "The part.", content_type = "*/*"),
        (status = 304, description = "It is what the client has."),
        (status = 416, description = "There is no such part.")
    ),
    security(())
)]
pub(super) async fn download(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    path: Result<Path<(String, String, String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path((conversation, file, view, name)) = path.map_err(|_| not_ours())?;
    let conversation: ConversationId = conversation.parse().map_err(|_| not_ours())?;
    let file: FileId = file.parse().map_err(|_| not_ours())?;
    let view = View::parse(&view).ok_or_else(not_ours)?;
    let link = Presented { conversation: &conversation, file: &file, view, name: &name, query: uri.query() };
    app.links.verify(&link, app.now()).map_err(|error| match error {
        FileLinkError::Invalid => not_ours(),
        FileLinkError::Expired => ApiError::token_expired(
            "the link has expired; read the conversation again to get a new one, as long as the file is kept",
        ),
    })?;
    let file = app.conversations.file(&conversation, &file).await?.ok_or_else(ApiError::file_not_found)?;
    let served = ServedView { conversation: &conversation, file: &file, view };
    serve(&app.conversations, &app.metrics, served, &method, &headers).await
}

fn not_ours() -> ApiError {
    ApiError::forbidden("the link to the file is not one that was given out; use it as it was given")
}
