//! Bodies of requests and answers of the client API that are not activities.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::json_scan::JsonError;
use crate::{Activity, ActivityError, ConversationId, InvalidId, RawObject, UserId};

/// How many trusted origins a token may name.
const MAX_TRUSTED_ORIGINS: usize = 32;

/// The longest name of a user and the longest locale, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// Why the body of a request cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestBodyError {
    /// Not a JSON object.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// An activity in it cannot be used.
    #[error(transparent)]
    Activity(#[from] ActivityError),
    /// `user` is there without an `id`.
    #[error("the property \"user.id\" is required where \"user\" is given")]
    MissingUserId,
    /// A property without which nothing can be done is absent.
    #[error("the property {0:?} is required")]
    Missing(&'static str),
    /// A value of the wrong kind, or out of its range.
    #[error("the property {property:?} {problem}")]
    Bad {
        /// Which property.
        property: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl RequestBodyError {
    pub(crate) fn bad(property: &'static str, problem: impl Into<String>) -> Self {
        Self::Bad { property, problem: problem.into() }
    }

    pub(crate) fn id(property: &'static str, error: InvalidId) -> Self {
        Self::bad(property, error.to_string())
    }
}

/// A person or bot as the Bot Framework spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelAccount {
    /// Who.
    pub id: UserId,
    /// What to call them.
    pub name: Option<String>,
}

/// The body of `POST …/tokens/generate`. All optional; names are read whatever their case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// The user that the token speaks for.
    pub user: Option<ChannelAccount>,
    /// The origins whose pages may use the token; empty means any.
    pub trusted_origins: Vec<String>,
    /// An existing conversation to open, instead of a new one.
    pub conversation_id: Option<ConversationId>,
}

/// The body of `POST …/conversations`. All optional; names are read whatever their case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartRequest {
    /// The user who starts it; a user in the token wins.
    pub user: Option<ChannelAccount>,
    /// The origins whose pages may use the token that is handed out; empty means any.
    pub trusted_origins: Vec<String>,
    /// Passed to the bot.
    pub locale: Option<String>,
}

impl TokenRequest {
    /// Reads the body; an empty one asks for nothing.
    ///
    /// # Errors
    /// [`RequestBodyError`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestBodyError> {
        let body = object_or_empty(body)?;
        let conversation_id = match text(&body, "conversationId")? {
            Some(id) => Some(id.parse().map_err(|e| RequestBodyError::id("conversationId", e))?),
            None => None,
        };
        Ok(Self { user: user(&body)?, trusted_origins: trusted_origins(&body)?, conversation_id })
    }
}

impl StartRequest {
    /// Reads the body; an empty one asks for nothing.
    ///
    /// # Errors
    /// [`RequestBodyError`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestBodyError> {
        let body = object_or_empty(body)?;
        let locale = bounded("locale", text(&body, "locale")?)?;
        let user = match user(&body) {
            // The stock client (0.15) sends `{"user":{}}` when it was given no user.
            Err(RequestBodyError::MissingUserId) => None,
            user => user?,
        };
        Ok(Self { user, trusted_origins: trusted_origins(&body)?, locale })
    }
}

pub(crate) fn object_or_empty(body: &[u8]) -> Result<RawObject, JsonError> {
    match body.trim_ascii() {
        b"" | b"null" => Ok(RawObject::default()),
        json => RawObject::parse(json),
    }
}

/// The text of a property; `None` where it is absent, null or empty.
pub(crate) fn text(object: &RawObject, name: &'static str) -> Result<Option<String>, RequestBodyError> {
    match object.get_ignoring_case(name) {
        None | Some("null") => Ok(None),
        Some(value) => match serde_json::from_str::<String>(value) {
            Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Err(_) => Err(RequestBodyError::bad(name, "must be a text")),
        },
    }
}

pub(crate) fn bounded(name: &'static str, value: Option<String>) -> Result<Option<String>, RequestBodyError> {
    match value {
        Some(text) if text.len() > MAX_NAME_BYTES => Err(RequestBodyError::bad(
            name,
            format!("is {} bytes, the limit is {MAX_NAME_BYTES}", text.len()),
        )),
        other => Ok(other),
    }
}

fn user(body: &RawObject) -> Result<Option<ChannelAccount>, RequestBodyError> {
    let user = match body.get_ignoring_case("user") {
        None | Some("null") => return Ok(None),
        Some(value) if value.starts_with('{') => RawObject::parse(value.as_bytes())?,
        Some(_) => return Err(RequestBodyError::bad("user", "must be an object with an \"id\"")),
    };
    let id = text(&user, "id")?.ok_or(RequestBodyError::MissingUserId)?;
    let id = id.parse().map_err(|e| RequestBodyError::id("user.id", e))?;
    Ok(Some(ChannelAccount { id, name: bounded("name", text(&user, "name")?)? }))
}

fn trusted_origins(body: &RawObject) -> Result<Vec<String>, RequestBodyError> {
    const NAME: &str = "trustedOrigins";
    let origins = match body.get_ignoring_case(NAME) {
        None | Some("null") => return Ok(Vec::new()),
        Some(value) => serde_json::from_str::<Vec<String>>(value)
            .map_err(|_| RequestBodyError::bad(NAME, "must be an array of texts"))?,
    };
    if origins.len() > MAX_TRUSTED_ORIGINS {
        let problem = format!("names {} origins, the limit is {MAX_TRUSTED_ORIGINS}", origins.len());
        return Err(RequestBodyError::bad(NAME, problem));
    }
    match origins.iter().find(|origin| origin.len() > MAX_NAME_BYTES || !origin.contains("://")) {
        Some(_) => Err(RequestBodyError::bad(NAME, "must hold origins such as \"https://www.example.org\"")),
        None => Ok(origins),
    }
}

/// What a bot put into its HTTP answer to an `expectReplies` activity: `{"activities":[…]}`.
#[derive(Debug)]
pub struct BotActivities(pub Vec<Activity>);

impl BotActivities {
    /// Reads the body of the answer.
    ///
    /// # Errors
    /// [`ActivityError`] where it is not an object with an array of activities.
    pub fn parse(body: &[u8]) -> Result<Self, ActivityError> {
        let wrong = ActivityError::WrongKind { property: "activities", expected: "an array of activities" };
        let body = RawObject::parse(body)?;
        let activities = match body.get("activities") {
            None | Some("null") => return Ok(Self(Vec::new())),
            Some(value) => serde_json::from_str::<Vec<&RawValue>>(value).map_err(|_| wrong)?,
        };
        activities.iter().map(|raw| Activity::parse(raw.get().as_bytes())).collect::<Result<_, _>>().map(Self)
    }
}

/// The answer to `POST …/tokens/generate` and `…/refresh`.
#[derive(Debug, Serialize)]
pub struct TokenBody {
    /// The conversation that the token opens.
    #[serde(rename = "conversationId")]
    pub conversation_id: ConversationId,
    /// The token.
    pub token: String,
    /// Seconds until the token expires.
    pub expires_in: u64,
}

/// The answer to a start or a reconnect.
#[derive(Debug, Serialize)]
pub struct ConversationBody {
    /// The conversation, a fresh token, and its life.
    #[serde(flatten)]
    pub token: TokenBody,
    /// Where to open the WebSocket, within 60 seconds; a ticket is part of it.
    #[serde(rename = "streamUrl")]
    pub stream_url: String,
    /// Names the speech grammar of the bot; always the bot's name here.
    #[serde(rename = "referenceGrammarId")]
    pub reference_grammar_id: String,
}

/// The answer to everything that logs an activity: its id.
#[derive(Debug, Serialize)]
pub struct ResourceResponse {
    /// The activity's id.
    pub id: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_whatever_their_case() {
        let request = TokenRequest::parse(
            br#"{"User":{"Id":"dl_1","NAME":"Ann"},"TrustedOrigins":["https://a.example"]}"#,
        );
        let user = ChannelAccount { id: "dl_1".parse().unwrap(), name: Some("Ann".into()) };
        let expected = TokenRequest {
            user: Some(user),
            trusted_origins: vec!["https://a.example".into()],
            conversation_id: None,
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn an_empty_body_asks_for_nothing() {
        for empty in ["", "  ", "null", "{}", r#"{"user":null,"trustedOrigins":null,"conversationId":null}"#]
        {
            assert_eq!(TokenRequest::parse(empty.as_bytes()), Ok(TokenRequest::default()), "{empty:?}");
            assert_eq!(StartRequest::parse(empty.as_bytes()), Ok(StartRequest::default()), "{empty:?}");
        }
    }

    #[test]
    fn a_user_needs_an_id() {
        for bad in [r#"{"user":{}}"#, r#"{"user":{"id":null}}"#, r#"{"user":{"id":""}}"#] {
            assert_eq!(TokenRequest::parse(bad.as_bytes()), Err(RequestBodyError::MissingUserId), "{bad}");
        }
    }

    #[test]
    fn a_start_with_an_empty_user_is_one_without_a_user() {
        for body in [r#"{"user":{}}"#, r#"{"user":{"id":""}}"#, r#"{"user":{"name":"Ann"}}"#] {
            assert_eq!(StartRequest::parse(body.as_bytes()), Ok(StartRequest::default()), "{body}");
        }
    }

    #[test]
    fn values_of_the_wrong_kind_are_named() {
        for (bad, named) in [
            (r#"{"user":"me"}"#, "user"),
            (r#"{"user":{"id":7}}"#, "id"),
            (r#"{"trustedOrigins":"https://a"}"#, "trustedOrigins"),
            (r#"{"trustedOrigins":["example.org"]}"#, "trustedOrigins"),
            (r#"{"conversationId":"a b"}"#, "conversationId"),
            (r#"{"conversationId":5}"#, "conversationId"),
        ] {
            let error = TokenRequest::parse(bad.as_bytes()).unwrap_err();
            assert!(
                matches!(&error, RequestBodyError::Bad { property, .. } if *property == named),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn answers_of_bots_are_read() {
        assert_eq!(BotActivities::parse(br#"{"activities":[{"type":"message"},{}]}"#).unwrap().0.len(), 2);
        assert!(BotActivities::parse(br#"{"id":"1"}"#).unwrap().0.is_empty());
        for bad in ["", "[]", r#"{"activities":{}}"#, r#"{"activities":[1]}"#] {
            assert!(BotActivities::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = TokenRequest::parse(&bytes);
            let _ = StartRequest::parse(&bytes);
            let _ = BotActivities::parse(&bytes);
        }
    }
}
