//! Which bots and sites there are just now.
//!
//! A [`Snapshot`] is immutable; whoever changes something swaps in a new one. A request takes one snapshot and sees one
//! state of things to its end.
//!
//! Invariants: an app id belongs to one bot at the most; no debug output holds a secret or a capability.
//!
//! Where to look: what is read at the start (`load`), how things change afterwards (`editor`), how they are kept
//! (`stored`), what a setting may be (`fields`).
//!
//! Not here: the file's keys (`config`), who may change what (`admin_api`).

mod editor;
mod enhanced;
pub(crate) mod fields;
mod load;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use landline_auth::{DatedSecrets, STREAM_TICKET_TTL, SecretDigest, SiteSecret};
use landline_core::files::FileLife;
use landline_core::{BotDirectory, BotProfile, DeliveryMode};
use landline_outbound::Authorities;
use landline_protocol::{BotName, SiteName, Timestamp};
use url::Url;
use zeroize::Zeroize as _;

pub(crate) use editor::Parts as EditorParts;
pub use editor::{AppIdChange, BotChange, ChangeError, Editor, OutgoingChange, SiteChange};
pub(crate) use enhanced::trusted_origins;
pub use enhanced::{Enhanced, USER_PREFIX, UserProblem};
pub(crate) use load::{FileEntries, load, random_text};
pub(crate) use stored::{from_bytes, to_bytes};

/// The tenant of bots that name none: the one that the Bot Framework itself uses.
pub const DEFAULT_TENANT: &str = "botframework.com";

/// The `iss` that stock bots expect of the channel.
///
/// Source: Bot Framework REST reference, "Authentication", "Connector to Bot".
pub const DEFAULT_ISSUER: &str = landline_auth::DEFAULT_CHANNEL_ISSUER;

/// Where a bot's own credentials are exchanged for tokens, unless it is said otherwise.
///
/// Source: Bot Framework REST reference, "Authentication", "Bot to Connector".
pub const DEFAULT_TOKEN_URL: &str = "https://login.microsoftonline.com/botframework.com/oauth2/v2.0/token";

/// What is asked for there, unless it is said otherwise: a token for the bot itself.
pub fn default_scope(app_id: &str) -> String {
    format!("{app_id}/.default")
}

/// The bots and sites of a running server.
#[derive(Debug, Default)]
pub struct Directory(RwLock<Arc<Snapshot>>);

/// All of them at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By name.
    pub bots: BTreeMap<BotName, Arc<Bot>>,
    /// By name.
    pub sites: BTreeMap<SiteName, Arc<Site>>,
    /// Bots of the registry that are left out, because what is kept of them cannot be read. They can be removed.
    pub unreadable_bots: BTreeSet<BotName>,
    /// The same of sites.
    pub unreadable_sites: BTreeSet<SiteName>,
}

/// Where something is defined, and so where it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagedBy {
    /// The configuration file.
    File,
    /// The registry, by the admin API.
    Registry,
}

/// A bot.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Its name; also its `recipient.id`.
    pub name: BotName,
    /// Where activities are posted to.
    pub endpoint: Url,
    /// What it is called in tokens. Without one, no tokens are shown either way, and the bot's credential is the
    /// unguessable segment of its `serviceUrl`.
    pub app_id: Option<Arc<str>>,
    /// The tenant in the paths of the token endpoints.
    pub tenant: Arc<str>,
    /// What `iss` says in the tokens that the bot is shown.
    pub issuer: Arc<str>,
    /// How it gets what clients send.
    pub delivery: DeliveryMode,
    /// What it may show to get an access token: as `X-IDENTITY-HEADER`, or as `client_secret`.
    pub credentials: DatedSecrets,
    /// Where the tokens come from that it is shown, if it trusts only somebody else's keys.
    pub outgoing: Option<Arc<OutgoingCredentials>>,
    /// Whose certificates it may show; `None`: those that are trusted anyway.
    pub ca_certificates: Option<Authorities>,
    /// The digest of the unguessable segment, for a bot without app id.
    pub capability: Option<SecretDigest>,
    /// The base of the Connector API that it is told, with a slash at its end. Holds the capability, where there is one.
    pub service_url: ServiceUrl,
    /// Where it is defined.
    pub managed_by: ManagedBy,
}

/// How a token is fetched with the bot's own credentials, as the Bot Framework Emulator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingCredentials {
    /// An OAuth 2.0 token endpoint.
    pub token_url: Url,
    /// The bot's own secret there; its app id is the client id.
    pub client_secret: Hidden,
    /// What is asked for.
    pub scope: String,
}

/// A secret that has to be shown to somebody else, so that a digest of it will not do.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text: for the wire, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// A `serviceUrl`.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(Arc<str>);

impl ServiceUrl {
    /// Of a bot that shows tokens.
    pub fn signed(base: &str) -> Self {
        Self(format!("{base}/connector/").into())
    }

    /// Of a bot that is known by its capability.
    pub fn with_capability(base: &str, capability: &str) -> Self {
        Self(format!("{base}/connector/{capability}/").into())
    }

    /// The text, which may hold a capability: not for logs.
    pub fn expose(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceUrl(…)")
    }
}

impl Bot {
    /// The unguessable segment of its `serviceUrl`, where it has one. Not for logs.
    pub(crate) fn capability_text(&self) -> Option<String> {
        self.capability?;
        self.service_url.0.trim_end_matches('/').rsplit('/').next().map(str::to_owned)
    }
}

/// How much may come to one site, a second; zero: as much as you like. `None`: as the limits say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteRates {
    /// Sends and uploads.
    pub sends: Option<u32>,
    /// Starts of conversations.
    pub starts: Option<u32>,
    /// Tokens, issued and refreshed.
    pub tokens: Option<u32>,
    /// Uploads.
    pub uploads: Option<u32>,
    /// Polls.
    pub polls: Option<u32>,
}

/// A site: clients that share secrets, in front of one bot.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// Its bot.
    pub bot: BotName,
    /// Digests of its secrets.
    pub secrets: DatedSecrets,
    /// How long a token lives. In whole seconds.
    pub token_lifetime: Duration,
    /// Whether `watermark=` with nothing behind it asks for the whole history.
    pub empty_watermark_is_history: bool,
    /// How long a conversation is kept after its last activity.
    pub retention: Duration,
    /// How long its files are kept; `None`: as the limits say.
    pub files: Option<FileLife>,
    /// Enhanced authentication.
    pub enhanced: Enhanced,
    /// How much may come to it.
    pub rates: SiteRates,
    /// From when on its tokens count: those that were issued earlier are of an older site of that name. `None`: all
    /// count, as in a site of the file, or one that an older release has kept.
    pub created: Option<Timestamp>,
    /// Where it is defined.
    pub managed_by: ManagedBy,
}

impl Site {
    /// When a token or ticket that is issued now says that it was: never before the site was made, whatever the clock
    /// says.
    pub(crate) fn issue_moment(&self, now: Timestamp) -> Timestamp {
        self.created.map_or(now, |created| created.max(now))
    }

    /// Whether what was issued at this moment was issued by this site, and not by an older one of its name.
    pub(crate) fn has_issued(&self, issued: Timestamp) -> bool {
        self.created.is_none_or(|created| created <= issued)
    }

    /// The same for a ticket that ends at this moment.
    pub(crate) fn has_made_ticket(&self, expires: Timestamp) -> bool {
        self.created.is_none_or(|created| created.plus(STREAM_TICKET_TTL) <= expires)
    }
}

impl Directory {
    /// Everything, as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        // A panic elsewhere leaves a whole snapshot: it is only ever swapped.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on.
    pub fn replace(&self, snapshot: Snapshot) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}

impl Snapshot {
    /// The site that one of its secrets opens.
    pub fn site_by_secret(&self, presented: &str) -> Option<&Arc<Site>> {
        let digest = digest_of(presented)?;
        self.sites.values().find(|site| site.secrets.holds(&digest))
    }

    /// The bot that has this app id.
    pub fn bot_by_app_id(&self, app_id: &str) -> Option<&Arc<Bot>> {
        self.bots.values().find(|bot| is_same_app_id(bot.app_id.as_deref(), Some(app_id)))
    }

    /// The bot whose `serviceUrl` holds this segment.
    pub fn bot_by_capability(&self, presented: &str) -> Option<&Arc<Bot>> {
        let digest = digest_of(presented)?;
        self.bots.values().find(|bot| bot.capability == Some(digest))
    }
}

/// Whether two bots could not be told apart by these. App ids are GUIDs as a rule, which some write in capitals.
pub(crate) fn is_same_app_id(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// The digest of what could be a secret. What could not be one was never taken as one.
fn digest_of(presented: &str) -> Option<SecretDigest> {
    SiteSecret::from_text(presented).ok().map(|secret| secret.digest())
}

impl BotDirectory for Directory {
    fn bot(&self, name: &BotName) -> Option<BotProfile> {
        let snapshot = self.snapshot();
        let bot = snapshot.bots.get(name)?;
        let service_url = Arc::clone(bot.service_url.expose());
        let capability = bot.capability_text().map(Arc::from);
        Some(BotProfile { service_url, capability, delivery: bot.delivery })
    }

    fn file_life(&self, site: &SiteName) -> Option<FileLife> {
        self.snapshot().sites.get(site)?.files
    }
}
