//! A server in the test's own process, spoken to over loopback: HTTP, WebSocket, or bytes.
//!
//! Bot, clock, randomness and disk are the test's, as in [`crate::domain`]; what is between the socket and the domain
//! is what ships. Configure it with [`Builder`]; speak to it with [`http`], [`socket`] and [`raw`], or through the
//! actors ([`Operator`], [`Person`], [`BotActor`]).
//!
//! Not here: the real process (`server`), the domain without HTTP (`domain`).

mod actors;
mod builder;
pub mod disk;
pub mod http;
pub mod inside;
pub mod keys;
pub mod logs;
pub mod openapi;
pub mod raw;
pub mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use landline_core::store::Registry;
use landline_server::app::Running;
use landline_server::config::Config;
use landline_server::directory::Directory;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use actors::{BotActor, Operator, Person, message, start};
pub use builder::{
    ADMIN_TOKEN, BOT, Builder, OTHER_BOT, OTHER_SECRET, OTHER_SITE, SECOND_SECRET, SECRET, SITE,
};
pub use disk::Disk;
pub use http::{Call, Reply};
pub use socket::{Frame, Socket};

use crate::domain::{FaultyBlobs, ManualClock, ScriptedBot};

/// How long anything may take that is to happen at once.
pub const SOON: Duration = Duration::from_secs(10);

/// A server that runs in this process. Stops when it is dropped.
#[derive(Debug)]
pub struct TestServer {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub clock: Arc<ManualClock>,
    pub bot: Arc<ScriptedBot>,
    pub disk: Arc<Disk>,
    /// The bytes of files; in memory.
    pub blobs: Arc<FaultyBlobs>,
    /// Bots and sites, as the server sees them.
    pub directory: Arc<Directory>,
    /// What the bot [`BOT`] is told as its `serviceUrl`.
    pub service_url: String,
    /// The same for [`OTHER_BOT`].
    pub other_service_url: String,
    registry: Arc<dyn Registry>,
    builder: Builder,
    shutdown: CancellationToken,
    /// Stops the server with the test.
    _stop: DropGuard,
    finished: JoinHandle<anyhow::Result<()>>,
    /// Holds the data of the embedded store, where there is one.
    folder: Option<Arc<tempfile::TempDir>>,
}

impl TestServer {
    /// With the memory engine and the default bounds.
    pub async fn start() -> Self {
        Builder::default().start().await
    }

    /// To change what it is started with.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A request that is not sent yet.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(self.address, method, path)
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// A request to the admin API, with its token; the path counts from `/admin/v1`.
    pub fn admin(&self, method: Method, path: &str) -> Call {
        Call::new(self.admin, method, &format!("/admin/v1{path}")).bearer(ADMIN_TOKEN)
    }

    /// Whoever holds a secret.
    pub fn operator_with(&self, secret: &str) -> Operator<'_> {
        Operator::new(self, secret)
    }

    /// Whoever holds the secret of [`SITE`].
    pub fn operator(&self) -> Operator<'_> {
        Operator::new(self, SECRET)
    }

    /// Whoever holds the secret of [`OTHER_SITE`].
    pub fn other_operator(&self) -> Operator<'_> {
        Operator::new(self, OTHER_SECRET)
    }

    /// Somebody who has started a conversation with a token of their own.
    pub async fn person(&self, name: &str) -> Person {
        self.operator().person(name).await
    }

    /// The bot [`BOT`], as it calls back.
    pub fn bot_actor(&self) -> BotActor {
        BotActor::new(self.address, &self.service_url)
    }

    /// The bot [`OTHER_BOT`], as it calls back.
    pub fn other_bot_actor(&self) -> BotActor {
        BotActor::new(self.address, &self.other_service_url)
    }

    /// Has the server read its certificate again, as SIGHUP does.
    pub fn reload(&self) {
        self.builder.reload.notify_one();
    }

    /// Where the embedded store keeps the data.
    pub fn data_folder(&self) -> Option<&std::path::Path> {
        self.folder.as_ref().map(|folder| folder.path())
    }

    /// Begins the stop and lets it go on beside the test.
    pub fn begin_stop(&self) {
        self.shutdown.cancel();
    }

    /// Stops, and waits until everything is over. Says whether the server ended well.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(60), self.finished).await??
    }

    /// Another process over the same data: what was only in memory is gone. The bot and the clock remember.
    ///
    /// This one goes on until it is stopped or dropped; as after a crash, nothing tells it.
    pub async fn restarted(&self) -> Self {
        self.restarted_as(|_| {}).await
    }

    /// The same, with another configuration.
    pub async fn restarted_as(&self, change: impl FnOnce(&mut Config)) -> Self {
        let lasting = Lasting {
            disk: Arc::clone(&self.disk),
            registry: Arc::clone(&self.registry),
            blobs: Arc::clone(&self.blobs),
            clock: Arc::clone(&self.clock),
            bot: Arc::clone(&self.bot),
            folder: self.folder.clone(),
        };
        self.builder.clone().configure(change).start_over(lasting).await
    }

    fn assemble(running: Running, lasting: Lasting, builder: Builder, shutdown: CancellationToken) -> Self {
        let Lasting { disk, registry, blobs, clock, bot, folder } = lasting;
        let directory = Arc::clone(&running.directory);
        let now = directory.snapshot();
        let url = |name: &str| {
            let bot = &now.bots[&name.parse().expect("a name")];
            bot.service_url.expose().to_string()
        };
        let (address, admin) = (running.public_addr, running.admin_addr);
        let (service_url, other_service_url) = (url(BOT), url(OTHER_BOT));
        #[expect(clippy::disallowed_methods, reason = "a test waits for the server's end by its handle")]
        let finished = tokio::spawn(running.finished());
        Self {
            address,
            admin,
            clock,
            bot,
            disk,
            blobs,
            directory,
            service_url,
            other_service_url,
            registry,
            builder,
            _stop: shutdown.clone().drop_guard(),
            shutdown,
            finished,
            folder,
        }
    }
}

/// What one process leaves to the next one, and what is around both.
struct Lasting {
    disk: Arc<Disk>,
    registry: Arc<dyn Registry>,
    blobs: Arc<FaultyBlobs>,
    clock: Arc<ManualClock>,
    bot: Arc<ScriptedBot>,
    folder: Option<Arc<tempfile::TempDir>>,
}
