//! The whole server in this process, without a socket in between: its bot, clock, randomness and disk are the target's,
//! and time is the runtime's, which goes on when nothing else is to be done.
//!
//! Each input has a server of its own, so that none sees what another has left.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use landline_core::store::memory::{MemoryBlobs, MemoryStore};
use landline_server::app::{Engines, StartOptions, start_with};
use landline_server::config::Config;
use landline_server::http::Peer;
use landline_testkit::domain::{FaultyBlobs, ManualClock, ScriptedBot, SeededEntropy};
use landline_testkit::in_process::{BOT, OTHER_BOT, OTHER_SECRET, OTHER_SITE, SECRET, SITE, keys};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A server, and what is around it.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) bot: Arc<ScriptedBot>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) blobs: Arc<FaultyBlobs>,
    /// Path of the Connector API for [`BOT`], such as `/connector/abc/`.
    pub(crate) bot_path: String,
    store: Arc<MemoryStore>,
    process: u64,
    _stop: tokio_util::sync::DropGuard,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }
}

/// Runs to the end, in a time of its own.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    runtime(true).block_on(future)
}

/// The same in real time, for what crosses a socket.
pub(crate) fn run_in_real_time<T>(future: impl Future<Output = T>) -> T {
    runtime(false).block_on(future)
}

fn runtime(paused: bool) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(paused).build().expect("a runtime")
}

fn config(endpoint: &str) -> Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\npublic_url = \"http://bots.example.org\"\n\
         [bots.{BOT}]\nendpoint = \"{endpoint}\"\n[bots.{OTHER_BOT}]\nendpoint = \"{endpoint}\"\n\
         [sites.{SITE}]\nbot = \"{BOT}\"\nsecret = \"{SECRET}\"\n[sites.{OTHER_SITE}]\nbot = \"{OTHER_BOT}\"\n\
         secret = \"{OTHER_SECRET}\"\n"
    );
    Config::parse(&text, Path::new(""), &|_| None).expect("a configuration")
}

impl Server {
    /// With nothing in it, and a bot that takes everything.
    pub(crate) async fn start() -> Self {
        let (bot, clock) = (Arc::new(ScriptedBot::default()), Arc::new(ManualClock::default()));
        let blobs = Arc::new(FaultyBlobs::new(Arc::new(MemoryBlobs::new(Arc::clone(&clock) as _))));
        Self::over(Arc::new(MemoryStore::new()), blobs, bot, clock, 1, None).await
    }

    /// With bots that are reached over HTTP.
    pub(crate) async fn with_bot_at(endpoint: &str) -> Self {
        let (bot, clock) = (Arc::new(ScriptedBot::default()), Arc::new(ManualClock::default()));
        let blobs = Arc::new(FaultyBlobs::new(Arc::new(MemoryBlobs::new(Arc::clone(&clock) as _))));
        Self::over(Arc::new(MemoryStore::new()), blobs, bot, clock, 1, Some(endpoint)).await
    }

    /// The next process over the same data.
    pub(crate) async fn restarted(self) -> Self {
        let Self { store, blobs, bot, clock, process, _stop, .. } = self;
        drop(_stop);
        Self::over(store, blobs, bot, clock, process + 1, None).await
    }

    async fn over(
        store: Arc<MemoryStore>,
        blobs: Arc<FaultyBlobs>,
        bot: Arc<ScriptedBot>,
        clock: Arc<ManualClock>,
        process: u64,
        endpoint: Option<&str>,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let bind = async || TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let options = StartOptions {
            config: config(endpoint.unwrap_or("http://127.0.0.1:9/api/messages")),
            public: bind().await,
            admin: bind().await,
            clock: Arc::<ManualClock>::clone(&clock),
            entropy: Arc::new(SeededEntropy::new(process)),
            make_identity_key: keys::maker(process),
            extra_routes: Router::new(),
            reload: Default::default(),
            shutdown: shutdown.clone(),
        };
        let engines = Engines {
            log: Arc::<MemoryStore>::clone(&store),
            registry: Arc::<MemoryStore>::clone(&store),
            blobs: Arc::<FaultyBlobs>::clone(&blobs),
            bots: endpoint.is_none().then(|| Arc::<ScriptedBot>::clone(&bot) as _),
        };
        let running = start_with(options, engines).await.expect("a server");
        let service_url =
            running.directory.snapshot().bots[&BOT.parse().expect("a name")].service_url.expose().to_string();
        let bot_path = format!("/{}", service_url.splitn(4, '/').nth(3).expect("a path"));
        let router = running.router.clone();
        Self { router, bot, clock, blobs, bot_path, store, process, _stop: shutdown.drop_guard() }
    }

    /// Sends a request past the connection, to the routes.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: Body,
        kind: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "bots.example.org");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let mut request = request.body(body).expect("a request");
        request.extensions_mut().insert(Peer(([192, 0, 2, 1], 50_000).into()));
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (head, body) = response.into_parts();
        // A body that breaks off is a short one.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: &Value,
    ) -> Answer {
        self.call(method, path, bearer, Body::from(body.to_string()), "application/json").await
    }

    pub(crate) async fn get(&self, path: &str, bearer: &str) -> Answer {
        self.call(Method::GET, path, Some(bearer), Body::empty(), "").await
    }

    /// A token for a user, and the conversation that it opens, started.
    pub(crate) async fn person(&self, user: &str) -> Person {
        let body = serde_json::json!({"user": {"id": user}});
        let token = self
            .json(Method::POST, "/v3/directline/tokens/generate", Some(SECRET), &body)
            .await
            .text("token");
        let started =
            self.json(Method::POST, "/v3/directline/conversations", Some(&token), &Value::Null).await;
        let ticket = started.text("streamUrl").rsplit_once("t=").expect("a ticket").1.to_owned();
        Person { user: user.to_owned(), conversation: started.text("conversationId"), token, ticket }
    }

    /// Everything that a client can see, page by page; `None` when the conversation cannot be read.
    pub(crate) async fn history(&self, person: &Person) -> Option<Vec<Value>> {
        let (mut all, mut watermark) = (Vec::new(), "0".to_owned());
        loop {
            let page =
                self.get(&person.path(&format!("/activities?watermark={watermark}")), &person.token).await;
            if page.status != StatusCode::OK {
                return None;
            }
            let activities = page.json()["activities"].as_array().expect("a list").clone();
            let before = std::mem::replace(&mut watermark, page.text("watermark"));
            if activities.is_empty() && before == watermark {
                return Some(all);
            }
            all.extend(activities);
        }
    }

    /// Waits until nothing is kept that belongs to no activity, or for long enough.
    pub(crate) async fn blobs_left(&self) -> usize {
        for _ in 0..20 {
            if self.blobs.all().await.is_empty() {
                return 0;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.blobs.all().await.len()
    }
}

/// Somebody in a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) conversation: String,
    pub(crate) token: String,
    pub(crate) ticket: String,
}

impl Person {
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v3/directline/conversations/{}{rest}", self.conversation)
    }

    pub(crate) async fn say(&self, server: &Server, text: &str) -> Answer {
        let message = serde_json::json!({"type": "message", "from": {"id": self.user}, "text": text});
        server.json(Method::POST, &self.path("/activities"), Some(&self.token), &message).await
    }

    /// What stands in inputs for what is another text in each process.
    pub(crate) fn names<'a>(&'a self, server: &'a Server) -> HashMap<&'static str, &'a str> {
        [
            ("{token}", &*self.token),
            ("{conversation}", &*self.conversation),
            ("{ticket}", &*self.ticket),
            ("{bot}", &*server.bot_path),
            ("{secret}", SECRET),
        ]
        .into()
    }
}

/// The bytes, with each of the names exchanged.
pub(crate) fn with_names(data: &[u8], names: &HashMap<&'static str, &str>) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(data.len()), data);
    'all: while let Some((first, behind)) = rest.split_first() {
        if *first == b'{' {
            for (name, value) in names {
                if let Some(behind) = rest.strip_prefix(name.as_bytes()) {
                    out.extend_from_slice(value.as_bytes());
                    rest = behind;
                    continue 'all;
                }
            }
        }
        out.push(*first);
        rest = behind;
    }
    out
}

/// No answer is the fault of the server, and none says more than it should.
pub(crate) fn check_answer(status: u16, headers: &HeaderMap, body: &[u8]) {
    // 502 and 504 are the bot's, 503 is a limit that was reached.
    assert!(status < 500 || matches!(status, 502..=504), "{status}: {}", String::from_utf8_lossy(body));
    assert_eq!(headers.get("x-content-type-options").map(|value| value.as_bytes()), Some(&b"nosniff"[..]));
    assert!(headers.get("x-request-id").is_some_and(|id| id.len() == 16), "{headers:?}");
    if status >= 400 && !body.is_empty() {
        let error: Value = serde_json::from_slice(body).expect("an error is JSON");
        let oauth = error["error"].is_string();
        assert!(
            oauth || error["error"]["code"].is_string() && error["error"]["message"].is_string(),
            "{error}"
        );
        let words = String::from_utf8_lossy(body);
        assert!(!words.contains("panicked") && !words.contains("src/"), "{words}");
    }
}
