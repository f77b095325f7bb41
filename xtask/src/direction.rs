//! Dependencies point one way; what must not be reachable from where is listed here.

use anyhow::{Result, bail};

use crate::run::cargo;

/// A crate, and what must not be among the things that it is built from.
const WALLS: [(&str, &[&str]); 8] = [
    (
        "landline-protocol",
        &["landline-core", "landline-auth", "landline-server", "tokio", "axum", "hyper", "fjall"],
    ),
    ("landline-auth", &["landline-core", "landline-server", "tokio", "axum", "hyper", "fjall"]),
    (
        "landline-core",
        &[
            "landline-auth",
            "landline-server",
            "landline-store-embedded",
            "landline-store-blobs",
            "axum",
            "hyper",
            "http",
            "fjall",
        ],
    ),
    (
        "landline-outbound",
        &["landline-protocol", "landline-core", "landline-auth", "landline-server", "axum", "fjall", "ring"],
    ),
    ("landline-store-embedded", &["landline-auth", "landline-server", "axum", "hyper", "http"]),
    (
        "landline-store-blobs",
        &["landline-auth", "landline-server", "landline-store-embedded", "axum", "fjall", "reqwest", "ring"],
    ),
    ("landline-server", &["landline-testkit"]),
    ("landline", &["landline-testkit"]),
];

/// Looks at what each crate is built from, tests left out.
pub(crate) fn check() -> Result<()> {
    for (package, forbidden) in WALLS {
        let tree =
            cargo(["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "-f", "{lib}"])
                .output()?;
        let built_from: Vec<String> = tree.lines().map(|line| line.trim().replace('_', "-")).collect();
        if built_from.len() < 2 {
            bail!("cargo tree says nothing about {package}");
        }
        for crate_name in forbidden {
            if built_from.iter().any(|name| name == crate_name) {
                bail!("{package} must not depend on {crate_name}; see docs/architecture.md");
            }
        }
    }
    Ok(())
}
