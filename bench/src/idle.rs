//! What a socket costs on which nothing happens: the server's resident memory before and after many are opened, each
//! on a conversation of its own.
//!
//! The conversations are started first, so that what they cost is not counted as a socket's. At the end a few
//! sockets are tried: they must still bring what is sent.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use landline_testkit::client::{Client, Stream, StreamEvent};
use rustix::process::{Resource, getrlimit};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Common;
use crate::crowd::{self, Seat};
use crate::rig::Rig;
use crate::stats::whole;

/// Conversations and sockets opened at the same time.
const WIDTH: usize = 32;
/// Files a process needs besides its sockets.
const OTHER_FILES: u64 = 500;
/// Sockets tried at the end.
const TRIED: usize = 50;
const TRY_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
    /// How long the sockets stay before the memory is read; long enough for a keep-alive or two.
    #[arg(long, default_value_t = 45)]
    settle_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { sockets: 10_000, settle_seconds: 45 }
    }
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = options.sockets as u64 + OTHER_FILES;
    ensure!(
        needed <= limit,
        "{} sockets need {needed} open files; the limit is {limit}: raise `ulimit -n`",
        options.sockets
    );

    let rig = Rig::start(common).await?;
    let empty = rig.rss_kib()?;
    let seats = crowd::start_conversations(&rig, options.sockets, WIDTH, 0).await?;
    sleep(Duration::from_secs(options.settle_seconds)).await;
    let before = rig.rss_kib()?;

    let stop = CancellationToken::new();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let holders = open_all(&rig, &seats, &open, &arrived, &stop).await?;
    let took = began.elapsed();
    sleep(Duration::from_secs(options.settle_seconds)).await;
    let after = rig.rss_kib()?;
    let still_open = open.load(Ordering::Relaxed);
    try_some(&rig, &seats, &mut arrivals).await?;
    stop.cancel();
    drop(holders);
    ensure!(
        still_open == options.sockets,
        "only {still_open} of {} sockets were still open",
        options.sockets
    );

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let each = after.saturating_sub(before) as f64 / options.sockets as f64;
    let mut table = String::new();
    writeln!(table, "### An idle socket, {} sockets\n", options.sockets)?;
    writeln!(table, "| resident memory of the server | KiB |")?;
    writeln!(table, "| --- | ---: |")?;
    for (name, kib) in
        [("just started", empty), ("conversations started", before), ("sockets open and idle", after)]
    {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        writeln!(table, "| {name} | {} |", whole(kib as f64))?;
    }
    writeln!(table, "| **a socket** | **{each:.1}** |")?;
    writeln!(table, "\nOpened in {:.1} s; all open after {} s.", took.as_secs_f64(), options.settle_seconds)?;
    Ok(table)
}

/// Opens a stream for each seat; every one is held by a task that answers pings and reports what comes.
async fn open_all(
    rig: &Rig,
    seats: &[Seat],
    open: &Arc<AtomicUsize>,
    arrived: &mpsc::UnboundedSender<String>,
    stop: &CancellationToken,
) -> Result<JoinSet<()>> {
    let mut openers: JoinSet<Result<Vec<Stream>>> = JoinSet::new();
    for share in seats.chunks(seats.len().div_ceil(WIDTH).max(1)) {
        let (share, server) = (share.to_vec(), rig.server.address());
        openers.spawn(async move {
            let mut client = Client::new(server);
            let mut streams = Vec::with_capacity(share.len());
            for seat in share {
                let again = client.reconnect(&seat.token, &seat.conversation, None).await?;
                streams.push(Stream::open(&again.stream_url).await?);
            }
            Ok(streams)
        });
    }
    let mut holders = JoinSet::new();
    while let Some(streams) = openers.join_next().await {
        for stream in streams?.context("cannot open the sockets")? {
            open.fetch_add(1, Ordering::Relaxed);
            holders.spawn(hold(stream, open.clone(), arrived.clone(), stop.clone()));
        }
    }
    Ok(holders)
}

async fn hold(
    mut stream: Stream,
    open: Arc<AtomicUsize>,
    arrived: mpsc::UnboundedSender<String>,
    stop: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = stop.cancelled() => return,
        };
        match event {
            Ok(StreamEvent::Activities(set)) => {
                for text in set.texts() {
                    // The receiver is gone only when the measurement is over.
                    let _ = arrived.send(text.to_owned());
                }
            }
            Ok(StreamEvent::Alive) => {}
            Ok(StreamEvent::Closed(_)) | Err(_) => {
                open.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// Sends one activity into some of the conversations and waits for each on its socket.
async fn try_some(rig: &Rig, seats: &[Seat], arrivals: &mut mpsc::UnboundedReceiver<String>) -> Result<()> {
    let mut client = Client::new(rig.server.address());
    for seat in seats.iter().step_by((seats.len() / TRIED).max(1)) {
        let message = crowd::message(&seat.user, 0);
        client.send(&seat.token, &seat.conversation, &message).await?;
        let got =
            timeout(TRY_WITHIN, arrivals.recv()).await.context("an idle socket no longer brings anything")?;
        if got.as_deref() != message["text"].as_str() {
            bail!("an idle socket brought {got:?} instead of what was sent");
        }
    }
    Ok(())
}
