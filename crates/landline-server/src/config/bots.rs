//! The tables `[bots.NAME]`: from what is written to what is meant.
//!
//! Not here: what a single setting may be (`directory::fields`), which the admin API asks too.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use landline_core::DeliveryMode;
use landline_protocol::BotName;
use url::Url;

use super::file::{Bot, Outgoing};
use super::secrets::Sources;
use super::{BotConfig, ConfigError, Environment, outbound};
use crate::directory::{
    DEFAULT_ISSUER, DEFAULT_TENANT, DEFAULT_TOKEN_URL, OutgoingCredentials, default_scope, fields,
    is_same_app_id,
};

pub(super) fn resolve(
    tables: &BTreeMap<String, Bot>,
    folder: &Path,
    environment: Environment<'_>,
) -> Result<Vec<BotConfig>, ConfigError> {
    let mut bots: Vec<BotConfig> = Vec::new();
    for (name, table) in tables {
        let bot = resolve_one(name, table, folder, environment)?;
        let twin = bots.iter().find(|other| is_same_app_id(other.app_id.as_deref(), bot.app_id.as_deref()));
        if let Some(twin) = twin {
            let problem = format!(
                "bots {} and {} have the same app id, by which they could not be told apart; give each its own",
                twin.name, bot.name
            );
            return Err(ConfigError::new(format!("bots.{name}.app_id"), problem));
        }
        bots.push(bot);
    }
    Ok(bots)
}

/// A bot without an app id, all else as it is by default.
pub(super) fn plain(name: BotName, endpoint: Url) -> BotConfig {
    BotConfig {
        name,
        endpoint,
        app_id: None,
        tenant: DEFAULT_TENANT.into(),
        issuer: DEFAULT_ISSUER.into(),
        delivery: DeliveryMode::Wait,
        credential: None,
        second_credential: None,
        outgoing: None,
        ca_certificates: None,
    }
}

fn resolve_one(
    name: &str,
    table: &Bot,
    folder: &Path,
    environment: Environment<'_>,
) -> Result<BotConfig, ConfigError> {
    let name: BotName = name.parse().map_err(|why| at(format!("bots.{name}"), why))?;
    let key = |key: &str| format!("bots.{name}.{key}");
    let endpoint = fields::endpoint(&table.endpoint).map_err(|why| at(key("endpoint"), why))?;
    let mut bot = plain(name.clone(), endpoint);
    if let Some(text) = &table.app_id {
        bot.app_id = Some(fields::app_id(text).map_err(|why| at(key("app_id"), why))?);
    }
    if let Some(text) = &table.tenant {
        bot.tenant = fields::tenant(text).map_err(|why| at(key("tenant"), why))?;
    }
    if let Some(text) = &table.issuer {
        bot.issuer = fields::issuer(text).map_err(|why| at(key("issuer"), why))?;
    }
    if let Some(text) = &table.delivery {
        bot.delivery = fields::delivery(text).map_err(|why| at(key("delivery"), why))?;
    }
    let first = Sources {
        key: key("credential"),
        value: table.credential.as_ref(),
        file: table.credential_file.as_deref(),
        variable: table.credential_env.as_deref(),
    };
    let second = Sources {
        key: key("second_credential"),
        value: table.second_credential.as_ref(),
        file: table.second_credential_file.as_deref(),
        variable: table.second_credential_env.as_deref(),
    };
    for (sources, place) in [(first, &mut bot.credential), (second, &mut bot.second_credential)] {
        *place = sources.resolve(folder, environment)?;
        if place.is_some() && bot.app_id.is_none() {
            return Err(ConfigError::new(sources.key, fields::needs_app_id("app_id")));
        }
    }
    bot.ca_certificates =
        outbound::authorities(&key("ca_certificates"), table.ca_certificates.as_deref(), folder)?;
    if let Some(table) = &table.outgoing {
        let key = key("outgoing");
        let Some(app_id) = &bot.app_id else {
            return Err(ConfigError::new(key, fields::needs_app_id("app_id")));
        };
        bot.outgoing = Some(Arc::new(outgoing(&key, table, app_id, folder, environment)?));
    }
    Ok(bot)
}

fn outgoing(
    table_key: &str,
    table: &Outgoing,
    app_id: &str,
    folder: &Path,
    environment: Environment<'_>,
) -> Result<OutgoingCredentials, ConfigError> {
    let key = |key: &str| format!("{table_key}.{key}");
    let secret = Sources {
        key: key("client_secret"),
        value: table.client_secret.as_ref(),
        file: table.client_secret_file.as_deref(),
        variable: table.client_secret_env.as_deref(),
    };
    let client_secret = secret.resolve_with(folder, environment, fields::client_secret)?;
    let token_url = table.token_url.as_deref().unwrap_or(DEFAULT_TOKEN_URL);
    let scope = table.scope.clone().unwrap_or_else(|| default_scope(app_id));
    Ok(OutgoingCredentials {
        token_url: fields::endpoint(token_url).map_err(|why| at(key("token_url"), why))?,
        client_secret: client_secret.ok_or_else(|| {
            at(key("client_secret"), "it is missing; write the secret that the bot has at the token URL")
        })?,
        scope: fields::scope(&scope).map_err(|why| at(key("scope"), why))?,
    })
}

fn at(key: String, problem: impl Display) -> ConfigError {
    ConfigError::new(key, problem.to_string())
}
