//! The few requests that this server makes on its operator's behalf: keys of issuers that are trusted, and tokens.
//!
//! Every address comes from the operator's configuration, or from what an address of it answered.
//!
//! Invariants: a request ends at its deadline; an answer is read up to a limit; redirects are never followed; no
//! connection is made to a link-local or metadata address; no error holds what was sent or answered.
//!
//! Not here: what is asked and what is made of the answer (`identity`, `bot_client`), how a line comes up
//! (`bot_client::connector`).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use landline_outbound::Authorities;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::bot_client::{Connector, Endpoint, EndpointError, LineFailure, connect};
use crate::limits::OUTBOUND_ANSWER_BYTES;

/// Makes them. A connection is made for each: there are a few in an hour.
#[derive(Clone, Debug)]
pub struct Outbound {
    connector: Connector,
}

/// Why a request came to nothing. Holds neither what was sent nor what was answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The address cannot be used.
    #[error("{0}")]
    Address(#[from] EndpointError),
    /// No connection came up.
    #[error("it could not be reached: {0}")]
    NotReached(String),
    /// No whole answer before the deadline.
    #[error("it did not answer in time")]
    TimedOut,
    /// The line broke, or the answer is too large or no HTTP.
    #[error("its answer cannot be used: {0}")]
    BadAnswer(String),
    /// Another status than 2xx.
    #[error("it answered {0}")]
    Status(u16),
    /// Not the JSON that was expected.
    #[error("its answer is not the JSON that was expected")]
    NotJson,
}

/// An answer with status 2xx.
pub struct OutboundAnswer {
    /// The body, whole.
    pub body: Bytes,
    /// For how long it may be kept, where the answer says so (`cache-control: max-age`).
    pub max_age: Option<Duration>,
}

impl OutboundAnswer {
    /// What the body says.
    ///
    /// # Errors
    /// [`OutboundError::NotJson`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, OutboundError> {
        // The error of the library quotes the body, which may hold a token.
        serde_json::from_slice(&self.body).map_err(|_| OutboundError::NotJson)
    }
}

/// Without the body, which may hold a token.
impl fmt::Debug for OutboundAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundAnswer").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Shares what is loaded for TLS with whoever else has this connector.
    pub fn new(connector: Connector) -> Self {
        Self { connector }
    }

    /// `GET`. Where there are authorities, whoever answers has a certificate of theirs.
    ///
    /// # Errors
    /// [`OutboundError`]; also when the status is not 2xx.
    pub async fn get(
        &self,
        url: &Url,
        only: Option<&Authorities>,
        deadline: Instant,
    ) -> Result<OutboundAnswer, OutboundError> {
        self.request(Method::GET, Endpoint::new(url)?.with_only(only.cloned()), None, deadline).await
    }

    /// `POST` of a form.
    ///
    /// # Errors
    /// [`OutboundError`]; also when the status is not 2xx.
    pub async fn post_form(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<OutboundAnswer, OutboundError> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.request(Method::POST, Endpoint::new(url)?, Some(Bytes::from(form)), deadline).await
    }

    async fn request(
        &self,
        method: Method,
        endpoint: Endpoint,
        form: Option<Bytes>,
        deadline: Instant,
    ) -> Result<OutboundAnswer, OutboundError> {
        let mut line =
            connect(&endpoint, &self.connector, deadline).await.map_err(OutboundError::NotReached)?;
        let request = to_http(method, endpoint, form);
        let exchange = async {
            let (head, mut body) = line.send(request).await.map_err(of_line)?.into_parts();
            if !head.status.is_success() {
                return Err(OutboundError::Status(head.status.as_u16()));
            }
            let body = line.read_whole(&mut body, OUTBOUND_ANSWER_BYTES).await.map_err(of_line)?;
            Ok(OutboundAnswer { body, max_age: max_age(&head.headers) })
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(OutboundError::TimedOut))
    }
}

fn to_http(method: Method, endpoint: Endpoint, form: Option<Bytes>) -> Request<Full<Bytes>> {
    let Endpoint { target, mut headers, .. } = endpoint;
    headers.remove(CONTENT_TYPE);
    if form.is_some() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut request = Request::new(Full::new(form.unwrap_or_default()));
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    request
}

fn of_line(failure: LineFailure) -> OutboundError {
    match failure {
        LineFailure::TimedOut => OutboundError::TimedOut,
        LineFailure::Broken(why) | LineFailure::BadAnswer(why) => OutboundError::BadAnswer(why),
    }
}

/// Source: RFC 9111, 5.2.2.1.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get(CACHE_CONTROL)?.to_str().ok()?;
    let seconds = said.split(',').find_map(|part| part.trim().strip_prefix("max-age="))?;
    Some(Duration::from_secs(seconds.trim_matches('"').parse().ok()?))
}

#[cfg(test)]
mod tests;
