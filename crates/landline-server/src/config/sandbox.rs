//! The key `sandbox`: what the process gives up before it serves.
//!
//! Not here: how it is given up (the command, which does it before there is a second thread).

use std::str::FromStr;

use super::ConfigError;

pub(super) const DEFAULT_SANDBOX: &str = "best-effort";

/// What the process gives up before it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// All that is asked for, or it does not start.
    Require,
    /// As much as the kernel can.
    #[default]
    BestEffort,
    /// Nothing.
    Off,
}

impl FromStr for Sandbox {
    type Err = String;

    /// As the key and the flag spell it; the error says how.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "require" => Ok(Self::Require),
            DEFAULT_SANDBOX => Ok(Self::BestEffort),
            "off" => Ok(Self::Off),
            _ => Err(format!("{text:?} is none; write \"require\", \"{DEFAULT_SANDBOX}\" or \"off\"")),
        }
    }
}

pub(super) fn resolve(text: &str) -> Result<Sandbox, ConfigError> {
    text.parse().map_err(|problem| ConfigError::new("sandbox", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_and_no_other() {
        assert_eq!(resolve("require"), Ok(Sandbox::Require));
        assert_eq!(resolve("best-effort"), Ok(Sandbox::default()));
        assert_eq!(resolve("off"), Ok(Sandbox::Off));
        for bad in ["", "on", "OFF", "best effort"] {
            let error = resolve(bad).unwrap_err().to_string();
            assert!(error.starts_with("sandbox: ") && error.contains("best-effort"), "{error}");
        }
    }
}
