//! The engine of blobs against a server that speaks like S3, which is installed and started here.
//!
//! It is moto, from PyPI: small, and without a registration. What it answers is not all that S3 does; that requests
//! are signed rightly, only S3 itself can say.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, command, root, step};

/// Every package of the server, with its version.
const REQUIREMENTS: &str = "crates/landline-store-blobs/tests/s3-server.txt";

/// How long the server may take until it says where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How many seconds the tests may take; they need about 15.
const TEST_SECONDS: &str = "240";

/// Ends with the value.
struct Server {
    process: Child,
    address: String,
}

pub(crate) fn run() -> Result<()> {
    step("files in a bucket");
    let python = install()?;
    let words = ["test", "-p", "landline-store-blobs", "--test", "s3", "--locked"];
    // Tests that are not there are no failure for cargo.
    let tests = cargo(words.into_iter().chain(["--", "--ignored", "--list"])).output()?;
    if !tests.contains(": test") {
        bail!("there is no test of files in a bucket");
    }
    let server = Server::start(&python)?;
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let test = [TEST_SECONDS, cargo.as_str()].into_iter().chain(words).chain(["--", "--ignored"]);
    command("timeout", test).env("LANDLINE_TEST_S3", &server.address).run()
}

/// Does nothing where it is installed already. Returns its Python.
fn install() -> Result<PathBuf> {
    let folder = root().join("target/s3-server");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    let wanted = fs::read(root().join(REQUIREMENTS)).context(REQUIREMENTS)?;
    // Written last, so an installation that was broken off is done again.
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let venv = folder.display().to_string();
    let made = command("python3", ["-m", "venv", venv.as_str()]).run();
    made.context("install Python 3 with its module venv (Debian: apt-get install python3-venv)")?;
    command(&python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS])
        .run()?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

impl Server {
    fn start(python: &PathBuf) -> Result<Self> {
        let process = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the server cannot be started")?;
        let mut server = Self { process, address: String::new() };
        let said = server.process.stderr.take().context("the server has no standard error")?;
        server.address = address(said)?;
        Ok(server)
    }
}

/// Where it listens; goes on reading what it says, so that it does not wait for that.
fn address(said: ChildStderr) -> Result<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("Running on http://") {
                drop(sender.send(address.trim().to_owned()));
            }
        }
    });
    match receiver.recv_timeout(START_TIMEOUT) {
        Ok(address) => Ok(address),
        Err(RecvTimeoutError::Timeout) => bail!("the server does not say where it listens"),
        Err(RecvTimeoutError::Disconnected) => bail!("the server has ended at once"),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
