//! `landline-bench`: measures one built server on this machine, over loopback, and prints markdown tables.
//!
//! Each measurement starts `landline serve` itself, with a fresh data folder and a bot in this process, and is
//! bounded in time. The numbers are only worth something for a release build, on a machine that does nothing else.
//!
//! Not here: whether the answers are right (the tests), the peers (other servers under the same load).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool that reports to a terminal")]

mod accept;
mod crowd;
mod disk;
mod files;
mod flood;
mod idle;
mod latency;
mod neighbours;
mod ready;
mod rig;
mod stats;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Measures a Landline server on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What all measurements need.
#[derive(Debug, Clone, Args)]
struct Common {
    /// The `landline` executable; a release build.
    #[arg(long, global = true, default_value = "target/release/landline")]
    binary: PathBuf,
    /// Where the data goes; on the disk to be measured. The system's temporary folder when absent.
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Activities accepted durably in a second, against a bot that answers at once.
    Accept(accept::Options),
    /// From a send to another client's socket.
    Latency(latency::Options),
    /// The server's memory for a socket on which nothing happens.
    Idle(idle::Options),
    /// From start to ready with many conversations.
    Ready(ready::Options),
    /// What a bad bot costs the clients of 49 good ones.
    Neighbours(neighbours::Options),
    /// What a site that floods costs the clients of nine others.
    Flood(flood::Options),
    /// Uploads and downloads against a bare HTTP server, and what the server's memory grows by meanwhile.
    Files(files::Options),
    /// All seven, as they are by default.
    All,
    /// The bare HTTP server that `files` compares with; started by itself.
    #[command(hide = true)]
    Bare(files::BareOptions),
    /// The flood of `flood`; started by itself.
    #[command(hide = true)]
    Flooder,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(&arguments))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landline-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { common, command }: &Arguments) -> Result<()> {
    match command {
        Command::Accept(options) => println!("{}", accept::run(common, options).await?),
        Command::Latency(options) => println!("{}", latency::run(common, options).await?),
        Command::Idle(options) => println!("{}", idle::run(common, options).await?),
        Command::Ready(options) => println!("{}", ready::run(common, options).await?),
        Command::Neighbours(options) => println!("{}", neighbours::run(common, options).await?),
        Command::Flood(options) => println!("{}", flood::run(common, options).await?),
        Command::Files(options) => println!("{}", files::run(common, options).await?),
        Command::Flooder => flood::serve_flooder().await?,
        Command::Bare(options) => files::serve_bare(options).await?,
        Command::All => {
            println!("{}", accept::run(common, &accept::Options::default()).await?);
            println!("{}", latency::run(common, &latency::Options::default()).await?);
            println!("{}", idle::run(common, &idle::Options::default()).await?);
            println!("{}", ready::run(common, &ready::Options::default()).await?);
            println!("{}", neighbours::run(common, &neighbours::Options::default()).await?);
            println!("{}", flood::run(common, &flood::Options::default()).await?);
            println!("{}", files::run(common, &files::Options::default()).await?);
        }
    }
    Ok(())
}
