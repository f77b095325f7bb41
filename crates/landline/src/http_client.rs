//! The smallest client: JSON to a server over plain HTTP, and what it answers, each within bounds.
//!
//! Not here: what an answer means (`admin`, `demo`).

use std::error::Error;
use std::io;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::limits::{DEMO_ANSWER_BYTES, DEMO_CALL};

/// Calls servers. Redirects are not followed.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(Client<HttpConnector, Full<Bytes>>);

/// How long a call may take, and how much of the answer is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    pub(crate) time: Duration,
    pub(crate) bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing was sent: nobody listens there, or there is no such host.
    #[error("{0}")]
    NotReached(String),
    #[error("no answer within {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("the answer broke off, or is larger than {0} bytes")]
    Broken(usize),
    #[error("the connection broke off: {0}")]
    Cut(String),
    #[error("the address or the token cannot be sent")]
    Unsendable,
}

impl HttpClient {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Posts to the server that this process is, and gives status and body; a body that is no JSON is an error.
    pub(crate) async fn post_here(
        &self,
        url: &str,
        bearer: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let limits = CallLimits { time: DEMO_CALL, bytes: DEMO_ANSWER_BYTES };
        let (status, answer) = self.call(Method::POST, url, bearer, Some(body), limits).await?;
        Ok((status, serde_json::from_slice(&answer).context("the answer is no JSON")?))
    }

    /// Sends a request with a body, if there is one, and reads the answer whole.
    pub(crate) async fn call(
        &self,
        method: Method,
        url: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
        limits: CallLimits,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(bearer) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {bearer}"));
            let mut value = value.map_err(|_| CallError::Unsendable)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::from(body)).map_err(|_| CallError::Unsendable)?;
        let call = async {
            let response = self.0.request(request).await.map_err(|error| no_answer(&error))?;
            let status = response.status();
            let collected = Limited::new(response.into_body(), limits.bytes).collect().await;
            let collected = collected.map_err(|_| CallError::Broken(limits.bytes))?;
            Ok((status, collected.to_bytes()))
        };
        tokio::time::timeout(limits.time, call).await.map_err(|_| CallError::TooSlow(limits.time))?
    }
}

/// The innermost cause is what tells a person something: "connection refused".
fn no_answer(error: &hyper_util::client::legacy::Error) -> CallError {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if !error.is_connect() {
        return CallError::Cut(cause.to_string());
    }
    let refused = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    CallError::NotReached(match refused {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".into(),
        _ => cause.to_string(),
    })
}
