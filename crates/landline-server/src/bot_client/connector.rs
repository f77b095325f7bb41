//! From an address to a line that is up: look up, connect, TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use landline_core::with_causes;
use tokio::sync::OnceCell;
use tower::Service;

use super::addresses::CheckedResolver;
use super::watch::Watched;
use crate::limits::BOT_CONNECT_TIMEOUT;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no line, in one sentence with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConnectError(String);

/// Connects to bots, and to whom else the operator names. A cheap handle; what is loaded for TLS is shared.
#[derive(Clone, Debug)]
pub struct Connector {
    plain: WatchedConnector,
    tls: Arc<OnceCell<HttpsConnector<WatchedConnector>>>,
}

impl Connector {
    #[cfg(test)]
    pub(crate) fn with_tls(config: rustls::ClientConfig) -> Self {
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        let plain = WatchedConnector::new();
        let tls = builder.https_only().enable_http1().wrap_connector(plain.clone());
        Self { plain, tls: Arc::new(OnceCell::new_with(Some(tls))) }
    }

    /// Ends within the connect timeout for the socket; TLS on top of it is the caller's to bound.
    pub(super) async fn connect(&self, uri: Uri) -> Result<MaybeHttpsStream<Watched>, ConnectError> {
        let connected = if uri.scheme() == Some(&Scheme::HTTPS) {
            let mut tls = self.tls().await?.clone();
            tls.call(uri).await
        } else {
            self.plain.clone().call(uri).await.map(MaybeHttpsStream::Http)
        };
        connected.map_err(|error| ConnectError(with_causes(&*error)))
    }

    /// Loads the certificate authorities, unless they are there. What fails is tried again the next time.
    ///
    /// # Errors
    /// What to do so that it works.
    pub(crate) async fn load_roots(&self) -> Result<(), ConnectError> {
        self.tls().await.map(drop)
    }

    async fn tls(&self) -> Result<&HttpsConnector<WatchedConnector>, ConnectError> {
        let load = || async {
            // Reads files.
            let loaded =
                tokio::task::spawn_blocking(|| HttpsConnectorBuilder::new().with_native_roots()).await;
            let builder = loaded.map_err(io::Error::other).flatten().map_err(|error| {
                ConnectError(format!(
                    "cannot load the certificate authorities of this machine: {error}; install the package \
                     ca-certificates"
                ))
            })?;
            Ok(builder.https_only().enable_http1().wrap_connector(self.plain.clone()))
        };
        self.tls.get_or_try_init(load).await
    }
}

/// Loads the certificate authorities of the machine when the first `https` address is to be reached.
impl Default for Connector {
    fn default() -> Self {
        Self { plain: WatchedConnector::new(), tls: Arc::default() }
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
