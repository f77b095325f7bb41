//! One view of a file as an answer: to a client or a bot, whole or a part of it.
//!
//! Files come from strangers and are served from our own origin. So, whatever a file is: nothing sniffs its type, its
//! page runs no script and reads nothing (`sandbox`), and only pictures whose bytes were looked at are shown as such a
//! page; everything else is saved.
//!
//! Not here: who may read it (`client_api::download`, `connector_api`).

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, REFERRER_POLICY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use landline_core::Conversations;
use landline_core::files::{OCTET_STREAM, StoredFile, is_shown_inline};
use landline_core::store::View;
use landline_protocol::ConversationId;

use super::checked::checked;
use super::disposition::disposition;
use super::range::{Wanted, wanted};
use crate::error::ApiError;
use crate::http::CROSS_ORIGIN_RESOURCE_POLICY;
use crate::telemetry::Metrics;

/// What is served.
#[derive(Debug)]
pub(crate) struct ServedView<'a> {
    pub(crate) conversation: &'a ConversationId,
    pub(crate) file: &'a StoredFile,
    pub(crate) view: View,
}

/// Answers a `GET` or `HEAD` whose sender may read the file.
///
/// # Errors
/// 404 where there is no such view, 416 for a part behind the end, 503 where the bytes cannot be read now.
pub(crate) async fn serve(
    conversations: &Conversations,
    metrics: &Arc<Metrics>,
    served: ServedView<'_>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let ServedView { conversation, file, view } = served;
    let kept = file.view(view).ok_or_else(ApiError::file_not_found)?;
    let etag = format!("\"{}\"", kept.digest);
    let is_head = method == Method::HEAD;
    let wanted = wanted(headers, &etag, kept.bytes);
    let part = match wanted {
        Wanted::Part(part) if !is_head => Some(part),
        // A range means something in a GET alone.
        Wanted::Part(_) | Wanted::Whole => None,
        Wanted::Unsatisfiable if is_head => None,
        Wanted::Unsatisfiable => return Ok(unsatisfiable(kept.bytes)),
        Wanted::NotModified => {
            // A browser takes over the headers of this answer for what it has kept: so they are the same.
            let mut response = (StatusCode::NOT_MODIFIED, [(ETAG, value(&etag))]).into_response();
            guard(response.headers_mut());
            return Ok(response);
        }
    };
    // For a HEAD the bytes are opened, too: so it says what a GET would say.
    let range = if is_head { Some(0..0) } else { part.clone() };
    let read = conversations.open_file(conversation, file, view, range).await;
    let read =
        read.map_err(|error| ApiError::files_unavailable(&error))?.ok_or_else(ApiError::file_not_found)?;

    let (status, length) = match &part {
        Some(part) => (StatusCode::PARTIAL_CONTENT, part.end - part.start),
        None => (StatusCode::OK, kept.bytes),
    };
    let whole = !is_head && length == kept.bytes;
    let pieces = if whole { checked(read.pieces, kept.bytes, kept.digest).boxed() } else { read.pieces };
    let (metrics, id) = (Arc::clone(metrics), file.id.clone());
    let pieces = pieces.inspect(move |piece| match piece {
        Ok(piece) => metrics.file_bytes_sent(piece.len() as u64),
        Err(error) => tracing::warn!(file = %id, %error, "Cut a download of file {id}: {error}"),
    });
    let mut response = (status, Body::from_stream(pieces)).into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(part) = part {
        let range = format!("bytes {}-{}/{}", part.start, part.end - 1, kept.bytes);
        answer.insert(CONTENT_RANGE, value(&range));
    }
    answer.insert(ETAG, value(&etag));
    answer.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let kind = HeaderValue::from_str(&kept.content_type);
    answer.insert(CONTENT_TYPE, kind.unwrap_or_else(|_| HeaderValue::from_static(OCTET_STREAM)));
    answer.insert(CONTENT_DISPOSITION, disposition(is_shown_inline(&kept.content_type), &file.name));
    guard(answer);
    Ok(response)
}

/// Pages of any origin may show a picture. As a page of its own, whatever it is, it does nothing.
fn guard(answer: &mut HeaderMap) {
    let policy = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");
    answer.insert(CONTENT_SECURITY_POLICY, policy);
    answer.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    // The link is a key: no page that the file might lead to is told.
    answer.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn unsatisfiable(bytes: u64) -> Response {
    let mut response = ApiError::unsatisfiable_range(bytes).into_response();
    response.headers_mut().insert(CONTENT_RANGE, value(&format!("bytes */{bytes}")));
    response
}

/// Of what we have put together ourselves, in ASCII.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
