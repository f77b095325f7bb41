//! A small server with a mistake in it, on demand: the campaign is tested by what it finds here.
//!
//! It speaks as much of the protocol as the campaign uses, and keeps its log in one file of lines, its files beside that, written through
//! before anything is answered or shown; so it survives SIGKILL (not a power cut: it never syncs). With
//! `PLANTED=name` in the environment it makes one mistake of [`Mistake`]; the campaign must see each.
//!
//! Not here: anything one would want in a server. It trusts everybody and forgets nothing.

#![expect(clippy::print_stderr, reason = "a tool of the tests")]

mod door;
mod files;
mod follow;
mod log;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use http_body_util::Full;
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;

use door::Door;
use files::Files;
use log::Log;

/// What can be wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mistake {
    None,
    /// Answers and shows what is not in the file yet.
    LazyWrite,
    /// A repeat of a send is a second entry.
    NoDedupe,
    /// Refuses a send, and stores it all the same.
    StoresRefused,
    /// A reader that comes back gets its last activity again.
    ResumeInclusive,
    /// A reader that comes back is not given the next activity.
    ResumeSkips,
    /// The end of a long page is left out.
    LosesPageEnd,
    /// A poll without news says where the reader was before.
    WatermarkBack,
    /// New activities are put before the last one.
    Reorders,
    /// The bot is given some activities twice.
    DeliversTwice,
    /// Answers and shows an upload whose bytes are not in their file yet.
    LosesFiles,
    /// What was refused or cut, and what a kill has left, stays in the folder of files.
    LeavesOrphans,
    /// Some downloads are not what was given.
    ChangesFiles,
}

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve {
        #[arg(long)]
        bot: String,
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        admin: SocketAddr,
        #[arg(long)]
        data: PathBuf,
        #[arg(long, env = "PLANTED", default_value = "none")]
        planted: Mistake,
    },
    Check {
        #[arg(long)]
        data: PathBuf,
    },
}

fn main() -> ExitCode {
    let run = || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(Arguments::parse().command))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("planted: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Check { data } => Log::open(&data, Mistake::None).map(drop),
        Command::Serve { bot, listen, admin, data, planted } => {
            let log = Arc::new(Log::open(&data, planted)?);
            let tasks = TaskTracker::new();
            let files = Arc::new(Files::open(&data, planted, &log.files())?);
            tasks.spawn(flush_for_ever(log.clone(), files.clone()));
            let public = TcpListener::bind(listen).await.context("cannot listen")?;
            let door = Arc::new(Door::new(log, files, &bot, listen, planted, tasks.clone())?);
            tasks.spawn(accept(public, door, tasks.clone()));
            let ready = TcpListener::bind(admin).await.context("cannot listen")?;
            tasks.spawn(accept_admin(ready, tasks.clone()));
            signal(SignalKind::terminate())?.recv().await;
            Ok(())
        }
    }
}

/// How long a lazy write stays in memory.
const LAZY: Duration = Duration::from_millis(150);

async fn flush_for_ever(log: Arc<Log>, files: Arc<Files>) {
    loop {
        tokio::time::sleep(LAZY).await;
        log.flush();
        files.flush();
    }
}

/// Enough for one test: the process, and a count.
fn unique() -> u64 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    (u64::from(std::process::id()) << 32) | u64::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn accept(listener: TcpListener, door: Arc<Door>, tasks: TaskTracker) {
    while let Ok((stream, _)) = listener.accept().await {
        let door = door.clone();
        let service = service_fn(move |request| {
            let door = door.clone();
            async move { Ok::<_, Infallible>(door.answer(request).await) }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tasks.spawn(async move { connection.with_upgrades().await });
    }
}

async fn accept_admin(listener: TcpListener, tasks: TaskTracker) {
    while let Ok((stream, _)) = listener.accept().await {
        let service =
            service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::new()))));
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tasks.spawn(connection);
    }
}
