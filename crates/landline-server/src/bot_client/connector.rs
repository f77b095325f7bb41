//! From an address to a line that is up: look up, connect, TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::Service;

use super::addresses::CheckedResolver;
use super::watch::Watched;
use crate::limits::BOT_CONNECT_TIMEOUT;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no line, in one sentence with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectError(String);

/// Connects to bots.
#[derive(Clone, Debug)]
pub(super) enum BotConnector {
    /// No bot is reached over `https`, so no certificate authorities were loaded.
    Plain(WatchedConnector),
    /// Both schemes.
    Tls(HttpsConnector<WatchedConnector>),
}

impl BotConnector {
    pub(super) fn plain() -> Self {
        Self::Plain(WatchedConnector::new())
    }

    pub(super) fn with_system_roots() -> io::Result<Self> {
        let builder = HttpsConnectorBuilder::new().with_native_roots()?;
        Ok(Self::Tls(builder.https_or_http().enable_http1().wrap_connector(WatchedConnector::new())))
    }

    #[cfg(test)]
    pub(super) fn with_tls(config: rustls::ClientConfig) -> Self {
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        Self::Tls(builder.https_or_http().enable_http1().wrap_connector(WatchedConnector::new()))
    }

    /// Ends within the connect timeout for the socket; TLS on top of it is the caller's to bound.
    pub(super) async fn connect(&self, uri: Uri) -> Result<MaybeHttpsStream<Watched>, ConnectError> {
        let connected = match self.clone() {
            Self::Plain(mut plain) => plain.call(uri).await.map(MaybeHttpsStream::Http),
            Self::Tls(mut tls) => tls.call(uri).await,
        };
        connected.map_err(|error| ConnectError(with_causes(&*error)))
    }
}

/// Makes plain sockets, each with its watch.
#[derive(Clone, Debug)]
pub(super) struct WatchedConnector(HttpConnector<CheckedResolver>);

impl WatchedConnector {
    fn new() -> Self {
        let mut http = HttpConnector::new_with_resolver(CheckedResolver::new());
        http.enforce_http(false); // the scheme was checked with the endpoint; TLS asks for https
        http.set_nodelay(true);
        http.set_connect_timeout(Some(BOT_CONNECT_TIMEOUT));
        Self(http)
    }
}

impl Service<Uri> for WatchedConnector {
    type Response = Watched;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Watched, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(Watched::new(connecting.await?)) })
    }
}

/// An error and what caused it, in one line; says nothing twice.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}
