//! The composition root: the only place that knows which engine keeps the data and how bots are reached.
//!
//! [`start`] opens everything in the order in which it is needed; [`Running::finished`] waits until it is over.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use landline_auth::{AdminToken, SiteSecret};
use landline_core::files::FilesFrom;
use landline_core::store::{BlobStore, LogStore, Registry};
use landline_core::{
    AnswerEnd, BotTransport, Clock, Conversations, Delivered, Entropy, Observer, OutboxChange, Parts,
    Retention,
    limits::{FIRST_SWEEP, SWEEP_INTERVAL},
};
use landline_protocol::SiteName;
use landline_store_embedded::{EmbeddedOptions, EmbeddedStore};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use self::admin_file::AdminFile;
pub use self::blobs::open_blobs;
use crate::admin_api::{self, Readiness, ReadinessState};
use crate::audit::{Audit, Event, Place, WriterEnd};
use crate::bot_client::{Connector, CurrentKeys, HyperBotTransport};
use crate::client_api::{Places, UsedTickets};
use crate::config::{Config, StoreLimits};
use crate::connector_api::attachments::room::BodyRoom;
use crate::directory::{self, Directory, Editor, EditorParts, FileEntries, Snapshot};
use crate::files::{Links, WithLinks, open_file_keys};
use crate::http::{
    Observed, ServeLimits, TrustedProxies, serve, with_client_address, with_layers, with_refusals,
};
use crate::identity::{self, ExternalIssuers, Identity, IdentityHolder, MakeIdentityKey};
use crate::limits::{
    ADMIN_CONNECTIONS, AUDIT_END, BOT_FILE_WAIT, BOT_FILES_IN_MEMORY, CLEAR_UNFINISHED, STREAM_DRAIN,
    ServerLimits, UPLOADS_AT_ONCE, UPLOADS_PER_CONVERSATION,
};
use crate::openapi::{self, Document};
use crate::outbound::Outbound;
use crate::overload::{Beside, Memory, Overload, of_this_machine};
use crate::public_url::PublicUrl;
use crate::state::{App, StreamLimits};
use crate::telemetry::{
    ActivityOrigin, DeliveryOutcome, Metrics, OutboxEvent, StreamedAnswerEnd, resident_bytes,
};
use crate::tls::Tls;
use crate::token_keys::TokenKeys;
use crate::{client_api, connector_api};

mod admin_file;
mod blobs;

/// What a server is started with.
#[expect(missing_debug_implementations, reason = "a bag of trait objects; it is taken apart at once")]
pub struct StartOptions {
    /// What the operator asked for.
    pub config: Config,
    /// Where clients and bots connect.
    pub public: TcpListener,
    /// Where the operator's probes and scrapers connect.
    pub admin: TcpListener,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids, keys and secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Makes the RSA keys by which bots know this server.
    pub make_identity_key: MakeIdentityKey,
    /// Routes to serve beside the API, such as the demo's page.
    pub extra_routes: axum::Router,
    /// Notified to read again what may be another one: the certificate.
    pub reload: Arc<Notify>,
    /// Cancelled to stop the server.
    pub shutdown: CancellationToken,
}

/// Where the data is kept, and how bots are reached.
#[expect(missing_debug_implementations, reason = "a bag of trait objects; it is taken apart at once")]
pub struct Engines {
    /// The logs.
    pub log: Arc<dyn LogStore>,
    /// Secrets and keys.
    pub registry: Arc<dyn Registry>,
    /// The bytes of files.
    pub blobs: Arc<dyn BlobStore>,
    /// The way to the bots; `None` for HTTP.
    pub bots: Option<Arc<dyn BotTransport>>,
}

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    /// Where clients and bots connect.
    pub public_addr: SocketAddr,
    /// Where probes and scrapers connect.
    pub admin_addr: SocketAddr,
    /// Secrets that were made just now, to be shown once.
    pub first_secrets: Vec<(SiteName, SiteSecret)>,
    /// Bots and sites.
    pub directory: Arc<Directory>,
    /// What opens the admin API.
    pub admin_token: SiteSecret,
    /// Takes records.
    pub audit: Audit,
    audit_end: WriterEnd,
    admin_file: Option<AdminFile>,
    public: tokio::task::JoinHandle<()>,
    admin: tokio::task::JoinHandle<()>,
    tasks: TaskTracker,
    readiness: ReadinessState,
    log: Arc<dyn LogStore>,
    shutdown: CancellationToken,
    closing: CancellationToken,
    admin_shutdown: CancellationToken,
    /// What answers clients and bots, for targets that have no socket.
    #[cfg(feature = "fuzzing")]
    pub router: axum::Router,
}

/// Starts a server on the embedded store in the configured folder.
///
/// # Errors
/// In words for the operator: what is wrong and what to do.
pub async fn start(options: StartOptions) -> anyhow::Result<Running> {
    check_outset(&options)?;
    let store = Arc::new(open_store(&options.config.data, &options.config.limits.store).await?);
    let log: Arc<dyn LogStore> = Arc::<EmbeddedStore>::clone(&store);
    let folder = options.config.data.clone();
    let StartOptions { config, entropy, .. } = &options;
    let blobs =
        open_blobs(&config.files, &config.limits.store, &*store, &**entropy, &config.outbound).await?;
    // On the heap: it is large, and whoever starts a server has other things on the stack.
    Box::pin(assemble(options, Engines { log, registry: store, blobs, bots: None }, Some(folder))).await
}

/// Opens the store in a folder.
///
/// # Errors
/// As [`start`].
pub async fn open_store(data: &Path, limits: &StoreLimits) -> anyhow::Result<EmbeddedStore> {
    let folder = data.to_owned();
    let options = EmbeddedOptions { cache_bytes: limits.cache_bytes, reserve_bytes: limits.reserve_bytes };
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(&folder, options)).await?;
    opened.with_context(|| format!("cannot open the data folder {}", data.display()))
}

/// Starts a server on given engines. Nothing is written to the data folder.
///
/// # Errors
/// As [`start`].
pub async fn start_with(options: StartOptions, engines: Engines) -> anyhow::Result<Running> {
    check_outset(&options)?;
    Box::pin(assemble(options, engines, None)).await
}

/// What must be right before anything is opened. The sockets are looked at, not the configuration: they can be others
/// than those that it names.
fn check_outset(options: &StartOptions) -> anyhow::Result<()> {
    let StartOptions { config, public, admin, .. } = options;
    config.check_listeners(public.local_addr()?, admin.local_addr()?)?;
    Ok(())
}

async fn assemble(
    options: StartOptions,
    engines: Engines,
    folder: Option<PathBuf>,
) -> anyhow::Result<Running> {
    let StartOptions { config, public, admin, clock, entropy, .. } = options;
    let StartOptions { make_identity_key, extra_routes, reload, shutdown, .. } = options;
    let proxies = TrustedProxies::new(config.trusted_proxies.clone());
    let (public_addr, admin_addr) = (public.local_addr()?, admin.local_addr()?);
    let tasks = TaskTracker::new();
    let metrics = Arc::new(Metrics::new());
    let readiness = ReadinessState::default();
    let tls = match &config.tls {
        Some(files) => Some(Tls::open(files, Arc::clone(&metrics)).await?),
        None => None,
    };
    if let Some(tls) = &tls {
        for warning in tls.warnings(&config, &*clock) {
            tracing::warn!("{warning}");
        }
        tasks.spawn(tls.clone().keep_fresh(Arc::clone(&clock), reload, shutdown.clone()));
    }

    let base = bot_base(&config, public_addr);
    let registry = || Arc::clone(&engines.registry);
    let keys = IdentityHolder::open(registry(), make_identity_key, clock.now()).await;
    let keys = Arc::new(keys.context("cannot open the keys by which bots know this server")?);
    let connector = Connector::new(Arc::clone(&config.outbound.addresses), config.outbound.trust.clone());
    let outbound = Arc::new(Outbound::new(connector.clone()));
    let trusted = config.trusted_issuers.clone();
    let issuers = ExternalIssuers::new(trusted, outbound, tasks.clone(), Arc::clone(&metrics));
    let identity = Arc::new(Identity::new(keys, &base, issuers));
    let place = match &config.audit_log {
        Some(path) => Place::File {
            path: path.clone(),
            bytes: config.limits.server.audit_log_bytes,
            files: config.limits.server.audit_log_files,
        },
        None => Place::Log,
    };
    let (audit, writer) = Audit::open(place, Arc::clone(&clock), Arc::clone(&metrics))?;
    let config_digest = digest_of(&config);
    let key_ring = TokenKeys::open(registry(), &*entropy, clock.now()).await?;
    let file = FileEntries { bots: config.bots, sites: config.sites, base: base.clone() };
    let loaded = directory::load(&file, &*engines.registry, &*entropy, clock.now()).await?;
    let directory = Arc::new(Directory::default());
    directory.replace(loaded.snapshot);
    let editor = Editor::new(EditorParts {
        directory: Arc::clone(&directory),
        file,
        versions: loaded.versions,
        registry: registry(),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        metrics: Arc::clone(&metrics),
        addresses: Arc::clone(&config.outbound.addresses),
    });
    let bots = match engines.bots {
        Some(bots) => bots,
        None => {
            let keys = Arc::clone(&identity.keys);
            let bots = http_to_bots(&directory, connector, keys, Arc::clone(&clock)).await?;
            let (tidy, shutdown) = (Arc::clone(&bots), shutdown.clone());
            tasks.spawn(async move { tidy.keep_tidy(shutdown).await });
            bots
        }
    };
    let links = Arc::new(Links::new(open_file_keys(&*engines.registry, &*entropy).await?));
    let bots = Arc::new(WithLinks {
        inner: bots,
        links: Arc::clone(&links),
        clock: Arc::clone(&clock),
        base: base.clone(),
    });
    clear_unfinished(&*engines.blobs).await;
    let conversations = Conversations::new(Parts {
        store: Arc::clone(&engines.log),
        blobs: engines.blobs,
        file_links: Arc::<Links>::clone(&links),
        bots,
        directory: Arc::<Directory>::clone(&directory),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        limits: config.limits.domain.clone(),
        tasks: tasks.clone(),
        observer: Arc::new(DeliveryMetrics(Arc::clone(&metrics))),
    });
    // Before the first request: what comes in later is delivered by whoever brings it.
    let untried =
        conversations.list_untried().await.context("cannot list deliveries that were not tried yet")?;

    // Between the two, bots are still heard, so that whoever waits for a bot's answer gets it.
    let closing = CancellationToken::new();
    let app = App::new(crate::state::Parts {
        conversations: conversations.clone(),
        directory: Arc::clone(&directory),
        identity,
        key_ring,
        links,
        clock,
        entropy: Arc::clone(&entropy),
        metrics: Arc::clone(&metrics),
        public_url: PublicUrl::new(config.public_url.clone(), proxies.clone(), tls.is_some()),
        token_max_age: config.limits.server.token_max_age,
        body_timeout: config.limits.server.body_timeout,
        bot_file_room: BodyRoom::new(BOT_FILES_IN_MEMORY, BOT_FILE_WAIT),
        used_tickets: UsedTickets::default(),
        stream: StreamLimits {
            idle: config.limits.server.stream_idle,
            frame_timeout: config.limits.server.stream_frame_timeout,
        },
        draining: shutdown.clone(),
        closing: closing.clone(),
        overload: Overload::new(
            config.limits.server.rates.clone(),
            memory(&config.limits.server, &metrics, conversations.clone()),
            Arc::clone(&metrics),
            shutdown.clone(),
        ),
        uploads: Places::new(UPLOADS_AT_ONCE, UPLOADS_PER_CONVERSATION),
        sends: TaskTracker::new(),
        tasks: tasks.clone(),
    });
    tasks.spawn(close_when_quiet(app.clone(), config.limits.server.drain));
    let admin_token = match config.admin_token {
        Some(token) => token,
        // Not of the form of a site's secret, so that neither is taken for the other.
        None => {
            let mut random = Zeroizing::new([0; 32]);
            entropy.fill(&mut *random);
            SiteSecret::from_text(AdminToken::from_random(&random).expose())?
        }
    };
    let admin_routes = admin_api::routes(app.clone(), editor, &admin_token, audit.clone());
    let router = client_api::routes(&app).merge(connector_api::routes()).merge(identity::routes());
    let documents = openapi::routes(&[Document::Directline, Document::Connector]);
    let router = router.with_state(app).merge(documents).merge(extra_routes);
    let observed = Observed { entropy, metrics: Arc::clone(&metrics), audit: audit.clone() };
    let router = with_client_address(with_layers(router, observed), proxies);
    let server = &config.limits.server;
    let limits = ServeLimits {
        connections: server.connections,
        connections_per_address: server.connections_per_address,
        trusted_proxies: TrustedProxies::new(config.trusted_proxies.clone()),
        header_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        handshake_timeout: server.handshake_timeout,
        write_timeout: server.write_timeout,
        drain: server.drain,
    };
    let admin_limits =
        ServeLimits { connections: ADMIN_CONNECTIONS, connections_per_address: 0, ..limits.clone() };
    let admin_router = admin_api::probes(readiness.clone(), Arc::clone(&metrics));
    let admin_router = admin_router.merge(openapi::routes(&[Document::Admin])).merge(admin_routes);
    let admin_router = with_refusals(admin_router);
    // Stays up while the rest drains, so that a probe sees it.
    let admin_shutdown = CancellationToken::new();
    let admin_task =
        serve(admin, admin_router, admin_limits, None, None, admin_shutdown.clone(), tasks.clone());
    #[cfg(feature = "fuzzing")]
    let for_fuzzing = router.clone();
    let public_task = serve(public, router, limits, tls, Some(metrics), closing.clone(), tasks.clone());
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "it outlives all others, and is waited for by its handle")]
    let audit_end = WriterEnd { task: tokio::spawn(writer.run(stop.clone())), stop };
    audit.record(Event::Started {
        version: env!("CARGO_PKG_VERSION"),
        config: config_digest,
        listen: public_addr.to_string(),
        admin: admin_addr.to_string(),
    });
    let mut running = Running {
        public_addr,
        admin_addr,
        first_secrets: loaded.new_secrets,
        directory: Arc::clone(&directory),
        admin_token,
        audit,
        audit_end,
        admin_file: None,
        public: tasks.spawn(public_task),
        admin: tasks.spawn(admin_task),
        tasks: tasks.clone(),
        readiness: readiness.clone(),
        log: engines.log,
        shutdown: shutdown.clone(),
        closing,
        admin_shutdown,
        #[cfg(feature = "fuzzing")]
        router: for_fuzzing,
    };
    conversations.deliver_untried(untried);
    conversations.resume_outbox();
    tasks.spawn(sweep_regularly(conversations, directory, shutdown));
    if let Some(folder) = folder {
        running.admin_file = Some(AdminFile::write(&folder, admin_addr, &running.admin_token)?);
    }
    readiness.set(Readiness::Ready);
    Ok(running)
}

impl Running {
    /// Waits until the server has stopped: no accepted request is dropped, every stream was closed.
    ///
    /// # Errors
    /// When the store has failed, so that the process must exit with an error.
    pub async fn finished(self) -> anyhow::Result<()> {
        let failure = tokio::select! {
            () = self.shutdown.cancelled() => None,
            failure = self.log.failed() => Some(failure),
        };
        self.readiness.set(Readiness::Draining);
        if let Some(error) = failure {
            // Nothing more can be acknowledged, and what is in memory may differ from what is on disk.
            self.shutdown.cancel();
            self.closing.cancel();
            self.audit.record(Event::Stopped { why: "the store has failed" });
            self.audit_end.finish(AUDIT_END).await;
            anyhow::bail!(
                "the store has failed, and what it holds must be read from disk again: {error}; start the server again"
            );
        }
        self.public.await?;
        if let Some(file) = self.admin_file {
            file.remove();
        }
        self.admin_shutdown.cancel();
        self.admin.await?;
        self.tasks.close();
        if tokio::time::timeout(STREAM_DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.tasks.len(),
                "Stopped with {} streams or deliveries unfinished",
                self.tasks.len()
            );
        }
        self.audit.record(Event::Stopped { why: "as asked" });
        self.audit_end.finish(AUDIT_END).await;
        Ok(())
    }
}

/// The account of what requests and streams hold.
fn memory(limits: &ServerLimits, metrics: &Metrics, conversations: Conversations) -> Memory {
    let beside = Beside {
        elsewhere: Box::new(move || conversations.bytes_in_memory()),
        process: Box::new(resident_bytes),
        machine: of_this_machine(),
    };
    Memory::new(limits.memory_bytes, metrics.memory_held(), beside)
}

/// Takes away what uploads of former processes have begun and not finished. Where that fails, it costs room and nothing
/// else.
async fn clear_unfinished(blobs: &dyn BlobStore) {
    match tokio::time::timeout(CLEAR_UNFINISHED, blobs.clear_unfinished()).await {
        Ok(Ok(0)) => {}
        Ok(Ok(files)) => tracing::info!(files, "Took away {files} files that were never finished"),
        Ok(Err(error)) => tracing::warn!(%error, "Unfinished files stay where they are until the next start"),
        Err(_) => tracing::warn!(
            "Unfinished files stay until the next start: the store of files has not answered for {CLEAR_UNFINISHED:?}"
        ),
    }
}

/// The way to the bots over HTTP. Fails where it is known already that a bot cannot be reached.
async fn http_to_bots(
    directory: &Arc<Directory>,
    connector: Connector,
    keys: Arc<IdentityHolder>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<HyperBotTransport>> {
    if directory
        .snapshot()
        .bots
        .values()
        .any(|bot| bot.endpoint.scheme() == "https" && bot.ca_certificates.is_none())
    {
        connector.load_roots().await.context("cannot prepare to reach bots")?;
    }
    let keys: CurrentKeys = Arc::new(move || keys.current());
    Ok(Arc::new(HyperBotTransport::new(Arc::clone(directory), connector, keys, clock)))
}

/// Lets go of clients and bots once nothing that was accepted before the stop is under way, or has taken too long.
async fn close_when_quiet(app: App, at_most: Duration) {
    app.draining.cancelled().await;
    if tokio::time::timeout(at_most, app.quiet()).await.is_err() {
        tracing::warn!("Closing with sends or deliveries unfinished: they did not end within {at_most:?}");
    }
    app.closing.cancel();
}

async fn sweep_regularly(
    conversations: Conversations,
    directory: Arc<Directory>,
    shutdown: CancellationToken,
) {
    let mut pause = FIRST_SWEEP;
    loop {
        // First at once: an earlier process may have been cut off while files came in.
        tokio::select! {
            swept = conversations.sweep_files() => match swept {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "Took away {files} stored files that nobody has any more"),
                Err(error) => tracing::warn!(%error, "Could not look through all stored files; next time again"),
            },
            () = shutdown.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
        pause = SWEEP_INTERVAL;
        // A wake-up is a hint; this is the slower poll behind it.
        conversations.resume_outbox();
        match conversations.sweep(&retention(&directory.snapshot())).await {
            Ok(0) => {}
            Ok(forgotten) => {
                tracing::info!(forgotten, "Forgot {forgotten} conversations whose time was over")
            }
            Err(error) => tracing::warn!(%error, "Could not look for conversations whose time is over"),
        }
    }
}

fn retention(now: &Snapshot) -> Retention {
    let sites: HashMap<_, _> = now.sites.values().map(|site| (site.name.clone(), site.retention)).collect();
    // Of a site that is not there any more, nothing is known but that it was there: it is kept longest.
    let default = sites.values().copied().max().unwrap_or(Duration::MAX);
    Retention { sites, default }
}

/// A digest of the configuration, by which it is told from another one. Secrets do not count: they are not in its debug
/// output.
fn digest_of(config: &Config) -> String {
    let digest = digest(&SHA256, format!("{config:?}").as_bytes());
    digest.as_ref().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// How a listener is reached from this machine.
fn local_base(scheme: &str, listener: SocketAddr) -> String {
    let unspecified = listener.ip().is_unspecified();
    let address = if unspecified { (Ipv4Addr::LOCALHOST, listener.port()).into() } else { listener };
    format!("{scheme}://{address}")
}

/// The base URL by which bots reach this server, without a slash at its end.
fn bot_base(config: &Config, public: SocketAddr) -> String {
    match (&config.connector_url, &config.public_url) {
        (Some(url), _) | (None, Some(url)) => url.as_str().trim_end_matches('/').to_owned(),
        (None, None) => local_base(if config.tls.is_some() { "https" } else { "http" }, public),
    }
}

/// Tells the metrics how deliveries end.
#[derive(Debug)]
struct DeliveryMetrics(Arc<Metrics>);

impl Observer for DeliveryMetrics {
    fn delivery_finished(&self, delivered: &Delivered, took: Duration) {
        let outcome = match delivered {
            Delivered::Accepted => DeliveryOutcome::Accepted,
            Delivered::Refused { .. } => DeliveryOutcome::Refused,
            Delivered::NotReached(_) => DeliveryOutcome::NotReached,
            Delivered::TimedOut => DeliveryOutcome::TimedOut,
            Delivered::Unknown(_) => DeliveryOutcome::Broken,
        };
        self.0.delivery_finished(outcome, took);
    }

    fn outbox_changed(&self, change: OutboxChange) {
        self.0.outbox_changed(match change {
            OutboxChange::Queued => OutboxEvent::Queued,
            OutboxChange::Delivered => OutboxEvent::Delivered,
            OutboxChange::Failed => OutboxEvent::Failed,
            OutboxChange::Parked => OutboxEvent::Parked,
            OutboxChange::Retried => OutboxEvent::Retried,
            OutboxChange::Dropped => OutboxEvent::Dropped,
        });
    }

    fn outbox_lines(&self, lines: usize) {
        self.0.outbox_conversations(lines);
    }

    fn answer_ended(&self, end: &AnswerEnd) {
        self.0.streamed_answer_ended(match end {
            AnswerEnd::Complete => StreamedAnswerEnd::Complete,
            AnswerEnd::Broken(_) => StreamedAnswerEnd::Broken,
            AnswerEnd::NotLogged(_) => StreamedAnswerEnd::NotLogged,
            AnswerEnd::Stopped => StreamedAnswerEnd::Stopped,
        });
    }

    fn append_committed(&self, took: Duration) {
        self.0.append_committed(took);
    }

    fn files_kept(&self, from: FilesFrom, files: usize, bytes: u64) {
        let from = match from {
            FilesFrom::Clients => ActivityOrigin::Client,
            FilesFrom::Bot => ActivityOrigin::Bot,
        };
        self.0.files_kept(from, files, bytes);
    }

    fn files_swept(&self, files: u64) {
        self.0.files_swept(files);
    }

    fn file_bytes_held(&self, bytes: u64) {
        self.0.file_bytes_held(bytes);
    }
}

#[cfg(test)]
mod tests {
    use landline_auth::DatedSecrets;

    use super::*;
    use crate::directory::{ManagedBy, Site, SiteRates};

    #[test]
    fn retention_follows_the_sites_that_there_are_now() {
        let site = |name: &str, days: u64| {
            let site = Site {
                name: name.parse().unwrap(),
                bot: "main".parse().unwrap(),
                secrets: DatedSecrets::default(),
                token_lifetime: Duration::from_secs(60),
                empty_watermark_is_history: true,
                retention: Duration::from_secs(days * 86_400),
                files: None,
                enhanced: Default::default(),
                rates: SiteRates::default(),
                created: None,
                managed_by: ManagedBy::Registry,
            };
            (site.name.clone(), Arc::new(site))
        };
        let mut snapshot = Snapshot { sites: [site("a", 1), site("b", 90)].into(), ..Snapshot::default() };
        let both = retention(&snapshot);
        assert_eq!(both.sites[&"a".parse().unwrap()], Duration::from_secs(86_400));
        assert_eq!(
            both.default,
            Duration::from_secs(90 * 86_400),
            "what is not there any more is kept longest"
        );

        snapshot.sites.remove(&"b".parse().unwrap());
        assert_eq!(retention(&snapshot).default, Duration::from_secs(86_400));
        assert_eq!(retention(&Snapshot::default()).default, Duration::MAX);
    }

    #[test]
    fn a_listener_is_named_so_that_this_machine_reaches_it() {
        for (address, base) in [
            ("127.0.0.1:3001", "http://127.0.0.1:3001"),
            ("0.0.0.0:3001", "http://127.0.0.1:3001"),
            ("[::]:3001", "http://127.0.0.1:3001"),
            ("[::1]:3001", "http://[::1]:3001"),
        ] {
            assert_eq!(local_base("http", address.parse().unwrap()), base);
        }
    }
}
