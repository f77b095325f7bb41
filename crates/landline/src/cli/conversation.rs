//! `landline conversation …`.

use clap::{Args, Subcommand};
use landline_protocol::{BotName, ConversationId, SiteName};

use super::target::TargetFlags;

/// Look at the conversations of a running server, and delete one with everything in it.
///
/// What was said is not shown.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  landline conversation show CfA0bXzTmFmHZbkVRjZEvX")]
pub(crate) struct ConversationArguments {
    #[command(flatten)]
    pub(crate) target: TargetFlags,

    #[command(subcommand)]
    pub(crate) action: ConversationAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConversationAction {
    /// List the conversations.
    #[command(after_help = "Example:\n  landline conversation list --site shop")]
    List {
        /// With this bot only.
        #[arg(long, value_name = "BOT")]
        bot: Option<BotName>,
        /// Of this site only.
        #[arg(long, value_name = "SITE")]
        site: Option<SiteName>,
    },
    /// Show one conversation and its files.
    #[command(after_help = "Example:\n  landline conversation show CfA0bXzTmFmHZbkVRjZEvX")]
    Show(Which),
    /// Delete a conversation: its activities, its files, what waits for its bot. Nobody gets at it any more.
    ///
    /// Its files are off the disk at once. What was said stays in files of the data folder, where nobody asks for it, until
    /// these are written anew: with --purge, now.
    #[command(after_help = "Example:\n  landline conversation delete CfA0bXzTmFmHZbkVRjZEvX --purge")]
    Delete {
        #[command(flatten)]
        which: Which,
        /// Then purge, as `landline conversation purge` does.
        #[arg(long)]
        purge: bool,
    },
    /// Write the files of the data folder anew, so that nothing is left in them of what was deleted.
    ///
    /// Takes as long as reading and writing all data does, and as much free space as the data takes; the server goes on
    /// meanwhile.
    #[command(after_help = "Example:\n  landline conversation purge")]
    Purge,
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The conversation.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    pub(crate) id: ConversationId,
}
