//! From an address to a line that is up: look up, connect, TLS.
//!
//! Not here: which addresses, and whose certificates (`landline_outbound`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{DefaultServerNameResolver, HttpsConnector, MaybeHttpsStream};
use landline_core::with_causes;
use landline_outbound::{
    AddressPolicy, Authorities, Lookup, NoAuthorities, TcpConnector, Trust, address_problem,
    certificate_problem,
};
use tower::Service;

use super::watch::Watched;
use crate::limits::BOT_CONNECT_TIMEOUT;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no line, in one sentence with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConnectError(String);

/// Connects to bots, and to whom else the operator names. A cheap handle; what is loaded for TLS is shared.
///
/// The default: to every address that is not refused for ever, with the authorities of the machine.
#[derive(Clone, Debug)]
pub struct Connector {
    plain: WatchedConnector,
    trust: Trust,
}

impl Connector {
    /// To these addresses, with these authorities.
    pub fn new(addresses: Arc<AddressPolicy>, trust: Trust) -> Self {
        Self { plain: WatchedConnector(TcpConnector::new(addresses, BOT_CONNECT_TIMEOUT)), trust }
    }

    /// The same with another way from names to addresses: for tests.
    pub fn with_lookup(addresses: Arc<AddressPolicy>, trust: Trust, lookup: Arc<dyn Lookup>) -> Self {
        let tcp = TcpConnector::with_lookup(addresses, lookup, BOT_CONNECT_TIMEOUT);
        Self { plain: WatchedConnector(tcp), trust }
    }

    /// Ends within the connect timeout for the socket; TLS on top of it is the caller's to bound. Where there are
    /// authorities, TLS is with whoever has a certificate of theirs, and with nobody else.
    pub(super) async fn connect(
        &self,
        uri: Uri,
        only: Option<&Authorities>,
    ) -> Result<MaybeHttpsStream<Watched>, ConnectError> {
        let connected = if uri.scheme() == Some(&Scheme::HTTPS) {
            let config = match only {
                Some(authorities) => authorities.only_these(),
                None => self.trust.load().await?,
            };
            let names = Arc::new(DefaultServerNameResolver::default());
            HttpsConnector::new(self.plain.clone(), config, true, names).call(uri).await
        } else {
            self.plain.clone().call(uri).await.map(MaybeHttpsStream::Http)
        };
        connected.map_err(|error| {
            let problem = certificate_problem(&*error)
                .or_else(|| address_problem(&*error).map(|refused| format!("its address {refused}")));
            ConnectError(problem.unwrap_or_else(|| with_causes(&*error)))
        })
    }

    /// Loads the certificate authorities, unless they are there. What fails is tried again the next time.
    ///
    /// # Errors
    /// What to do so that it works.
    pub(crate) async fn load_roots(&self) -> Result<(), ConnectError> {
        Ok(self.trust.load().await.map(drop)?)
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new(Arc::default(), Trust::default())
    }
}

impl From<NoAuthorities> for ConnectError {
    fn from(error: NoAuthorities) -> Self {
        Self(error.to_string())
    }
}

/// Makes plain sockets, each with its watch.
#[derive(Clone, Debug)]
pub(super) struct WatchedConnector(TcpConnector);

impl Service<Uri> for WatchedConnector {
    type Response = Watched;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Watched, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(Watched::new(connecting.await?)) })
    }
}
