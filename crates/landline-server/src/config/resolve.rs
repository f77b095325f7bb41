//! From what is written to what is meant, with every check.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use landline_auth::{SecretDigest, SiteSecret};
use landline_outbound::AddressPolicy;
use landline_protocol::{BotName, SiteName};
use url::Url;

use super::file::{File, Site};
use super::secrets::Sources;
use super::{
    BotConfig, Config, ConfigError, Environment, Limits, OneBot, OutboundConfig, SECRET_VARIABLE, SiteConfig,
    TlsFiles, bots, files, limits_table, outbound, sandbox, trusted_issuers,
};
use crate::bot_client::check_endpoint;
use crate::directory::{Enhanced, SiteRates, fields, trusted_origins};

pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:3000";
pub(super) const DEFAULT_ADMIN: &str = "127.0.0.1:3001";
pub(super) const DEFAULT_DATA: &str = "./landline-data";
/// The names that the flags stand for.
const ONLY_BOT: &str = "main";
const ONLY_SITE: &str = "default";

pub(super) fn resolve(
    file: File,
    folder: &Path,
    environment: Environment<'_>,
) -> Result<Config, ConfigError> {
    let bots = bots::resolve(&file.bots, folder, environment)?;
    let resolve_site = |(name, site): (&String, &Site)| resolve_site(name, site, &bots, folder, environment);
    let sites = file.sites.iter().map(resolve_site).collect::<Result<Vec<_>, _>>()?;
    let admin_token = Sources {
        key: "admin_token".into(),
        value: file.admin_token.as_ref(),
        file: file.admin_token_file.as_deref(),
        variable: file.admin_token_env.as_deref(),
    };
    let data = folder.join(file.data.as_deref().unwrap_or(DEFAULT_DATA));
    let config = Config {
        listen: address("listen", file.listen.as_deref().unwrap_or(DEFAULT_LISTEN))?,
        admin: address("admin", file.admin.as_deref().unwrap_or(DEFAULT_ADMIN))?,
        tls: file
            .tls
            .map(|tls| TlsFiles { certificate: folder.join(tls.certificate), key: folder.join(tls.key) }),
        allow_plain_http: file.allow_plain_http,
        files: match file.files.as_deref() {
            Some(text) => files::resolve(text, folder)?,
            None => files::default(&data),
        },
        data,
        public_url: file.public_url.map(|url| base_url("public_url", &url)).transpose()?,
        connector_url: file.connector_url.map(|url| base_url("connector_url", &url)).transpose()?,
        trusted_proxies: file.trusted_proxies.iter().map(|text| network(text)).collect::<Result<_, _>>()?,
        sandbox: file.sandbox.as_deref().map(sandbox::resolve).transpose()?.unwrap_or_default(),
        audit_log: file.audit_log.as_deref().map(|path| audit_log(path, folder)).transpose()?,
        admin_token: admin_token.resolve(folder, environment)?,
        bots,
        sites,
        trusted_issuers: trusted_issuers::resolve(&file.trusted_issuers, folder)?,
        outbound: outbound::resolve(&file.outbound, folder)?,
        limits: limits_table::resolve(&file.limits)?,
    };
    check(config)
}

pub(super) fn one_bot(flags: OneBot, environment: Environment<'_>) -> Result<Config, ConfigError> {
    let data = flags.data.unwrap_or_else(|| DEFAULT_DATA.into());
    let mut config = Config {
        listen: flags.listen.map_or_else(|| address("--listen", DEFAULT_LISTEN), Ok)?,
        admin: flags.admin.map_or_else(|| address("--admin", DEFAULT_ADMIN), Ok)?,
        tls: flags.tls,
        allow_plain_http: flags.allow_plain_http,
        files: files::default(&data),
        data,
        public_url: flags.public_url.map(|url| check_base_url("--public-url", url)).transpose()?,
        connector_url: flags.connector_url.map(|url| check_base_url("--connector-url", url)).transpose()?,
        trusted_proxies: Vec::new(),
        sandbox: flags.sandbox,
        audit_log: flags.audit_log,
        admin_token: None,
        bots: Vec::new(),
        sites: Vec::new(),
        trusted_issuers: Vec::new(),
        outbound: OutboundConfig::default(),
        limits: Limits::default(),
    };
    if let Some(endpoint) = flags.endpoint {
        check_endpoint(&endpoint, &AddressPolicy::default())
            .map_err(|why| ConfigError::new("--bot", why.to_string()))?;
        let name = |what, name: &str| ConfigError::new(what, format!("{name:?} is no name"));
        let bot: BotName = ONLY_BOT.parse().map_err(|_| name("bots", ONLY_BOT))?;
        config.bots.push(bots::plain(bot.clone(), endpoint));
        config.sites.push(SiteConfig {
            name: ONLY_SITE.parse().map_err(|_| name("sites", ONLY_SITE))?,
            bot,
            secret: only_secret(environment)?,
            second_secret: None,
            token_lifetime: fields::DEFAULT_TOKEN_LIFETIME,
            empty_watermark_is_history: true,
            retention: fields::DEFAULT_RETENTION,
            files: None,
            enhanced: Enhanced::default(),
            rates: SiteRates::default(),
        });
    }
    check(config)
}

fn only_secret(environment: Environment<'_>) -> Result<Option<SiteSecret>, ConfigError> {
    let is_set = environment(SECRET_VARIABLE).is_some_and(|value| !value.is_empty());
    let secret = Sources {
        key: SECRET_VARIABLE.into(),
        value: None,
        file: None,
        variable: is_set.then_some(SECRET_VARIABLE),
    };
    secret
        .resolve(Path::new(""), environment)
        .map_err(|error| ConfigError { at: Some(SECRET_VARIABLE.into()), ..error })
}

/// What concerns more than one key.
fn check(config: Config) -> Result<Config, ConfigError> {
    if config.listen == config.admin && config.listen.port() != 0 {
        let problem = format!("{} is where clients connect (listen) already; use another port", config.admin);
        return Err(ConfigError::new("admin", problem));
    }
    config.check_listeners(config.listen, config.admin)?;
    check_secrets(&config)?;
    outbound::check(&config)?;
    Ok(config)
}

/// A secret says who shows it, so it is not shared: of two sites, one would open the other's conversations.
fn check_secrets(config: &Config) -> Result<(), ConfigError> {
    let sites = config.sites.iter().flat_map(|site| {
        let owner = format!("sites.{}", site.name);
        [("secret", &site.secret), ("second_secret", &site.second_secret)]
            .map(|(key, secret)| (owner.clone(), key, secret.as_ref().map(|secret| secret.digest())))
    });
    let bots = config.bots.iter().flat_map(|bot| {
        let owner = format!("bots.{}", bot.name);
        [("credential", &bot.credential), ("second_credential", &bot.second_credential)]
            .map(|(key, secret)| (owner.clone(), key, secret.as_ref().map(|secret| secret.digest())))
    });
    let admin = (String::new(), "admin_token", config.admin_token.as_ref().map(SiteSecret::digest));
    let mut seen: Vec<(String, SecretDigest)> = Vec::new();
    for (owner, key, digest) in [admin].into_iter().chain(bots).chain(sites) {
        let Some(digest) = digest else { continue };
        if let Some((other, _)) = seen.iter().find(|(other, known)| *other != owner && *known == digest) {
            let other = if other.is_empty() { "the admin API" } else { other };
            let problem = format!("it is the same as a secret of {other}; give each its own");
            return Err(ConfigError::new(format!("{owner}.{key}"), problem));
        }
        seen.push((owner, digest));
    }
    Ok(())
}

fn resolve_site(
    name: &str,
    site: &Site,
    bots: &[BotConfig],
    folder: &Path,
    environment: Environment<'_>,
) -> Result<SiteConfig, ConfigError> {
    let name: SiteName =
        name.parse().map_err(|why| ConfigError::new(format!("sites.{name}"), format!("{why}")))?;
    let key = |key: &str| format!("sites.{name}.{key}");
    let bot = bots.iter().find(|bot| bot.name.as_str() == site.bot).ok_or_else(|| {
        let known: Vec<_> = bots.iter().map(|bot| bot.name.as_str()).collect();
        let remedy = if known.is_empty() {
            format!("add a table [bots.{}], or add this site with `landline site add`", site.bot)
        } else {
            format!("name one of: {}", known.join(", "))
        };
        ConfigError::new(key("bot"), format!("there is no bot {:?} in this file; {remedy}", site.bot))
    })?;
    let first = Sources {
        key: key("secret"),
        value: site.secret.as_ref(),
        file: site.secret_file.as_deref(),
        variable: site.secret_env.as_deref(),
    };
    let second = Sources {
        key: key("second_secret"),
        value: site.second_secret.as_ref(),
        file: site.second_secret_file.as_deref(),
        variable: site.second_secret_env.as_deref(),
    };
    let at = |name: &str, problem| ConfigError::new(key(name), problem);
    let token_lifetime = site.token_lifetime.as_deref().map(fields::token_lifetime).transpose();
    let retention = site.retention.as_deref().map(fields::retention).transpose();
    let files = site.files.as_deref().map(fields::file_life).transpose();
    let empty_watermark = site.empty_watermark.as_deref().map(fields::empty_watermark_is_history).transpose();
    let origins = trusted_origins(&site.trusted_origins).map_err(|why| at("trusted_origins", why))?;
    let rate = |name: &str, count: Option<i64>| {
        let rate = count.map(fields::per_second).transpose();
        rate.map_err(|why| at(name, why))
    };
    let rates = SiteRates {
        sends: rate("sends_per_second", site.sends_per_second)?,
        starts: rate("starts_per_second", site.starts_per_second)?,
        tokens: rate("tokens_per_second", site.tokens_per_second)?,
        uploads: rate("uploads_per_second", site.uploads_per_second)?,
        polls: rate("polls_per_second", site.polls_per_second)?,
    };
    let secret = first.resolve(folder, environment)?;
    let second_secret = second.resolve(folder, environment)?;
    Ok(SiteConfig {
        bot: bot.name.clone(),
        secret,
        second_secret,
        token_lifetime: token_lifetime
            .map_err(|why| at("token_lifetime", why))?
            .unwrap_or(fields::DEFAULT_TOKEN_LIFETIME),
        empty_watermark_is_history: empty_watermark
            .map_err(|why| at("empty_watermark", why))?
            .unwrap_or(true),
        retention: retention.map_err(|why| at("retention", why))?.unwrap_or(fields::DEFAULT_RETENTION),
        files: files.map_err(|why| at("files", why))?,
        enhanced: Enhanced::new(site.enhanced_authentication.unwrap_or(false), origins)
            .map_err(|why| at("trusted_origins", why))?,
        rates,
        name,
    })
}

fn audit_log(text: &str, folder: &Path) -> Result<PathBuf, ConfigError> {
    let path = folder.join(text);
    let named = !text.is_empty() && !text.ends_with('/') && path.file_name().is_some();
    named.then_some(path).ok_or_else(|| {
        let problem = format!("{text:?} names no file; write one in a folder of its own, such as \"/var/log/landline/audit.log\"");
        ConfigError::new("audit_log", problem)
    })
}

fn address(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        let problem =
            format!("{text:?} is no address; write an IP address and a port, such as \"127.0.0.1:3000\"");
        ConfigError::new(key, problem)
    })
}

fn network(text: &str) -> Result<IpNet, ConfigError> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from); // a plain address stands for itself
    text.parse().ok().or_else(single).ok_or_else(|| {
        let problem = format!(
            "{text:?} is no network; write an address, or one with its length, such as \"10.0.0.0/8\""
        );
        ConfigError::new("trusted_proxies", problem)
    })
}

fn base_url(key: &str, text: &str) -> Result<Url, ConfigError> {
    check_base_url(key, text.parse().map_err(|why| bad_url(key, why))?)
}

fn check_base_url(key: &str, url: Url) -> Result<Url, ConfigError> {
    let plain = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain {
        let problem =
            "write http:// or https://, a host, and where needed a port and a path, and nothing else";
        return Err(ConfigError::new(key, problem));
    }
    Ok(url)
}

fn bad_url(key: &str, why: url::ParseError) -> ConfigError {
    ConfigError::new(
        key,
        format!("this is no URL ({why}); write one such as \"http://localhost:3978/api/messages\""),
    )
}
