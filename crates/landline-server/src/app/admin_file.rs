//! Where the commands on this machine find the admin API of a running server: `admin.json` in the data folder,
//! `{"url":"http://127.0.0.1:3001","token":"…"}`.
//!
//! Invariants: nobody but the owner of the process may read it (mode 0600, from its first byte on), and it is whole or
//! not there. It is written when the server answers, and removed at an orderly stop; what a crash leaves is replaced at
//! the next start.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use landline_auth::SiteSecret;
use serde_json::json;

use super::local_base;

const NAME: &str = "admin.json";

/// While it is being written.
const UNFINISHED: &str = "admin.json.new";

/// The file, while the server runs.
#[derive(Debug)]
pub(super) struct AdminFile(PathBuf);

impl AdminFile {
    /// Writes it.
    pub(super) fn write(folder: &Path, admin: SocketAddr, token: &SiteSecret) -> anyhow::Result<Self> {
        let (path, unfinished) = (folder.join(NAME), folder.join(UNFINISHED));
        let text = json!({ "url": local_base("http", admin), "token": token.expose() }).to_string();
        write_private(&unfinished, &text)
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }

    /// Removes it.
    pub(super) fn remove(self) {
        match fs::remove_file(&self.0) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "Cannot remove {}: {error}", self.0.display()),
        }
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    // One that a crash left may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_private(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
