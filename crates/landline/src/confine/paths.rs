//! Which files a server needs once it serves.
//!
//! Written: its own folders. Read: those, and what names, certificates, time zones and the process itself are looked up
//! in, which other programs replace while we run, so that whole folders are allowed where a file would be another one
//! tomorrow.
//!
//! Not here: how that is enforced (`landlock`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use landline_server::config::{Config, FilesAt};

/// What is read on any system. What is not there is left out.
const READ: [&str; 17] = [
    // Names (resolv.conf, hosts, nsswitch.conf), certificates, the time zone.
    "/etc",
    // Modules for name look-up, which are loaded when they are first needed; certificates; time zones.
    "/usr",
    "/lib",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    // Where resolv.conf is a link to, and the sockets beside it.
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/nscd",
    "/var/lib/ca-certificates",
    // Memory, descriptors, and how many processors and how much memory there is for us.
    "/proc/self",
    "/proc/meminfo",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/random",
];

/// What names a file or a folder with certificates, for TLS.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What names a file with credentials for a bucket, which is read again when they expire.
const CLOUD_CREDENTIALS: [&str; 6] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
];

/// What may be done where.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Files and folders below which anything may be read.
    pub(super) read: Vec<PathBuf>,
    /// Folders below which anything may be read and written.
    pub(super) written: Vec<PathBuf>,
    /// Folders in which files may be begun, appended to, and given another name.
    pub(super) logged: Vec<PathBuf>,
    /// Folders in which empty folders may be removed.
    pub(super) emptied: Vec<PathBuf>,
}

impl Paths {
    /// For this configuration. `removed` are folders that are removed in the end, whole.
    pub(super) fn of(
        config: &Config,
        removed: &[&Path],
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        let mut paths = Self { written: vec![config.data.clone()], ..Self::default() };
        paths.read.extend(READ.map(PathBuf::from));
        paths.read_wherever_it_is(Path::new("/etc/resolv.conf"));
        for name in CERTIFICATES {
            let Some(listed) = environment(name) else { continue };
            std::env::split_paths(&listed).for_each(|path| paths.read_wherever_it_is(&path));
        }
        if let Some(tls) = &config.tls {
            [&tls.certificate, &tls.key].into_iter().for_each(|path| paths.read_wherever_it_is(path));
        }
        match &config.files {
            FilesAt::Folder(folder) => paths.written.push(folder.clone()),
            FilesAt::Bucket(_) => {
                let named = CLOUD_CREDENTIALS.iter().filter_map(|name| environment(name));
                named.for_each(|path| paths.read_wherever_it_is(Path::new(&path)));
            }
        }
        let audited = config.audit_log.as_deref().and_then(Path::parent);
        // A bare name lies in the current folder.
        let here = |folder: &Path| if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() };
        paths.logged = audited.map(here).into_iter().collect();
        paths.emptied = removed.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
        paths
    }

    /// A file that others replace: then another one stands under its name, or its link leads elsewhere. So what may be
    /// read is the folder in which it stands, and that of what a link leads to; where it is a folder, all of it.
    fn read_wherever_it_is(&mut self, path: &Path) {
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if target.is_dir() {
            self.read.push(target);
            return;
        }
        let folders = [path, &target].into_iter().filter_map(Path::parent);
        // Not all there is, where it stands at the top: there it is the file alone, and another one takes a restart.
        let folders = folders.filter(|folder| !folder.as_os_str().is_empty() && *folder != Path::new("/"));
        self.read.extend(folders.map(Path::to_owned));
        self.read.push(target);
    }

    /// For a log line.
    pub(super) fn written_shown(&self) -> String {
        let shown: Vec<_> = self.written.iter().map(|path| path.display().to_string()).collect();
        shown.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use landline_server::config::OneBot;

    use super::*;

    fn config(data: &Path) -> Config {
        let flags = OneBot {
            endpoint: None,
            listen: None,
            admin: None,
            data: Some(data.to_owned()),
            public_url: None,
            connector_url: None,
            tls: None,
            allow_plain_http: false,
            sandbox: landline_server::config::Sandbox::default(),
            audit_log: None,
        };
        Config::one_bot(flags, &|_| None).unwrap()
    }

    #[test]
    fn its_own_folders_are_written_and_nothing_else_is() {
        let paths = Paths::of(&config(Path::new("/srv/landline")), &[], &|_| None);
        assert_eq!(paths.written, [Path::new("/srv/landline"), Path::new("/srv/landline/files")]);
        assert!(paths.emptied.is_empty());
        assert_eq!(paths.written_shown(), "/srv/landline, /srv/landline/files");

        let mut config = config(Path::new("/srv/landline"));
        for (audit_log, folder) in [("/var/log/landline/audit.log", "/var/log/landline"), ("audit.log", ".")]
        {
            config.audit_log = Some(audit_log.into());
            assert_eq!(Paths::of(&config, &[], &|_| None).logged, [Path::new(folder)]);
        }

        config.audit_log = None;
        let demo = Paths::of(&config, &[Path::new("/tmp/x")], &|_| None);
        assert_eq!(demo.emptied, [Path::new("/tmp")]);
    }

    #[test]
    fn nothing_that_holds_what_is_not_ours_may_be_read() {
        let paths = Paths::of(&config(Path::new("/srv/landline")), &[], &|_| None);
        for not_ours in
            ["/", "/home", "/root", "/var", "/proc", "/tmp", "/run", "/run/credentials", "/srv", "/opt"]
        {
            assert!(!paths.read.iter().any(|path| path == Path::new(not_ours)), "{not_ours}");
        }
    }

    #[test]
    fn a_file_that_is_replaced_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(at("live")).unwrap();
        std::fs::create_dir_all(at("archive")).unwrap();
        std::fs::write(at("archive/one.pem"), "").unwrap();
        std::os::unix::fs::symlink(at("archive/one.pem"), at("live/cert.pem")).unwrap();
        let names = at("live/cert.pem");
        let environment = |name: &str| (name == "SSL_CERT_FILE").then(|| names.clone().into_os_string());

        let paths = Paths::of(&config(Path::new("/srv/landline")), &[], &environment);

        assert!(paths.read.contains(&at("live")) && paths.read.contains(&at("archive")), "{:?}", paths.read);
        assert!(!paths.read.contains(&at("")), "{:?}", paths.read);
    }

    #[test]
    fn credentials_of_a_bucket_are_read_only_where_there_is_one() {
        let environment =
            |name: &str| (name == "AWS_WEB_IDENTITY_TOKEN_FILE").then(|| "/var/run/x/token".into());
        let token = Path::new("/var/run/x");
        let mut config = config(Path::new("/srv/landline"));
        assert!(!Paths::of(&config, &[], &environment).read.iter().any(|path| path == token));
        config.files = FilesAt::Bucket("s3://bucket".parse().unwrap());
        let paths = Paths::of(&config, &[], &environment);
        assert!(paths.read.iter().any(|path| path == token), "{:?}", paths.read);
        assert_eq!(paths.written, [Path::new("/srv/landline")]);
    }
}
