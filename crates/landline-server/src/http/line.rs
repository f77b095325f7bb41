//! A connection without a socket and without an accept loop, for the fuzz targets. See `crate::fuzzing`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::client_address::TrustedProxies;
use super::connection::{Ends, run};
use super::crowd::Crowd;
use super::serve::ServeLimits;

/// Serves a line until its end, as the accept loop would.
pub(crate) async fn serve_line<S>(line: S, peer: SocketAddr, router: Router, limits: &ServeLimits)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let crowd = Arc::new(Crowd::new(0, TrustedProxies::default()));
    let Some(entered) = crowd.enter(peer.ip()) else { return };
    let ends = Ends { drain: CancellationToken::new(), abort: CancellationToken::new() };
    run(line, peer, Arc::new(entered.place), router, limits, ends).await;
}
