//! What the exit code says. Documented in `--help`.

use std::fmt;
use std::process::ExitCode;

use landline_server::config::ConfigError;

/// The command line or the configuration is wrong; starting again without a change will not help.
pub(crate) const WRONG_CONFIGURATION: u8 = 2;

/// `landline check` found damage.
pub(crate) const DAMAGE: u8 = 3;

/// Marks an error as one of the configuration.
#[derive(Debug)]
pub(crate) struct WrongConfiguration(pub(crate) String);

impl fmt::Display for WrongConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongConfiguration {}

/// 2 for the configuration, 1 for everything else.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    let configuration = error.is::<WrongConfiguration>() || error.is::<ConfigError>();
    if configuration { ExitCode::from(WRONG_CONFIGURATION) } else { ExitCode::FAILURE }
}
