//! What the operator asked for: from a file, or from the flags of `landline serve`; checked once, valid from then on.
//!
//! Invariants:
//! - Unknown keys and contradictions are errors that name the key and say what to do.
//! - No error and no debug output holds a secret or the line of the file in which one may stand.
//!
//! Where to look: the keys (`file`), the checks (`resolve`, `bots`, `trusted_issuers`), the table of limits (`limits_table`), sizes and times as
//! text (`units`), where secrets come from (`secrets`), who may listen without TLS (`plain_http`), the example (`example`).
//!
//! Not here: the flags themselves (`landline`), what a limit is for (`crate::limits`, `landline_core::limits`).

mod bots;
mod example;
mod file;
mod files;
mod limits_table;
mod outbound;
mod plain_http;
mod resolve;
mod sandbox;
mod secrets;
mod trusted_issuers;
mod units;

pub use files::FilesAt;
pub use sandbox::Sandbox;
pub(crate) use units::{parse_time, show_time};

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use landline_auth::{BotCredential, SiteSecret};
use landline_core::DeliveryMode;
use landline_core::files::FileLife;
use landline_outbound::{AddressPolicy, Authorities, Trust};
use landline_protocol::{BotName, SiteName};
use url::Url;

use crate::directory::{Enhanced, OutgoingCredentials, SiteRates};
use crate::limits::ServerLimits;

/// Everything, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients and bots connect.
    pub listen: SocketAddr,
    /// Where probes and scrapers connect.
    pub admin: SocketAddr,
    /// What the public listener shows; `None`: it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whether a listener that other machines reach may speak plain HTTP.
    pub allow_plain_http: bool,
    /// The folder that holds the data.
    pub data: PathBuf,
    /// Where files are kept.
    pub files: FilesAt,
    /// How clients reach this server from outside; `http` or `https`, without query. `None`: as each request says.
    pub public_url: Option<Url>,
    /// How bots reach this server, where that is not the public URL.
    pub connector_url: Option<Url>,
    /// Whose `Forwarded` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What the process gives up before it serves.
    pub sandbox: Sandbox,
    /// The file of the audit log; `None`: it goes to the ordinary log.
    pub audit_log: Option<PathBuf>,
    /// What opens the admin API. `None`: one is made at each start.
    pub admin_token: Option<SiteSecret>,
    /// May be none; names and app ids are unique.
    pub bots: Vec<BotConfig>,
    /// May be none; names are unique, and each names a bot that is there.
    pub sites: Vec<SiteConfig>,
    /// Whose tokens bots may show, beside our own. No issuer stands in two of them.
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// Which addresses are connected to, and whose certificates are trusted.
    pub outbound: OutboundConfig,
    /// Every bound that may be changed.
    pub limits: Limits,
}

/// What counts for every connection that this server makes. The default: to every address that is not refused for ever,
/// with the certificate authorities of the machine.
#[derive(Clone, Debug, Default)]
pub struct OutboundConfig {
    /// Which addresses.
    pub addresses: Arc<AddressPolicy>,
    /// Whose certificates, unless a bot or an issuer has authorities of its own.
    pub trust: Trust,
}

/// The two files of TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and behind it those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A bot.
#[derive(Clone, Debug)]
pub struct BotConfig {
    /// Its name; also its `recipient.id`.
    pub name: BotName,
    /// Where activities are posted to.
    pub endpoint: Url,
    /// What it is called in tokens. Without one, no tokens are shown either way.
    pub app_id: Option<Arc<str>>,
    /// The tenant in the paths of the token endpoints.
    pub tenant: Arc<str>,
    /// What `iss` says in the tokens that it is shown, letter by letter.
    pub issuer: Arc<str>,
    /// How it gets what clients send.
    pub delivery: DeliveryMode,
    /// What it shows to get an access token. Only with an app id.
    pub credential: Option<BotCredential>,
    /// Another one that is as good, so that credentials can be changed without a gap.
    pub second_credential: Option<BotCredential>,
    /// Where the tokens come from that it is shown, if it trusts only somebody else's keys. Only with an app id.
    pub outgoing: Option<Arc<OutgoingCredentials>>,
    /// Whose certificates it may show; `None`: those that are trusted anyway. Only with an `https` endpoint.
    pub ca_certificates: Option<Authorities>,
}

/// Somebody else whose tokens are believed, such as Microsoft Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// What the operator calls it.
    pub name: Box<str>,
    /// What `iss` may say, letter by letter; at least one.
    pub issuers: Vec<Arc<str>>,
    /// Where its keys are.
    pub keys: KeysAt,
    /// The bots that it vouches for; at least one. `None`: every bot that has an app id.
    pub bots: Option<Vec<BotName>>,
    /// Whose certificates may be shown where the keys are; `None`: those that are trusted anyway.
    pub ca_certificates: Option<Authorities>,
}

/// Where somebody's keys are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysAt {
    /// A JSON Web Key Set.
    Keys(Url),
    /// OpenID metadata, whose `jwks_uri` names the key set.
    Metadata(Url),
}

/// A site: one group of clients, with secrets of its own, in front of one bot.
#[derive(Clone, Debug)]
pub struct SiteConfig {
    /// Its name.
    pub name: SiteName,
    /// Its bot.
    pub bot: BotName,
    /// Its secret. With neither this nor the second, one is made at the first start.
    pub secret: Option<SiteSecret>,
    /// Another one that is as good, so that secrets can be changed without a gap.
    pub second_secret: Option<SiteSecret>,
    /// How long a token is valid. In whole seconds.
    pub token_lifetime: Duration,
    /// What `watermark=` with nothing behind it means at a reconnect: everything, or only what is new.
    pub empty_watermark_is_history: bool,
    /// How long a conversation is kept after its last activity.
    pub retention: Duration,
    /// How long its files are kept; `None`: as the limits say.
    pub files: Option<FileLife>,
    /// Enhanced authentication.
    pub enhanced: Enhanced,
    /// How much may come to it.
    pub rates: SiteRates,
}

/// Every bound that may be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Those of conversations, readers and deliveries.
    pub domain: landline_core::Limits,
    /// Those of HTTP.
    pub server: ServerLimits,
    /// Those of the store.
    pub store: StoreLimits,
}

/// Bounds of the store on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Memory for blocks that were read, in bytes. Default 64 MiB.
    pub cache_bytes: u64,
    /// Free space on the disk, in bytes, below which nothing new is accepted. Default 64 MiB.
    pub reserve_bytes: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, reserve_bytes: 64 * 1024 * 1024 }
    }
}

/// Looks up an environment variable. An argument, so that tests decide what is in the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the flags of `landline serve` say when there is no file: one bot, and one site named `default`; or neither, and
/// then they are added while it runs.
#[derive(Clone, Debug)]
pub struct OneBot {
    /// Where the bot is, if there is one.
    pub endpoint: Option<Url>,
    /// See [`Config::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Config::admin`].
    pub admin: Option<SocketAddr>,
    /// See [`Config::tls`].
    pub tls: Option<TlsFiles>,
    /// See [`Config::allow_plain_http`].
    pub allow_plain_http: bool,
    /// See [`Config::data`].
    pub data: Option<PathBuf>,
    /// See [`Config::public_url`].
    pub public_url: Option<Url>,
    /// See [`Config::connector_url`].
    pub connector_url: Option<Url>,
    /// See [`Config::sandbox`].
    pub sandbox: Sandbox,
    /// See [`Config::audit_log`].
    pub audit_log: Option<PathBuf>,
}

/// What is wrong with a configuration, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, such as `sites.default.bot`, or the line, such as `line 12`.
    at: Option<String>,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { at: Some(at.into()), problem: problem.into() }
    }

    fn nowhere(problem: impl Into<String>) -> Self {
        Self { at: None, problem: problem.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// The variable that holds the secret of the site `default` when there is no file.
pub const SECRET_VARIABLE: &str = "LANDLINE_SECRET";

impl Config {
    /// Reads a file. Relative paths in it count from the folder in which it lies.
    ///
    /// # Errors
    /// Says what is wrong, where, and what to do.
    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::nowhere(format!("cannot read {}: {error}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder, environment)
    }

    /// The same from text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, folder: &Path, environment: Environment<'_>) -> Result<Self, ConfigError> {
        resolve::resolve(file::parse(text)?, folder, environment)
    }

    /// From the flags of `landline serve`. The site's secret comes from [`SECRET_VARIABLE`], where that is set.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn one_bot(flags: OneBot, environment: Environment<'_>) -> Result<Self, ConfigError> {
        resolve::one_bot(flags, environment)
    }

    /// A file with every key, its default, and what goes wrong at either extreme.
    pub fn example() -> String {
        example::text()
    }

    /// What works and is still worth a look.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(plain_http::warnings(self));
        let helpless = |bot: &&BotConfig| {
            bot.app_id.is_some() && bot.credential.is_none() && bot.second_credential.is_none()
        };
        if let Some(bot) = self.bots.iter().find(helpless).filter(|_| self.trusted_issuers.is_empty()) {
            warnings.push(format!(
                "bots.{}: it has an app id and nowhere to get a token, so nothing that it sends is accepted; set \
                 credential, or add a table [trusted_issuers.…]",
                bot.name
            ));
        }
        let for_all = self.trusted_issuers.iter().find(|issuer| issuer.bots.is_none());
        if let Some(issuer) = for_all.filter(|_| self.trusted_issuers.len() > 1) {
            warnings.push(format!(
                "trusted_issuers.{}: whoever can sign there can speak as every bot that has an app id, also as those \
                 whose tokens come from elsewhere; set bots to the names of those that get their tokens there",
                issuer.name
            ));
        }
        for site in &self.sites {
            let Enhanced { on, trusted_origins } = &site.enhanced;
            if !on && !trusted_origins.is_empty() {
                warnings.push(format!(
                    "sites.{}: trusted_origins does nothing without enhanced_authentication = true: pages of any origin \
                     may use the site's tokens",
                    site.name
                ));
            }
            let plain = trusted_origins.iter().find(|origin| !can_be_trusted(origin)).filter(|_| *on);
            if let Some(origin) = plain {
                warnings.push(format!(
                    "sites.{}.trusted_origins: {origin} is plain http: whoever is on the way between a browser and that \
                     site can put a page of their own there, and it will be trusted; use https",
                    site.name
                ));
            }
        }
        warnings
    }
}

/// Whether nobody on the way can be this origin: anything but plain http, and plain http on the same machine.
fn can_be_trusted(origin: &str) -> bool {
    let is_local = |url: &Url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    origin.parse::<Url>().is_ok_and(|url| url.scheme() != "http" || is_local(&url))
}

#[cfg(test)]
mod tests;
