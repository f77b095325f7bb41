//! Taking files from clients, with the activity that they belong to.
//!
//! Files go to where they are kept as they come, never whole into memory. Whatever is refused, breaks off or is cut
//! leaves nothing: the upload is dropped with the request, and takes its bytes along.
//!
//! Not here: what becomes of files and activity (`landline_core::files`), how they are handed out (`download`).

mod disposition;
mod incoming;
mod parts;
mod places;
mod refused;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use landline_core::ClientSend;
use landline_core::files::{NewFile, Upload};
use landline_core::limits::{FILES_PER_UPLOAD, THUMBNAILS_BYTES};
use landline_core::store::View;
use landline_protocol::{Activity, ChannelAccount, ResourceResponse};

#[cfg(feature = "fuzzing")]
pub(crate) use self::disposition::file_name as sent_file_name;
use self::incoming::{Incoming, too_big};
use self::parts::{boundary, take_parts};
pub(crate) use self::places::Places;
use self::refused::Refused;
use super::credentials::{Caller, Participant, check_user};
use super::let_in::LetIn;
use super::query;
use crate::body::is_packed;
use crate::error::ApiError;
use crate::limits::{RETRY_AFTER, UPLOAD_HELD_BYTES, UPLOAD_PART_HEAD_BYTES};
use crate::openapi::shapes;
use crate::send_name::idempotency_key;
use crate::state::App;
use crate::telemetry::{ActivityOrigin, FileRefused};

/// `POST /v3/directline/conversations/{conversation}/upload?userId=`
///
/// The body is a file; or it is several, and the activity that they belong to, as `multipart/form-data`. Answers as a
/// send does.
/// Source: Direct Line 3.0, "Send an attachment".
#[utoipa::path(
    post, path = "/v3/directline/conversations/{conversation}/upload", tag = "Files", operation_id = "upload",
    summary = "Send files", description = "One as the body, or several and their activity as `multipart/form-data`.",
    params(
        ("userId" = Option<String>, Query, description = "Who sends; needed where the token has no user."),
        ("idempotency-key" = Option<String>, Header, description = "A repeat under the same key is no second activity. An extension.")
    ),
    request_body(content(("*/*"), ("multipart/form-data"))),
    responses(
        (status = 200, description = "The id of the activity.", body = shapes::ResourceResponse),
        (status = 502, description = "It is in the conversation, and the bot has not taken it.", body = shapes::Error),
        (status = 504, description = "It is in the conversation, and the bot did not answer in time.", body = shapes::Error)
    )
)]
pub(super) async fn upload(
    State(app): State<App>,
    request: Request,
) -> Result<Json<ResourceResponse>, ApiError> {
    let (mut parts, body) = request.into_parts();
    let _held = app.overload.memory.hold(UPLOAD_HELD_BYTES);
    let mut incoming = Incoming::new(body, most_bytes(&app), app.body_timeout);
    match answer(&app, &mut parts, &mut incoming).await {
        Ok(id) => Ok(Json(ResourceResponse { id })),
        Err(Refused { error, reason }) => {
            app.metrics.file_refused(reason);
            incoming.discard(parts.headers.contains_key(EXPECT)).await;
            Err(error)
        }
    }
}

/// How many bytes an upload has at the most: its files, an activity, and what is around them.
fn most_bytes(app: &App) -> u64 {
    let limits = app.conversations.limits();
    let bytes = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let files = limits.file_bytes.saturating_mul(bytes(FILES_PER_UPLOAD));
    let heads = bytes(UPLOAD_PART_HEAD_BYTES).saturating_mul(bytes(FILES_PER_UPLOAD + 2));
    files.saturating_add(bytes(limits.activity_bytes + THUMBNAILS_BYTES)).saturating_add(heads)
}

async fn answer(app: &App, parts: &mut Parts, incoming: &mut Incoming) -> Result<String, Refused> {
    let not_let_in = |error| Refused { error, reason: FileRefused::Activity };
    let LetIn(_until_answered) = LetIn::from_request_parts(parts, app).await.map_err(not_let_in)?;
    let participant = Participant::from_request_parts(parts, app).await.map_err(not_let_in)?;
    let key = idempotency_key(&parts.headers).map_err(not_let_in)?;
    let sender = Sender::of(&participant, parts.uri.query()).map_err(not_let_in)?;
    let _place = app.uploads.take(&participant.conversation).ok_or_else(|| Refused {
        error: ApiError::unavailable("too many uploads are under way; try again in a moment", RETRY_AFTER),
        reason: FileRefused::Busy,
    })?;
    let Participant { conversation, caller: Caller { site, .. }, .. } = participant;

    let mut upload = app.conversations.upload(&conversation).await?;
    let activity = take(app, &parts.headers, incoming, &mut upload).await?;
    let activity = activity.map_or_else(|| Activity::parse(b"{\"type\":\"message\"}"), Ok);
    let activity = activity.map_err(|error| Refused::malformed(error.into()))?;
    let user = sender.user(&activity).map_err(Refused::malformed)?;
    check_user(&site, Some(&user.id), String::new).map_err(Refused::malformed)?;
    let send = ClientSend { conversation, user: Some(user), activity, idempotency_key: key };
    let id = upload.send(send).await?;
    app.metrics.activity_accepted(ActivityOrigin::Client);
    Ok(id)
}

/// Who sends.
enum Sender {
    /// The user of the token.
    OfToken(ChannelAccount),
    /// The user of the query.
    OfQuery {
        /// As forms are written.
        form: String,
        /// As the stock client writes it, which does not escape it: a plus is a plus.
        plain: String,
    },
}

impl Sender {
    fn of(participant: &Participant, query: Option<&str>) -> Result<Self, ApiError> {
        if let Some(user) = participant.caller.user() {
            return Ok(Self::OfToken(user));
        }
        let plain = query::parameter_with_pluses(query, "userId");
        let form = query::parameter(query, "userId");
        match form.zip(plain) {
            Some((form, plain)) if !form.is_empty() => Ok(Self::OfQuery { form, plain }),
            _ => {
                let missing = "the parameter userId is required, because the token names no user";
                Err(ApiError::missing_property(missing))
            }
        }
    }

    /// The activity decides which of two readings is meant.
    fn user(self, activity: &Activity) -> Result<ChannelAccount, ApiError> {
        let id = match self {
            Self::OfToken(user) => return Ok(user),
            Self::OfQuery { plain, .. } if activity.from_id().as_ref() == Some(&plain) => plain,
            Self::OfQuery { form, .. } => form,
        };
        let id = id.parse().map_err(|error| ApiError::bad_argument(format!("userId: {error}")))?;
        Ok(ChannelAccount { id, name: None })
    }
}

/// Takes what there is, to the end of the body.
async fn take(
    app: &App,
    headers: &HeaderMap,
    incoming: &mut Incoming,
    upload: &mut Upload,
) -> Result<Option<Activity>, Refused> {
    let limits = app.conversations.limits();
    let content_type = content_type(headers).map_err(Refused::malformed)?;
    let kind = content_type.as_deref().unwrap_or_default().trim_start().to_ascii_lowercase();
    let is_parts = kind.starts_with("multipart/");
    let limit = if is_parts { most_bytes(app) } else { limits.file_bytes };
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(too_big(limit));
    }
    if is_parts {
        let boundary = boundary(content_type.as_deref().unwrap_or_default())?;
        let activity =
            take_parts(incoming, boundary, upload, limits.activity_bytes + THUMBNAILS_BYTES).await?;
        if activity.is_none() && upload.files().next().is_none() {
            return Err(Refused::malformed(ApiError::missing_property("the body has no part; send a file")));
        }
        return Ok(activity);
    }
    let name = headers.get(CONTENT_DISPOSITION).and_then(disposition::file_name);
    take_one(incoming, NewFile { name, content_type }, upload).await?;
    Ok(None)
}

/// The body is the file.
async fn take_one(incoming: &mut Incoming, file: NewFile, upload: &mut Upload) -> Result<(), Refused> {
    let mut piece = incoming.next().await?;
    if piece.is_none() && file.name.is_none() {
        return Err(Refused::malformed(ApiError::missing_property("the body is empty; send a file")));
    }
    upload.begin(file, View::Original).await?;
    while let Some(bytes) = piece {
        upload.write(bytes).await?;
        piece = incoming.next().await?;
    }
    Ok(upload.end().await?)
}

/// What the body is; refused where that is not clear, or where it would have to be unpacked.
fn content_type(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    if is_packed(headers) {
        return Err(ApiError::media_type_not_supported("send the body without a content-encoding"));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let content_type = types.next().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if types.next().is_some() {
        return Err(ApiError::bad_argument("there are several content-type headers; send one"));
    }
    Ok(content_type)
}
