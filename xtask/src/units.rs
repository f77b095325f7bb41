//! The units in `packaging/`: what systemd thinks of them.
//!
//! Checked where systemd is installed, whether or not it runs the machine.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::run::{Cargo, binary, command, root};

/// Where the unit expects the server.
const INSTALLED: &str = "/usr/local/bin/landline";

/// How exposed the service may be, in tenths, as `systemd-analyze security` counts: 100 is no protection at all.
const EXPOSURE: &str = "15";

pub(crate) fn check() -> Result<()> {
    if command("systemd-analyze", ["--version"]).output().is_err() {
        println!("not checked: there is no systemd-analyze here");
        return Ok(());
    }
    let packaging = root().join("packaging");
    let service = packaging.join("landline.service");
    let security =
        ["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE}")].map(str::to_owned);
    let judged =
        command("systemd-analyze", security.into_iter().chain([service.display().to_string()])).output()?;
    println!("{}", judged.lines().last().unwrap_or_default());

    // What it names has to be there, which an installed server need not.
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let text = fs::read_to_string(&service)?;
    if !text.contains(&format!("ExecStart={INSTALLED} ")) {
        bail!("landline.service does not start {INSTALLED}");
    }
    let built = binary(Cargo::Dev, "landline").display().to_string();
    let (service, socket) = (folder.path().join("landline.service"), folder.path().join("landline.socket"));
    fs::write(&service, text.replace(INSTALLED, &built))?;
    fs::copy(packaging.join("landline.socket"), &socket)?;
    command("systemd-analyze", ["verify".into(), service, socket]).run()
}
