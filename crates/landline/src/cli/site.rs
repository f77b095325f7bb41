//! `landline site …` and `landline secret …`.

use clap::{Args, Subcommand, ValueEnum};
use landline_protocol::{BotName, SiteName};

use super::target::TargetFlags;

/// List, add, change and remove the sites of a running server.
///
/// A site is a group of clients with secrets of its own, in front of one bot. Changes take effect at once. Sites that
/// stand in the configuration file are changed there.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  landline site add shop --bot echo --token-lifetime 30m")]
pub(crate) struct SiteArguments {
    #[command(flatten)]
    pub(crate) target: TargetFlags,

    #[command(subcommand)]
    pub(crate) action: SiteAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SiteAction {
    /// List the sites.
    #[command(after_help = "Example:\n  landline site list")]
    List,
    /// Show one site.
    #[command(after_help = "Example:\n  landline site show shop")]
    Show(Named),
    /// Add a site and print its secret, once.
    #[command(after_help = "Example:\n  landline site add shop --bot echo")]
    Add {
        /// What it is called: letters, digits, - and _.
        #[arg(value_name = "NAME")]
        name: SiteName,
        /// Which bot its clients talk to.
        #[arg(long, value_name = "BOT")]
        bot: BotName,
        #[command(flatten)]
        common: CommonFlags,
    },
    /// Change a site; what is not named stays as it is.
    #[command(
        after_help = "Examples:\n  landline site set shop --retention 90d\n  landline site set shop --enhanced-authentication --trusted-origin https://www.example.org"
    )]
    Set(SetFlags),
    /// Remove a site: its secrets and tokens cease to work at once.
    #[command(after_help = "Example:\n  landline site remove shop")]
    Remove(Named),
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The site.
    #[arg(value_name = "NAME")]
    pub(crate) name: SiteName,
}

#[derive(Debug, Args)]
pub(crate) struct SetFlags {
    /// The site.
    #[arg(value_name = "NAME")]
    pub(crate) name: SiteName,
    /// Which bot its clients talk to. Conversations stay with the bot that they were started with.
    #[arg(long, value_name = "BOT")]
    pub(crate) bot: Option<BotName>,
    #[command(flatten)]
    pub(crate) common: CommonFlags,
}

/// What may be said at the beginning and changed later on.
#[derive(Debug, Args)]
pub(crate) struct CommonFlags {
    /// How long a token is valid, such as 30m or 1h [default of a new site: 1h]
    #[arg(long, value_name = "TIME")]
    pub(crate) token_lifetime: Option<String>,

    /// What a reconnect with an empty watermark gets: `history`, so that a reloaded page shows the conversation, or
    /// `new`, only what comes from then on [default of a new site: history]
    #[arg(long, value_name = "history|new", hide_possible_values = true)]
    pub(crate) empty_watermark: Option<EmptyWatermark>,

    /// How long a conversation is kept after its last activity, such as 30d [default of a new site: 30d]
    #[arg(long, value_name = "TIME")]
    pub(crate) retention: Option<String>,

    /// How long its files are kept, such as 24h, or `conversation`, for as long as their conversation, or `default`, as the
    /// server's limits say [default of a new site: default]
    #[arg(long, value_name = "TIME|conversation|default")]
    pub(crate) files: Option<String>,

    /// Enhanced authentication: users are named in their tokens, with ids that begin with dl_, and only pages of the trusted
    /// origins may use the site's tokens, also those that are out. Off with `=false` [default of a new site: off]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true
    )]
    pub(crate) enhanced_authentication: Option<bool>,

    /// An origin whose pages are trusted, such as https://www.example.org; once for each. What is named replaces the whole
    /// list
    #[arg(long = "trusted-origin", value_name = "ORIGIN")]
    pub(crate) trusted_origins: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EmptyWatermark {
    History,
    New,
}

/// List, change and remove the secrets of a site.
///
/// A site has one or two, which are equally good, so that they can be changed without a gap: add one, let your
/// services use it, remove the other. Tokens that were issued go on working.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, to change a secret:\n  landline secret add shop\n  landline secret remove shop --slot 1"
)]
pub(crate) struct SecretArguments {
    #[command(flatten)]
    pub(crate) target: TargetFlags,

    #[command(subcommand)]
    pub(crate) action: SecretAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretAction {
    /// List the secrets of a site: which slots are taken, and since when.
    #[command(after_help = "Example:\n  landline secret list shop")]
    List(OfSite),
    /// Make a new secret and print it, once. With both slots taken, the older one is replaced and ceases to work.
    #[command(after_help = "Example:\n  landline secret add shop")]
    Add(OfSite),
    /// Remove a secret; it ceases to work at once. The last one of a site stays.
    #[command(after_help = "Example:\n  landline secret remove shop --slot 1")]
    Remove {
        /// The site.
        #[arg(value_name = "SITE")]
        site: SiteName,
        /// Which one; `landline secret list SITE` lists them.
        #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
        slot: u8,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OfSite {
    /// The site.
    #[arg(value_name = "SITE")]
    pub(crate) site: SiteName,
}
