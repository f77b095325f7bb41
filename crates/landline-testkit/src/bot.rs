//! A bot in the test's own process: takes activities over HTTP, keeps them, and behaves as it is told.
//!
//! Without an app id, as in development: it checks no `Authorization` and sends none; the `serviceUrl` it is given
//! is its credential.

mod files;
mod replies;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::client::{parse_activity_id, payload_of};
use crate::history::{BOT, Recorder};
use replies::Replies;

/// The largest activity the bot reads; above what the server lets through.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How the bot takes activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 200 at once.
    Accept,
    /// Answers each message by the Connector API, `echo {n} of {text}`, then 200.
    Echo,
    /// As [`Self::Echo`]; besides, it downloads some of the files it is given, and answers half of the messages that have
    /// files with one of its own.
    EchoFiles,
    /// Answers each message in the HTTP answer itself.
    ExpectReplies,
    /// This status, whatever comes.
    Status(u16),
    /// Reads the activity and never answers.
    Hang,
    /// Nobody listens; open connections are cut.
    Refuse,
}

/// A running bot. Stops when dropped.
#[derive(Debug)]
pub struct Bot {
    address: SocketAddr,
    shared: Arc<Shared>,
    mode: watch::Sender<Mode>,
    listening: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Shared {
    received: Mutex<Received>,
    keep: bool,
    recorder: Option<Recorder>,
    replies: Replies,
}

#[derive(Debug, Default)]
struct Received {
    count: u64,
    activities: Vec<Value>,
}

impl Bot {
    /// A bot that keeps what it receives.
    pub async fn start(mode: Mode) -> Result<Self> {
        Self::begin(mode, true, None).await
    }

    /// A bot that writes what it receives and sends into a history, and keeps nothing itself.
    pub async fn start_recorded(mode: Mode, recorder: Recorder) -> Result<Self> {
        Self::begin(mode, false, Some(recorder)).await
    }

    /// A bot for loads: it only counts.
    pub async fn start_counting(mode: Mode) -> Result<Self> {
        Self::begin(mode, false, None).await
    }

    async fn begin(mode: Mode, keep: bool, recorder: Option<Recorder>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let replies = Replies::new(address.port(), recorder.clone());
        let shared = Arc::new(Shared { received: Mutex::default(), keep, recorder, replies });
        let (mode, orders) = watch::channel(mode);
        let (tell, listening) = watch::channel(true);
        let tasks = TaskTracker::new();
        tasks.spawn(listen(listener, address, shared.clone(), orders, tell, tasks.clone()));
        Ok(Self { address, shared, mode, listening })
    }

    /// Where the server finds the bot.
    pub fn endpoint(&self) -> String {
        format!("http://{}/api/messages", self.address)
    }

    /// Changes how the bot behaves from now on, also for what it has taken and not answered.
    pub async fn set_mode(&mut self, mode: Mode) -> Result<()> {
        self.mode.send_replace(mode);
        self.listening.wait_for(|listening| *listening == (mode != Mode::Refuse)).await?;
        Ok(())
    }

    /// How many activities came.
    pub fn count(&self) -> u64 {
        self.shared.received().count
    }

    /// Asks for every file that the server has acknowledged to keep since this was called last, and writes the answers into
    /// the history. Gives what was not answered.
    pub async fn fetch_kept(&self) -> Vec<String> {
        self.shared.replies.fetch_kept().await
    }

    /// What came, in the order of coming.
    pub fn received(&self) -> Vec<Value> {
        self.shared.received().activities.clone()
    }
}

impl Shared {
    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections while the mode allows it. Ends when the bot is dropped.
async fn listen(
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    mut orders: watch::Receiver<Mode>,
    tell: watch::Sender<bool>,
    tasks: TaskTracker,
) {
    let mut listener = Some(listener);
    loop {
        let refuse = *orders.borrow_and_update() == Mode::Refuse;
        if refuse {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        tell.send_replace(listener.is_some());
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = accepted => {
                if let Ok((stream, _)) = accepted {
                    tasks.spawn(serve(stream, shared.clone(), orders.clone()));
                }
            }
        }
    }
}

/// Serves one connection until it ends, the bot is dropped, or told to refuse.
async fn serve(stream: TcpStream, shared: Arc<Shared>, orders: watch::Receiver<Mode>) {
    // Without it a delayed acknowledgement costs 40 ms; the bot works all the same.
    let _ = stream.set_nodelay(true);
    let mut until = orders.clone();
    let service = service_fn(move |request| {
        let (shared, orders) = (shared.clone(), orders.clone());
        async move { Ok::<_, Infallible>(answer(request, &shared, orders).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A peer that cuts the line is what these tests are about.
        _ = connection => {}
        _ = until.wait_for(|mode| *mode == Mode::Refuse) => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    mut orders: watch::Receiver<Mode>,
) -> Response<Full<Bytes>> {
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let Ok(activity) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let number = note(shared, &activity);
    loop {
        let mode = *orders.borrow_and_update();
        match mode {
            Mode::Accept => return status(StatusCode::OK),
            Mode::Status(code) => return status(StatusCode::from_u16(code).unwrap_or(StatusCode::OK)),
            Mode::EchoFiles => {
                shared.replies.echo_files(&activity, number).await;
                return status(StatusCode::OK);
            }
            Mode::Echo => {
                if let Some(text) = payload_of(&activity) {
                    shared.replies.send(&activity, &format!("echo {number} of {text}")).await;
                }
                return status(StatusCode::OK);
            }
            Mode::ExpectReplies => {
                let replies = payload_of(&activity)
                    .map(|text| json!({"type": "message", "text": format!("echo {number} of {text}")}));
                let body = json!({"activities": replies.into_iter().collect::<Vec<_>>()});
                return Response::new(Full::new(body.to_string().into()));
            }
            Mode::Hang | Mode::Refuse => {
                if orders.changed().await.is_err() {
                    return status(StatusCode::SERVICE_UNAVAILABLE);
                }
            }
        }
    }
}

/// Writes down that the activity came. Gives its number.
fn note(shared: &Shared, activity: &Value) -> u64 {
    if let (Some(recorder), Some(payload)) = (&shared.recorder, payload_of(activity))
        && let Some((conversation, position)) = activity["id"].as_str().and_then(parse_activity_id)
    {
        recorder.deliver(BOT, conversation, position, payload);
    }
    let mut received = shared.received();
    received.count += 1;
    if shared.keep {
        received.activities.push(activity.clone());
    }
    received.count
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests;
