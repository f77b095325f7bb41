//! What a stock bot has to be told so that it and this server trust each other: a block per SDK, ready to paste.
//!
//! Invariant: a block is what its file is to hold and nothing else. What has no place in it is a remark.
//!
//! Where the names come from: each was read in the SDK that reads it, and the blocks for JavaScript and Python are what
//! the bots of the end-to-end tests run with. Those for .NET were not run.
//!
//! Not here: which bot it is, and where its credential comes from (`bot_command::settings`).

mod appsettings;
mod dotenv;
#[cfg(test)]
mod tests;

use clap::ValueEnum;

use crate::admin::wire::Bot;

/// What a bot is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sdk {
    /// botbuilder for JavaScript: a .env file
    BotbuilderJs,
    /// botbuilder for Python: a .env file
    BotbuilderPython,
    /// Microsoft 365 Agents SDK for JavaScript: a .env file
    AgentsJs,
    /// Microsoft 365 Agents SDK for Python: a .env file
    AgentsPython,
    /// Bot Framework SDK for .NET: appsettings.json
    Dotnet,
    /// Microsoft 365 Agents SDK for .NET: appsettings.json
    AgentsDotnet,
}

/// What goes into a block. Without debug output: the credential would stand in it.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) bot: &'a Bot,
    /// Where the bot listens.
    pub(crate) port: u16,
    /// What the bot gets its access tokens with, where that is known.
    pub(crate) credential: Option<&'a str>,
    /// The command that makes this block with a new credential.
    pub(crate) again: &'a str,
}

/// What is printed.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) text: String,
    pub(crate) remarks: Vec<String>,
}

/// The issuer for which the Agents SDK for JavaScript fetches keys from Microsoft, whatever it is told.
///
/// Source: `jwt-middleware` of @microsoft/agents-hosting 1.8.1.
const MICROSOFTS_ISSUER: &str = "https://api.botframework.com";

impl Sdk {
    /// As it is named on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BotbuilderJs => "botbuilder-js",
            Self::BotbuilderPython => "botbuilder-python",
            Self::AgentsJs => "agents-js",
            Self::AgentsPython => "agents-python",
            Self::Dotnet => "dotnet",
            Self::AgentsDotnet => "agents-dotnet",
        }
    }

    /// All names, to be shown.
    pub(crate) fn all_names() -> String {
        let names: Vec<_> = Self::value_variants().iter().map(|sdk| sdk.name()).collect();
        names.join(", ")
    }

    /// The issuer that the bot has to be given instead of the one it has: `None` when that will do.
    pub(crate) fn better_issuer(self, bot: &Bot) -> Option<&str> {
        let has = bot.issuer.as_deref().unwrap_or(MICROSOFTS_ISSUER).trim_end_matches('/');
        let is_unfit = self == Self::AgentsJs && has.eq_ignore_ascii_case(MICROSOFTS_ISSUER);
        (is_unfit && bot.app_id.is_some()).then_some(bot.base_url.as_str())
    }
}

/// The block for an SDK.
pub(crate) fn block(sdk: Sdk, known: &Known<'_>) -> Block {
    match sdk {
        Sdk::BotbuilderJs | Sdk::BotbuilderPython | Sdk::AgentsJs | Sdk::AgentsPython => {
            Block { text: dotenv::text(sdk, known), remarks: Vec::new() }
        }
        Sdk::Dotnet => appsettings::botbuilder(known),
        Sdk::AgentsDotnet => appsettings::agents(known),
    }
}

/// The values that the blocks share.
struct Values<'a> {
    app_id: &'a str,
    tenant: &'a str,
    issuer: &'a str,
    base: &'a str,
}

impl<'a> Values<'a> {
    /// `None` for a bot without an app id.
    fn of(sdk: Sdk, bot: &'a Bot) -> Option<Self> {
        let issuer = sdk.better_issuer(bot).or(bot.issuer.as_deref()).unwrap_or(MICROSOFTS_ISSUER);
        Some(Self {
            app_id: bot.app_id.as_deref()?,
            tenant: bot.tenant.as_deref().unwrap_or("botframework.com"),
            issuer,
            base: bot.base_url.trim_end_matches('/'),
        })
    }

    /// Where the bot gets its access tokens, as a managed identity does.
    fn identity_endpoint(&self) -> String {
        format!("{}/msi/token", self.base)
    }

    /// Where the keys are described that sign what the bot is shown.
    fn metadata(&self) -> String {
        format!("{}/v1/.well-known/openidconfiguration", self.base)
    }

    /// The same for access tokens.
    fn tenant_metadata(&self) -> String {
        format!("{}/{}/v2.0/.well-known/openid-configuration", self.base, self.tenant)
    }
}

/// What a bot asks access tokens for.
const SCOPE: &str = "https://api.botframework.com";

/// As the SDKs for botbuilder call who speaks to them.
const CALLER: &str = "urn:botframework:azure";
