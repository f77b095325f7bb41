//! The smallest client: JSON to this machine, JSON back.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long one call may take: our own server, on this machine.
const CALL: Duration = Duration::from_secs(10);

/// How much of an answer is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// Calls this machine.
#[derive(Clone, Debug)]
pub(super) struct HttpClient(Client<HttpConnector, Full<Bytes>>);

impl HttpClient {
    pub(super) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Posts, and gives status and body; a body that is no JSON is an error.
    pub(super) async fn post(
        &self,
        url: &str,
        bearer: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = Request::post(url).header(CONTENT_TYPE, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let request = request.body(Full::from(serde_json::to_vec(body)?))?;
        let call = async {
            let response = self.0.request(request).await.context("no answer")?;
            let status = response.status();
            let collected = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            let Ok(collected) = collected else { bail!("the answer broke off, or is too large") };
            Ok((status, serde_json::from_slice(&collected.to_bytes()).context("the answer is no JSON")?))
        };
        tokio::time::timeout(CALL, call).await.context("no answer in time")?
    }
}
