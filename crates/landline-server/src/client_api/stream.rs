//! The stream: a WebSocket that carries sets of activities to the client, and empty frames while there are none.
//!
//! A socket is a reader of the log and nothing else: it holds a position and at most one page. One that is too slow,
//! silent or too many is closed; it comes back with its watermark and has missed nothing.
//!
//! What the client sends is not part of the protocol (the stock client sends empty frames to show that it lives); it is
//! read, within limits, and ignored. What breaks the rules of WebSockets ends the stream with the code for that.
//!
//! Where to look: the `handshake`, how much a client may say (`chatter`), everything else here.

mod chatter;
mod handshake;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::SinkExt;
use landline_auth::StreamTicket;
use landline_core::{Follower, Next, Seen, Unavailable};
use landline_protocol::{ActivitySet, UserId, Watermark};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tungstenite::error::ProtocolError;

use self::chatter::Chatter;
use super::credentials::{check_user, conversation_in_path, known, not_trusted, origin, token_error};
use super::query;
use crate::directory::Site;
use crate::error::ApiError;
use crate::http::Peer;
use crate::limits::{
    DRAIN_FLUSH_PAGES, STREAM_IN_BYTES, STREAM_OUT_BYTES, STREAM_PARTING, STREAM_PINGS_UNANSWERED,
    STREAM_READ_BUFFER,
};
use crate::openapi::shapes;
use crate::state::App;
use crate::telemetry::SocketClosed;

/// `GET /v3/directline/conversations/{conversation}/stream?watermark=&t=`
///
/// Opens the stream behind the watermark of the URL; the ticket in `t` says that this is allowed.
/// Source: Direct Line 3.0, "Connect to a stream".
#[utoipa::path(
    get, path = "/v3/directline/conversations/{conversation}/stream", tag = "Activities", operation_id = "openStream",
    summary = "Open the stream", description = "A WebSocket, by the `streamUrl` as it was given. Its text frames are activity sets, or empty.",
    params(
        ("watermark" = Option<String>, Query, description = "Part of the URL."),
        ("t" = String, Query, description = "Part of the URL: a ticket.")
    ),
    responses(
        (status = 101, description = "The stream."),
        (status = 426, description = "Not a request for a WebSocket of version 13.", body = shapes::Error)
    ),
    security(())
)]
pub(super) async fn open(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let base = peer.and_then(|peer| app.public_url.http_base(&parts.headers, peer)).unwrap_or_default();
    let query = parts.uri.query().map(str::to_owned);
    let ticket = query::parameter(query.as_deref(), "t").filter(|ticket| !ticket.is_empty());
    let ticket = ticket.ok_or_else(|| {
        ApiError::unauthorized("the stream URL has lost its t parameter; use it as it was given")
    })?;
    let ticket =
        StreamTicket::verify(&ticket, &app.key_ring.current(), app.now()).map_err(
            |error| match token_error(error) {
                error if error.code == landline_protocol::ErrorCode::TokenExpired => ApiError::token_expired(
                    "the stream URL is older than 60 seconds; reconnect to get a new one",
                ),
                error => error,
            },
        )?;
    let conversation = conversation_in_path(&mut parts, &app).await?;
    let directory = app.directory.snapshot();
    let issued = |site: &&Arc<Site>| site.has_made_ticket(ticket.expires);
    let site = directory.sites.get(&ticket.site).filter(issued);
    let Some(site) = site.filter(|_| ticket.conversation == conversation).cloned() else {
        return Err(ApiError::forbidden("the stream URL is for another conversation"));
    };
    known(&parts, &site);
    let page = Page {
        origin: origin(&parts.headers)?.map(str::to_owned),
        trusted_origins: ticket.trusted_origins.clone(),
        user: ticket.user.clone(),
    };
    if !page.may_read(&site) {
        return Err(not_trusted());
    }
    check_user(&site, page.user.as_ref(), || {
        "the stream URL names no user, and this site has enhanced authentication; start again with a new token".into()
    })?;
    let after = match query::watermark(query.as_deref())? {
        Watermark::After(position) => position,
        Watermark::Absent | Watermark::Empty => ticket.start,
    };
    if app.draining.is_cancelled() {
        return Err(ApiError::draining());
    }
    app.overload.room_for_stream()?;
    let follower = app.conversations.follow(&conversation, after).await?;
    let upgrade = match handshake::upgrade(&mut parts).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return Ok(refused),
    };
    // Last: what was refused for another reason may be tried again.
    if !app.used_tickets.use_up(&ticket, app.now()) {
        return Err(ApiError::token_expired("the stream URL was used already; reconnect to get a new one"));
    }
    // The token keeps the tracker from closing before the last frame is out.
    let tracked = app.tasks.token();
    Ok(upgrade
        .read_buffer_size(STREAM_READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(STREAM_OUT_BYTES)
        .max_message_size(STREAM_IN_BYTES)
        .max_frame_size(STREAM_IN_BYTES)
        .on_upgrade(move |socket| async move {
            let sign_at = Instant::now() + app.stream.idle;
            let chatter = Chatter::default();
            let stream = Stream { sign_at, unanswered: 0, chatter, site, page, base, socket, app };
            stream.run(follower).await;
            drop(tracked);
        })
        .map(Body::new))
}

struct Stream {
    socket: WebSocket,
    app: App,
    /// The site that let the client in, as it was last looked at.
    site: Arc<Site>,
    /// Who was let in.
    page: Page,
    /// How the client reaches this server, for the links that it gets.
    base: String,
    /// When to show that the line is alive, and to ask whether the client is.
    sign_at: Instant,
    /// How often it was asked since the client last showed that it lives.
    unanswered: u32,
    chatter: Chatter,
}

/// Who opened a socket, and what its ticket said of that.
struct Page {
    /// Of the handshake; a browser lets no page make one up. `None`: no browser.
    origin: Option<String>,
    trusted_origins: Vec<String>,
    user: Option<UserId>,
}

impl Page {
    fn may_read(&self, site: &Site) -> bool {
        site.enhanced.admits(self.origin.as_deref(), &self.trusted_origins)
    }
}

/// Why the loop of a stream ends, and what the client is told.
struct End {
    reason: SocketClosed,
    close: Option<CloseFrame>,
}

impl End {
    fn silent(reason: SocketClosed) -> Self {
        Self { reason, close: None }
    }

    fn told(reason: SocketClosed, code: u16, words: &'static str) -> Self {
        Self { reason, close: Some(CloseFrame { code, reason: Utf8Bytes::from_static(words) }) }
    }
}

impl Stream {
    async fn run(mut self, follower: Follower) {
        self.app.metrics.socket_opened();
        let end = match follower.take_seat() {
            // Not the oldest one: the stock client opens a second socket before it closes the first, and would
            // evict itself for ever.
            None => End::told(SocketClosed::Collision, close_code::POLICY, "collision"),
            Some(_seat) => match self.serve(follower).await {
                Ok(never) => match never {},
                Err(end) => end,
            },
        };
        if let Some(close) = end.close {
            // The line may be gone, or as slow as before: nothing is owed any more.
            let _ =
                timeout(self.app.stream.frame_timeout, self.socket.send(Message::Close(Some(close)))).await;
        }
        self.part(end.reason).await;
        self.app.metrics.socket_closed(end.reason);
    }

    async fn serve(&mut self, mut follower: Follower) -> Result<std::convert::Infallible, End> {
        let closing = self.app.closing.clone();
        loop {
            let next = {
                // Goes on while frames come and go, so that a client that chatters does not make it begin anew.
                let mut next = pin!(follower.next());
                loop {
                    let listen_from = self.chatter.listen_from(Instant::now());
                    let heard = async {
                        sleep_until(listen_from).await;
                        self.socket.recv().await
                    };
                    tokio::select! {
                        () = closing.cancelled() => break None,
                        heard = heard => self.heard(heard)?,
                        next = next.as_mut() => break Some(next),
                        () = sleep_until(self.sign_at) => self.show_life().await?,
                    }
                }
            };
            self.still_let_in()?;
            match next {
                Some(Ok(Next::Activities(activities))) => self.send_each(&activities).await?,
                Some(Ok(Next::Transient(activity))) => {
                    let activity = self.app.links.render(activity, &self.base, self.app.now());
                    self.send(ActivitySet::transient_to_json(&activity)).await?
                }
                Some(Err(error)) => return Err(broken(&error)),
                None => {
                    self.flush(&mut follower).await?;
                    return Err(End::told(
                        SocketClosed::Shutdown,
                        close_code::AWAY,
                        "the server is shutting down",
                    ));
                }
            }
        }
    }

    /// The client said something, or nothing any more.
    fn heard(&mut self, heard: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match heard {
            Some(Ok(Message::Close(_))) | None => Err(End::silent(SocketClosed::Client)),
            Some(Err(error)) => Err(broken_rule(error)),
            Some(Ok(message)) => {
                self.unanswered = 0;
                if self.chatter.heard(message.into_data().len(), Instant::now()) {
                    return Err(End::told(
                        SocketClosed::Flood,
                        close_code::POLICY,
                        "a stream is for listening",
                    ));
                }
                Ok(())
            }
        }
    }

    /// Lets the goodbye go both ways: a line that is dropped with something unread on it is reset, and what was sent
    /// last may be lost with it.
    async fn part(&mut self, reason: SocketClosed) {
        if let SocketClosed::Rules | SocketClosed::Flood = reason {
            // What such a client sends is not read any more; our goodbye gets this much time to arrive.
            return sleep(STREAM_PARTING).await;
        }
        let _ = timeout(STREAM_PARTING, async { while let Some(Ok(_)) = self.socket.recv().await {} }).await;
    }

    /// Of a site that was removed, or trusts this page no more, nothing more is shown. A stream on which nothing happens is
    /// closed with the next sign of life.
    fn still_let_in(&mut self) -> Result<(), End> {
        let directory = self.app.directory.snapshot();
        // One that was added under its name is another one.
        let site = directory.sites.get(&self.site.name).filter(|now| now.created == self.site.created);
        let Some(site) = site else {
            return Err(End::told(SocketClosed::Removed, close_code::POLICY, "the site was removed"));
        };
        if Arc::ptr_eq(site, &self.site) {
            return Ok(());
        }
        self.site = Arc::clone(site);
        if self.page.may_read(site) && site.enhanced.check_user(self.page.user.as_ref()).is_ok() {
            return Ok(());
        }
        Err(End::told(SocketClosed::Untrusted, close_code::POLICY, "the site lets this page in no more"))
    }

    /// An empty frame says that the line is alive; the pong says that the client is. Also on a line on which much is
    /// sent: that something leaves does not show that it arrives.
    async fn show_life(&mut self) -> Result<(), End> {
        self.still_let_in()?;
        if self.unanswered >= STREAM_PINGS_UNANSWERED {
            return Err(End::told(SocketClosed::Silent, close_code::POLICY, "no sign of life"));
        }
        self.unanswered += 1;
        self.sign_at = Instant::now() + self.app.stream.idle;
        self.send(String::new()).await?;
        self.put(Message::Ping(bytes::Bytes::new())).await
    }

    /// What was accepted before the stop goes out before the close.
    async fn flush(&mut self, follower: &mut Follower) -> Result<(), End> {
        for _ in 0..DRAIN_FLUSH_PAGES {
            let history = follower.history().await.map_err(|error| broken(&error))?;
            if history.at_end {
                break;
            }
            self.send_each(&history.activities).await?;
        }
        Ok(())
    }

    /// A page, each activity in a frame of its own: the stock client hands out what is in a frame one per timer tick, and
    /// mixes it with what is in the next frame where that comes meanwhile.
    async fn send_each(&mut self, activities: &[Seen]) -> Result<(), End> {
        let now = self.app.now();
        let bytes = activities.iter().map(|seen| seen.activity.len()).sum();
        let writing = self.app.overload.memory.write(bytes);
        let page = async {
            for seen in activities {
                let activity = self.app.links.render(seen.activity.clone(), &self.base, now);
                let frame = ActivitySet::to_json([&activity], seen.watermark);
                self.socket.feed(Message::Text(frame.into())).await?;
            }
            self.socket.flush().await
        };
        tokio::select! {
            sent = in_time(self.app.stream.frame_timeout, page) => sent,
            // Others need the memory, and nobody has waited longer for their client.
            () = writing.given_up() => Err(End::silent(SocketClosed::Slow)),
        }
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), End> {
        in_time(self.app.stream.frame_timeout, self.socket.send(message)).await
    }
}

async fn in_time(limit: Duration, sent: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(limit, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::silent(SocketClosed::Client)),
        Err(_) => Err(End::silent(SocketClosed::Slow)),
    }
}

/// What was no frame, or no text, or too large, and what the client is told. Source: RFC 6455, 7.4.1.
fn broken_rule(error: axum::Error) -> End {
    let error = error.into_inner();
    let (code, words) = match error.downcast_ref() {
        Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            return End::silent(SocketClosed::Client);
        }
        Some(tungstenite::Error::Protocol(_)) => (close_code::PROTOCOL, "this is no frame of a WebSocket"),
        Some(tungstenite::Error::Utf8(_)) => (close_code::INVALID, "a text is not in UTF-8"),
        Some(tungstenite::Error::Capacity(_)) => (close_code::SIZE, "a stream is for listening"),
        _ => return End::silent(SocketClosed::Client),
    };
    End::told(SocketClosed::Rules, code, words)
}

fn broken(error: &Unavailable) -> End {
    if let Unavailable::NotFound = error {
        return End::told(SocketClosed::Store, close_code::NORMAL, "the conversation is gone");
    }
    tracing::warn!(%error, "Closed a stream whose log could not be read");
    End::told(SocketClosed::Store, close_code::AGAIN, "the conversation cannot be read now")
}
