//! TLS on the public listener: which certificate is shown, and how another one takes its place.
//!
//! Invariants:
//! - There is always a pair in use whose key fits its certificate. One that does not replaces none that does.
//! - A connection keeps what it began with: those that are open, WebSockets too, do not notice a change.
//! - The private key is in no error, log line or debug output.
//!
//! Where to look: how the two files are read and checked (`pair`), what is said about them (`advice`), when they are
//! read again (`renewal`).
//!
//! Not here: the handshake on a connection (`http::handshake`), TLS towards bots (`bot_client`).

mod advice;
mod pair;
mod renewal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use landline_core::Clock;
use landline_protocol::Timestamp;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use self::pair::Pair;
use crate::config::{Config, ConfigError, TlsFiles};
use crate::telemetry::Metrics;

/// What the public listener shows. A cheap handle.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    /// The pair in use. Only `renewal` replaces it.
    current: watch::Sender<Arc<Pair>>,
    metrics: Arc<Metrics>,
}

/// Without the pair, in which the key is.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the two files.
    ///
    /// # Errors
    /// What is wrong with them, under the name of its key, and what to do.
    pub async fn open(files: &TlsFiles, metrics: Arc<Metrics>) -> Result<Self, ConfigError> {
        let pair = Arc::new(read(files).await?);
        metrics.certificate_ends(pair.until);
        Ok(Self { files: files.clone(), current: watch::Sender::new(pair), metrics })
    }

    /// What a connection that begins now is served with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.borrow().server)
    }

    /// What works and is still worth a look, now.
    pub(crate) fn warnings(&self, config: &Config, clock: &dyn Clock) -> Vec<String> {
        advice::warnings(&self.files, &self.current.borrow(), config, clock.now())
    }
}

/// Reads the files of a configuration, where it names some, as a start would; gives what is worth a look. Blocks.
///
/// # Errors
/// As [`Tls::open`].
pub fn check(config: &Config, now: Timestamp) -> Result<Vec<String>, ConfigError> {
    let Some(files) = &config.tls else { return Ok(Vec::new()) };
    Ok(advice::warnings(files, &Pair::read(files)?, config, now))
}

async fn read(files: &TlsFiles) -> Result<Pair, ConfigError> {
    let files = files.clone();
    let read = spawn_blocking(move || Pair::read(&files)).await;
    read.unwrap_or_else(|_| Err(ConfigError::new(pair::CERTIFICATE, "reading it was broken off")))
}
