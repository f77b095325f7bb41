//! What every measurement stands on: a fresh folder, a bot that answers at once, a server.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use landline_testkit::bot::{Bot, Mode};
use landline_testkit::process::{ServerOptions, ServerProcess};
use tempfile::TempDir;

use crate::Common;

/// A start that takes longer has failed.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// A stop that takes longer has failed.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(60);

/// The secret of the measured site.
const SECRET: &str = "bench-secret-0123456789-0123456789-0123456789-01";

/// Keys of `[limits]` for whoever measures what the server can do, and not what it lets through.
pub(crate) const UNLIMITED: &str = "site_sends_per_second = 0\nsite_starts_per_second = 0\nsite_tokens_per_second = 0\n\
    site_uploads_per_second = 0\nsite_polls_per_second = 0\nuser_sends_per_second = 0\nuser_starts_per_second = 0\n\
    conversation_sends_per_second = 0\nconversation_polls_per_second = 0\nconversation_reconnects_per_second = 0\n\
    bot_calls_per_second = 0\n";

/// A running server that nobody else uses.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) server: ServerProcess,
    pub(crate) bot: Bot,
    pub(crate) folder: TempDir,
}

impl Rig {
    pub(crate) async fn start(common: &Common) -> Result<Self> {
        Self::start_with(common, format!("[limits]\n{UNLIMITED}")).await
    }

    /// With more in the configuration file.
    pub(crate) async fn start_with(common: &Common, more: String) -> Result<Self> {
        let prefix = "landline-bench-";
        let folder = match &common.folder {
            Some(folder) => tempfile::Builder::new().prefix(prefix).tempdir_in(folder),
            None => tempfile::Builder::new().prefix(prefix).tempdir(),
        };
        let folder = folder.context("no folder for the data")?;
        let bot = Bot::start_counting(Mode::Accept).await?;
        let options = ServerOptions {
            binary: common.binary.clone(),
            folder: folder.path().to_owned(),
            bot: bot.endpoint(),
            secret: SECRET.to_owned(),
            queued: None,
            more,
            ready_within: READY_WITHIN,
        };
        let (server, _) = ServerProcess::start(options).await?;
        Ok(Self { server, bot, folder })
    }

    /// The server's resident memory.
    pub(crate) fn rss_kib(&self) -> Result<u64> {
        Ok(self.server.memory()?.now_kib)
    }

    /// Processor time the server has used, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.pid()?)
    }

    fn pid(&self) -> Result<u32> {
        self.server.pid().context("the server is not running")
    }
}

/// Processor time a process has used, user and system.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold blanks; what is counted stands behind it.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    let ticks = |place: usize| -> Option<u64> { fields.as_ref()?.get(place)?.parse().ok() };
    let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
        bail!("/proc/{pid}/stat has no times");
    };
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis((user + system) * 1000 / per_second.max(1)))
}
