//! The configuration file.

use std::path::Path;

use landline_server::config::Config;

use crate::Target;
use crate::input::text;

pub(crate) const TARGET: Target = Target {
    name: "config",
    longest: 8 * 1024,
    share: 1,
    claim: "a file is accepted or refused in words that say something and hold no secret; neither does the debug output of \
            what was accepted; in it sites name bots that are there, names are given once, and what it warns of can be said",
    run,
};

/// Stands in seeds and dictionary as the secret that must not be seen again.
const CANARY: &str = "canary-secret-0123456789-abcdefghijklm";

/// The keys whose values are secrets.
const SECRETS: [&str; 6] =
    ["secret", "second_secret", "credential", "second_credential", "client_secret", "admin_token"];

/// Whether the secret stands where secrets do, and nowhere else: a name that nobody knows may be repeated.
fn is_kept_as_a_secret(said: &str) -> bool {
    let is_value = |line: &str| {
        line.split_once('=')
            .is_some_and(|(key, value)| SECRETS.contains(&key.trim()) && value.contains(CANARY))
    };
    let in_pieces = said.contains("\"\"\"") || said.contains("'''");
    !in_pieces && said.lines().filter(|line| line.contains(CANARY)).all(is_value)
}

fn run(data: &[u8]) {
    let said = text(data);
    if !is_kept_as_a_secret(&said) {
        return;
    }
    // Files that it names lie in a folder that is not there; variables hold the secret.
    let folder = Path::new("/nowhere/at/all");
    if ["_file", "/dev", "/proc"].iter().any(|word| said.contains(word)) {
        return; // an absolute path leads to whatever this machine has there
    }
    let environment = |name: &str| (name != "UNSET").then(|| CANARY.to_owned());
    match Config::parse(&said, folder, &environment) {
        Ok(config) => {
            assert!(!format!("{config:?}").contains(CANARY), "debug output holds a secret");
            for site in &config.sites {
                assert!(
                    config.bots.iter().any(|bot| bot.name == site.bot),
                    "a site names a bot that is not there"
                );
            }
            for (index, bot) in config.bots.iter().enumerate() {
                assert!(config.bots[..index].iter().all(|other| other.name != bot.name));
            }
            assert!(config.warnings().iter().all(|warning| !warning.is_empty() && !warning.contains(CANARY)));
        }
        Err(error) => {
            let words = format!("{error} {error:?}");
            assert!(!words.trim().is_empty());
            assert!(!words.contains(CANARY), "an error holds a secret");
        }
    }
}
