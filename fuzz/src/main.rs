//! libFuzzer with one of the targets, which `LANDLINE_FUZZ_TARGET` names. `list` as its name prints all, and from
//! which commit they were built.
//!
//! `cargo xtask fuzz` is the way to run it; see docs/fuzzing.md.

#![no_main]

use std::sync::OnceLock;

use landline_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<&Target> = OnceLock::new();

fn choose() {
    let name = std::env::var("LANDLINE_FUZZ_TARGET").unwrap_or_default();
    if name == "list" {
        println!("commit\t{}", option_env!("LANDLINE_FUZZ_COMMIT").unwrap_or("unknown"));
        for target in TARGETS {
            println!("{}\t{}\t{}\t{}", target.name, target.longest, target.share, target.claim);
        }
        std::process::exit(0);
    }
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("LANDLINE_FUZZ_TARGET={name:?} is no target; set it to one of those that \"list\" prints");
        std::process::exit(2);
    };
    CHOSEN.get_or_init(|| target);
}

fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(target) = CHOSEN.get() {
        (target.run)(data);
    }
});
