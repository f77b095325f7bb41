//! The tables `[trusted_issuers.NAME]`: whose tokens bots may show, beside our own.
//!
//! Not here: how the keys are fetched, and how a token is checked with them (`identity`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use landline_protocol::BotName;
use url::Url;

use super::file;
use super::{ConfigError, KeysAt, TrustedIssuer, outbound};
use crate::directory::fields;
use crate::limits::{MAX_BOTS, MAX_TRUSTED_ISSUERS};

pub(super) fn resolve(
    tables: &BTreeMap<String, file::TrustedIssuer>,
    folder: &Path,
) -> Result<Vec<TrustedIssuer>, ConfigError> {
    if tables.len() > MAX_TRUSTED_ISSUERS {
        let problem = format!("there are {}; {MAX_TRUSTED_ISSUERS} at the most", tables.len());
        return Err(ConfigError::new("trusted_issuers", problem));
    }
    let mut all: Vec<TrustedIssuer> = Vec::new();
    for (name, table) in tables {
        let one = resolve_one(name, table, folder)?;
        let twice = |issuer: &&Arc<str>| all.iter().any(|other| other.issuers.contains(*issuer));
        if let Some(issuer) = one.issuers.iter().find(twice) {
            let problem = format!("{issuer:?} stands in another table already; take it out of one of them");
            return Err(ConfigError::new(format!("trusted_issuers.{name}.issuers"), problem));
        }
        all.push(one);
    }
    Ok(all)
}

fn resolve_one(name: &str, table: &file::TrustedIssuer, folder: &Path) -> Result<TrustedIssuer, ConfigError> {
    let key = |key: &str| format!("trusted_issuers.{name}.{key}");
    if !(1..=MAX_TRUSTED_ISSUERS).contains(&table.issuers.len()) {
        let problem = format!("write 1 to {MAX_TRUSTED_ISSUERS} texts that `iss` may be");
        return Err(ConfigError::new(key("issuers"), problem));
    }
    let issuer = |text: &String| fields::issuer(text).map_err(|why| ConfigError::new(key("issuers"), why));
    let issuers = table.issuers.iter().map(issuer).collect::<Result<_, _>>()?;
    let url = |at: &str, text: &str| -> Result<Url, ConfigError> {
        fields::endpoint(text).map_err(|why| ConfigError::new(key(at), why))
    };
    let keys = match (&table.keys_url, &table.openid_metadata_url) {
        (Some(text), None) => KeysAt::Keys(url("keys_url", text)?),
        (None, Some(text)) => KeysAt::Metadata(url("openid_metadata_url", text)?),
        _ => {
            let problem = "write where its keys are: one of keys_url and openid_metadata_url";
            return Err(ConfigError::new(format!("trusted_issuers.{name}"), problem));
        }
    };
    let bots = table.bots.as_ref().map(|names| bots(&key("bots"), names)).transpose()?;
    let ca_certificates =
        outbound::authorities(&key("ca_certificates"), table.ca_certificates.as_deref(), folder)?;
    Ok(TrustedIssuer { name: name.into(), issuers, keys, bots, ca_certificates })
}

/// They need not stand in the file: bots are also added while the server runs.
fn bots(key: &str, names: &[String]) -> Result<Vec<BotName>, ConfigError> {
    if !(1..=MAX_BOTS).contains(&names.len()) {
        let problem =
            format!("write 1 to {MAX_BOTS} names of bots, or take the key out: then it vouches for all");
        return Err(ConfigError::new(key, problem));
    }
    let name = |name: &String| {
        name.parse().map_err(|why| ConfigError::new(key, format!("{name:?} is no name of a bot: {why}")))
    };
    names.iter().map(name).collect()
}
