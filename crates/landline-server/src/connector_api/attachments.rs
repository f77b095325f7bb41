//! Files that bots keep here and fetch.
//!
//! A bot sends a file as text in JSON, which cannot be passed on as it arrives. So the whole body is in memory for a
//! while, and how many bytes of such bodies there are at a time is bounded (`room`): who comes when there is no room waits.
//!
//! The id of an attachment names its conversation, so that an attachment of another bot is one that never was, as its
//! conversation is.
//!
//! Source: Bot Framework REST reference, "Upload attachment to channel", "Get attachment info", "Get attachment".
//!
//! Not here: how a file is answered (`files::serve`), what stands for it in an activity (`landline_core::files`).

pub(crate) mod room;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use landline_core::Unavailable;
use landline_core::files::{KIND_BYTES, NewFile, StoredFile, Upload, UploadError, served_type};
use landline_core::store::View;
use landline_protocol::{
    AttachmentInfoBody, AttachmentUpload, AttachmentViewBody, ConversationId, FileId, RequestBodyError,
    ResourceResponse,
};
use serde::Deserialize;

use super::credentials::CallingBot;
use super::named::Named;
use crate::body::read_json;
use crate::error::ApiError;
use crate::files::{ServedView, refused_because, serve};
use crate::http::discard_body;
use crate::limits::{BOT_FILE_BODY_BYTES, BOT_FILE_BYTES, BOT_FILE_BYTES_AS_TEXT, BOT_FILE_PIECE};
use crate::openapi::shapes;
use crate::state::App;
use crate::telemetry::FileRefused;

/// What a thumbnail may be.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// `POST …/v3/conversations/{conversation}/attachments`
///
/// Keeps a file; answers with its id, by which the bot fetches it and names it in activities.
#[utoipa::path(
    post, path = "/v3/conversations/{conversation}/attachments", tag = "Conversations", operation_id = "uploadAttachment",
    summary = "Keep a file",
    request_body = shapes::AttachmentUpload,
    responses(
        (status = 200, description = "Its id, by which activities name it.", body = shapes::ResourceResponse)
    )
)]
pub(super) async fn upload(
    State(app): State<App>,
    named: Named,
    request: Request,
) -> Result<Json<ResourceResponse>, ApiError> {
    let Named { bot, conversation, .. } = named;
    let (parts, body) = request.into_parts();
    // First, so that no memory is taken for what could not be kept.
    let upload = match app.conversations.upload_from_bot(&bot, &conversation).await {
        Ok(upload) => upload,
        Err(error) => {
            discard_body(&parts.headers, body).await;
            return Err(not_kept(&app, error));
        }
    };
    let most = app.conversations.limits().file_bytes.min(BOT_FILE_BYTES);
    let limit = body_limit(most);
    let _room = match app.bot_file_room.take(room::announced(&parts.headers, limit)).await {
        Ok(room) => room,
        Err(busy) => {
            app.metrics.file_refused(FileRefused::Busy);
            discard_body(&parts.headers, body).await;
            return Err(busy);
        }
    };
    let bytes = read_json(&parts.headers, body, limit, &app).await;
    let bytes = bytes.inspect_err(|error| {
        let is_large = error.status == StatusCode::PAYLOAD_TOO_LARGE;
        app.metrics.file_refused(if is_large { FileRefused::TooBig } else { FileRefused::Malformed });
    })?;
    let sent = parse(bytes).await.inspect_err(|_| app.metrics.file_refused(FileRefused::Malformed))?;
    match keep(upload, sent, most).await {
        Ok(file) => Ok(Json(ResourceResponse { id: id_of(&conversation, &file.id) })),
        Err(error) => Err(not_kept(&app, error)),
    }
}

/// The largest body that may hold a file of so many bytes: in the longest spelling of an SDK, and not more than there is
/// room for.
fn body_limit(most: u64) -> usize {
    let as_text = usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(BOT_FILE_BYTES_AS_TEXT);
    as_text.saturating_add(BOT_FILE_PIECE).min(BOT_FILE_BODY_BYTES)
}

/// Beside the runtime: a large body takes a while.
async fn parse(bytes: Bytes) -> Result<AttachmentUpload, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Err(RequestBodyError::Missing("originalBase64").into());
    }
    let parsed = tokio::task::spawn_blocking(move || AttachmentUpload::parse(&bytes)).await;
    match parsed {
        Ok(parsed) => parsed.map_err(ApiError::from),
        Err(error) => Err(ApiError::service_error(format!("an attachment was not read to its end: {error}"))),
    }
}

async fn keep(mut upload: Upload, sent: AttachmentUpload, most: u64) -> Result<StoredFile, UploadError> {
    let AttachmentUpload { content_type, name, original, thumbnail } = sent;
    write(&mut upload, NewFile { name, content_type }, View::Original, original, most).await?;
    if let Some(thumbnail) = thumbnail {
        let said = NewFile { name: None, content_type: picture(&thumbnail) };
        write(&mut upload, said, View::Thumbnail, thumbnail, most).await?;
    }
    upload.keep().await
}

/// Of which type a picture is: of a thumbnail, nobody says it.
fn picture(bytes: &[u8]) -> Option<String> {
    let first = bytes.get(..KIND_BYTES).unwrap_or(bytes);
    let kind = PICTURES.into_iter().find(|kind| served_type(Some(kind), first) == *kind);
    kind.map(str::to_owned)
}

async fn write(
    upload: &mut Upload,
    said: NewFile,
    view: View,
    bytes: Vec<u8>,
    most: u64,
) -> Result<(), UploadError> {
    if bytes.len() as u64 > most {
        return Err(UploadError::TooBig { limit: most });
    }
    upload.begin(said, view).await?;
    let mut bytes = Bytes::from(bytes);
    while !bytes.is_empty() {
        let piece = bytes.split_to(bytes.len().min(BOT_FILE_PIECE));
        upload.write(piece).await?;
    }
    upload.end().await
}

fn not_kept(app: &App, error: UploadError) -> ApiError {
    if let Some(reason) = refused_because(&error) {
        app.metrics.file_refused(reason);
    }
    error.into()
}

/// `GET …/v3/attachments/{attachment}`
///
/// What it is called, what it is served as, and what there is of it.
#[utoipa::path(
    get, path = "/v3/attachments/{attachment}", tag = "Conversations", operation_id = "getAttachmentInfo",
    summary = "What is known of a file",
    responses((status = 200, description = "Its name, type and views.", body = shapes::AttachmentInfo))
)]
pub(super) async fn info(Attachment { file, .. }: Attachment) -> Json<AttachmentInfoBody> {
    let view = |view: View| {
        let kept = file.view(view)?;
        Some(AttachmentViewBody { view_id: view.as_str(), size: kept.bytes })
    };
    let views = [View::Original, View::Thumbnail].into_iter().filter_map(view).collect();
    Json(AttachmentInfoBody { name: file.name, content_type: file.content_type, views })
}

/// `GET|HEAD …/v3/attachments/{attachment}/views/{view}`
///
/// The bytes, or a part of them.
#[utoipa::path(
    get, path = "/v3/attachments/{attachment}/views/{view}", tag = "Conversations", operation_id = "getAttachment",
    summary = "Fetch a file",
    params(("range" = Option<String>, Header, description = "A part of it.")),
    responses(
        (status = 200, description = "The file.", content_type = "*/*"),
        (status = 206, description = "The part.", content_type = "*/*"),
        (status = 304, description = "It is what the bot has."),
        (status = 416, description = "There is no such part.")
    )
)]
pub(super) async fn view(
    State(app): State<App>,
    attachment: Attachment,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Attachment { conversation, file, view } = attachment;
    let view = view.ok_or_else(ApiError::file_not_found)?;
    let served = ServedView { conversation: &conversation, file: &file, view };
    serve(&app.conversations, &app.metrics, served, &method, &headers).await
}

/// What the path names, where it is the calling bot's.
pub(super) struct Attachment {
    conversation: ConversationId,
    file: StoredFile,
    /// `None` where the path names none, or one that there never is.
    view: Option<View>,
}

#[derive(Deserialize)]
struct Segments {
    attachment: String,
    #[serde(default)]
    view: String,
}

impl FromRequestParts<App> for Attachment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let CallingBot(bot) = CallingBot::from_request_parts(parts, app).await?;
        let named = Path::<Segments>::from_request_parts(parts, app).await;
        let Path(Segments { attachment, view }) = named.map_err(|_| ApiError::file_not_found())?;
        let (conversation, file) = named_by(&attachment).ok_or_else(ApiError::file_not_found)?;
        let found = app.conversations.file_of_bot(&bot.name, &conversation, &file).await;
        let found = found.map_err(|error| match error {
            Unavailable::NotFound => ApiError::file_not_found(),
            error @ (Unavailable::Damaged(_) | Unavailable::Store(_)) => error.into(),
        })?;
        let file = found.ok_or_else(ApiError::file_not_found)?;
        Ok(Self { conversation, file, view: View::parse(&view) })
    }
}

/// The id by which a bot knows a file.
fn id_of(conversation: &ConversationId, file: &FileId) -> String {
    format!("{conversation}.{file}")
}

/// Neither part of an id holds a dot.
fn named_by(id: &str) -> Option<(ConversationId, FileId)> {
    let (conversation, file) = id.split_once('.')?;
    Some((conversation.parse().ok()?, file.parse().ok()?))
}
