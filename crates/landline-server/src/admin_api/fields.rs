//! What the admin API takes: bodies, which are objects, and queries. Field by field, so that *absent* and `null` stay
//! apart, nothing is ignored in silence, and no refusal quotes a value that could be a secret.
//!
//! Not here: what a setting may be (`directory::fields`).

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use serde_json::{Map, Value};

use super::Admin;
use crate::body::read_json;
use crate::error::ApiError;
use crate::limits::ADMIN_BODY_BYTES;

/// What a body says of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// Nothing.
    Absent,
    /// That there is to be none.
    Null,
    /// This.
    Value(T),
}

impl<T> Given<T> {
    /// The value; absent and `null` are the same.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    /// Nothing, none, or this.
    pub(super) fn nullable(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

/// An object whose fields are taken one by one.
#[derive(Debug)]
pub(super) struct Fields {
    /// What stands before a name in a refusal, such as `outgoing.`.
    within: &'static str,
    left: Map<String, Value>,
    asked: Vec<&'static str>,
}

impl FromRequest<Admin> for Fields {
    type Rejection = ApiError;

    /// An empty body is an empty object.
    async fn from_request(request: Request, admin: &Admin) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_json(&parts.headers, body, ADMIN_BODY_BYTES, &admin.app).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::new("", Map::new()));
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            ApiError::malformed_data(format!("the body is no JSON (line {line}, column {column})"))
        })?;
        match value {
            Value::Object(map) => Ok(Self::new("", map)),
            _ => Err(ApiError::malformed_data("the body is JSON, but no object; send {…}")),
        }
    }
}

impl Fields {
    fn new(within: &'static str, left: Map<String, Value>) -> Self {
        Self { within, left, asked: Vec::new() }
    }

    /// A text that has to be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        match self.text(name, parse)? {
            Given::Value(value) => Ok(value),
            Given::Absent | Given::Null => {
                Err(ApiError::missing_property(format!("{}{name} is missing", self.within)))
            }
        }
    }

    /// A text.
    pub(super) fn text<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Given<T>, ApiError> {
        match self.take(name) {
            Given::Absent => Ok(Given::Absent),
            Given::Null => Ok(Given::Null),
            Given::Value(Value::String(text)) => match parse(&text) {
                Ok(value) => Ok(Given::Value(value)),
                Err(problem) => Err(self.bad(name, &problem)),
            },
            Given::Value(_) => Err(self.bad(name, "write a text")),
        }
    }

    /// A text, or `true`.
    pub(super) fn text_or_true<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Given<Option<T>>, ApiError> {
        match self.take(name) {
            Given::Value(Value::Bool(true)) => Ok(Given::Value(None)),
            Given::Value(Value::String(text)) => match parse(&text) {
                Ok(value) => Ok(Given::Value(Some(value))),
                Err(problem) => Err(self.bad(name, &problem)),
            },
            Given::Value(_) => Err(self.bad(name, "write a text, or true")),
            Given::Null => Ok(Given::Null),
            Given::Absent => Ok(Given::Absent),
        }
    }

    /// `true` or `false`; `false` when it is absent.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, ApiError> {
        match self.take(name) {
            Given::Value(Value::Bool(flag)) => Ok(flag),
            Given::Value(_) => Err(self.bad(name, "write true or false")),
            Given::Null | Given::Absent => Ok(false),
        }
    }

    /// `true` or `false`, or neither.
    pub(super) fn optional_flag(&mut self, name: &'static str) -> Result<Given<bool>, ApiError> {
        match self.take(name) {
            Given::Value(Value::Bool(flag)) => Ok(Given::Value(flag)),
            Given::Value(_) => Err(self.bad(name, "write true or false")),
            Given::Null => Ok(Given::Null),
            Given::Absent => Ok(Given::Absent),
        }
    }

    /// An array of texts.
    pub(super) fn texts<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&[String]) -> Result<T, String>,
    ) -> Result<Given<T>, ApiError> {
        let array = match self.take(name) {
            Given::Value(Value::Array(array)) => array,
            Given::Value(_) => return Err(self.bad(name, "write an array of texts")),
            Given::Null => return Ok(Given::Null),
            Given::Absent => return Ok(Given::Absent),
        };
        let texts = array.into_iter().map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(self.bad(name, "write an array of texts")),
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        parse(&texts).map(Given::Value).map_err(|problem| self.bad(name, &problem))
    }

    /// An object within.
    pub(super) fn object(
        &mut self,
        name: &'static str,
        within: &'static str,
    ) -> Result<Given<Self>, ApiError> {
        match self.take(name) {
            Given::Value(Value::Object(map)) => Ok(Given::Value(Self::new(within, map))),
            Given::Value(_) => Err(self.bad(name, "write an object")),
            Given::Null => Ok(Given::Null),
            Given::Absent => Ok(Given::Absent),
        }
    }

    /// Refuses what is left: nobody asked for it, so it would be ignored in silence.
    pub(super) fn done(self) -> Result<(), ApiError> {
        let Some(unknown) = self.left.keys().next() else { return Ok(()) };
        let known = if self.asked.is_empty() { "none".to_owned() } else { self.asked.join(", ") };
        Err(ApiError::bad_argument(format!("{}{unknown} is not known here; known: {known}", self.within)))
    }

    fn take(&mut self, name: &'static str) -> Given<Value> {
        self.asked.push(name);
        match self.left.remove(name) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(value) => Given::Value(value),
        }
    }

    fn bad(&self, name: &str, problem: &str) -> ApiError {
        ApiError::bad_argument(format!("{}{name}: {problem}", self.within))
    }
}

/// A query whose parameters are taken one by one.
#[derive(Debug)]
pub(super) struct Query {
    left: Vec<(String, String)>,
    asked: Vec<&'static str>,
}

impl FromRequestParts<Admin> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Admin) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let left = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { left, asked: Vec::new() })
    }
}

impl Query {
    /// A parameter; one without a value is as good as absent.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ApiError> {
        self.asked.push(name);
        let Some(at) = self.left.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.left.swap_remove(at);
        if value.is_empty() {
            return Ok(None);
        }
        parse(&value).map(Some).map_err(|problem| ApiError::bad_argument(format!("{name}: {problem}")))
    }

    /// Refuses what is left.
    pub(super) fn done(self) -> Result<(), ApiError> {
        let Some((unknown, _)) = self.left.first() else { return Ok(()) };
        let known = self.asked.join(", ");
        Err(ApiError::bad_argument(format!("{unknown} is not known here, or stands twice; known: {known}")))
    }
}
