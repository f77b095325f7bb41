//! Where a secret comes from: the file itself, a file of its own, or the environment.

use std::path::Path;

use landline_auth::{SecretOwner, SecretText};
use zeroize::Zeroizing;

use super::file;
use super::{ConfigError, Environment};

/// The three keys for one secret, of which at most one may be used.
pub(super) struct Sources<'a> {
    /// Such as `sites.default.secret`.
    pub(super) key: String,
    pub(super) value: Option<&'a file::SecretText>,
    pub(super) file: Option<&'a str>,
    pub(super) variable: Option<&'a str>,
}

impl Sources<'_> {
    /// A secret of a site or of a bot; `None` when no key is used.
    pub(super) fn resolve<O: SecretOwner>(
        &self,
        folder: &Path,
        environment: Environment<'_>,
    ) -> Result<Option<SecretText<O>>, ConfigError> {
        let parse = |text: &str| SecretText::from_text(text).map_err(|why| why.to_string());
        self.resolve_with(folder, environment, parse)
    }

    /// The same for a secret that follows other rules. What `parse` says of a text that it refuses must not quote it.
    pub(super) fn resolve_with<T>(
        &self,
        folder: &Path,
        environment: Environment<'_>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let key = &self.key;
        let (key, text) = match (self.value, self.file, self.variable) {
            (None, None, None) => return Ok(None),
            (Some(file::SecretText(text)), None, None) => (key.clone(), text.clone()),
            (None, Some(file), None) => {
                (format!("{key}_file"), read(&format!("{key}_file"), &folder.join(file))?)
            }
            (None, None, Some(name)) => {
                (format!("{key}_env"), from_variable(&format!("{key}_env"), name, environment)?)
            }
            _ => {
                let problem = format!("use one of {key}, {key}_file and {key}_env, and remove the others");
                return Err(ConfigError::new(key, problem));
            }
        };
        let text = Zeroizing::new(text);
        parse(&text).map(Some).map_err(|problem| ConfigError::new(key, problem))
    }
}

fn read(key: &str, path: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| ConfigError::new(key, format!("cannot read {}: {error}", path.display())))?;
    // Editors and `echo` end a file with a line break; it is not part of the secret.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn from_variable(key: &str, name: &str, environment: Environment<'_>) -> Result<String, ConfigError> {
    environment(name).filter(|value| !value.is_empty()).ok_or_else(|| {
        ConfigError::new(
            key,
            format!("the environment variable {name} is not set; set it, or remove this key"),
        )
    })
}
