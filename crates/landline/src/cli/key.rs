//! `landline key …`.

use clap::{Args, Subcommand};

use super::target::TargetFlags;

/// List and change the keys that tokens are signed with.
///
/// Identity keys sign what bots are shown and the access tokens that bots get; bots fetch them from this server. Token
/// keys sign the tokens of clients; nobody but this server knows them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  landline key rotate")]
pub(crate) struct KeyArguments {
    #[command(flatten)]
    pub(crate) target: TargetFlags,

    #[command(subcommand)]
    pub(crate) action: KeyAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// List the keys: what they are called, since when, and what for. The keys themselves are never shown.
    #[command(after_help = "Example:\n  landline key list")]
    List,
    /// Make a new identity key. It is published at once and signs from tomorrow on, when every bot knows it.
    #[command(
        after_help = "Examples:\n  landline key rotate           every now and then\n  landline key rotate --now     somebody \
                      may have seen the data folder\n  landline key rotate --tokens  the same for the tokens of clients"
    )]
    Rotate {
        /// For a key that was stolen: sign with the new one at once, and revoke the older ones and every token that they
        /// have signed. Restart the bots then: those that keep keys (for a day) refuse activities, and those that keep
        /// tokens (for an hour) are refused, until they fetch new ones.
        #[arg(long, conflicts_with = "tokens")]
        now: bool,
        /// Make a new key for the tokens of clients instead. Tokens that were issued go on working until they expire;
        /// where there is no room for one more key until some have, that is refused, and until when is said.
        #[arg(long)]
        tokens: bool,
    },
}
