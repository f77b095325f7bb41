//! Attacks on a running server: smuggling through real proxies, and slow attackers by the thousand.

use anyhow::{Result, bail};

use crate::run::{Cargo, binary, cargo, command, step};
use crate::{build_dev, build_release};

/// The proxies in front of which smuggling is tried, as programs and packages of Debian.
const PROXIES: [(&str, &str); 2] = [("nginx", "nginx-light"), ("haproxy", "haproxy")];

/// How the short attack differs from the whole one: fits into a minute and into a development build, in which everything
/// takes a multiple of the time.
const SHORT: [&str; 10] = [
    "--attackers",
    "1500",
    "--honest",
    "100",
    "--attack-seconds",
    "8",
    "--calm-seconds",
    "2",
    "--may-grow-ms",
    "500",
];

/// What `test` adds to the tests that it has run already.
pub(crate) fn short() -> Result<()> {
    proxies()?;
    build_dev()?;
    slow()
}

/// A short round of slow attackers, against the development build.
pub(crate) fn slow() -> Result<()> {
    step("slow attackers, a short round");
    let server = binary(Cargo::Dev, "landline").display().to_string();
    command(binary(Cargo::Dev, "attack"), ["--binary", server.as_str()].into_iter().chain(SHORT)).run()
}

fn proxies() -> Result<()> {
    step("smuggling through nginx and HAProxy");
    install_proxies()?;
    let words = [
        "test",
        "-p",
        "landline-server",
        "--test",
        "http",
        "--locked",
        "--",
        "--ignored",
        "security::proxies",
    ];
    // Tests that are not there are no failure for cargo.
    if !cargo(words.into_iter().chain(["--list"])).output()?.contains(": test") {
        bail!("there is no test of smuggling through proxies");
    }
    cargo(words).run()
}

/// Those that are not there.
pub(crate) fn install_proxies() -> Result<()> {
    for (program, package) in PROXIES {
        if command(program, ["-v"]).output().is_err() {
            install(package)?;
        }
    }
    Ok(())
}

fn install(package: &str) -> Result<()> {
    let is_root = command("id", ["-u"]).output()?.trim() == "0";
    let run = |words: &[&str]| {
        let words: Vec<&str> = if is_root { words.to_vec() } else { [&["sudo"], words].concat() };
        command(words[0], &words[1..]).run()
    };
    run(&["apt-get", "update", "-q"])?;
    run(&[
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-q",
        "-y",
        "--no-install-recommends",
        package,
    ])
}

/// Thousands of slow attackers of each kind, against a release build.
pub(crate) fn attack(attackers: u32, arguments: &[String]) -> Result<()> {
    step("slow attackers");
    build_release(&["landline", "landline-testkit"])?;
    let (server, attackers) =
        (binary(Cargo::Release, "landline").display().to_string(), attackers.to_string());
    let words = ["--binary", server.as_str(), "--attackers", attackers.as_str()];
    command(binary(Cargo::Release, "attack"), words.into_iter().chain(arguments.iter().map(String::as_str)))
        .run()
}
