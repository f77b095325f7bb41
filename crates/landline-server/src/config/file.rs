//! The keys of the file, as they are spelled.
//!
//! Not here: what they must be (`resolve`).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use zeroize::Zeroize as _;

use super::ConfigError;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<String>,
    pub(super) admin: Option<String>,
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) allow_plain_http: bool,
    pub(super) data: Option<String>,
    pub(super) files: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) connector_url: Option<String>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    pub(super) sandbox: Option<String>,
    pub(super) audit_log: Option<String>,
    pub(super) admin_token: Option<SecretText>,
    pub(super) admin_token_file: Option<String>,
    pub(super) admin_token_env: Option<String>,
    #[serde(default)]
    pub(super) bots: BTreeMap<String, Bot>,
    #[serde(default)]
    pub(super) sites: BTreeMap<String, Site>,
    #[serde(default)]
    pub(super) trusted_issuers: BTreeMap<String, TrustedIssuer>,
    #[serde(default)]
    pub(super) outbound: Outbound,
    #[serde(default)]
    pub(super) limits: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the table [tls]")]
pub(super) struct Tls {
    pub(super) certificate: String,
    pub(super) key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with a name, such as [bots.main]")]
pub(super) struct Bot {
    pub(super) endpoint: String,
    pub(super) app_id: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) delivery: Option<String>,
    pub(super) credential: Option<SecretText>,
    pub(super) credential_file: Option<String>,
    pub(super) credential_env: Option<String>,
    pub(super) second_credential: Option<SecretText>,
    pub(super) second_credential_file: Option<String>,
    pub(super) second_credential_env: Option<String>,
    pub(super) outgoing: Option<Outgoing>,
    pub(super) ca_certificates: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the table [outbound]")]
pub(super) struct Outbound {
    pub(super) allow: Option<Vec<String>>,
    #[serde(default)]
    pub(super) deny: Vec<String>,
    pub(super) ca_certificates: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as [bots.main.outgoing]")]
pub(super) struct Outgoing {
    pub(super) token_url: Option<String>,
    pub(super) client_secret: Option<SecretText>,
    pub(super) client_secret_file: Option<String>,
    pub(super) client_secret_env: Option<String>,
    pub(super) scope: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with a name, such as [trusted_issuers.entra]")]
pub(super) struct TrustedIssuer {
    pub(super) issuers: Vec<String>,
    pub(super) keys_url: Option<String>,
    pub(super) openid_metadata_url: Option<String>,
    pub(super) bots: Option<Vec<String>>,
    pub(super) ca_certificates: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with a name, such as [sites.default]")]
pub(super) struct Site {
    pub(super) bot: String,
    pub(super) secret: Option<SecretText>,
    pub(super) secret_file: Option<String>,
    pub(super) secret_env: Option<String>,
    pub(super) second_secret: Option<SecretText>,
    pub(super) second_secret_file: Option<String>,
    pub(super) second_secret_env: Option<String>,
    pub(super) token_lifetime: Option<String>,
    pub(super) empty_watermark: Option<String>,
    pub(super) retention: Option<String>,
    pub(super) files: Option<String>,
    pub(super) enhanced_authentication: Option<bool>,
    #[serde(default)]
    pub(super) trusted_origins: Vec<String>,
    pub(super) sends_per_second: Option<i64>,
    pub(super) starts_per_second: Option<i64>,
    pub(super) tokens_per_second: Option<i64>,
    pub(super) uploads_per_second: Option<i64>,
    pub(super) polls_per_second: Option<i64>,
}

/// A secret by value. Its errors and its debug output do not hold it.
pub(super) struct SecretText(pub(super) String);

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            // serde's own message would quote the value.
            _ => Err(D::Error::custom("a secret is a text; write it in quotes")),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| {
        // Displayed whole, the error would quote the line, and with it perhaps a secret.
        let problem = error.message().replace('\n', ", ");
        match error.span() {
            Some(span) => ConfigError::new(place(text, &span), problem),
            None => ConfigError::nowhere(problem),
        }
    })
}

fn place(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    format!("line {}", before.matches('\n').count() + 1)
}
