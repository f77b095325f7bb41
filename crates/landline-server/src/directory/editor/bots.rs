//! The changes of bots.

use std::sync::Arc;

use landline_auth::{BotCredential, Slot};
use landline_core::store::Table;
use landline_core::{DeliveryMode, Entropy};
use landline_outbound::Authorities;
use landline_protocol::BotName;
use url::Url;

use super::{ChangeError, Editor, Turn};
use crate::bot_client::check_endpoint;
use crate::directory::load::{dated, new_secret, random_text};
use crate::directory::stored::BotEntry;
use crate::directory::{
    Bot, DEFAULT_ISSUER, DEFAULT_TENANT, DEFAULT_TOKEN_URL, Hidden, ManagedBy, OutgoingCredentials, Snapshot,
    default_scope, fields,
};
use crate::limits::{MAX_BOTS, NAMED_SITES};
use crate::telemetry::AdminChange;

/// What is to be different about a bot; what is `None` stays. `Some(None)` takes a setting away, or sets it back.
#[derive(Clone, Debug, Default)]
pub struct BotChange {
    /// Where activities are posted to.
    pub endpoint: Option<Url>,
    /// What it is called in tokens.
    pub app_id: Option<AppIdChange>,
    /// The tenant in the paths of the token endpoints.
    pub tenant: Option<Option<Arc<str>>>,
    /// What `iss` says in the tokens that it is shown.
    pub issuer: Option<Option<Arc<str>>>,
    /// How it gets what clients send.
    pub delivery: Option<DeliveryMode>,
    /// Where the tokens come from that it is shown.
    pub outgoing: Option<Option<OutgoingChange>>,
    /// Whose certificates it may show.
    pub ca_certificates: Option<Option<Authorities>>,
}

/// What is to become of an app id.
#[derive(Clone, Debug)]
pub enum AppIdChange {
    /// There is none any more.
    None,
    /// One is made up.
    New,
    /// This one.
    Is(Arc<str>),
}

/// What is to be different about outgoing credentials; what is `None` stays. `Some(None)` is the default.
#[derive(Clone, Debug, Default)]
pub struct OutgoingChange {
    /// The token endpoint.
    pub token_url: Option<Option<Url>>,
    /// The secret there; needed where there was none, and with another token endpoint.
    pub client_secret: Option<Hidden>,
    /// What is asked for.
    pub scope: Option<Option<String>>,
}

impl Editor {
    /// Adds a bot; with a credential, whose text is handed out this once, if that is asked for.
    ///
    /// # Errors
    /// [`ChangeError`]; a name or an app id that is taken is a conflict.
    pub async fn add_bot(
        &self,
        name: BotName,
        endpoint: Url,
        change: BotChange,
        with_credential: bool,
    ) -> Result<(Arc<Bot>, Option<BotCredential>), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        if snapshot.unreadable_bots.contains(&name) {
            return Err(unreadable(&name));
        }
        if snapshot.bots.contains_key(&name) {
            return Err(ChangeError::Conflict(format!(
                "there is a bot {name} already; change it, or choose another name"
            )));
        }
        if snapshot.bots.len() >= MAX_BOTS {
            return Err(ChangeError::Conflict(format!("there are {MAX_BOTS} bots, which is the limit")));
        }
        self.check_address("endpoint", &endpoint)?;
        self.check_addresses(&change)?;
        let mut entry = BotEntry::new(endpoint);
        apply(&mut entry, change, &*self.0.entropy)?;
        let credential = with_credential.then(|| new_secret(&*self.0.entropy));
        if let Some(secret) = &credential {
            entry.credentials.add(dated(secret, self.now()));
        }
        check(&name, &entry, &snapshot)?;
        let bot = turn.keep_bot(name, entry, None).await?;
        self.report(AdminChange::BotAdded, &bot.name);
        Ok((bot, credential))
    }

    /// Whether what is asked for may be connected to; what was there before stays as it is.
    fn check_addresses(&self, change: &BotChange) -> Result<(), ChangeError> {
        if let Some(endpoint) = &change.endpoint {
            self.check_address("endpoint", endpoint)?;
        }
        match &change.outgoing {
            Some(Some(OutgoingChange { token_url: Some(Some(url)), .. })) => {
                self.check_address("outgoing.tokenUrl", url)
            }
            _ => Ok(()),
        }
    }

    fn check_address(&self, field: &str, url: &Url) -> Result<(), ChangeError> {
        let checked = check_endpoint(url, &self.0.addresses);
        checked.map_err(|why| ChangeError::Bad(format!("{field}: {why}")))
    }

    /// Changes a bot.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_bot(&self, name: &BotName, change: BotChange) -> Result<Arc<Bot>, ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        let old = registered(&snapshot, name)?;
        self.check_addresses(&change)?;
        let mut entry = BotEntry::of(old);
        apply(&mut entry, change, &*self.0.entropy)?;
        check(name, &entry, &snapshot)?;
        let bot = turn.keep_bot(name.clone(), entry, Some(old)).await?;
        self.report(AdminChange::BotChanged, name);
        Ok(bot)
    }

    /// Removes a bot that no site uses. Its conversations stay; nobody answers in them any more.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove_bot(&self, name: &BotName) -> Result<(), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        if !snapshot.unreadable_bots.contains(name) {
            registered(&snapshot, name)?;
        }
        let users: Vec<_> = snapshot.sites.values().filter(|site| site.bot == *name).collect();
        if !users.is_empty() {
            let names: Vec<_> = users.iter().take(NAMED_SITES).map(|site| site.name.as_str()).collect();
            let more = if users.len() > names.len() { " and others" } else { "" };
            return Err(ChangeError::Conflict(format!(
                "the bot {name} is used by site {}{more}; give those another bot first, or remove them",
                names.join(", ")
            )));
        }
        turn.delete(Table::Bots, name.as_str()).await?;
        let mut next = Snapshot::clone(&snapshot);
        next.bots.remove(name);
        next.unreadable_bots.remove(name);
        self.show(next);
        self.report(AdminChange::BotRemoved, name);
        turn.forget_capability(name).await;
        Ok(())
    }

    /// Gives a bot one more credential. Where it has two, the older one goes.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn add_credential(&self, name: &BotName) -> Result<(BotCredential, Slot), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        let old = registered(&snapshot, name)?;
        let mut entry = BotEntry::of(old);
        let secret = new_secret(&*self.0.entropy);
        let slot = entry.credentials.add(dated(&secret, self.now()));
        check(name, &entry, &snapshot)?;
        turn.keep_bot(name.clone(), entry, Some(old)).await?;
        self.report(AdminChange::CredentialAdded, name);
        Ok((secret, slot))
    }

    /// Takes a credential away; it may be the last one.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove_credential(&self, name: &BotName, slot: Slot) -> Result<(), ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        let old = registered(&snapshot, name)?;
        let mut entry = BotEntry::of(old);
        if !entry.credentials.iter().any(|(there, _)| there == slot) {
            let number = slot.number();
            return Err(ChangeError::NotFound(format!("the bot {name} has no credential {number}")));
        }
        entry.credentials.set(slot, None);
        turn.keep_bot(name.clone(), entry, Some(old)).await?;
        self.report(AdminChange::CredentialRemoved, name);
        Ok(())
    }

    /// Gives a bot without app id another unguessable part of its `serviceUrl`; the old one opens nothing from now on.
    ///
    /// It stands in the registry for bots of the configuration file too, so those are no exception here.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn replace_capability(&self, name: &BotName) -> Result<Arc<Bot>, ChangeError> {
        let mut turn = self.turn().await?;
        let snapshot = self.snapshot();
        let old = known(&snapshot, name)?;
        if old.app_id.is_some() {
            return Err(ChangeError::Conflict(format!(
                "the bot {name} has an app id, so its address holds nothing to be guessed; exchange its credentials"
            )));
        }
        let capability = turn.new_capability(name).await?;
        let bot = turn.show_bot(name.clone(), BotEntry::of(old), Some(&capability), old.managed_by)?;
        self.report(AdminChange::CapabilityReplaced, name);
        Ok(bot)
    }
}

impl Turn<'_> {
    /// Writes a bot, and shows it.
    async fn keep_bot(
        &mut self,
        name: BotName,
        entry: BotEntry,
        old: Option<&Arc<Bot>>,
    ) -> Result<Arc<Bot>, ChangeError> {
        let had_app_id = old.is_some_and(|old| old.app_id.is_some());
        let capability = match (&entry.app_id, old) {
            (Some(_), _) => None,
            (None, Some(old)) if !had_app_id => old.capability_text().map(Hidden::new),
            // Before the bot, so that no crash leaves it without. A new one, whatever an older bot of that name had.
            (None, _) => Some(self.new_capability(&name).await?),
        };
        self.put(Table::Bots, name.as_str(), &entry).await?;
        let forget = entry.app_id.is_some() && old.is_some() && !had_app_id;
        let bot = self.show_bot(name, entry, capability.as_ref(), ManagedBy::Registry)?;
        if forget {
            self.forget_capability(&bot.name).await;
        }
        Ok(bot)
    }

    fn show_bot(
        &self,
        name: BotName,
        entry: BotEntry,
        capability: Option<&Hidden>,
        managed_by: ManagedBy,
    ) -> Result<Arc<Bot>, ChangeError> {
        let bot = entry.bot(name.clone(), self.editor.base(), capability, managed_by);
        let bot = Arc::new(bot.map_err(|error| ChangeError::Unknown(error.to_string()))?);
        let mut next = Snapshot::clone(&self.editor.snapshot());
        next.bots.insert(name, Arc::clone(&bot));
        self.editor.show(next);
        Ok(bot)
    }

    async fn new_capability(&mut self, name: &BotName) -> Result<Hidden, ChangeError> {
        let text = random_text(&*self.editor.0.entropy);
        self.put(Table::BotCapabilities, name.as_str(), &text).await?;
        Ok(Hidden::new(text))
    }

    /// Nothing depends on it: what is left over opens nothing, and is replaced when it is needed.
    async fn forget_capability(&mut self, name: &BotName) {
        if let Err(error) = self.delete(Table::BotCapabilities, name.as_str()).await {
            tracing::warn!(bot.name = %name, %error, "An old capability of {name} stays in the registry: {error}");
        }
    }
}

fn unreadable(name: &BotName) -> ChangeError {
    ChangeError::Conflict(format!("what is kept of the bot {name} cannot be read; remove it first"))
}

fn known<'a>(snapshot: &'a Snapshot, name: &BotName) -> Result<&'a Arc<Bot>, ChangeError> {
    let missing = || ChangeError::NotFound(format!("there is no bot {name}; add it, or look at the list"));
    if snapshot.unreadable_bots.contains(name) {
        return Err(unreadable(name));
    }
    snapshot.bots.get(name).ok_or_else(missing)
}

/// A bot that may be changed here.
fn registered<'a>(snapshot: &'a Snapshot, name: &BotName) -> Result<&'a Arc<Bot>, ChangeError> {
    let bot = known(snapshot, name)?;
    match bot.managed_by {
        ManagedBy::Registry => Ok(bot),
        ManagedBy::File => Err(ChangeError::Conflict(format!(
            "the bot {name} is defined in the configuration file; change it there, and restart"
        ))),
    }
}

fn apply(entry: &mut BotEntry, change: BotChange, entropy: &dyn Entropy) -> Result<(), ChangeError> {
    let BotChange { endpoint, app_id, tenant, issuer, delivery, outgoing, ca_certificates } = change;
    if let Some(authorities) = ca_certificates {
        entry.ca_certificates = authorities;
    }
    if let Some(endpoint) = endpoint {
        entry.endpoint = endpoint;
    }
    if let Some(app_id) = app_id {
        set_app_id(
            entry,
            match app_id {
                AppIdChange::None => None,
                AppIdChange::New => Some(uuid(entropy)),
                AppIdChange::Is(text) => Some(text),
            },
        );
    }
    if let Some(tenant) = tenant {
        entry.tenant = tenant.unwrap_or_else(|| DEFAULT_TENANT.into());
    }
    if let Some(issuer) = issuer {
        entry.issuer = issuer.unwrap_or_else(|| DEFAULT_ISSUER.into());
    }
    if let Some(delivery) = delivery {
        entry.delivery = delivery;
    }
    match outgoing {
        None => {}
        Some(None) => entry.outgoing = None,
        Some(Some(change)) => {
            let outgoing = changed_outgoing(entry, change)?;
            entry.outgoing = Some(Arc::new(outgoing));
        }
    }
    Ok(())
}

/// A scope that follows from the app id goes on following.
fn set_app_id(entry: &mut BotEntry, app_id: Option<Arc<str>>) {
    if let (Some(old), Some(new), Some(outgoing)) = (&entry.app_id, &app_id, &mut entry.outgoing)
        && outgoing.scope == default_scope(old)
    {
        *outgoing = Arc::new(OutgoingCredentials {
            scope: default_scope(new),
            ..OutgoingCredentials::clone(outgoing)
        });
    }
    entry.app_id = app_id;
}

fn changed_outgoing(entry: &BotEntry, change: OutgoingChange) -> Result<OutgoingCredentials, ChangeError> {
    let old = entry.outgoing.as_deref();
    let token_url = match (change.token_url, old) {
        (Some(Some(url)), _) => url,
        (None, Some(old)) => old.token_url.clone(),
        (Some(None), _) | (None, None) => fields::endpoint(DEFAULT_TOKEN_URL).map_err(ChangeError::Bad)?,
    };
    // A secret that was given for one address is never shown to another: whoever may change a bot may not read it.
    let kept = old.filter(|old| old.token_url == token_url).map(|old| old.client_secret.clone());
    let client_secret = change.client_secret.or(kept).ok_or_else(|| {
        ChangeError::Bad(
            "outgoing.clientSecret is missing: the secret that the bot has at this token URL".into(),
        )
    })?;
    let app_id = entry.app_id.as_deref().ok_or_else(no_app_id)?;
    let scope = change.scope.unwrap_or_else(|| old.map(|old| old.scope.clone()));
    let scope = scope.unwrap_or_else(|| default_scope(app_id));
    Ok(OutgoingCredentials { token_url, client_secret, scope })
}

/// What concerns more than one setting, or more than one bot.
fn check(name: &BotName, entry: &BotEntry, snapshot: &Snapshot) -> Result<(), ChangeError> {
    fields::authorities_fit(entry.ca_certificates.as_ref(), &entry.endpoint)
        .map_err(|why| ChangeError::Bad(format!("caCertificates: {why}")))?;
    let Some(app_id) = &entry.app_id else { return check_plain(name, entry, snapshot) };
    match snapshot.bot_by_app_id(app_id) {
        Some(other) if other.name != *name => Err(ChangeError::Conflict(format!(
            "the bot {} has that app id, by which they could not be told apart; choose another",
            other.name
        ))),
        _ => Ok(()),
    }
}

/// A bot without an app id signs in to nobody. What it had for that is never thrown away unasked: a client secret cannot
/// be made again here.
fn check_plain(name: &BotName, entry: &BotEntry, snapshot: &Snapshot) -> Result<(), ChangeError> {
    let credential = entry.credentials.iter().next();
    if credential.is_none() && entry.outgoing.is_none() {
        return Ok(());
    }
    if snapshot.bots.get(name).is_none_or(|bot| bot.app_id.is_none()) {
        return Err(no_app_id());
    }
    Err(ChangeError::Bad(match credential {
        Some((slot, _)) => format!(
            "appId: the bot {name} has a credential, which is of no use without an app id; remove it first, with \
             \"landline bot credential remove {name} --slot {}\"",
            slot.number()
        ),
        None => format!(
            "appId: the bot {name} is shown tokens that are fetched with a secret of its own, for which it needs an app id; \
             take the secret away too, with \"landline bot set {name} --anonymous --no-outgoing\""
        ),
    }))
}

fn no_app_id() -> ChangeError {
    ChangeError::Bad(fields::needs_app_id("appId"))
}

/// A random UUID.
///
/// Source: RFC 9562, section 5.4 (version 4).
fn uuid(entropy: &dyn Entropy) -> Arc<str> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    let bits = u128::from_be_bytes(bytes) & !(0xf000_u128 << 64) & !(0xc000_u128 << 48);
    let bits = bits | 0x4000_u128 << 64 | 0x8000_u128 << 48;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(u8);

    impl Entropy for Bytes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn an_app_id_that_is_made_up_is_a_uuid_of_version_4() {
        assert_eq!(&*uuid(&Bytes(0)), "00000000-0000-4000-8000-000000000000");
        assert_eq!(&*uuid(&Bytes(0xff)), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(&*uuid(&Bytes(0x5a)), "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a");
    }
}
