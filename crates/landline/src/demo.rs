//! `landline demo`: the server, a bot and a page on one port, for people who want to see it work.
//!
//! Nothing is cut short for it: the page is the stock Web Chat over Direct Line, and the bot is reached over HTTP and
//! answers over the Connector API, like any bot.
//!
//! Not here: how the server is started (`serve`).

mod bot;
mod page;
mod replies;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use landline_auth::SiteSecret;
use landline_core::Entropy;
use landline_server::SystemEntropy;
use landline_server::config::{Config, OneBot, Sandbox};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::cli::DemoFlags;
use crate::listeners::Listeners;
use crate::{banner, block_on, confine, output, serve, signals};

pub(crate) fn run(flags: DemoFlags) -> anyhow::Result<ExitCode> {
    let listeners = Listeners::bind(flags.listen, flags.admin)?;
    let base = banner::local_base("http", listeners.public.local_addr()?);
    let data = Data::of(flags.data)?;

    let mut secret = [0; 32];
    SystemEntropy.fill(&mut secret);
    let secret = SiteSecret::from_random(&secret);
    let sandbox = flags.sandbox.unwrap_or_default();
    let config = configuration(&base, data.folder(), sandbox, &secret, flags.allow_plain_http)?;
    listeners.check(&config)?;
    let confined = confine::this_process(&config, data.removed_at_the_end().as_slice())?;
    block_on(async move {
        let shutdown = CancellationToken::new();
        signals::drain_on_signal(shutdown.clone())?;
        let routes = bot::routes(&base).merge(page::routes(&base, secret));
        let running = serve::start(config, listeners, confined, routes, Arc::default(), shutdown).await?;

        output::line(&welcome(&base, &data))?;
        let code = serve::until_finished(running).await?;
        data.remove()?;
        Ok(code)
    })
}

fn configuration(
    base: &str,
    data: PathBuf,
    sandbox: Sandbox,
    secret: &SiteSecret,
    allow_plain_http: bool,
) -> anyhow::Result<Config> {
    let flags = OneBot {
        endpoint: Some(format!("{base}{}", bot::PATH).parse()?),
        listen: None,
        admin: None,
        tls: None,
        allow_plain_http,
        data: Some(data),
        public_url: None,
        connector_url: Some(base.parse()?),
        sandbox,
        audit_log: None,
    };
    // The secret never leaves this process: the page gets tokens, from an address that only the demo has.
    let environment = |_: &str| Some(secret.expose().to_owned());
    Ok(Config::one_bot(flags, &environment)?)
}

/// Where the data is, and whether it goes with the demo.
enum Data {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Data {
    fn of(flag: Option<PathBuf>) -> anyhow::Result<Self> {
        match flag {
            Some(folder) => Ok(Self::Kept(folder)),
            None => {
                let folder =
                    TempDir::with_prefix("landline-demo-").context("cannot make a temporary folder")?;
                Ok(Self::Temporary(folder))
            }
        }
    }

    fn folder(&self) -> PathBuf {
        match self {
            Self::Kept(folder) => folder.clone(),
            Self::Temporary(folder) => folder.path().to_owned(),
        }
    }

    /// The folder that is not to be there afterwards.
    fn removed_at_the_end(&self) -> Option<&Path> {
        match self {
            Self::Kept(_) => None,
            Self::Temporary(folder) => Some(folder.path()),
        }
    }

    fn remove(self) -> anyhow::Result<()> {
        match self {
            Self::Kept(_) => Ok(()),
            Self::Temporary(folder) => folder.close().context("cannot remove the temporary folder"),
        }
    }
}

fn welcome(base: &str, data: &Data) -> String {
    let kept = match data {
        Data::Kept(folder) => format!("kept in {}", folder.display()),
        Data::Temporary(folder) => {
            format!("in {}, removed at the end; --data FOLDER keeps it", folder.path().display())
        }
    };
    format!(
        "landline {} demo\n\n  Open this        {base}/\n  Data             {kept}\n  Stop             Ctrl-C\n\n  \
         Pull the plug: kill this process, start it again with the same --data and --listen, and go on chatting.\n",
        env!("CARGO_PKG_VERSION")
    )
}
