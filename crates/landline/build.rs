//! Builds the stock Web Chat into the binary, if npm has brought it.
//!
//! Without it the demo works and its page says which command to run.

use std::path::Path;
use std::{env, fs, io};

const BUNDLE: &str = "webchat/node_modules/botframework-webchat/dist/webchat.js";

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let bundle = Path::new(&root).join(BUNDLE);
    let code = if bundle.exists() {
        println!("cargo::rerun-if-changed={BUNDLE}");
        format!("Some(include_bytes!({:?}))", bundle.display().to_string())
    } else {
        // The folder changes when npm brings the bundle; watching a file that is not there would run this every time.
        println!("cargo::rerun-if-changed=webchat");
        "None".to_owned()
    };
    println!("cargo::rerun-if-changed=build.rs");
    fs::write(Path::new(&out).join("webchat_bundle.rs"), format!("const BUNDLE: Option<&[u8]> = {code};\n"))
}
