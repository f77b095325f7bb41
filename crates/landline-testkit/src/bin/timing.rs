//! `cargo xtask timing`: whether the time that it takes to refuse a secret, a token or a link tells anything of the right
//! one. Prints Welch's t for each; from 4.5 on, it does.

#![expect(clippy::print_stdout, reason = "a command line tool talks to whoever runs it")]

use std::process::ExitCode;

use clap::Parser;
use landline_testkit::secrets_timing::{COMPARISONS, leaky};
use landline_testkit::timing::TELLS;

/// Measures how long comparisons of secrets take.
#[derive(Parser)]
struct Arguments {
    /// How many times each is measured.
    #[arg(long, default_value_t = 1_000_000)]
    samples: usize,
    /// Of the order of the classes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Arguments { samples, seed } = Arguments::parse();
    let mut well = true;
    println!("{:<24} {:>9} {:>9} {:>12}", "comparison", "samples", "t", "difference");
    let mut say = |name: &str, measured: landline_testkit::timing::Measured, wanted: bool| {
        let judged = if measured.tells() == wanted { "" } else { "  <-- not as it must be" };
        well &= judged.is_empty();
        let (t, difference) = (measured.t, measured.difference_ns);
        println!("{name:<24} {:>9} {t:>9.2} {difference:>9.2} ns{judged}", measured.samples);
    };
    for (name, compare) in COMPARISONS {
        say(name, compare(samples, seed), false);
    }
    say("one that leaks (planted)", leaky(samples, seed), true);
    println!("\n|t| < {TELLS}: the time tells nothing.");
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
