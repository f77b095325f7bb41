//! Which server a command is for, and how its answer is shown.

use std::path::PathBuf;

use clap::Args;
use url::Url;

/// What all commands that ask a running server take.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which server")]
pub(crate) struct TargetFlags {
    /// The data folder of the server. In it stands, while the server runs, how it is reached.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = DEFAULT_DATA,
        conflicts_with = "admin"
    )]
    pub(crate) data: PathBuf,

    /// The admin address of the server instead, such as http://127.0.0.1:3001; its token comes from the environment
    /// variable LANDLINE_ADMIN_TOKEN. To reach another machine, use a tunnel: ssh -L 3001:127.0.0.1:3001 HOST
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) admin: Option<Url>,

    /// Print what the server answers, as JSON; nothing where it answers nothing but that it is done.
    #[arg(long, global = true, help_heading = None, display_order = super::LAST)]
    pub(crate) json: bool,
}

/// Where a server keeps its data when nothing else is said.
pub(crate) const DEFAULT_DATA: &str = "./landline-data";
