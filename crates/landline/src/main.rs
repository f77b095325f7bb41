//! `landline`: a self-hosted Direct Line 3.0 server.
//!
//! Owns what a person meets: flags, start-up output, logs, signals, exit codes. What people are to paste goes to
//! stdout, everything else to stderr.
//!
//! Not here: the server (`landline_server::app`), the configuration file (`landline_server::config`).

use std::process::ExitCode;

use anyhow::Context as _;
use landline_server::openapi::Document;

use clap::Parser;

mod admin;
mod banner;
mod bot_command;
mod check;
mod cli;
mod config_command;
mod confine;
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
    match arguments.command {
        // These give up what they do not need before there is a second thread.
        cli::Command::Serve(flags) => serve::run(*flags),
        cli::Command::Demo(flags) => demo::run(flags),
        cli::Command::Bot(arguments) => block_on(bot_command::run(*arguments)),
        cli::Command::Site(arguments) => block_on(site_command::run(arguments)),
        cli::Command::Secret(arguments) => block_on(secret_command::run(arguments)),
        cli::Command::Conversation(arguments) => block_on(conversation_command::run(arguments)),
        cli::Command::Key(arguments) => block_on(key_command::run(arguments)),
        cli::Command::Outbox(arguments) => block_on(outbox_command::run(arguments)),
        cli::Command::Config(command) => config_command::run(command),
        cli::Command::Check(flags) => block_on(check::run(flags)),
        cli::Command::Openapi { name } => {
            let document = Document::ALL.into_iter().find(|document| document.name() == name);
            output::line(&document.context("there is no such document")?.to_json()?)?;
            Ok(ExitCode::SUCCESS)
        }
        cli::Command::Version => {
            output::line(&format!("landline {}", env!("CARGO_PKG_VERSION")))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Every thread of the process but the first is made in here.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
