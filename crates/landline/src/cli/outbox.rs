//! `landline outbox …`.

use clap::{Args, Subcommand};
use landline_protocol::{ActivityId, BotName};

use super::target::TargetFlags;

/// Look after what waits for bots with queued delivery.
///
/// What a bot does not take is tried again for a day and then parked, where it stays until you say what to do with it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  landline outbox list --bot echo --parked\n  landline outbox retry --bot echo"
)]
pub(crate) struct OutboxArguments {
    #[command(flatten)]
    pub(crate) target: TargetFlags,

    #[command(subcommand)]
    pub(crate) action: OutboxAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxAction {
    /// List what waits.
    #[command(after_help = "Example:\n  landline outbox list --parked")]
    List {
        /// Of this bot only.
        #[arg(long, value_name = "BOT")]
        bot: Option<BotName>,
        /// Parked ones only.
        #[arg(long)]
        parked: bool,
    },
    /// Give it to the bot again, now: one activity, or all that is parked for a bot.
    #[command(
        after_help = "Examples:\n  landline outbox retry 'CfA0bXzTmFmHZbkVRjZEvX|0000007'\n  landline outbox retry --bot echo"
    )]
    Retry(Which),
    /// Never give it to the bot: one activity, or all that is parked for a bot. It stays in its conversation.
    #[command(
        after_help = "Examples:\n  landline outbox drop 'CfA0bXzTmFmHZbkVRjZEvX|0000007'\n  landline outbox drop --bot echo"
    )]
    Drop(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The activity, as `landline outbox list` shows it. Quote it: it holds a |
    #[arg(value_name = "ID")]
    pub(crate) activity: Option<ActivityId>,

    /// All that is parked for this bot.
    #[arg(long, value_name = "BOT")]
    pub(crate) bot: Option<BotName>,
}
