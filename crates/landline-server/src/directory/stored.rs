//! What the registry keeps of the bots and sites that were added while the server ran.
//!
//! On disk (JSON, version 1), below the name of the bot or site:
//!
//! ```text
//! Bots   {"version":1,"endpoint":"…","appId":"…"|null,"tenant":"…","issuer":"…","delivery":"wait"|"queued",
//!         "credentials":{"first":slot|null,"second":slot|null},
//!         "outgoing":{"tokenUrl":"…","clientSecret":"…","scope":"…"}|null,
//!         "caCertificates":"PEM" (absent where those of the machine count)}
//! Sites  {"version":1,"bot":"…","secrets":{"first":slot|null,"second":slot|null},
//!         "tokenLifetimeMs":n,"emptyWatermarkIsHistory":bool,"retentionMs":n,"createdMs":n (absent in older ones),
//!         "filesMs":n|"conversation" (absent where the limits say how long files are kept),
//!         "enhancedAuthentication":true (absent where it is off), "trustedOrigins":["…",…] (absent where there is none)}
//! slot   {"digest":"64 hexadecimal digits","created":ms}
//! ```
//!
//! `clientSecret` is the one secret that stands there in the clear: it is shown to somebody else. A capability of a bot
//! without app id has a table of its own.
//!
//! Invariant: what is read is checked as if it had just been asked for, so an entry is valid or an error; but for the
//! addresses that may be connected to, which are checked when they are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use landline_auth::{DatedSecrets, SiteSecret};
use landline_core::DeliveryMode;
use landline_core::files::FileLife;
use landline_outbound::Authorities;
use landline_protocol::{BotName, SiteName, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Bot, DEFAULT_ISSUER, DEFAULT_TENANT, Enhanced, Hidden, ManagedBy, OutgoingCredentials, ServiceUrl, Site,
    SiteRates, fields, trusted_origins,
};

/// The version of the layouts.
const VERSION: u32 = 1;

/// A bot without its name and what follows from the rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredBot", into = "StoredBot")]
pub(crate) struct BotEntry {
    pub(crate) endpoint: Url,
    pub(crate) app_id: Option<Arc<str>>,
    pub(crate) tenant: Arc<str>,
    pub(crate) issuer: Arc<str>,
    pub(crate) delivery: DeliveryMode,
    pub(crate) credentials: DatedSecrets,
    pub(crate) outgoing: Option<Arc<OutgoingCredentials>>,
    pub(crate) ca_certificates: Option<Authorities>,
}

/// A site without its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredSite", into = "StoredSite")]
pub(crate) struct SiteEntry {
    pub(crate) bot: BotName,
    pub(crate) secrets: DatedSecrets,
    pub(crate) token_lifetime: Duration,
    pub(crate) empty_watermark_is_history: bool,
    pub(crate) retention: Duration,
    pub(crate) files: Option<FileLife>,
    pub(crate) enhanced: Enhanced,
    pub(crate) created: Option<Timestamp>,
}

impl BotEntry {
    /// All but the endpoint as it is by default.
    pub(crate) fn new(endpoint: Url) -> Self {
        Self {
            endpoint,
            app_id: None,
            tenant: DEFAULT_TENANT.into(),
            issuer: DEFAULT_ISSUER.into(),
            delivery: DeliveryMode::Wait,
            credentials: DatedSecrets::default(),
            outgoing: None,
            ca_certificates: None,
        }
    }

    /// What would be kept of a bot.
    pub(crate) fn of(bot: &Bot) -> Self {
        Self {
            endpoint: bot.endpoint.clone(),
            app_id: bot.app_id.clone(),
            tenant: Arc::clone(&bot.tenant),
            issuer: Arc::clone(&bot.issuer),
            delivery: bot.delivery,
            credentials: bot.credentials.clone(),
            outgoing: bot.outgoing.clone(),
            ca_certificates: bot.ca_certificates.clone(),
        }
    }

    /// The bot; its capability counts only where it has no app id, and is needed there.
    ///
    /// # Errors
    /// The capability is absent, or none that could have been made here.
    pub(crate) fn bot(
        self,
        name: BotName,
        base: &str,
        capability: Option<&Hidden>,
        managed_by: ManagedBy,
    ) -> Result<Bot, BadCapability> {
        let (capability, service_url) = match &self.app_id {
            Some(_) => (None, ServiceUrl::signed(base)),
            None => {
                let text = capability.ok_or(BadCapability)?.expose();
                let digest = SiteSecret::from_text(text).map_err(|_| BadCapability)?.digest();
                (Some(digest), ServiceUrl::with_capability(base, text))
            }
        };
        Ok(Bot {
            name,
            endpoint: self.endpoint,
            app_id: self.app_id,
            tenant: self.tenant,
            issuer: self.issuer,
            delivery: self.delivery,
            credentials: self.credentials,
            outgoing: self.outgoing,
            ca_certificates: self.ca_certificates,
            capability,
            service_url,
            managed_by,
        })
    }
}

impl SiteEntry {
    /// All but the bot and the secrets as it is by default.
    pub(crate) fn new(bot: BotName) -> Self {
        Self {
            bot,
            secrets: DatedSecrets::default(),
            token_lifetime: fields::DEFAULT_TOKEN_LIFETIME,
            empty_watermark_is_history: true,
            retention: fields::DEFAULT_RETENTION,
            files: None,
            enhanced: Enhanced::default(),
            created: None,
        }
    }

    /// What would be kept of a site.
    pub(crate) fn of(site: &Site) -> Self {
        Self {
            bot: site.bot.clone(),
            secrets: site.secrets.clone(),
            token_lifetime: site.token_lifetime,
            empty_watermark_is_history: site.empty_watermark_is_history,
            retention: site.retention,
            files: site.files,
            enhanced: site.enhanced.clone(),
            created: site.created,
        }
    }

    /// The site.
    pub(crate) fn site(self, name: SiteName, managed_by: ManagedBy) -> Site {
        Site {
            name,
            bot: self.bot,
            secrets: self.secrets,
            token_lifetime: self.token_lifetime,
            empty_watermark_is_history: self.empty_watermark_is_history,
            retention: self.retention,
            files: self.files,
            enhanced: self.enhanced,
            rates: SiteRates::default(),
            created: self.created,
            managed_by,
        }
    }
}

/// A bot without app id whose `serviceUrl` part is missing or too weak.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the registry holds no usable capability of the bot; restore the data folder from a backup")]
pub(crate) struct BadCapability;

/// For the registry.
///
/// # Errors
/// None that is known: these layouts can all be spelled.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(value).map(Bytes::from)
}

/// From the registry.
///
/// # Errors
/// What was found, without any value.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    // serde's own message may quote a value.
    serde_json::from_slice(bytes).map_err(|error| Unreadable { line: error.line(), column: error.column() })
}

/// An entry that is not of this release, or damaged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreadable {
    line: usize,
    column: usize,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it is not what this release writes (line {}, column {}); use the release that wrote it, or restore the \
             data folder from a backup",
            self.line, self.column
        )
    }
}

impl std::error::Error for Unreadable {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredBot {
    version: u32,
    endpoint: String,
    app_id: Option<String>,
    tenant: String,
    issuer: String,
    delivery: String,
    credentials: DatedSecrets,
    outgoing: Option<StoredOutgoing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_certificates: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredOutgoing {
    token_url: String,
    client_secret: String,
    scope: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredSite {
    version: u32,
    bot: BotName,
    secrets: DatedSecrets,
    token_lifetime_ms: u64,
    empty_watermark_is_history: bool,
    retention_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files_ms: Option<StoredFileLife>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    enhanced_authentication: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trusted_origins: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredFileLife {
    For(u64),
    Conversation(WithConversation),
}

#[derive(Serialize, Deserialize)]
enum WithConversation {
    #[serde(rename = "conversation")]
    Word,
}

impl From<BotEntry> for StoredBot {
    fn from(bot: BotEntry) -> Self {
        Self {
            version: VERSION,
            endpoint: bot.endpoint.into(),
            app_id: bot.app_id.as_deref().map(str::to_owned),
            tenant: bot.tenant.as_ref().to_owned(),
            issuer: bot.issuer.as_ref().to_owned(),
            delivery: fields::delivery_text(bot.delivery).to_owned(),
            credentials: bot.credentials,
            outgoing: bot.outgoing.map(|outgoing| StoredOutgoing {
                token_url: outgoing.token_url.to_string(),
                client_secret: outgoing.client_secret.expose().to_owned(),
                scope: outgoing.scope.clone(),
            }),
            ca_certificates: bot.ca_certificates.map(|authorities| authorities.pem().to_owned()),
        }
    }
}

impl TryFrom<StoredBot> for BotEntry {
    type Error = String;

    fn try_from(stored: StoredBot) -> Result<Self, String> {
        check_version(stored.version)?;
        let outgoing = |stored: StoredOutgoing| -> Result<_, String> {
            Ok(Arc::new(OutgoingCredentials {
                token_url: fields::kept_endpoint(&stored.token_url)?,
                client_secret: fields::client_secret(&stored.client_secret)?,
                scope: fields::scope(&stored.scope)?,
            }))
        };
        Ok(Self {
            endpoint: fields::kept_endpoint(&stored.endpoint)?,
            app_id: stored.app_id.as_deref().map(fields::app_id).transpose()?,
            tenant: fields::tenant(&stored.tenant)?,
            issuer: fields::issuer(&stored.issuer)?,
            delivery: fields::delivery(&stored.delivery)?,
            credentials: stored.credentials,
            outgoing: stored.outgoing.map(outgoing).transpose()?,
            ca_certificates: stored.ca_certificates.as_deref().map(fields::authorities).transpose()?,
        })
    }
}

impl From<SiteEntry> for StoredSite {
    fn from(site: SiteEntry) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            version: VERSION,
            bot: site.bot,
            secrets: site.secrets,
            token_lifetime_ms: millis(site.token_lifetime),
            empty_watermark_is_history: site.empty_watermark_is_history,
            retention_ms: millis(site.retention),
            created_ms: site.created.map(Timestamp::as_millis),
            files_ms: site.files.map(|files| match files {
                FileLife::For(time) => StoredFileLife::For(millis(time)),
                FileLife::Conversation => StoredFileLife::Conversation(WithConversation::Word),
            }),
            enhanced_authentication: site.enhanced.on,
            trusted_origins: site.enhanced.trusted_origins,
        }
    }
}

impl TryFrom<StoredSite> for SiteEntry {
    type Error = String;

    fn try_from(stored: StoredSite) -> Result<Self, String> {
        check_version(stored.version)?;
        Ok(Self {
            bot: stored.bot,
            secrets: stored.secrets,
            token_lifetime: Duration::from_millis(stored.token_lifetime_ms),
            empty_watermark_is_history: stored.empty_watermark_is_history,
            retention: Duration::from_millis(stored.retention_ms),
            files: stored.files_ms.map(|files| match files {
                StoredFileLife::For(millis) => FileLife::For(Duration::from_millis(millis)),
                StoredFileLife::Conversation(WithConversation::Word) => FileLife::Conversation,
            }),
            enhanced: Enhanced::new(
                stored.enhanced_authentication,
                trusted_origins(&stored.trusted_origins)?,
            )?,
            created: stored.created_ms.map(Timestamp::from_millis),
        })
    }
}

fn check_version(found: u32) -> Result<(), String> {
    if found == VERSION {
        Ok(())
    } else {
        Err(format!("layout version {found}, this release reads {VERSION}"))
    }
}

#[cfg(test)]
mod tests {
    use landline_auth::DatedDigest;

    use super::*;

    const BOT: &str = r#"{"version":1,"endpoint":"http://127.0.0.1:3978/api/messages","appId":"app","tenant":"t.example","issuer":"https://i.example","delivery":"queued","credentials":{"first":{"digest":"DIGEST","created":7},"second":null},"outgoing":{"tokenUrl":"https://l.example/token","clientSecret":"canary","scope":"app/.default"}}"#;

    const SITE: &str = r#"{"version":1,"bot":"main","secrets":{"first":{"digest":"DIGEST","created":7},"second":null},"tokenLifetimeMs":3600000,"emptyWatermarkIsHistory":false,"retentionMs":60000,"createdMs":9}"#;

    fn slots() -> DatedSecrets {
        let secret = SiteSecret::from_random(&[1; 32]);
        DatedSecrets {
            first: Some(DatedDigest { digest: secret.digest(), created: Some(Timestamp::from_millis(7)) }),
            second: None,
        }
    }

    fn fixture(text: &str) -> String {
        text.replace("DIGEST", &SiteSecret::from_random(&[1; 32]).digest().to_string())
    }

    #[test]
    fn the_layouts_on_disk() {
        let bot = BotEntry {
            endpoint: "http://127.0.0.1:3978/api/messages".parse().unwrap(),
            app_id: Some("app".into()),
            tenant: "t.example".into(),
            issuer: "https://i.example".into(),
            delivery: DeliveryMode::Queued,
            credentials: slots(),
            outgoing: Some(Arc::new(OutgoingCredentials {
                token_url: "https://l.example/token".parse().unwrap(),
                client_secret: Hidden::new("canary".into()),
                scope: "app/.default".into(),
            })),
            ca_certificates: None,
        };
        let site = SiteEntry {
            bot: "main".parse().unwrap(),
            secrets: slots(),
            token_lifetime: Duration::from_secs(3600),
            empty_watermark_is_history: false,
            retention: Duration::from_secs(60),
            files: None,
            enhanced: Enhanced::default(),
            created: Some(Timestamp::from_millis(9)),
        };
        assert_eq!(to_bytes(&bot).unwrap(), fixture(BOT));
        assert_eq!(to_bytes(&site).unwrap(), fixture(SITE));
        let again: BotEntry = from_bytes(fixture(BOT).as_bytes()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{bot:?}"));
        assert!(!format!("{bot:?}").contains("canary"));
        let again: SiteEntry = from_bytes(fixture(SITE).as_bytes()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{site:?}"));
        let older = fixture(SITE).replace(",\"createdMs\":9", "");
        assert!(from_bytes::<SiteEntry>(older.as_bytes()).unwrap().created.is_none());
        for (files, written) in
            [(FileLife::For(Duration::from_secs(60)), "60000"), (FileLife::Conversation, "\"conversation\"")]
        {
            let site = SiteEntry { files: Some(files), ..site.clone() };
            let text =
                fixture(SITE).replace("\"createdMs\":9", &format!("\"createdMs\":9,\"filesMs\":{written}"));
            assert_eq!(to_bytes(&site).unwrap(), text);
            assert_eq!(from_bytes::<SiteEntry>(text.as_bytes()).unwrap().files, Some(files));
        }
        let more = |enhanced| fixture(SITE).replace("\"createdMs\":9", &format!("\"createdMs\":9{enhanced}"));
        for (on, kept) in [
            (true, ",\"enhancedAuthentication\":true,\"trustedOrigins\":[\"https://a.example\"]"),
            (false, ",\"trustedOrigins\":[\"https://a.example\"]"),
        ] {
            let enhanced = Enhanced { on, trusted_origins: vec!["https://a.example".into()] };
            let site = SiteEntry { enhanced: enhanced.clone(), ..site.clone() };
            assert_eq!(to_bytes(&site).unwrap(), more(kept));
            assert_eq!(from_bytes::<SiteEntry>(more(kept).as_bytes()).unwrap().enhanced, enhanced);
        }
        for wrong in [",\"enhancedAuthentication\":true", ",\"trustedOrigins\":[\"*\"]"] {
            assert!(from_bytes::<SiteEntry>(more(wrong).as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_this_release_does_not_write_is_refused_and_not_quoted() {
        let bot = fixture(BOT);
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"queued\"", "\"canary\""),
            ("https://l.example/token", "canary"),
            ("\"canary\"", "[\"canary\"]"),
            ("\"canary\"", "\"canary canary\""),
            ("\"scope\"", "\"more\":1,\"scope\""),
            ("\"appId\":\"app\"", "\"appId\":\"canary canary\""),
            ("}}", "}"),
        ] {
            let text = bot.replacen(from, to, 1);
            assert_ne!(text, bot, "{from}");
            let error = from_bytes::<BotEntry>(text.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(from_bytes::<SiteEntry>(fixture(SITE).replace(":1,", ":9,").as_bytes()).is_err());
    }
}
