//! What the admin API answers. What is not known here is passed over, so that a newer server can be asked.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Bots {
    pub(crate) bots: Vec<Bot>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneBot {
    pub(crate) bot: Bot,
}

/// A bot that was made just now.
#[derive(Debug, Deserialize)]
pub(crate) struct NewBot {
    pub(crate) bot: Bot,
    /// Shown this once.
    pub(crate) credential: Option<Shown>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bot {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) app_id: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) delivery: String,
    #[serde(default)]
    pub(crate) credentials: Vec<Slot>,
    pub(crate) outgoing: Option<Outgoing>,
    pub(crate) ca_certificates: Option<String>,
    /// Of bots with an app id.
    pub(crate) service_url: Option<String>,
    /// How bots reach the server.
    pub(crate) base_url: String,
    pub(crate) managed_by: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outgoing {
    pub(crate) token_url: String,
    pub(crate) scope: String,
}

/// A secret that is there, of which nothing is known but that.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Slot {
    pub(crate) slot: u8,
    pub(crate) created: Option<String>,
}

/// A secret, to be shown once. Its debug output does not hold it.
#[derive(Deserialize)]
pub(crate) struct Shown(String);

impl Shown {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown(…)")
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct NewCredential {
    pub(crate) credential: Shown,
    pub(crate) slot: u8,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sites {
    pub(crate) sites: Vec<Site>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneSite {
    pub(crate) site: Site,
}

/// A site that was made just now.
#[derive(Debug, Deserialize)]
pub(crate) struct NewSite {
    pub(crate) site: Site,
    /// Shown this once.
    pub(crate) secret: Shown,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) bot: String,
    pub(crate) token_lifetime: String,
    pub(crate) empty_watermark: String,
    pub(crate) retention: String,
    /// Absent where the limits say it.
    pub(crate) files: Option<String>,
    /// An older server says nothing of it.
    #[serde(default)]
    pub(crate) enhanced_authentication: bool,
    #[serde(default)]
    pub(crate) trusted_origins: Vec<String>,
    #[serde(default)]
    pub(crate) secrets: Vec<Slot>,
    pub(crate) managed_by: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneConversation {
    pub(crate) conversation: Conversation<Vec<File>>,
}

/// A conversation; of its files, a list says how many there are, and the answer about one says which.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation<Files = u64> {
    pub(crate) id: String,
    pub(crate) site: String,
    pub(crate) bot: String,
    pub(crate) created: String,
    pub(crate) last_activity: String,
    pub(crate) members: u64,
    pub(crate) activities: u64,
    pub(crate) files: Files,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) until: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NewSecret {
    pub(crate) secret: Shown,
    pub(crate) slot: u8,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Keys {
    #[serde(default)]
    pub(crate) identity: Vec<IdentityKey>,
    pub(crate) tokens: Vec<TokenKey>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentityKey {
    pub(crate) kid: String,
    pub(crate) created: String,
    pub(crate) signs_from: String,
    pub(crate) state: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TokenKey {
    pub(crate) kid: String,
    pub(crate) created: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) activity_id: String,
    pub(crate) bot: String,
    pub(crate) state: String,
    pub(crate) attempts: u64,
    pub(crate) due: Option<String>,
    pub(crate) since: String,
    pub(crate) last_status: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Count {
    pub(crate) count: u64,
}
