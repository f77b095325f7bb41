//! `landline`: a self-hosted Direct Line 3.0 server.
//!
//! Owns what a person meets: flags, start-up output, logs, signals, exit codes. What people are to paste goes to
//! stdout, everything else to stderr.
//!
//! Not here: the server (`landline_server::app`), the configuration file (`landline_server::config`).

use std::process::ExitCode;

use clap::Parser;

mod admin;
mod banner;
mod bot_command;
mod check;
mod cli;
mod config_command;
mod conversation_command;
mod demo;
mod exit;
mod http_client;
mod key_command;
mod limits;
mod listeners;
mod logging;
mod outbox_command;
mod output;
mod secret_command;
mod secret_input;
mod serve;
mod settings;
mod signals;
mod site_command;
mod table;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            output::explain(&error);
            exit::code_of(&error)
        }
    }
}

fn run(arguments: cli::Arguments) -> anyhow::Result<ExitCode> {
    logging::start(arguments.log_level.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            cli::Command::Serve(flags) => serve::run(*flags).await,
            cli::Command::Demo(flags) => demo::run(flags).await,
            cli::Command::Bot(arguments) => bot_command::run(*arguments).await,
            cli::Command::Site(arguments) => site_command::run(arguments).await,
            cli::Command::Secret(arguments) => secret_command::run(arguments).await,
            cli::Command::Conversation(arguments) => conversation_command::run(arguments).await,
            cli::Command::Key(arguments) => key_command::run(arguments).await,
            cli::Command::Outbox(arguments) => outbox_command::run(arguments).await,
            cli::Command::Config(command) => config_command::run(command),
            cli::Command::Check(flags) => check::run(flags).await,
            cli::Command::Version => {
                output::line(&format!("landline {}", env!("CARGO_PKG_VERSION")))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}
