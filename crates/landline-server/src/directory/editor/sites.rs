//! The changes of sites.

use std::sync::Arc;
use std::time::Duration;

use landline_auth::{DatedSecrets, SiteSecret, Slot};
use landline_core::files::FileLife;
use landline_core::store::Table;
use landline_protocol::{BotName, SiteName, Timestamp};

use super::{ChangeError, Editor, Turn};
use crate::directory::load::{configured, dated, new_secret};
use crate::directory::stored::SiteEntry;
use crate::directory::{Enhanced, ManagedBy, Site, Snapshot};
use crate::limits::{MAX_SITES, SITES_APART};
use crate::telemetry::AdminChange;

/// What is to be different about a site; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct SiteChange {
    /// Its bot, for conversations that are not started yet.
    pub bot: Option<BotName>,
    /// How long a token lives.
    pub token_lifetime: Option<Duration>,
    /// Whether `watermark=` with nothing behind it asks for the whole history.
    pub empty_watermark_is_history: Option<bool>,
    /// How long a conversation is kept after its last activity.
    pub retention: Option<Duration>,
    /// How long its files are kept; `Some(None)`: as the limits say.
    pub files: Option<Option<FileLife>>,
    /// Whether enhanced authentication is on.
    pub enhanced_authentication: Option<bool>,
    /// Its trusted origins, all of them, as browsers spell them.
    pub trusted_origins: Option<Vec<String>>,
}

impl Editor {
    /// Adds a site, with a secret whose text is handed out this once.
    ///
    /// # Errors
    /// [`ChangeError`]; a name that is taken is a conflict.
    pub async fn add_site(
        &self,
        name: SiteName,
        bot: BotName,
        change: SiteChange,
    ) -> Result<(Arc<Site>, SiteSecret), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        if snapshot.unreadable_sites.contains(&name) {
            return Err(unreadable(&name));
        }
        if snapshot.sites.contains_key(&name) {
            return Err(ChangeError::Conflict(format!(
                "there is a site {name} already; change it, or choose another name"
            )));
        }
        if snapshot.sites.len() >= MAX_SITES {
            return Err(ChangeError::Conflict(format!("there are {MAX_SITES} sites, which is the limit")));
        }
        let mut entry = SiteEntry::new(bot);
        let latest = turn.state.removed.map_or(self.now(), |removed| removed.max(self.now()));
        entry.created = Some(whole_seconds(latest.plus(SITES_APART)));
        apply(&mut entry, change, &snapshot)?;
        let secret = new_secret(&*self.0.entropy);
        entry.secrets.add(dated(&secret, self.now()));
        let site = turn.keep_site(name, entry).await?;
        self.report(AdminChange::SiteAdded, &site.name);
        Ok((site, secret))
    }

    /// Changes a site. Conversations that were started stay with the bot they were started with.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_site(&self, name: &SiteName, change: SiteChange) -> Result<Arc<Site>, ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        let mut entry = SiteEntry::of(registered(&snapshot, name)?);
        apply(&mut entry, change, &snapshot)?;
        let site = turn.keep_site(name.clone(), entry).await?;
        self.report(AdminChange::SiteChanged, name);
        Ok(site)
    }

    /// Removes a site: its secrets and tokens open nothing from now on. Its conversations are kept until their time
    /// is over.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove_site(&self, name: &SiteName) -> Result<(), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        // Of one that cannot be read it is not known; nothing was issued for it since the start.
        let unreadable = snapshot.unreadable_sites.contains(name);
        let created = if unreadable { None } else { registered(&snapshot, name)?.created };
        turn.delete(Table::Sites, name.as_str()).await?;
        turn.state.removed = turn.state.removed.max(created);
        let mut next = Snapshot::clone(&snapshot);
        next.sites.remove(name);
        next.unreadable_sites.remove(name);
        self.show(next);
        self.report(AdminChange::SiteRemoved, name);
        Ok(())
    }

    /// Gives a site one more secret. Where it has two, the older one goes.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn add_secret(&self, name: &SiteName) -> Result<(SiteSecret, Slot), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        let site = known(&snapshot, name)?;
        let mut secrets = site.secrets.clone();
        let secret = new_secret(&*self.0.entropy);
        let slot = secrets.add(dated(&secret, self.now()));
        turn.keep_secrets(site, secrets).await?;
        self.report(AdminChange::SecretAdded, name);
        Ok((secret, slot))
    }

    /// Takes a secret away; never the last one, without which nobody could issue tokens.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove_secret(&self, name: &SiteName, slot: Slot) -> Result<(), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        let site = known(&snapshot, name)?;
        let mut secrets = site.secrets.clone();
        if !secrets.iter().any(|(there, _)| there == slot) {
            let number = slot.number();
            return Err(ChangeError::NotFound(format!("the site {name} has no secret {number}")));
        }
        secrets.set(slot, None);
        if secrets.is_empty() {
            return Err(ChangeError::Conflict(format!(
                "it is the last secret of the site {name}; add another one first, or remove the site"
            )));
        }
        turn.keep_secrets(site, secrets).await?;
        self.report(AdminChange::SecretRemoved, name);
        Ok(())
    }
}

impl Turn<'_> {
    /// Writes a site, and shows it.
    async fn keep_site(&mut self, name: SiteName, entry: SiteEntry) -> Result<Arc<Site>, ChangeError> {
        self.put(Table::Sites, name.as_str(), &entry).await?;
        Ok(self.show_site(entry.site(name, ManagedBy::Registry)))
    }

    /// Writes the secrets of a site where they belong, and shows them. Those that stand in the configuration file are
    /// changed there.
    async fn keep_secrets(&mut self, site: &Site, secrets: DatedSecrets) -> Result<(), ChangeError> {
        let name = &site.name;
        let file = self.editor.0.file.site(name);
        if file.is_some_and(|site| !configured(site).is_empty()) {
            return Err(ChangeError::Conflict(format!(
                "the secrets of the site {name} are defined in the configuration file; change them there, and restart"
            )));
        }
        match site.managed_by {
            ManagedBy::File => self.put(Table::SiteSecrets, name.as_str(), &secrets).await?,
            ManagedBy::Registry => {
                let entry = SiteEntry { secrets: secrets.clone(), ..SiteEntry::of(site) };
                self.put(Table::Sites, name.as_str(), &entry).await?;
            }
        }
        self.show_site(Site { secrets, ..site.clone() });
        Ok(())
    }

    fn show_site(&self, site: Site) -> Arc<Site> {
        let site = Arc::new(site);
        let mut next = Snapshot::clone(&self.editor.snapshot());
        next.sites.insert(site.name.clone(), Arc::clone(&site));
        self.editor.show(next);
        site
    }
}

/// As tokens count.
fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis(moment.as_seconds().saturating_mul(1000))
}

fn unreadable(name: &SiteName) -> ChangeError {
    ChangeError::Conflict(format!("what is kept of the site {name} cannot be read; remove it first"))
}

fn known<'a>(snapshot: &'a Snapshot, name: &SiteName) -> Result<&'a Arc<Site>, ChangeError> {
    let missing = || ChangeError::NotFound(format!("there is no site {name}; add it, or look at the list"));
    if snapshot.unreadable_sites.contains(name) {
        return Err(unreadable(name));
    }
    snapshot.sites.get(name).ok_or_else(missing)
}

/// A site that may be changed here.
fn registered<'a>(snapshot: &'a Snapshot, name: &SiteName) -> Result<&'a Arc<Site>, ChangeError> {
    let site = known(snapshot, name)?;
    match site.managed_by {
        ManagedBy::Registry => Ok(site),
        ManagedBy::File => Err(ChangeError::Conflict(format!(
            "the site {name} is defined in the configuration file; change it there, and restart"
        ))),
    }
}

fn apply(entry: &mut SiteEntry, change: SiteChange, snapshot: &Snapshot) -> Result<(), ChangeError> {
    let SiteChange {
        bot,
        token_lifetime,
        empty_watermark_is_history,
        retention,
        files,
        enhanced_authentication,
        trusted_origins,
    } = change;
    entry.bot = bot.unwrap_or_else(|| entry.bot.clone());
    entry.token_lifetime = token_lifetime.unwrap_or(entry.token_lifetime);
    entry.empty_watermark_is_history = empty_watermark_is_history.unwrap_or(entry.empty_watermark_is_history);
    entry.retention = retention.unwrap_or(entry.retention);
    entry.files = files.unwrap_or(entry.files);
    let before = std::mem::take(&mut entry.enhanced);
    let on = enhanced_authentication.unwrap_or(before.on);
    let origins = trusted_origins.unwrap_or(before.trusted_origins);
    entry.enhanced = Enhanced::new(on, origins)
        .map_err(|problem| ChangeError::Bad(format!("trustedOrigins: {problem}")))?;
    if snapshot.bots.contains_key(&entry.bot) {
        return Ok(());
    }
    Err(ChangeError::Bad(format!("there is no bot {}; add it first, or name another", entry.bot)))
}
