//! A lean Direct Line client: it says what the protocol says, and believes nothing it cannot parse.
//!
//! Not here: any retry. What to do about an unknown outcome is for the test to decide.

mod stream;
mod upload;

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use stream::{Stream, StreamEvent};
pub use upload::{UploadBody, downloaded, file_of_link};

use crate::history::Position;
use crate::line::{Answer, Line, LineError};
use crate::wire::Trust;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request never left; nothing happened.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The line was cut, or the answer did not come.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The server answered with an error.
    #[error("answered {status} {code}: {message}")]
    Answered { status: u16, code: String, message: String },
    /// The server answered something that is not the protocol.
    #[error("not the protocol: {0}")]
    Malformed(String),
}

/// Answer of `tokens/generate` and `tokens/refresh`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    pub conversation_id: String,
    pub token: String,
    #[serde(rename = "expires_in")]
    pub expires_in_seconds: u64,
}

/// Answer of a start or a reconnect.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    pub conversation_id: String,
    pub token: String,
    #[serde(rename = "expires_in")]
    pub expires_in_seconds: u64,
    pub stream_url: String,
}

/// A page of a poll, or a frame of a stream.
#[derive(Debug, Clone, Deserialize)]
pub struct ActivitySet {
    pub activities: Vec<Value>,
    /// Absent in frames that hold only what is not stored.
    pub watermark: Option<String>,
}

#[derive(Deserialize)]
struct ResourceResponse {
    id: String,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
}

/// A client over one kept connection.
#[derive(Debug)]
pub struct Client {
    line: Line,
}

impl Client {
    pub fn new(server: SocketAddr) -> Self {
        Self { line: Line::new(server) }
    }

    /// With TLS, where that is what the trust is for.
    pub fn trusting(server: SocketAddr, trust: Trust) -> Self {
        Self { line: Line::trusting(server, trust) }
    }

    /// `POST tokens/generate`. `body` holds the user, the origins, an existing conversation.
    pub async fn generate_token(&mut self, secret: &str, body: &Value) -> Result<Token, CallError> {
        self.call(Method::POST, "/v3/directline/tokens/generate", secret, Some(body)).await
    }

    /// `POST tokens/refresh`.
    pub async fn refresh_token(&mut self, token: &str) -> Result<Token, CallError> {
        self.call(Method::POST, "/v3/directline/tokens/refresh", token, None).await
    }

    /// `POST conversations`.
    pub async fn start(&mut self, bearer: &str, body: Option<&Value>) -> Result<Conversation, CallError> {
        self.call(Method::POST, "/v3/directline/conversations", bearer, body).await
    }

    /// `GET conversations/{id}?watermark=`. `None` leaves the query out, which asks for new activities only.
    pub async fn reconnect(
        &mut self,
        bearer: &str,
        conversation: &str,
        watermark: Option<&str>,
    ) -> Result<Conversation, CallError> {
        let query = watermark.map(|watermark| format!("?watermark={watermark}")).unwrap_or_default();
        let path = format!("/v3/directline/conversations/{conversation}{query}");
        self.call(Method::GET, &path, bearer, None).await
    }

    /// `POST activities`. Gives the id of the activity.
    pub async fn send(
        &mut self,
        bearer: &str,
        conversation: &str,
        activity: &Value,
    ) -> Result<String, CallError> {
        let path = format!("/v3/directline/conversations/{conversation}/activities");
        let answer: ResourceResponse = self.call(Method::POST, &path, bearer, Some(activity)).await?;
        Ok(answer.id)
    }

    /// `GET activities?watermark=`. With `wait_seconds` the answer is held until something comes, or so long.
    pub async fn poll(
        &mut self,
        bearer: &str,
        conversation: &str,
        watermark: Option<&str>,
        wait_seconds: Option<u8>,
    ) -> Result<ActivitySet, CallError> {
        let watermark = watermark.map(|watermark| format!("watermark={watermark}&")).unwrap_or_default();
        let wait = wait_seconds.map(|seconds| format!("wait={seconds}")).unwrap_or_default();
        let path = format!("/v3/directline/conversations/{conversation}/activities?{watermark}{wait}");
        self.call(Method::GET, &path, bearer, None).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
    ) -> Result<T, CallError> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let answer = self.line.request(method, path, Some(bearer), body).await?;
        read_answer(&answer)
    }
}

impl From<LineError> for CallError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::NotSent(why) => Self::NotSent(why),
            LineError::Unknown(why) => Self::Unknown(why),
        }
    }
}

/// 2xx is parsed as `T`; all else must be the error envelope.
pub(crate) fn read_answer<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    let malformed = |error: serde_json::Error| {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]).into_owned();
        CallError::Malformed(format!("{} with {body:?}: {error}", answer.status))
    };
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(malformed);
    }
    let ErrorAnswer { error } = serde_json::from_slice(&answer.body).map_err(malformed)?;
    Err(CallError::Answered { status: answer.status.as_u16(), code: error.code, message: error.message })
}

/// By what a message is known in a history: its text, or else the name of its first attachment.
pub fn payload_of(activity: &Value) -> Option<&str> {
    let text = activity["text"].as_str();
    let payload = text.or_else(|| activity["attachments"][0]["name"].as_str());
    payload.filter(|_| activity["type"] == "message")
}

/// The two parts of an activity id, `{conversation}|{position}`.
pub fn parse_activity_id(id: &str) -> Option<(&str, Position)> {
    let (conversation, position) = id.split_once('|')?;
    let digits = position.len() >= 7 && position.bytes().all(|byte| byte.is_ascii_digit());
    Some((conversation, position.parse().ok().filter(|_| digits)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{HeaderMap, StatusCode};

    #[test]
    fn activity_ids() {
        check("abc|0000001", Some(("abc", 1)));
        check("abc|12345678", Some(("abc", 12_345_678)));
        check("abc|1", None);
        check("abc|+000001", None);
        check("abc", None);
    }

    #[track_caller]
    fn check(id: &str, expected: Option<(&str, Position)>) {
        assert_eq!(parse_activity_id(id), expected, "{id:?}");
    }

    #[test]
    fn errors_without_the_envelope_are_not_the_protocol() {
        let read = |status, body: &'static str| {
            let answer = Answer { status, headers: HeaderMap::new(), body: body.into() };
            read_answer::<ActivitySet>(&answer).unwrap_err()
        };

        let spoken = read(StatusCode::FORBIDDEN, r#"{"error":{"code":"TokenExpired","message":"m"}}"#);
        let bare = read(StatusCode::NOT_FOUND, "not found");
        let wrong = read(StatusCode::OK, "{}");

        assert!(
            matches!(spoken, CallError::Answered { status: 403, ref code, .. } if code == "TokenExpired")
        );
        assert!(matches!(bare, CallError::Malformed(_)), "{bare}");
        assert!(matches!(wrong, CallError::Malformed(_)), "{wrong}");
    }
}
