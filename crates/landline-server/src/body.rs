//! JSON bodies of requests: read within bounds, of a type that we read.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use landline_core::limits::MAX_TRANSCRIPT_BYTES;
use landline_protocol::{Activity, BotActivities, ErrorCode};

use crate::error::ApiError;
use crate::http::read_body;
use crate::state::App;

/// The bytes of a JSON body; may be empty.
#[derive(Debug)]
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl FromRequest<App> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let limit = app.conversations.limits().activity_bytes;
        read_json(&parts.headers, body, limit, app).await.map(Self)
    }
}

/// An activity; its size is bounded.
#[derive(Debug)]
pub(crate) struct ActivityBody(pub(crate) Activity);

impl FromRequest<App> for ActivityBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, app).await.map_err(or_upload)?;
        if bytes.trim_ascii().is_empty() {
            return Err(ApiError::missing_property("the body is empty; send one activity"));
        }
        Ok(Self(Activity::parse(&bytes)?))
    }
}

/// What makes an activity too large is most often a file in it.
fn or_upload(error: ApiError) -> ApiError {
    if error.code != ErrorCode::MessageSizeTooBig {
        return error;
    }
    let message = format!("{}; upload files instead of sending them as data: URIs", error.message);
    ApiError { message, ..error }
}

/// What was said elsewhere: `{"activities":[…]}`; its size and that of each activity are bounded.
#[derive(Debug)]
pub(crate) struct TranscriptBody(pub(crate) Vec<Activity>);

impl FromRequest<App> for TranscriptBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_json(&parts.headers, body, MAX_TRANSCRIPT_BYTES, app).await?;
        if bytes.trim_ascii().is_empty() {
            return Err(ApiError::missing_property("the body is empty; send {\"activities\":[…]}"));
        }
        let BotActivities(activities) = BotActivities::parse(&bytes)?;
        let limit = app.conversations.limits().activity_bytes;
        match activities.iter().map(|activity| activity.to_json().len()).find(|bytes| *bytes > limit) {
            Some(bytes) => {
                Err(ApiError::too_big(format!("an activity is {bytes} bytes, the limit is {limit}")))
            }
            None => Ok(Self(activities)),
        }
    }
}

pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    app: &App,
) -> Result<Bytes, ApiError> {
    // Looked at after the body was read, so that the answer is not lost behind a body that nobody reads.
    let bytes = read_body(headers, body, limit, app.body_timeout, &app.overload.memory).await?;
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(ApiError::media_type_not_supported("send the body as it is, without a content-encoding"));
    }
    if bytes.is_empty() || headers.get(CONTENT_TYPE).is_none_or(|kind| kind.to_str().is_ok_and(is_json)) {
        return Ok(bytes);
    }
    Err(ApiError::media_type_not_supported("send the body as content-type: application/json, in UTF-8"))
}

/// Whether a body would have to be unpacked: what is small when it comes may be without end then.
pub(crate) fn is_packed(headers: &HeaderMap) -> bool {
    let packed = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get_all(CONTENT_ENCODING).iter().any(packed)
}

/// `application/json` or `application/…+json`, in UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    json && utf8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_read() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/vnd.microsoft.activity+json",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "text/plain",
            "application/json; charset=latin1",
            "application/x-www-form-urlencoded",
            "",
            "json",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
