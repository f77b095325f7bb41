//! `landline bot …`.

#![allow(
    rustdoc::bare_urls,
    reason = "these comments are the help texts, in which a link is written as it is"
)]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use landline_protocol::BotName;
use url::Url;

use super::target::TargetFlags;
use crate::settings::Sdk;

/// List, add, change and remove the bots of a running server.
///
/// Changes take effect at once. Bots that stand in the configuration file are changed there.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  landline bot add echo --endpoint http://127.0.0.1:3978/api/messages\n  landline bot settings echo \
                  --sdk botbuilder-js --new-credential > .env\n  landline site add default --bot echo"
)]
pub(crate) struct BotArguments {
    #[command(flatten)]
    pub(crate) target: TargetFlags,

    #[command(subcommand)]
    pub(crate) action: BotAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BotAction {
    /// List the bots.
    #[command(after_help = "Example:\n  landline bot list")]
    List,
    /// Show one bot.
    #[command(after_help = "Example:\n  landline bot show echo")]
    Show(Named),
    /// Add a bot.
    ///
    /// By default it gets an app id and a credential, and both sides sign in to each other: Landline with tokens of its own,
    /// the bot with tokens that it gets from Landline for the credential. Nothing of it needs Microsoft. The credential
    /// is printed once.
    ///
    /// With --sdk, stdout is the block of settings for that SDK, with the credential filled in.
    #[command(
        after_help = "Examples:\n  landline bot add echo --endpoint http://127.0.0.1:3978/api/messages\n  landline bot add echo \
                      --endpoint http://127.0.0.1:3978/api/messages --sdk agents-js > .env\n  landline bot add echo --endpoint \
                      http://127.0.0.1:3978/api/messages --anonymous"
    )]
    Add(Box<AddFlags>),
    /// Change a bot; what is not named stays as it is.
    #[command(
        after_help = "Examples:\n  landline bot set echo --delivery queued\n  landline bot set echo --endpoint \
                      http://127.0.0.1:3979/api/messages"
    )]
    Set(Box<SetFlags>),
    /// Remove a bot. A site that uses it has to be removed, or given another bot, first.
    #[command(after_help = "Example:\n  landline bot remove echo")]
    Remove(Named),
    /// Add or remove a credential, by which the bot gets its access tokens.
    #[command(subcommand)]
    Credential(CredentialAction),
    /// Give a bot without an app id a new address to answer to.
    ///
    /// Such a bot is known by the serviceUrl that it is told with every activity. From now on only the new one works;
    /// what the bot remembers of the old one, for messages of its own accord, does not.
    #[command(after_help = "Example:\n  landline bot new-address echo")]
    NewAddress(Named),
    /// Print the settings that make a stock bot trust this server, ready to paste.
    ///
    /// Stdout is the block and nothing else, so that it can go to a file; remarks go to stderr. The credential is
    /// known to the bot alone, Landline keeps a digest: --new-credential makes another and fills it in; without it,
    /// the one in the environment variable LANDLINE_BOT_CREDENTIAL is filled in, if that is set.
    #[command(
        after_help = "Example:\n  landline bot settings echo --sdk botbuilder-js --new-credential > .env"
    )]
    Settings(SettingsFlags),
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialAction {
    /// Make a new credential and print it, once.
    ///
    /// A bot has two at the most, so that they can be changed without a gap: add one, give it to the bot, remove the
    /// other. With both slots taken, the older one is replaced and ceases to work.
    #[command(after_help = "Example:\n  landline bot credential add echo")]
    Add(Named),
    /// Remove a credential. It ceases to work at once; access tokens that were got with it live for up to an hour.
    #[command(after_help = "Example:\n  landline bot credential remove echo --slot 1")]
    Remove {
        /// The bot.
        #[arg(value_name = "NAME")]
        name: BotName,
        /// Which one; `landline bot show NAME` lists them.
        #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
        slot: u8,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The bot.
    #[arg(value_name = "NAME")]
    pub(crate) name: BotName,
}

#[derive(Debug, Args)]
pub(crate) struct AddFlags {
    /// What it is called: letters, digits, - and _. It is also its id in conversations.
    #[arg(value_name = "NAME")]
    pub(crate) name: BotName,

    /// Where it takes activities, such as http://127.0.0.1:3978/api/messages
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Url,

    /// The app id that it has already; without this, one is made.
    #[arg(long, value_name = "ID", conflicts_with = "anonymous")]
    pub(crate) app_id: Option<String>,

    /// No app id: nobody signs in, the bot takes activities from whoever reaches it. For development.
    #[arg(
        long,
        conflicts_with_all = ["tenant", "issuer", "no_credential", "sdk", "outgoing_token_url", "outgoing_scope",
            "outgoing_secret_env", "outgoing_secret_file"]
    )]
    pub(crate) anonymous: bool,

    /// Make no credential: the bot gets its access tokens elsewhere, from a trusted issuer.
    #[arg(long)]
    pub(crate) no_credential: bool,

    /// Print the block of settings for this SDK, filled in; the issuer is chosen to suit it.
    #[arg(long, value_name = "SDK")]
    pub(crate) sdk: Option<Sdk>,

    /// The port in that block, where the bot listens on another than that of its endpoint.
    #[arg(long, value_name = "PORT", requires = "sdk")]
    pub(crate) port: Option<u16>,

    #[command(flatten)]
    pub(crate) common: CommonFlags,
}

#[derive(Debug, Args)]
pub(crate) struct SetFlags {
    /// The bot.
    #[arg(value_name = "NAME")]
    pub(crate) name: BotName,

    /// Where it takes activities.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<Url>,

    /// Another app id.
    #[arg(long, value_name = "ID", conflicts_with_all = ["new_app_id", "anonymous"])]
    pub(crate) app_id: Option<String>,

    /// Make an app id for it.
    #[arg(long, conflicts_with = "anonymous")]
    pub(crate) new_app_id: bool,

    /// Take away its app id: nobody signs in any more. Its credentials have to be removed before.
    #[arg(long)]
    pub(crate) anonymous: bool,

    #[command(flatten)]
    pub(crate) common: CommonFlags,

    /// No longer fetch tokens elsewhere: show it Landline's own.
    #[arg(
        long,
        conflicts_with_all = ["outgoing_token_url", "outgoing_scope", "outgoing_secret_env", "outgoing_secret_file"]
    )]
    pub(crate) no_outgoing: bool,
}

/// What may be said at the beginning and changed later on.
#[derive(Debug, Args)]
pub(crate) struct CommonFlags {
    /// The tenant in the addresses where it gets its tokens, or `default` for botframework.com
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,

    /// What `iss` says in the tokens that it is shown, or `default` for https://api.botframework.com
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,

    /// `wait`: a send is answered when the bot has taken it, and tried once. `queued`: a send is answered when it is
    /// durable, and given to the bot until it takes it, for a day.
    #[arg(long, value_name = "wait|queued", hide_possible_values = true)]
    pub(crate) delivery: Option<Delivery>,

    /// The file with the certificate authorities whose certificates it may show, in PEM: these and no others. Or `default`
    /// for those that are trusted anyway.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_certificates: Option<PathBuf>,

    /// Show it tokens that are fetched elsewhere with its own secret, as the Bot Framework Emulator does: the token
    /// endpoint [default: that of botframework.com in Entra ID]
    #[arg(long, value_name = "URL")]
    pub(crate) outgoing_token_url: Option<Url>,

    /// What is asked for there [default: APP-ID/.default]
    #[arg(long, value_name = "SCOPE")]
    pub(crate) outgoing_scope: Option<String>,

    /// The environment variable that holds the bot's own secret there.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "outgoing_secret_file")]
    pub(crate) outgoing_secret_env: Option<String>,

    /// The file that holds it; - for stdin.
    #[arg(long, value_name = "FILE")]
    pub(crate) outgoing_secret_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Delivery {
    Wait,
    Queued,
}

#[derive(Debug, Args)]
pub(crate) struct SettingsFlags {
    /// The bot.
    #[arg(value_name = "NAME")]
    pub(crate) name: BotName,

    /// What it is made with.
    #[arg(long, value_name = "SDK")]
    pub(crate) sdk: Sdk,

    /// Make a new credential and fill it in. With both slots taken, the older one is replaced and ceases to work.
    #[arg(long)]
    pub(crate) new_credential: bool,

    /// The port in that block, where the bot listens on another than that of its endpoint.
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}
