//! What this process gives up before it serves: files outside of its own folders, running programs, further listening
//! sockets, new privileges, core dumps. Whoever takes it over by a hole in it has no more than is left.
//!
//! Landlock holds for the thread that asks and for those that it makes. So all of this happens while there is one
//! thread; [`Confined::verify`] then tries from each kind of thread, and a server in which one is free does not start.
//!
//! Invariant: nothing here makes a server weaker that cannot have it: what the kernel does not know is left out and said.
//!
//! Where to look: which files may be read and written (`paths`), Landlock itself (`landlock`).
//!
//! Not here: the user that the process runs as, and what the service manager takes away (`packaging/`).

mod landlock;
mod paths;

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context, bail};
use landline_server::config::{Config, FilesAt, Sandbox};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, geteuid, set_dumpable_behavior, setrlimit, umask};
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::landlock::Enforced;
use self::paths::Paths;

/// What is made is for its owner alone.
const OWNER_ONLY: u32 = 0o700;

/// The proof that the process has given up what it does not need, or was told to keep it.
#[derive(Debug)]
pub(crate) struct Confined {
    /// `None`: nothing is enforced.
    enforced: Option<Enforced>,
}

/// Gives up what is not needed to serve this configuration. `removed` are folders that the process removes in the end.
///
/// Before any other thread is made.
///
/// # Errors
/// A folder that cannot be made; a kernel that cannot do what is required.
pub(crate) fn this_process(config: &Config, removed: &[&Path]) -> anyhow::Result<Confined> {
    umask(Mode::RWXG | Mode::RWXO);
    no_core_dumps(config.sandbox);
    if geteuid().is_root() {
        warn!(
            "Running as root: whoever finds a hole in this server has the machine; run it as a user of its own, without \
             a login (packaging/landline.service shows how)"
        );
    }
    own_folder(&config.data)?;
    if let FilesAt::Folder(files) = &config.files {
        own_folder(files)?;
    }
    if let Some(folder) = config.audit_log.as_deref().and_then(Path::parent) {
        make_folder(folder)?;
    }
    let paths = Paths::of(config, removed, &|name| std::env::var_os(name));
    let enforced = match config.sandbox {
        Sandbox::Off => {
            warn!("Landlock: off, as configured; this process can do whatever its user can");
            None
        }
        Sandbox::Require => Some(landlock::require(&paths).context(
            "sandbox: this kernel cannot enforce all of it; with sandbox = \"best-effort\" it enforces what it can",
        )?),
        Sandbox::BestEffort => landlock::best_effort(&paths),
    };
    if let Some(enforced) = &enforced {
        info!(
            "{enforced}: writes below {}, reads what names and certificates need, runs no programs, opens no further \
             listening sockets",
            paths.written_shown()
        );
    }
    Ok(Confined { enforced })
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.enforced {
            Some(enforced) => enforced.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl Confined {
    /// Sees that every kind of thread is confined: the first one, those that run tasks, those that wait for the disk.
    ///
    /// # Errors
    /// When one is not.
    pub(crate) async fn verify(&self) -> anyhow::Result<()> {
        if self.enforced.is_none() {
            return Ok(());
        }
        let first = forbidden();
        let task = TaskTracker::new().spawn(async { forbidden() }).await?;
        let blocking = spawn_blocking(forbidden).await?;
        for (thread, tried) in [("first", first), ("task's", task), ("disk's", blocking)] {
            if let Err(what) = tried {
                bail!(
                    "the sandbox is enforced, and yet the {thread} thread {what}; this is a bug, please report it. Until it \
                     is mended, sandbox = \"off\" starts the server without one"
                );
            }
        }
        Ok(())
    }
}

/// Tries what a confined thread cannot do, and what changes nothing where it can; gives what it could.
fn forbidden() -> Result<(), &'static str> {
    // Anybody may list the first and write to the second.
    if fs::read_dir("/").is_ok() {
        return Err("can list the root folder");
    }
    match OpenOptions::new().write(true).open("/dev/null") {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => Ok(()),
        _ => Err("can write outside of its folders"),
    }
}

/// What is in memory holds secrets, and a dump of it lies where the system wants.
fn no_core_dumps(sandbox: Sandbox) {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "Cannot turn off core dumps, in which secrets would stand ({error})");
    }
    // Also for handlers that the limit does not keep from it, and against debuggers of the same user.
    if sandbox != Sandbox::Off
        && let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable)
    {
        warn!(%error, "Other processes of this user can read the memory of this one ({error})");
    }
}

/// Makes a folder for nobody else; one that others can look into is said to be.
fn own_folder(path: &Path) -> anyhow::Result<()> {
    make_folder(path)?;
    let others = mode(path).is_ok_and(|mode| mode & 0o077 != 0);
    if others {
        warn!(
            "Other users of this machine can look into {}; take that away: chmod 700 {}",
            path.display(),
            path.display()
        );
    }
    Ok(())
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(path);
    made.with_context(|| format!("cannot make the folder {}", path.display()))
}

fn mode(path: &Path) -> io::Result<u32> {
    Ok(Permissions::mode(&fs::metadata(path)?.permissions()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever runs the tests is not confined.
    #[tokio::test]
    async fn a_server_that_is_not_confined_and_should_be_does_not_start() {
        let wrong = Confined { enforced: Some(Enforced::pretended()) };
        let error = wrong.verify().await.unwrap_err().to_string();
        assert!(error.contains("first thread can list the root folder"), "{error}");
        Confined { enforced: None }.verify().await.unwrap();
    }
}
