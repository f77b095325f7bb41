//! Doors for the fuzz targets (`fuzz/` at the root of the repository): each leads to a parser of bytes from outside that
//! nobody else may call from where they are.
//!
//! A feature and not `cfg(fuzzing)`, so that the compiler looks at this file whenever all features are built, and so that
//! the same targets run as ordinary tests. Nothing that ships turns it on.
//!
//! Invariant: nothing is decided here. What a target sees is what a request goes through.

use std::ops::Range;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue};
use axum::Router;
use bytes::Bytes;
use landline_auth::{FileLinkKeys, KeyRing};
use landline_core::BotEvent;
use landline_core::files::FileLinks as _;
use landline_core::store::View;
use landline_protocol::{ConversationId, FileId, Timestamp, Watermark};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::bot_client;
use crate::client_api;
use crate::client_api::query;
use crate::files;
use crate::http::{self, ServeLimits};
use crate::limits::ServerLimits;

/// The name of a file in what a client sends as `content-disposition`.
pub fn sent_file_name(disposition: &HeaderValue) -> Option<String> {
    client_api::sent_file_name(disposition)
}

/// The `content-disposition` that a file of this name is handed out with.
pub fn given_disposition(inline: bool, name: &str) -> HeaderValue {
    files::disposition(inline, name)
}

/// Which part of a file of so many bytes is asked for: `Ok` with it, or `Err` where there is no part to send. The whole
/// file is a part, too.
pub fn wanted_range(headers: &HeaderMap, etag: &str, bytes: u64) -> Result<Range<u64>, &'static str> {
    match files::wanted(headers, etag, bytes) {
        files::Wanted::Whole => Ok(0..bytes),
        files::Wanted::Part(part) => Ok(part),
        files::Wanted::NotModified => Err("not modified"),
        files::Wanted::Unsatisfiable => Err("unsatisfiable"),
    }
}

/// A parameter of a query.
pub fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    query::parameter(query, name)
}

/// `watermark=` of a query.
pub fn watermark(query: Option<&str>) -> Option<Watermark> {
    query::watermark(query).ok()
}

/// `wait=` of a query.
pub fn wait(query: Option<&str>) -> Option<Duration> {
    query::wait(query).ok()
}

/// The events in an answer of a bot, as names and data, of at most `max` bytes each; `None` where one has more.
pub fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Option<Vec<(String, Bytes)>> {
    let (mut parser, mut found) = (bot_client::EventParser::new(max), Vec::new());
    for piece in pieces {
        parser.read(piece, |BotEvent { name, data }| found.push((name, data))).ok()?;
    }
    Some(found)
}

/// What `retry-after` of a bot's answer comes to.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    bot_client::retry_after(headers)
}

/// For how long a line to a bot is kept, given its `keep-alive`.
pub fn keep_for(said: Option<&str>) -> Duration {
    bot_client::keep_for(said)
}

/// What a link of ours leads to, however it is written around; `None` where it is not ours.
pub fn given_out(ring: &KeyRing, link: &str) -> Option<(ConversationId, FileId, View)> {
    files::Links::new(FileLinkKeys::new(ring)).given_out(link)
}

/// Serves a connection that is no socket, until its end: what stands between the line and the routes, and the routes.
pub async fn serve_line<S>(line: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let server = ServerLimits::default();
    let limits = ServeLimits {
        connections: server.connections,
        connections_per_address: server.connections_per_address,
        trusted_proxies: http::TrustedProxies::default(),
        header_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        handshake_timeout: server.handshake_timeout,
        write_timeout: server.write_timeout,
        drain: server.drain,
    };
    let peer = ([192, 0, 2, 1], 50_000).into();
    http::serve_line(line, peer, router, &limits).await;
}

/// An activity on its way out, with links in the place of the texts that stand for files.
pub fn rendered(ring: &KeyRing, json: Bytes, base: &str, now: Timestamp) -> Bytes {
    files::Links::new(FileLinkKeys::new(ring)).render(json, base, now)
}
