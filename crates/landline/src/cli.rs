//! The command line. Its help is what most people read first, so it is written here in full.
//!
//! Here: what runs a server or looks at its files. Below `cli/`: what asks a running server, a file per noun.

#![allow(
    rustdoc::bare_urls,
    reason = "these comments are the help texts, in which a link is written as it is"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use landline_protocol::ConversationId;
use landline_server::config::Sandbox;
use url::Url;

pub(crate) mod bot;
pub(crate) mod conversation;
pub(crate) mod key;
pub(crate) mod outbox;
pub(crate) mod site;
pub(crate) mod target;
#[cfg(test)]
mod tests;

/// A self-hosted Direct Line 3.0 server: stock clients (Web Chat, DirectLineJS) on one side, stock bots (Bot Framework,
/// Microsoft 365 Agents) on the other, and in between a durable log that loses nothing.
///
/// New here? Run `landline demo` and open the address that it prints.
#[derive(Debug, Parser)]
#[command(
    name = "landline",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, or stopped as asked; 1 something failed, which is explained on stderr; 2 wrong \
                  command line or configuration; 3 `landline check` found damage.\n\nStdout is for people to copy from, \
                  logs go to stderr (as text on a terminal, as JSON otherwise). SIGTERM or Ctrl-C finishes what is under \
                  way and stops; a second one stops at once. SIGHUP has `serve` look at its certificate."
)]
pub(crate) struct Arguments {
    /// How much to log: error, warn, info, debug, trace; or per module, such as `info,landline_server=debug`.
    #[arg(long, global = true, env = "LANDLINE_LOG", value_name = "LEVEL", display_order = LAST)]
    pub(crate) log_level: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that are the same everywhere stand behind those of the command.
const LAST: usize = 900;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // What has arguments of its own is described where they are: a comment here would take the place of that.
    Serve(Box<ServeFlags>),
    Demo(DemoFlags),
    Bot(Box<bot::BotArguments>),
    Site(site::SiteArguments),
    Secret(site::SecretArguments),
    Conversation(conversation::ConversationArguments),
    Key(key::KeyArguments),
    Outbox(outbox::OutboxArguments),
    /// Check a configuration file, or print an example of one.
    #[command(subcommand)]
    Config(ConfigCommand),
    Check(CheckFlags),
    /// Print the OpenAPI 3.1 document of an API; a running server has it at /openapi/NAME.json.
    Openapi {
        /// For clients, for bots, or (admin) for the operator.
        #[arg(value_name = "NAME", value_parser = ["directline", "connector", "admin"])]
        name: String,
    },
    /// Print the version.
    Version,
}

/// Serve clients and bots.
///
/// With a file that names bots, sites and limits (--config; `landline config example` prints one); or with flags, for
/// one bot (--bot) and one site named `default`; or with neither. Bots and sites can always be added to the running
/// server, with `landline bot add` and `landline site add`.
///
/// With --bot, the secret of the site comes from the environment variable LANDLINE_SECRET (32 characters or more).
/// Without it, one is made at the first start and printed once.
///
/// Under systemd with socket activation, the sockets that it hands over are used instead of --listen and --admin (in
/// this order): they stay open across a restart, so no client is refused.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  landline serve\n  landline serve --bot http://127.0.0.1:3978/api/messages --data ./landline-data\n  \
                  landline serve --config landline.toml"
)]
pub(crate) struct ServeFlags {
    /// A configuration file.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "bot", "listen", "admin", "tls_certificate", "tls_key", "allow_plain_http", "data", "public_url", "connector_url",
            "sandbox", "audit_log"
        ]
    )]
    pub(crate) config: Option<PathBuf>,

    /// Where the bot takes activities, such as http://127.0.0.1:3978/api/messages. It runs without an app id
    #[arg(long, value_name = "URL")]
    pub(crate) bot: Option<Url>,

    /// Where clients and bots connect [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// Where /healthz, /readyz, /metrics and the admin API are [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,

    /// Speak https at --listen: the certificate and those that vouch for it, in PEM. Looked at every half minute
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Let other machines connect over plain http, which whoever is on the way can read
    #[arg(long)]
    pub(crate) allow_plain_http: bool,

    /// The folder that holds all data [default: ./landline-data]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,

    /// How clients reach this server from outside, such as https://bots.example.org; needed behind a proxy
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<Url>,

    /// How the bot reaches this server, where that is not the public URL
    #[arg(long, value_name = "URL")]
    pub(crate) connector_url: Option<Url>,

    /// What the process gives up before it serves: require, best-effort or off [default: best-effort]
    #[arg(long, value_name = "MODE")]
    pub(crate) sandbox: Option<Sandbox>,

    /// Where refusals and what operators do are written, in a folder of its own [default: to the log]
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log: Option<PathBuf>,
}

/// Try it out: a server, an echo bot and a Web Chat page on one port.
///
/// Open the printed address and chat. Stop the server with Ctrl-C (or kill it), start it again with the same --data,
/// and find the conversation where it was.
#[derive(Debug, Args)]
pub(crate) struct DemoFlags {
    /// Where the page is.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// Where /healthz, /readyz and /metrics are.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) admin: SocketAddr,

    /// Let other machines connect over plain http, which whoever is on the way can read
    #[arg(long)]
    pub(crate) allow_plain_http: bool,

    /// Keep the data in this folder [default: a temporary one, removed at the end]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,

    /// What the process gives up before it serves: require, best-effort or off [default: best-effort]
    #[arg(long, value_name = "MODE")]
    pub(crate) sandbox: Option<Sandbox>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a file as `serve` would, and say what is wrong with it.
    Check {
        /// The file.
        #[arg(value_name = "FILE", default_value = "landline.toml")]
        file: PathBuf,
    },
    /// Print a file with every key, its default, and what goes wrong at either extreme.
    Example,
}

/// Read all data of a stopped server and say what is damaged.
///
/// Every record carries a checksum over its content and its place. A damaged conversation answers 503 until it is
/// repaired; the others are not affected.
#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    /// The folder that holds the data.
    #[arg(long, value_name = "FOLDER", default_value = "./landline-data")]
    pub(crate) data: PathBuf,

    /// Where files are kept, as the key `files` of the configuration says it; without it, in `files` in the data folder.
    #[arg(long, value_name = "FOLDER|URL")]
    pub(crate) files: Option<String>,

    /// Keep what can be read of this conversation and make it usable again. Make a copy of the folder first.
    #[arg(long, value_name = "CONVERSATION")]
    pub(crate) repair: Vec<ConversationId>,
}
