//! `landline serve`.

use std::process::ExitCode;
use std::sync::Arc;

use landline_auth::RsaKey;
use landline_core::{Clock, SystemClock};
use landline_server::SystemEntropy;
use landline_server::app::{self, Running, StartOptions};
use landline_server::audit::Event;
use landline_server::config::{Config, OneBot, TlsFiles};
use landline_server::tls;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::ServeFlags;
use crate::confine::{self, Confined};
use crate::exit::WrongConfiguration;
use crate::listeners::{Listeners, raise_descriptor_limit};
use crate::{banner, block_on, output, signals};

pub(crate) fn run(flags: ServeFlags) -> anyhow::Result<ExitCode> {
    let config = config_of(flags)?;
    for warning in config.warnings() {
        warn!("{warning}");
    }
    let listeners = Listeners::bind(config.listen, config.admin)?;
    listeners.check(&config)?;
    // What is worth a look is said when it is in use.
    tls::check(&config, SystemClock.now())?;
    let confined = confine::this_process(&config, &[])?;
    block_on(async move {
        let shutdown = CancellationToken::new();
        // Before the data is opened: a signal from here on leads to an orderly end.
        signals::drain_on_signal(shutdown.clone())?;
        let reload = signals::reload_on_signal()?;
        let routes = axum::Router::new();
        let running = start(config.clone(), listeners, confined, routes, reload, shutdown).await?;
        output::line(&banner::serving(&config, &running))?;
        until_finished(running).await
    })
}

/// Reads the file, or makes a configuration of the flags.
fn config_of(flags: ServeFlags) -> anyhow::Result<Config> {
    let environment = |name: &str| std::env::var(name).ok();
    if let Some(file) = flags.config {
        return Config::load(&file, &environment)
            .map_err(|error| WrongConfiguration(format!("{}: {error}", file.display())).into());
    }
    let ServeFlags {
        bot: endpoint,
        listen,
        admin,
        allow_plain_http,
        data,
        public_url,
        connector_url,
        audit_log,
        ..
    } = flags;
    let tls = flags.tls_certificate.zip(flags.tls_key);
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    let sandbox = flags.sandbox.unwrap_or_default();
    let flags = OneBot {
        endpoint,
        listen,
        admin,
        tls,
        allow_plain_http,
        data,
        public_url,
        connector_url,
        sandbox,
        audit_log,
    };
    let config = Config::one_bot(flags, &environment);
    config.map_err(|error| WrongConfiguration(error.to_string()).into())
}

/// Starts a server with the clock and the randomness of the machine, once it is seen that the process is confined.
pub(crate) async fn start(
    config: Config,
    listeners: Listeners,
    confined: Confined,
    extra_routes: axum::Router,
    reload: Arc<Notify>,
    shutdown: CancellationToken,
) -> anyhow::Result<Running> {
    confined.verify().await?;
    raise_descriptor_limit(config.limits.server.connections);
    let options = StartOptions {
        config,
        public: TcpListener::from_std(listeners.public)?,
        admin: TcpListener::from_std(listeners.admin)?,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        make_identity_key: Arc::new(RsaKey::generate),
        extra_routes,
        reload,
        shutdown,
    };
    let running = app::start(options).await?;
    running.audit.record(Event::Sandbox { state: confined.to_string() });
    info!(address = %running.public_addr, "Serving on {}", running.public_addr);
    Ok(running)
}

/// Waits for the end, which is an error when the store has failed.
pub(crate) async fn until_finished(running: Running) -> anyhow::Result<ExitCode> {
    running.finished().await?;
    info!("Stopped; everything that was accepted is on disk");
    Ok(ExitCode::SUCCESS)
}
