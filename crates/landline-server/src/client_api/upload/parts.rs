//! An upload of several parts: files, and the activity that they belong to.
//!
//! The parser hands out the content of a part as it comes, and never ends a part that broke off. What it does not bound
//! is bounded before it ([`super::incoming`]): the head of a part, and what is between parts.

use bytes::BytesMut;
use futures_util::stream::unfold;
use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use landline_core::files::{NewFile, Upload};
use landline_core::store::View;
use landline_protocol::Activity;
use multer::{Field, Multipart};

use super::disposition::file_name;
use super::incoming::Incoming;
use super::refused::Refused;
use crate::error::ApiError;
use crate::limits::UPLOAD_BOUNDARY_CHARS;
use crate::telemetry::FileRefused;

/// Which part is the activity. Source: Direct Line 3.0, "Upload multiple attachments".
const ACTIVITY: &str = "application/vnd.microsoft.activity";

/// What stands between the parts, by the content type of the request.
pub(super) fn boundary(content_type: &str) -> Result<String, Refused> {
    let unreadable = |_| {
        let message = "send several files as multipart/form-data with a boundary";
        Refused::malformed(ApiError::malformed_data(message))
    };
    let boundary = multer::parse_boundary(content_type).map_err(unreadable)?;
    if boundary.is_empty() || boundary.len() > UPLOAD_BOUNDARY_CHARS {
        let message = format!("the boundary between parts has 1 to {UPLOAD_BOUNDARY_CHARS} characters");
        return Err(Refused::malformed(ApiError::malformed_data(message)));
    }
    Ok(boundary)
}

/// Takes all parts, to the end of the body. Gives the activity, where there is one.
pub(super) async fn take_parts(
    incoming: &mut Incoming,
    boundary: String,
    upload: &mut Upload,
    activity_bytes: usize,
) -> Result<Option<Activity>, Refused> {
    let allowance = incoming.allowance();
    let mut parts = parser(incoming, boundary);
    let mut activity = None;
    loop {
        allowance.of_a_head();
        let Some(part) = parts.next_field().await.map_err(unreadable)? else { break };
        allowance.of_content();
        let head = Head::of(part.headers())?;
        if !head.is_activity {
            take_file(part, head.file, upload).await?;
        } else if activity.is_none() {
            activity = Some(take_activity(part, activity_bytes).await?);
        } else {
            let message = format!("there are two parts of type {ACTIVITY}; send one activity");
            return Err(Refused::malformed(ApiError::bad_argument(message)));
        }
    }
    drop(parts);
    incoming.end().await?;
    Ok(activity)
}

fn parser(incoming: &mut Incoming, boundary: String) -> Multipart<'_> {
    let pieces = unfold(incoming, |incoming| async {
        let piece = incoming.next().await.transpose()?;
        Some((piece, incoming))
    });
    Multipart::new(pieces, boundary)
}

async fn take_file(mut part: Field<'_>, file: NewFile, upload: &mut Upload) -> Result<(), Refused> {
    upload.begin(file, View::Original).await?;
    while let Some(piece) = part.chunk().await.map_err(unreadable)? {
        if !piece.is_empty() {
            upload.write(piece).await?;
        }
    }
    Ok(upload.end().await?)
}

async fn take_activity(mut part: Field<'_>, limit: usize) -> Result<Activity, Refused> {
    let mut json = BytesMut::new();
    while let Some(piece) = part.chunk().await.map_err(unreadable)? {
        if json.len() + piece.len() > limit {
            let message =
                format!("the activity is over the limit of {limit} bytes; send files in parts of their own");
            return Err(Refused { error: ApiError::too_big(message), reason: FileRefused::TooBig });
        }
        json.extend_from_slice(&piece);
    }
    Activity::parse(&json.freeze())
        .map_err(|error| Refused { error: error.into(), reason: FileRefused::Activity })
}

/// What the head of a part says.
struct Head {
    is_activity: bool,
    file: NewFile,
}

impl Head {
    fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        // Behind a head without a line, the parser takes for the head what is content.
        if headers.is_empty() {
            let message = "a part has no head; give each a content-disposition";
            return Err(Refused::malformed(ApiError::malformed_data(message)));
        }
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let content_type = headers.get(CONTENT_TYPE).map(text);
        let kind = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        if kind.starts_with("multipart/") {
            let message = "a part that is made of parts is not read; send each file as a part of its own";
            return Err(Refused::malformed(ApiError::malformed_data(message)));
        }
        let encoding = headers.get("content-transfer-encoding").map(text).unwrap_or_default();
        if !matches!(encoding.trim().to_ascii_lowercase().as_str(), "" | "binary" | "8bit" | "7bit") {
            let message = "a part that is encoded for transfer is not read; send the bytes as they are";
            return Err(Refused::malformed(ApiError::malformed_data(message)));
        }
        let name = headers.get(CONTENT_DISPOSITION).and_then(file_name);
        Ok(Self { is_activity: kind == ACTIVITY, file: NewFile { name, content_type } })
    }
}

/// What the parser says, or what we have told it. Its own words may quote the body, so they are not used.
fn unreadable(error: multer::Error) -> Refused {
    let why = match error {
        multer::Error::StreamReadFailed(ours) => {
            return match ours.downcast::<Refused>() {
                Ok(refused) => *refused,
                Err(_) => Refused::broken_off("the body broke off before its end"),
            };
        }
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
            return Refused::broken_off(
                "the body ends before the boundary that closes it, or a boundary is not one",
            );
        }
        multer::Error::IncompleteHeaders
        | multer::Error::ReadHeaderFailed(_)
        | multer::Error::DecodeHeaderName { .. }
        | multer::Error::DecodeHeaderValue { .. } => "the head of a part cannot be read",
        _ => "it cannot be read",
    };
    Refused::malformed(ApiError::malformed_data(format!("the body is no multipart/form-data: {why}")))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use futures_util::stream::iter;

    use super::*;
    use crate::limits::{UPLOAD_PART_HEAD_BYTES, UPLOAD_PIECE_BYTES};

    /// Two parts behind something that belongs to none, in frames of this size; gives how long their contents are.
    async fn read(before: usize, content: usize, frame: usize) -> Result<Vec<usize>, String> {
        let part = format!("--b\r\ncontent-type: x/y\r\n\r\n{}\r\n", "x".repeat(content));
        let form = Bytes::from(format!("{}\r\n{part}{part}--b--\r\n", "-".repeat(before)));
        let frames: Vec<_> =
            form.chunks(frame).map(|frame| Ok::<_, Infallible>(form.slice_ref(frame))).collect();
        let mut incoming = Incoming::new(Body::from_stream(iter(frames)), u64::MAX, Duration::from_secs(5));
        let allowance = incoming.allowance();
        let mut parts = parser(&mut incoming, "b".to_owned());
        let mut lengths = Vec::new();
        loop {
            allowance.of_a_head();
            let part = parts.next_field().await.map_err(|error| error.to_string())?;
            allowance.of_content();
            let Some(part) = part else { return Ok(lengths) };
            lengths.push(part.bytes().await.map_err(|error| error.to_string())?.len());
        }
    }

    #[tokio::test]
    async fn heads_may_lie_anywhere_in_what_arrives() {
        let piece = UPLOAD_PIECE_BYTES;
        for frame in [7, 1000, piece - 1, piece, piece + 1, 4 * piece, 1 << 20] {
            for content in [0, 1, piece - 60, piece - 1, piece, piece + 1, 3 * piece] {
                let lengths = read(0, content, frame).await;
                assert_eq!(lengths, Ok(vec![content; 2]), "frames of {frame}");
            }
        }
    }

    #[tokio::test]
    async fn what_belongs_to_no_part_has_an_end() {
        let most = UPLOAD_PART_HEAD_BYTES;
        for frame in [1000, UPLOAD_PIECE_BYTES, 1 << 20] {
            assert_eq!(read(most / 2, 1, frame).await, Ok(vec![1, 1]));
            assert!(read(3 * most, 1, frame).await.is_err(), "frames of {frame}");
        }
    }
}
