//! From an address to a socket that is connected.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use crate::lookup::{CheckedResolver, Lookup, SystemLookup};
use crate::policy::AddressPolicy;
use crate::problem::RefusedAddress;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens sockets, to addresses that may be connected to. A cheap handle.
#[derive(Clone, Debug)]
pub struct TcpConnector {
    http: HttpConnector<CheckedResolver>,
    policy: Arc<AddressPolicy>,
}

impl TcpConnector {
    /// With the resolver of this machine. A connection has so long to come up, the look-up included.
    pub fn new(policy: Arc<AddressPolicy>, connect_timeout: Duration) -> Self {
        Self::with_lookup(policy, Arc::new(SystemLookup::default()), connect_timeout)
    }

    /// With another resolver: for tests, which decide what a name means.
    pub fn with_lookup(
        policy: Arc<AddressPolicy>,
        lookup: Arc<dyn Lookup>,
        connect_timeout: Duration,
    ) -> Self {
        let resolver = CheckedResolver { lookup, policy: Arc::clone(&policy) };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false); // whoever calls has seen to the scheme; TLS asks for https
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect_timeout));
        Self { http, policy }
    }
}

impl Service<Uri> for TcpConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // An address in place of a name is not looked up, so no resolver gets to check it.
        let host = uri.host().unwrap_or_default();
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let refused = literal.parse().ok().and_then(|address| check(&self.policy, address).err());
        if let Some(refused) = refused {
            return Box::pin(std::future::ready(Err(refused.into())));
        }
        let (connecting, policy) = (self.http.call(uri), Arc::clone(&self.policy));
        Box::pin(async move {
            let stream = connecting.await?;
            // However it came to this one: nothing was sent yet.
            check(&policy, stream.inner().peer_addr()?.ip())?;
            Ok(stream)
        })
    }
}

fn check(policy: &AddressPolicy, address: IpAddr) -> io::Result<()> {
    policy.check(address).map_err(|why| RefusedAddress::Literal(address, why).into())
}

#[cfg(test)]
mod tests;
