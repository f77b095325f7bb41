//! What a server of a test is started with.

use std::path::Path;
use std::sync::Arc;

use landline_core::BotTransport;
use landline_core::store::memory::{MemoryBlobs, MemoryStore};
use landline_core::store::{LogStore, Registry};
use landline_server::app::{Engines, StartOptions, start_with};
use landline_server::config::Config;
use landline_store_embedded::{EmbeddedOptions, EmbeddedStore};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Disk, Lasting, TestServer, keys};
use crate::domain::{FaultyBlobs, ManualClock, ScriptedBot, SeededEntropy};

/// The site whose operator and clients most tests are.
pub const SITE: &str = "default";
/// The secret of [`SITE`].
pub const SECRET: &str = "first-secret-of-default-0123456789abcdef";
/// The other secret of [`SITE`].
pub const SECOND_SECRET: &str = "second-secret-of-default-0123456789abcdef";
/// What opens the admin API.
pub const ADMIN_TOKEN: &str = "token-of-the-admin-api-0123456789abcdef";
/// The bot behind [`SITE`].
pub const BOT: &str = "main";
/// A site that has nothing to do with [`SITE`].
pub const OTHER_SITE: &str = "other";
/// The secret of [`OTHER_SITE`].
pub const OTHER_SECRET: &str = "only-secret-of-other-0123456789abcdefgh";
/// The bot behind [`OTHER_SITE`].
pub const OTHER_BOT: &str = "second";

/// Free space that the embedded store asks for: little, so that tests run on a nearly full machine.
const RESERVE_BYTES: u64 = 1024 * 1024;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Builder {
    config: Config,
    http_bot: bool,
    embedded: bool,
    /// Tells the server to read its certificate again.
    pub(super) reload: Arc<Notify>,
    seed: u64,
}

impl Default for Builder {
    fn default() -> Self {
        let text = format!(
            r#"
            listen = "127.0.0.1:0"
            admin = "127.0.0.1:0"
            admin_token = "{ADMIN_TOKEN}"
            [bots.{BOT}]
            endpoint = "http://127.0.0.1:9/api/messages"
            [bots.{OTHER_BOT}]
            endpoint = "http://127.0.0.1:9/api/messages"
            [sites.{SITE}]
            bot = "{BOT}"
            secret = "{SECRET}"
            second_secret = "{SECOND_SECRET}"
            [sites.{OTHER_SITE}]
            bot = "{OTHER_BOT}"
            secret = "{OTHER_SECRET}"
            "#
        );
        let mut config =
            Config::parse(&text, Path::new(""), &|_| None).expect("the configuration of the tests");
        // Tests try more wrong secrets than anybody else, all from one address.
        config.limits.server.rates.failed_authentications = 0;
        Self { config, http_bot: false, embedded: false, reload: Arc::default(), seed: 1 }
    }
}

impl Builder {
    /// Changes the configuration.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Reaches [`BOT`] over HTTP instead of the scripted one.
    #[must_use]
    pub fn http_bot(mut self, endpoint: &str) -> Self {
        self.config.bots[0].endpoint = endpoint.parse().expect("a URL");
        self.http_bot = true;
        self
    }

    /// Other random numbers than those of the other servers of the tests, and so other keys and ids.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps the data with the embedded store, in a folder of its own.
    #[must_use]
    pub fn embedded(mut self) -> Self {
        self.embedded = true;
        self
    }

    /// Starts it on ports that are free.
    pub async fn start(self) -> TestServer {
        let folder = self.embedded.then(|| Arc::new(tempfile::tempdir().expect("a temporary folder")));
        let (log, registry): (Arc<dyn LogStore>, Arc<dyn Registry>) = match &folder {
            Some(folder) => {
                let options = EmbeddedOptions { reserve_bytes: RESERVE_BYTES, ..EmbeddedOptions::default() };
                let store = Arc::new(EmbeddedStore::open(folder.path(), options).expect("a store"));
                (Arc::<EmbeddedStore>::clone(&store), store)
            }
            None => {
                let store = Arc::new(MemoryStore::new());
                (Arc::<MemoryStore>::clone(&store), store)
            }
        };
        let disk = Arc::new(Disk::new(log));
        let (clock, bot) = (Arc::new(ManualClock::default()), Arc::new(ScriptedBot::default()));
        let blobs = Arc::new(FaultyBlobs::new(Arc::new(MemoryBlobs::new(Arc::clone(&clock) as _))));
        self.start_over(Lasting { disk, registry, blobs, clock, bot, folder }).await
    }

    /// Starts it over what there is.
    pub(super) async fn start_over(mut self, lasting: Lasting) -> TestServer {
        let scripted: Arc<dyn BotTransport> = Arc::<ScriptedBot>::clone(&lasting.bot);
        let bots = (!self.http_bot).then_some(scripted);
        let log = Arc::<Disk>::clone(&lasting.disk);
        let (registry, blobs) = (Arc::clone(&lasting.registry), Arc::clone(&lasting.blobs) as _);
        let engines = Engines { log, registry, blobs, bots };
        let shutdown = CancellationToken::new();
        let bind = async |address| TcpListener::bind(address).await.expect("a free port");
        let options = StartOptions {
            public: bind(self.config.listen).await,
            admin: bind(self.config.admin).await,
            config: self.config.clone(),
            clock: Arc::<ManualClock>::clone(&lasting.clock),
            entropy: Arc::new(SeededEntropy::new(self.seed)),
            make_identity_key: keys::maker(self.seed),
            extra_routes: Default::default(),
            reload: Arc::clone(&self.reload),
            shutdown: shutdown.clone(),
        };
        // On the heap: the stack of a test thread has no room for many of them.
        let running = Box::pin(start_with(options, engines)).await.expect("a server");
        // What the next process makes up is something else.
        self.seed += 1;
        TestServer::assemble(running, lasting, self, shutdown)
    }
}
