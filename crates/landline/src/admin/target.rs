//! Where a server is, and what opens it: from the file that it writes into its data folder, or from flag and environment.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use serde::Deserialize;
use url::Url;

use crate::cli::target::{DEFAULT_DATA, TargetFlags};
use crate::exit::WrongConfiguration;
use crate::limits::ADMIN_FILE_BYTES;

/// What the server writes, while it runs.
const FILE: &str = "admin.json";

/// Where the token is when the server is named by its address.
pub(crate) const TOKEN_VARIABLE: &str = "LANDLINE_ADMIN_TOKEN";

/// A running server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Without a slash at its end.
    pub(crate) url: String,
    pub(crate) token: Token,
    pub(crate) found: Found,
}

/// How it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// By its data folder.
    Folder(PathBuf),
    /// By `--admin` and the environment.
    Address,
}

/// Opens the admin API. Its debug output does not hold it.
#[derive(Clone, Deserialize)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[derive(Deserialize)]
struct AdminFile {
    url: String,
    token: Token,
}

impl Target {
    pub(crate) fn find(
        flags: &TargetFlags,
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        match &flags.admin {
            None => of_folder(&flags.data),
            Some(url) => of_address(url, environment(TOKEN_VARIABLE)),
        }
    }

    /// A command for the same server, to be pasted.
    pub(crate) fn command(&self, words: &str) -> String {
        match &self.found {
            Found::Folder(folder) => command_over(folder, words),
            Found::Address => format!("landline {words} --admin {}", self.url),
        }
    }
}

/// A command for the server over a folder, to be pasted.
pub(crate) fn command_over(folder: &Path, words: &str) -> String {
    if folder == Path::new(DEFAULT_DATA) {
        return format!("landline {words}");
    }
    format!("landline {words} --data {}", quoted(&folder.display().to_string()))
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn of_folder(folder: &Path) -> anyhow::Result<Target> {
    let path = folder.join(FILE);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(ADMIN_FILE_BYTES).read_to_string(&mut text));
    if let Err(error) = read {
        return Err(unreadable(&error, folder, &path));
    }
    // The errors themselves might quote the token.
    let parsed = serde_json::from_str(&text).ok();
    let parsed = parsed.and_then(|AdminFile { url, token }| Some((url.parse().ok()?, token)));
    let Some((url, token)) = parsed else {
        bail!(
            "{} is not what a server writes there; restart the server, and it is written anew",
            path.display()
        );
    };
    Ok(Target { url: base(&url)?, token, found: Found::Folder(folder.to_owned()) })
}

fn unreadable(error: &io::Error, folder: &Path, path: &Path) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotFound => no_server(folder),
        io::ErrorKind::PermissionDenied => anyhow!(
            "cannot read {}: permission denied; run this as the user that the server runs as (sudo -u USER landline …)",
            path.display()
        ),
        _ => anyhow!("cannot read {}: {error}", path.display()),
    }
}

/// What to do when no server runs over a folder.
pub(crate) fn no_server(folder: &Path) -> anyhow::Error {
    let shown = folder.display();
    let start = command_over(folder, "serve");
    anyhow!(
        "no server runs over {shown}: start it with `{start}` (or with --config FILE), or name another folder \
         with --data"
    )
}

fn of_address(url: &Url, token: Option<String>) -> anyhow::Result<Target> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        let problem = format!(
            "--admin needs the token of that server in the environment variable {TOKEN_VARIABLE}; it is `token` in \
             admin.json in the data folder of the server, or what admin_token in its configuration says"
        );
        return Err(WrongConfiguration(problem).into());
    };
    Ok(Target { url: base(url)?, token: Token(token), found: Found::Address })
}

/// The address without a slash at its end.
fn base(url: &Url) -> anyhow::Result<String> {
    if url.scheme() != "http" || url.host().is_none() {
        let problem = format!(
            "{url} is no address that can be asked: the admin listener speaks plain http; to reach another machine, use a \
             tunnel (ssh -L 3001:127.0.0.1:3001 HOST) and --admin http://127.0.0.1:3001"
        );
        return Err(WrongConfiguration(problem).into());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(data: &Path, admin: Option<&str>) -> TargetFlags {
        TargetFlags { data: data.to_owned(), admin: admin.map(|url| url.parse().unwrap()), json: false }
    }

    fn no_environment(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn by_the_file_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), r#"{"url":"http://127.0.0.1:3001/","token":"t-1"}"#)
            .unwrap();
        let target = Target::find(&flags(folder.path(), None), no_environment).unwrap();
        assert_eq!((target.url.as_str(), target.token.expose()), ("http://127.0.0.1:3001", "t-1"));
        assert!(!format!("{target:?}").contains("t-1"));
        let again = target.command("bot list");
        assert_eq!(again, format!("landline bot list --data {}", folder.path().display()));
    }

    #[test]
    fn a_folder_without_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let error = Target::find(&flags(folder.path(), None), no_environment).unwrap_err().to_string();
        assert!(error.contains("no server runs over") && error.contains("landline serve --data"), "{error}");
    }

    #[test]
    fn a_file_of_something_else_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"token":"t-1"}"#, r#"{"url":"t-1","token":"t-1"}"#] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let error = Target::find(&flags(folder.path(), None), no_environment).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains("is not what a server writes there") && !error.contains("t-1"), "{error}");
        }
    }

    #[test]
    fn by_address_and_environment() {
        let flags = flags(Path::new(DEFAULT_DATA), Some("http://localhost:3001/"));
        let token = |name: &str| (name == TOKEN_VARIABLE).then(|| "t-1".to_owned());
        let target = Target::find(&flags, token).unwrap();
        assert_eq!(target.command("bot list"), "landline bot list --admin http://localhost:3001");

        for nothing in [None, Some(String::new())] {
            let error = Target::find(&flags, |_| nothing.clone()).unwrap_err();
            assert!(
                error.is::<WrongConfiguration>() && error.to_string().contains(TOKEN_VARIABLE),
                "{error}"
            );
        }
    }

    #[test]
    fn only_plain_http_is_spoken() {
        let flags = flags(Path::new(DEFAULT_DATA), Some("https://bots.example.org/"));
        let error = Target::find(&flags, |_| Some("t".into())).unwrap_err();
        assert!(error.is::<WrongConfiguration>() && error.to_string().contains("ssh -L"), "{error}");
    }

    #[test]
    fn the_default_folder_needs_no_flag_and_a_strange_one_is_quoted() {
        let target = |folder: &str| Target {
            url: "http://127.0.0.1:1".into(),
            token: Token("t".into()),
            found: Found::Folder(folder.into()),
        };
        assert_eq!(target(DEFAULT_DATA).command("key list"), "landline key list");
        assert_eq!(target("my data's").command("key list"), r"landline key list --data 'my data'\''s'");
    }
}
