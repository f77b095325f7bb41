//! `landline config check` and `landline config example`.

use std::process::ExitCode;

use landline_core::{Clock, SystemClock};
use landline_server::config::Config;
use landline_server::tls;

use crate::cli::ConfigCommand;
use crate::exit::WrongConfiguration;
use crate::output;

pub(crate) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Example => output::line(Config::example().trim_end())?,
        ConfigCommand::Check { file } => {
            let config = Config::load(&file, &|name| std::env::var(name).ok())
                .map_err(|error| WrongConfiguration(format!("{}: {error}", file.display())))?;
            let of_tls = tls::check(&config, SystemClock.now())
                .map_err(|error| WrongConfiguration(format!("{}: {error}", file.display())))?;
            for warning in config.warnings().into_iter().chain(of_tls) {
                output::line(&format!("warning: {warning}"))?;
            }
            let (bots, sites) = (config.bots.len(), config.sites.len());
            output::line(&format!("{} is fine: {bots} bot(s), {sites} site(s)", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
