//! The table `[outbound]`: which addresses this server connects to, and whose certificates it believes; and the keys
//! `ca_certificates` of others.
//!
//! Not here: what a rule means, and what is never connected to (`landline_outbound`).

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use landline_outbound::{ADDRESS_RULES, AUTHORITIES_BYTES, AddressPolicy, Authorities, Rule, Trust};
use url::Url;

use super::file;
use super::{Config, ConfigError, KeysAt, OutboundConfig};
use crate::bot_client::check_endpoint;
use crate::directory::fields;

pub(super) fn resolve(table: &file::Outbound, folder: &Path) -> Result<OutboundConfig, ConfigError> {
    let allow = table.allow.as_deref().map(|texts| rules("outbound.allow", texts)).transpose()?;
    if allow.as_ref().is_some_and(Vec::is_empty) {
        let problem =
            "it is empty, so that no bot could be reached; name some addresses, or take the key out";
        return Err(ConfigError::new("outbound.allow", problem));
    }
    let deny = rules("outbound.deny", &table.deny)?;
    let added = authorities("outbound.ca_certificates", table.ca_certificates.as_deref(), folder)?;
    Ok(OutboundConfig { addresses: Arc::new(AddressPolicy::new(allow, deny)), trust: Trust::new(added) })
}

fn rules(key: &str, texts: &[String]) -> Result<Vec<Rule>, ConfigError> {
    if texts.len() > ADDRESS_RULES {
        let problem = format!("there are {}; {ADDRESS_RULES} at the most", texts.len());
        return Err(ConfigError::new(key, problem));
    }
    let rule = |text: &String| {
        Rule::from_str(text).map_err(|bad| ConfigError::new(key, format!("{text:?} is no rule; {bad}")))
    };
    texts.iter().map(rule).collect()
}

/// Reads a file of certificates; one that is named relatively counts from the folder of the configuration.
pub(super) fn authorities(
    key: &str,
    file: Option<&str>,
    folder: &Path,
) -> Result<Option<Authorities>, ConfigError> {
    let Some(file) = file else { return Ok(None) };
    let path = folder.join(file);
    let at = |problem: String| ConfigError::new(key, format!("{}: {problem}", path.display()));
    let size = path.metadata().map_err(|error| at(error.to_string()))?.len();
    if size > AUTHORITIES_BYTES as u64 {
        return Err(at(format!("it has {size} bytes, {AUTHORITIES_BYTES} at the most")));
    }
    let pem = std::fs::read_to_string(&path).map_err(|error| at(error.to_string()))?;
    Authorities::from_pem(&pem).map(Some).map_err(|why| at(why.to_string()))
}

/// Whether everything that the file names may be connected to.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let at = |key: String, url: &Url| {
        let checked = check_endpoint(url, &config.outbound.addresses);
        checked.map_err(|why| ConfigError::new(key, why.to_string()))
    };
    for bot in &config.bots {
        let key = |key: &str| format!("bots.{}.{key}", bot.name);
        at(key("endpoint"), &bot.endpoint)?;
        if let Some(outgoing) = &bot.outgoing {
            at(key("outgoing.token_url"), &outgoing.token_url)?;
        }
        fields::authorities_fit(bot.ca_certificates.as_ref(), &bot.endpoint)
            .map_err(|why| ConfigError::new(key("ca_certificates"), why))?;
    }
    for issuer in &config.trusted_issuers {
        let key = |key: &str| format!("trusted_issuers.{}.{key}", issuer.name);
        let (name, url) = match &issuer.keys {
            KeysAt::Keys(url) => ("keys_url", url),
            KeysAt::Metadata(url) => ("openid_metadata_url", url),
        };
        at(key(name), url)?;
        fields::authorities_fit(issuer.ca_certificates.as_ref(), url)
            .map_err(|why| ConfigError::new(key("ca_certificates"), why))?;
    }
    Ok(())
}
