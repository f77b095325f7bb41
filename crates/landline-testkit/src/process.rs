//! A real server process: started on free ports with a data folder, killed, stopped, and started again on the
//! same ports with the same data.
//!
//! What it prints goes to files beside the data, so that a failure can be read afterwards. The secret travels by
//! environment.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::line::Line;

/// How often `/readyz` is asked while the server starts.
const READY_POLL: Duration = Duration::from_millis(2);

/// How much of the server's log an error shows.
const LOG_TAIL_BYTES: usize = 4 * 1024;

/// By which the secret of the second site travels.
const QUEUED_SECRET: &str = "LANDLINE_QUEUED_SECRET";

/// How to start a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The `landline` executable.
    pub binary: PathBuf,
    /// An empty or existing folder; the data goes to `data/` in it, the logs beside that.
    pub folder: PathBuf,
    /// The bot's endpoint.
    pub bot: String,
    /// The site's secret.
    pub secret: String,
    /// A second bot and a second site, where they are wanted.
    pub queued: Option<QueuedBot>,
    /// What else stands in the configuration file: more bots and sites, limits. Empty for nothing.
    pub more: String,
    /// A start that takes longer has failed.
    pub ready_within: Duration,
}

/// A bot in `queued` mode, with a site of its own.
#[derive(Debug, Clone)]
pub struct QueuedBot {
    /// The bot's endpoint.
    pub endpoint: String,
    /// The site's secret.
    pub secret: String,
}

/// What a process has of the machine's memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now_kib: u64,
    pub peak_kib: u64,
}

/// A server that was started at least once.
#[derive(Debug)]
pub struct ServerProcess {
    options: ServerOptions,
    address: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
}

impl ServerProcess {
    /// Starts the server and waits until it is ready. Gives it with the time that took.
    pub async fn start(options: ServerOptions) -> Result<(Self, Duration)> {
        std::fs::create_dir_all(&options.folder)
            .with_context(|| format!("cannot create {}", options.folder.display()))?;
        let (address, admin) = free_addresses()?;
        let mut server = Self { options, address, admin, child: None };
        let ready_after = server.start_again().await?;
        Ok((server, ready_after))
    }

    /// Starts it on the same ports and data, after it was killed or stopped, and waits until it is ready.
    pub async fn start_again(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.launch()?;
        match timeout(self.options.ready_within, self.wait_until_ready()).await {
            Ok(ready) => ready.map(|()| began.elapsed()),
            Err(_) => {
                let log = self.log_tail();
                self.kill().await?;
                bail!("not ready within {:?}; its log ends with:\n{log}", self.options.ready_within)
            }
        }
    }

    /// Starts it and does not wait for anything; for those who mean to kill it while it starts.
    pub fn launch(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("the server is running; kill or stop it first");
        }
        let mut command = Command::new(&self.options.binary);
        command.arg("serve");
        if let Some(queued) = &self.options.queued {
            command.env(QUEUED_SECRET, &queued.secret);
        }
        if self.options.queued.is_some() || !self.options.more.is_empty() {
            command.arg("--config").arg(self.write_config()?);
        } else {
            command
                .args(["--bot", &self.options.bot])
                .args(["--listen", &self.address.to_string()])
                .args(["--admin", &self.admin.to_string()])
                .arg("--data")
                .arg(self.data());
        }
        command
            .env("LANDLINE_SECRET", &self.options.secret)
            .stdin(Stdio::null())
            .stdout(self.log_file("stdout.log")?)
            .stderr(self.log_file("stderr.log")?)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .with_context(|| format!("cannot run {}; build it first", self.options.binary.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// More than one bot takes a file.
    fn write_config(&self) -> Result<PathBuf> {
        let path = self.options.folder.join("landline.toml");
        let mut text = format!(
            "listen = \"{}\"\nadmin = \"{}\"\ndata = \"data\"\n\n[bots.main]\nendpoint = \"{}\"\n\n\
             [sites.default]\nbot = \"main\"\nsecret_env = \"LANDLINE_SECRET\"\n\n",
            self.address, self.admin, self.options.bot
        );
        if let Some(queued) = &self.options.queued {
            text += &format!(
                "[bots.queued]\nendpoint = \"{}\"\ndelivery = \"queued\"\n\n\
                 [sites.queued]\nbot = \"queued\"\nsecret_env = \"{QUEUED_SECRET}\"\n\n",
                queued.endpoint
            );
        }
        text += &self.options.more;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A number of the server's metrics; `None` when it is not there, or the server does not answer.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let answer = Line::new(self.admin).request(Method::GET, "/metrics", None, None).await.ok()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let mut line = Line::new(self.admin);
        loop {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                self.child = None;
                bail!(
                    "the server ended with {status} before it was ready; its log ends with:\n{}",
                    self.log_tail()
                );
            }
            let answer = line.request(Method::GET, "/readyz", None, None).await;
            if answer.is_ok_and(|answer| answer.status == StatusCode::OK) {
                return Ok(());
            }
            sleep(READY_POLL).await;
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await.context("cannot kill the server")?;
        }
        Ok(())
    }

    /// SIGTERM, and waits until it is gone.
    pub async fn stop(&mut self, within: Duration) -> Result<ExitStatus> {
        let Some(mut child) = self.child.take() else { bail!("the server is not running") };
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let Some(pid) = pid else { bail!("the server ended by itself: {:?}", child.wait().await?) };
        kill_process(pid, Signal::TERM).context("cannot signal the server")?;
        match timeout(within, child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                child.kill().await?;
                bail!("the server did not stop within {within:?} of SIGTERM")
            }
        }
    }

    /// Whether it still runs. A server nobody killed should.
    pub fn is_running(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Its resident memory in KiB, as `/proc` says: now, and the most there was since [`Self::forget_peak`].
    pub fn memory(&self) -> Result<Memory> {
        let pid = self.pid().context("the server is not running")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.trim().parse().ok()
        };
        match (kib("VmRSS:"), kib("VmHWM:")) {
            (Some(now_kib), Some(peak_kib)) => Ok(Memory { now_kib, peak_kib }),
            _ => bail!("the server's /proc status has no VmRSS or no VmHWM"),
        }
    }

    /// The peak of its memory is what it has now.
    pub fn forget_peak(&self) -> Result<()> {
        let pid = self.pid().context("the server is not running")?;
        // Source: proc_pid_clear_refs(5): 5 resets the peak resident set size.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("cannot reset the peak of memory")
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn secret(&self) -> &str {
        &self.options.secret
    }

    /// The secret of the site whose bot is in `queued` mode.
    pub fn queued_secret(&self) -> Option<&str> {
        self.options.queued.as_ref().map(|queued| queued.secret.as_str())
    }

    pub fn binary(&self) -> &Path {
        &self.options.binary
    }

    pub fn data(&self) -> PathBuf {
        self.options.folder.join("data")
    }

    /// The end of what the server logged.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(self.options.folder.join("stderr.log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }

    fn log_file(&self, name: &str) -> Result<File> {
        let path = self.options.folder.join(name);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.with_context(|| format!("cannot open {}", path.display()))
    }
}

/// Two free ports. Somebody else may take them before the server does; then its start fails and says so.
fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    let one = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    let two = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok((one.local_addr()?, two.local_addr()?))
}
