//! Landlock: the kernel refuses this process what is not in a list.
//!
//! Invariant: a right that is handled and that no rule gives is refused everywhere. Running programs and listening have
//! none.
//!
//! Not here: the list (`paths`).

use std::fmt;
use std::path::{Path, PathBuf};

use ::landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, make_bitflags,
};
use tracing::{debug, warn};

use super::paths::Paths;

/// What is asked for. The rights of later kernels were not tried.
const KNOWN: ABI = ABI::V6;

/// What is enforced from now on.
#[derive(Debug)]
pub(super) struct Enforced {
    abi: i32,
    all: bool,
    /// The entry of this process in `/proc`: made anew when memory is short, it would be another one, which no rule is
    /// about.
    _held: Vec<PathFd>,
}

#[cfg(test)]
impl Enforced {
    /// As if it were.
    pub(super) fn pretended() -> Self {
        Self { abi: 0, all: true, _held: Vec::new() }
    }
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.all { "enforced" } else { "enforced in part, a newer kernel can do more" };
        write!(f, "Landlock: ABI {}, {how}", self.abi)
    }
}

/// All of it.
///
/// # Errors
/// When the kernel cannot.
pub(super) fn require(paths: &Paths) -> anyhow::Result<Enforced> {
    match enforce(paths, CompatLevel::HardRequirement)? {
        (Some(enforced), _) if enforced.all => Ok(enforced),
        (_, status) => anyhow::bail!("{}", why_not(&status)),
    }
}

/// As much as the kernel can; says so where that is nothing.
pub(super) fn best_effort(paths: &Paths) -> Option<Enforced> {
    let why = match enforce(paths, CompatLevel::BestEffort) {
        Ok((Some(enforced), _)) => return Some(enforced),
        Ok((None, status)) => why_not(&status).to_owned(),
        Err(error) => error.to_string(),
    };
    warn!("Landlock: not enforced, this process can do whatever its user can ({why})");
    None
}

fn why_not(status: &LandlockStatus) -> &'static str {
    match status {
        LandlockStatus::NotEnabled => "this kernel has it turned off; boot it with landlock in lsm=",
        LandlockStatus::NotImplemented => "this kernel does not have it, or a container hides it",
        LandlockStatus::Available { .. } => "this kernel is too old for it",
    }
}

fn enforce(paths: &Paths, level: CompatLevel) -> Result<(Option<Enforced>, LandlockStatus), RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(KNOWN))?
        // No listening socket beside those that are open. Going out stays free: a bot may have any port.
        .handle_access(AccessNet::BindTcp)?
        .scope(scope())?
        .create()?;
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let written = read
        | make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer});
    let logged = make_bitflags!(AccessFs::{ReadFile | WriteFile | MakeReg | RemoveFile});
    let emptied: BitFlags<_> = AccessFs::RemoveDir.into();
    let lists =
        [(&paths.read, read), (&paths.written, written), (&paths.logged, logged), (&paths.emptied, emptied)];
    let mut held = Vec::new();
    for (path, rights) in
        lists.into_iter().flat_map(|(list, rights)| list.iter().map(move |path| (path, rights)))
    {
        let Some(opened) = open(path) else { continue };
        ruleset = ruleset.add_rule(PathBeneath::new(&opened, rights_of(path, rights)))?;
        if path.starts_with("/proc") {
            held.push(opened);
        }
    }
    let RestrictionStatus { ruleset, landlock: status, .. } = ruleset.restrict_self()?;
    let abi = match &status {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            kernel_abi.unwrap_or(*effective_abi as i32)
        }
        _ => 0,
    };
    let enforced = |all| Some(Enforced { abi, all, _held: held });
    let enforced = match ruleset {
        RulesetStatus::FullyEnforced => enforced(true),
        RulesetStatus::PartiallyEnforced => enforced(false),
        RulesetStatus::NotEnforced => None,
    };
    Ok((enforced, status))
}

/// What is not there needs no rule.
fn open(path: &PathBuf) -> Option<PathFd> {
    PathFd::new(path).inspect_err(|error| debug!(%error, "{} is not there", path.display())).ok()
}

/// A rule about a file may give no rights to what is in a folder.
fn rights_of(path: &Path, rights: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    if path.is_dir() { rights } else { rights & AccessFs::from_file(KNOWN) }
}

/// No signals to others, and no abstract sockets of others, unless the service manager is to be told there.
fn scope() -> BitFlags<Scope> {
    let manager = std::env::var_os("NOTIFY_SOCKET");
    let abstract_manager = manager.is_some_and(|socket| socket.as_encoded_bytes().starts_with(b"@"));
    if abstract_manager { Scope::Signal.into() } else { Scope::from_all(KNOWN) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind::{self, PermissionDenied};
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use super::*;

    /// What each attempt came to: running a program, listening, writing elsewhere, reading elsewhere, writing to a folder of one's
    /// own, calling somebody.
    fn attempts(own: &Path, elsewhere: &Path, bot: &TcpListener) -> [Result<(), ErrorKind>; 6] {
        let file = elsewhere.join("there");
        [
            Command::new("/bin/true").status().map(drop),
            TcpListener::bind("127.0.0.1:0").map(drop),
            fs::write(elsewhere.join("new"), "x"),
            fs::read(file).map(drop),
            fs::write(own.join("new"), "x"),
            bot.local_addr().and_then(TcpStream::connect).map(drop),
        ]
        .map(|tried| tried.map_err(|error| error.kind()))
    }

    /// Landlock holds for the thread that asks for it, so one of this test stays free.
    #[test]
    fn s83_no_program_is_run_and_no_further_socket_listens() {
        let (own, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("there"), "x").unwrap();
        let bot = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(
            attempts(own.path(), elsewhere.path(), &bot),
            [Ok(()); 6],
            "nothing is shown by what fails anyway"
        );
        let confined = std::thread::scope(|threads| {
            let confined = threads.spawn(|| {
                let read = ["/usr", "/lib", "/lib64"].map(PathBuf::from).to_vec();
                let paths = Paths { read, written: vec![own.path().to_owned()], ..Paths::default() };
                let _held = require(&paths).unwrap();
                attempts(own.path(), elsewhere.path(), &bot)
            });
            confined.join().unwrap()
        });
        let refused = Err(PermissionDenied);
        assert_eq!(confined, [refused, refused, refused, refused, Ok(()), Ok(())]);
    }
}
