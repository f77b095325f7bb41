//! What is made at the first start and read at every later one: secrets, token keys, capabilities of bots.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use landline_auth::{KeyRing, SiteSecret, SiteSecrets, TokenKey};
use landline_core::Entropy;
use landline_core::store::{PutError, Registry, Table};
use landline_protocol::SiteName;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bot_base;
use crate::config::{BotConfig, Config, SiteConfig};
use crate::directory::{Bot, ManagedBy, ServiceUrl, Site, Snapshot};

/// The one entry of [`Table::TokenKeys`].
const KEY_RING: &str = "ring";

pub(super) struct Prepared {
    pub(super) snapshot: Snapshot,
    pub(super) key_ring: KeyRing,
    pub(super) new_secrets: Vec<(SiteName, SiteSecret)>,
}

pub(super) async fn prepare(
    config: &Config,
    registry: &dyn Registry,
    entropy: &dyn Entropy,
    public: SocketAddr,
) -> anyhow::Result<Prepared> {
    let (key_ring, _) =
        get_or_make(registry, Table::TokenKeys, KEY_RING, || KeyRing::new(token_key(entropy))).await?;
    let mut prepared = Prepared { snapshot: Snapshot::default(), key_ring, new_secrets: Vec::new() };
    for site in &config.sites {
        let secrets = site_secrets(site, registry, entropy, &mut prepared.new_secrets).await?;
        let site = Site {
            name: site.name.clone(),
            bot: site.bot.clone(),
            secrets,
            token_lifetime: site.token_lifetime,
            empty_watermark_is_history: site.empty_watermark_is_history,
            retention: site.retention,
            managed_by: ManagedBy::File,
        };
        prepared.snapshot.sites.insert(site.name.clone(), Arc::new(site));
    }
    let base = bot_base(config, public);
    for bot in &config.bots {
        let bot = bot_of(bot, &base, registry, entropy).await?;
        prepared.snapshot.bots.insert(bot.name.clone(), Arc::new(bot));
    }
    Ok(prepared)
}

async fn bot_of(
    bot: &BotConfig,
    base: &str,
    registry: &dyn Registry,
    entropy: &dyn Entropy,
) -> anyhow::Result<Bot> {
    let (capability, service_url) = match &bot.app_id {
        Some(_) => (None, ServiceUrl::signed(base)),
        None => {
            // Kept as it is, not as a digest: it is part of the address that the bot is told with every activity.
            let (text, _) =
                get_or_make(registry, Table::BotCapabilities, bot.name.as_str(), || capability(entropy))
                    .await?;
            let secret =
                SiteSecret::from_text(&text).context("the registry holds a capability that is too weak")?;
            (Some(secret.digest()), ServiceUrl::with_capability(base, &text))
        }
    };
    let digest = |secret: &Option<SiteSecret>| secret.as_ref().map(SiteSecret::digest);
    Ok(Bot {
        name: bot.name.clone(),
        endpoint: bot.endpoint.clone(),
        app_id: bot.app_id.clone(),
        tenant: Arc::clone(&bot.tenant),
        issuer: Arc::clone(&bot.issuer),
        delivery: bot.delivery,
        credentials: SiteSecrets { first: digest(&bot.credential), second: digest(&bot.second_credential) },
        outgoing: bot.outgoing.clone(),
        capability,
        service_url,
        managed_by: ManagedBy::File,
    })
}

/// The configured secrets; where there are none, one that was made at the first start and of which only the digest is
/// kept.
async fn site_secrets(
    site: &SiteConfig,
    registry: &dyn Registry,
    entropy: &dyn Entropy,
    new_secrets: &mut Vec<(SiteName, SiteSecret)>,
) -> anyhow::Result<SiteSecrets> {
    let digest = |secret: &Option<SiteSecret>| secret.as_ref().map(SiteSecret::digest);
    let configured = SiteSecrets { first: digest(&site.secret), second: digest(&site.second_secret) };
    if configured.first.is_some() || configured.second.is_some() {
        return Ok(configured);
    }
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let new = SiteSecret::from_random(&bytes);
    let make = || SiteSecrets { first: Some(new.digest()), second: None };
    let (secrets, made) = get_or_make(registry, Table::SiteSecrets, site.name.as_str(), make).await?;
    if made {
        new_secrets.push((site.name.clone(), new));
    }
    Ok(secrets)
}

fn token_key(entropy: &dyn Entropy) -> TokenKey {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    TokenKey::from_random(&bytes)
}

fn capability(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads an entry, or writes a new one; says which.
async fn get_or_make<T: Serialize + DeserializeOwned>(
    registry: &dyn Registry,
    table: Table,
    name: &str,
    make: impl FnOnce() -> T,
) -> anyhow::Result<(T, bool)> {
    let what = || format!("entry {name:?} of table {table:?} in the registry");
    if let Some(known) = registry.get(table, name).await.with_context(what)? {
        let value = serde_json::from_slice(&known.value)
            .with_context(|| format!("{} cannot be read; run `landline check`", what()))?;
        return Ok((value, false));
    }
    let new = make();
    let value = Bytes::from(serde_json::to_vec(&new).with_context(what)?);
    match registry.put(table, name, value, None).await {
        Ok(_) => Ok((new, true)),
        Err(error @ (PutError::Conflict(_) | PutError::Unavailable(_) | PutError::Unknown(_))) => {
            Err(anyhow::Error::new(error).context(format!("cannot write {}", what())))
        }
    }
}
