//! The bots and sites of the configuration file and those of the registry, put together at the start; what has to be
//! made for the first time is made here.
//!
//! Invariants: where a name stands in both, the file wins. An app id that stands in both is an error, because either
//! choice would let one bot pass for the other. A bot or site of the registry that cannot be read is left out: it keeps
//! neither the server from starting nor others from being changed.
//!
//! Not here: how they change afterwards (`editor`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_auth::{DatedDigest, DatedSecrets, SecretOwner, SecretText, SiteSecret};
use landline_core::Entropy;
use landline_core::store::{PutError, Registry, Table, Version, Versioned};
use landline_protocol::{BotName, SiteName, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{error, warn};

use super::stored::{BotEntry, SiteEntry, Unreadable, from_bytes, to_bytes};
use super::{Hidden, ManagedBy, Site, Snapshot, is_same_app_id};
use crate::config::{BotConfig, SiteConfig};
use crate::limits::REGISTRY_PAGE;

/// What the configuration file says, and what all bots are told.
#[derive(Clone, Debug)]
pub(crate) struct FileEntries {
    pub(crate) bots: Vec<BotConfig>,
    pub(crate) sites: Vec<SiteConfig>,
    /// The base URL by which bots reach this server, without a slash at its end.
    pub(crate) base: String,
}

/// How often each entry of the registry was written, as far as it belongs to bots and sites.
pub(crate) type Versions = HashMap<(Table, String), Version>;

/// Everything, as it is at the start.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) snapshot: Snapshot,
    pub(crate) versions: Versions,
    /// Made just now, to be shown once.
    pub(crate) new_secrets: Vec<(SiteName, SiteSecret)>,
}

impl FileEntries {
    pub(crate) fn bot(&self, name: &BotName) -> Option<&BotConfig> {
        self.bots.iter().find(|bot| bot.name == *name)
    }

    pub(crate) fn site(&self, name: &SiteName) -> Option<&SiteConfig> {
        self.sites.iter().find(|site| site.name == *name)
    }
}

/// Reads and makes what is needed.
///
/// # Errors
/// In words for the operator.
pub(crate) async fn load(
    file: &FileEntries,
    registry: &dyn Registry,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> anyhow::Result<Loaded> {
    let loaded = Loaded { snapshot: Snapshot::default(), versions: Versions::new(), new_secrets: Vec::new() };
    let mut loader = Loader { file, registry, entropy, now, loaded };
    loader.bots().await?;
    loader.sites().await?;
    Ok(loader.loaded)
}

struct Loader<'a> {
    file: &'a FileEntries,
    registry: &'a dyn Registry,
    entropy: &'a dyn Entropy,
    now: Timestamp,
    loaded: Loaded,
}

impl Loader<'_> {
    async fn bots(&mut self) -> anyhow::Result<()> {
        let mut capabilities: BTreeMap<String, Hidden> = BTreeMap::new();
        for (name, text) in self.table::<String>(Table::BotCapabilities).await? {
            capabilities.insert(name, Hidden::new(text));
        }
        let file = self.file;
        for bot in &file.bots {
            let name = bot.name.as_str();
            if bot.app_id.is_none() && !capabilities.contains_key(name) {
                // Kept as it is, not as a digest: it is part of the address that the bot is told with every activity.
                let text = random_text(self.entropy);
                self.put(Table::BotCapabilities, name, &text).await?;
                capabilities.insert(name.to_owned(), Hidden::new(text));
            }
            self.insert_bot(bot.name.clone(), entry_of(bot), capabilities.get(name), ManagedBy::File)?;
        }
        for (name, entry) in self.entries::<BotEntry>(Table::Bots).await? {
            let Ok(name) = name.parse::<BotName>() else {
                error!("Left out a bot of the registry: {name:?} is no name of a bot");
                continue;
            };
            if file.bot(&name).is_some() {
                warn!(
                    bot.name = %name,
                    "The bot {name} stands in the configuration file and was also added with the command line; the \
                     file counts"
                );
                continue;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(problem) => {
                    error!(
                        bot.name = %name,
                        "Left out the bot {name}: {problem}; or remove it with: landline bot remove {name}"
                    );
                    self.loaded.snapshot.unreadable_bots.insert(name);
                    continue;
                }
            };
            let capability = capabilities.get(name.as_str());
            self.insert_bot(name, entry, capability, ManagedBy::Registry)?;
        }
        Ok(())
    }

    fn insert_bot(
        &mut self,
        name: BotName,
        entry: BotEntry,
        capability: Option<&Hidden>,
        managed_by: ManagedBy,
    ) -> anyhow::Result<()> {
        let bots = &mut self.loaded.snapshot.bots;
        let twin =
            bots.values().find(|other| is_same_app_id(other.app_id.as_deref(), entry.app_id.as_deref()));
        if let Some(twin) = twin {
            bail!(
                "the bots {} (of the configuration file) and {name} (added with the command line) have the same app \
                 id; give {} another one in the file, or take it out of the file, start, and remove {name}",
                twin.name,
                twin.name
            );
        }
        let bot = entry
            .bot(name.clone(), &self.file.base, capability, managed_by)
            .with_context(|| format!("bot {name}"))?;
        bots.insert(name, Arc::new(bot));
        Ok(())
    }

    async fn sites(&mut self) -> anyhow::Result<()> {
        let mut made: BTreeMap<String, DatedSecrets> =
            self.table(Table::SiteSecrets).await?.into_iter().collect();
        let file = self.file;
        for site in &file.sites {
            let mut secrets = configured(site);
            if secrets.is_empty() {
                secrets = match made.remove(site.name.as_str()) {
                    Some(secrets) => secrets,
                    None => self.make_secret(&site.name).await?,
                };
            }
            let site = Site {
                name: site.name.clone(),
                bot: site.bot.clone(),
                secrets,
                token_lifetime: site.token_lifetime,
                empty_watermark_is_history: site.empty_watermark_is_history,
                retention: site.retention,
                files: site.files,
                enhanced: site.enhanced.clone(),
                rates: site.rates,
                created: None,
                managed_by: ManagedBy::File,
            };
            self.loaded.snapshot.sites.insert(site.name.clone(), Arc::new(site));
        }
        for (name, entry) in self.entries::<SiteEntry>(Table::Sites).await? {
            let Ok(name) = name.parse::<SiteName>() else {
                error!("Left out a site of the registry: {name:?} is no name of a site");
                continue;
            };
            if file.site(&name).is_some() {
                warn!(
                    site.name = %name,
                    "The site {name} stands in the configuration file and was also added with the command line; the \
                     file counts"
                );
                continue;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(problem) => {
                    error!(
                        site.name = %name,
                        "Left out the site {name}: {problem}; or remove it with: landline site remove {name}"
                    );
                    self.loaded.snapshot.unreadable_sites.insert(name);
                    continue;
                }
            };
            if !self.loaded.snapshot.bots.contains_key(&entry.bot) {
                warn!(
                    site.name = %name, bot.name = %entry.bot,
                    "The bot {} of site {name} is not there any more, so its clients get no answers; give the site \
                     another bot",
                    entry.bot
                );
            }
            let site = entry.site(name.clone(), ManagedBy::Registry);
            self.loaded.snapshot.sites.insert(name, Arc::new(site));
        }
        Ok(())
    }

    /// For a site of the file that names none: made once, and only its digest is kept.
    async fn make_secret(&mut self, site: &SiteName) -> anyhow::Result<DatedSecrets> {
        let secret = new_secret(self.entropy);
        let secrets = DatedSecrets { first: Some(dated(&secret, self.now)), second: None };
        self.put(Table::SiteSecrets, site.as_str(), &secrets).await?;
        self.loaded.new_secrets.push((site.clone(), secret));
        Ok(secrets)
    }

    /// Reads a table of which every entry is needed.
    async fn table<T: DeserializeOwned>(&mut self, table: Table) -> anyhow::Result<Vec<(String, T)>> {
        let entries = self.entries(table).await?.into_iter();
        let read = |(name, entry): (String, Result<T, Unreadable>)| {
            let what = || format!("entry {name:?} of table {table:?} in the registry");
            entry.with_context(what).map(|entry| (name.clone(), entry))
        };
        entries.map(read).collect()
    }

    /// Reads a table, page by page.
    async fn entries<T: DeserializeOwned>(
        &mut self,
        table: Table,
    ) -> anyhow::Result<Vec<(String, Result<T, Unreadable>)>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.registry.list(table, after, REGISTRY_PAGE).await;
            let page = page.with_context(|| format!("cannot read table {table:?} of the registry"))?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            for (name, Versioned { value, version }) in page {
                let entry = from_bytes(&value);
                self.loaded.versions.insert((table, name.clone()), version);
                all.push((name, entry));
            }
        }
    }

    async fn put<T: Serialize>(&mut self, table: Table, name: &str, value: &T) -> anyhow::Result<()> {
        let what = || format!("cannot write entry {name:?} of table {table:?} in the registry");
        let value = to_bytes(value).with_context(what)?;
        match self.registry.put(table, name, value, None).await {
            Ok(version) => {
                self.loaded.versions.insert((table, name.to_owned()), version);
                Ok(())
            }
            Err(error @ (PutError::Conflict(_) | PutError::Unavailable(_) | PutError::Unknown(_))) => {
                Err(anyhow::Error::new(error).context(what()))
            }
        }
    }
}

fn entry_of(bot: &BotConfig) -> BotEntry {
    BotEntry {
        endpoint: bot.endpoint.clone(),
        app_id: bot.app_id.clone(),
        tenant: Arc::clone(&bot.tenant),
        issuer: Arc::clone(&bot.issuer),
        delivery: bot.delivery,
        credentials: DatedSecrets { first: slot(&bot.credential), second: slot(&bot.second_credential) },
        outgoing: bot.outgoing.clone(),
        ca_certificates: bot.ca_certificates.clone(),
    }
}

/// What is kept of a secret from the file; when it was made, is not known.
fn slot<O: SecretOwner>(secret: &Option<SecretText<O>>) -> Option<DatedDigest> {
    secret.as_ref().map(|secret| secret.digest().into())
}

/// The secrets that stand in the file; none where one was made at the first start.
pub(super) fn configured(site: &SiteConfig) -> DatedSecrets {
    DatedSecrets { first: slot(&site.secret), second: slot(&site.second_secret) }
}

/// What is kept of a secret that was made now.
pub(super) fn dated<O: SecretOwner>(secret: &SecretText<O>, now: Timestamp) -> DatedDigest {
    DatedDigest { digest: secret.digest(), created: Some(now) }
}

/// A secret of 256 random bits.
pub(super) fn new_secret<O: SecretOwner>(entropy: &dyn Entropy) -> SecretText<O> {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    SecretText::from_random(&bytes)
}

/// 256 random bits as 43 letters, digits, `-` and `_`.
pub(crate) fn random_text(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
