//! How long from one client's send to another client's socket: the clock starts before the request is written and
//! stops when the frame has been read.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use landline_testkit::client::{Client, Stream, StreamEvent};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Common;
use crate::crowd::{self, Seat};
use crate::rig::Rig;
use crate::stats::{ms, percentile, whole};

/// Between two sends.
const PACE: Duration = Duration::from_millis(5);
/// A frame that does not come is an error.
const FRAME_WITHIN: Duration = Duration::from_secs(20);
/// The background load runs so long before it counts.
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Activities whose way is measured.
    #[arg(long, default_value_t = 2_000)]
    activities: usize,
    /// Senders in other conversations that are busy meanwhile, in the second row.
    #[arg(long, default_value_t = 16)]
    background: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { activities: 2_000, background: 16 }
    }
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let rig = Rig::start(common).await?;
    let mut table = String::new();
    writeln!(table, "### From send to another client's socket, {} activities\n", options.activities)?;
    writeln!(table, "| load besides | p50 | p99 | max |")?;
    writeln!(table, "| --- | ---: | ---: | ---: |")?;
    for background in [0, options.background] {
        let mut times = measure_under(&rig, options.activities, background).await?;
        let load = match background {
            0 => "none".to_owned(),
            count => format!("{} busy senders", whole(f64::from(u32::try_from(count)?))),
        };
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        writeln!(
            table,
            "| {load} | **{}** | **{}** | {} |",
            ms(p50),
            ms(p99),
            ms(percentile(&mut times, 100))
        )?;
    }
    Ok(table)
}

async fn measure_under(rig: &Rig, activities: usize, background: usize) -> Result<Vec<Duration>> {
    let stop = CancellationToken::new();
    let mut load = JoinSet::new();
    if background > 0 {
        let seats = crowd::start_conversations(rig, background, background.min(16), 0).await?;
        load.spawn(crowd::keep_sending(rig.server.address(), seats, stop.clone()));
        sleep(WARM_UP).await;
    }
    let times = measure(rig, activities).await;
    stop.cancel();
    crowd::join_all(load).await?;
    times
}

async fn measure(rig: &Rig, activities: usize) -> Result<Vec<Duration>> {
    let seats = crowd::share_conversation(rig, 2).await?;
    let [writer, reader] = &seats[..] else { bail!("two seats were asked for") };
    let mut client = Client::new(rig.server.address());
    let again = client.reconnect(&reader.token, &reader.conversation, None).await?;
    let stream = Stream::open(&again.stream_url).await?;

    let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let mut watch = JoinSet::new();
    watch.spawn(receive(stream, activities, sent.clone()));
    let wrote = write_all(rig, writer, activities, &sent).await;
    let received = watch.join_next().await.context("nobody received")??;
    wrote?;
    received
}

async fn write_all(
    rig: &Rig,
    writer: &Seat,
    activities: usize,
    sent: &Mutex<HashMap<String, Instant>>,
) -> Result<()> {
    let mut client = Client::new(rig.server.address());
    for number in 0..activities {
        let message = crowd::message(&writer.user, number);
        let text = message["text"].as_str().unwrap_or_default().to_owned();
        sent.lock().unwrap_or_else(PoisonError::into_inner).insert(text, Instant::now());
        client.send(&writer.token, &writer.conversation, &message).await?;
        sleep(PACE).await;
    }
    Ok(())
}

async fn receive(
    mut stream: Stream,
    activities: usize,
    sent: Arc<Mutex<HashMap<String, Instant>>>,
) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(activities);
    while times.len() < activities {
        let event = timeout(FRAME_WITHIN, stream.next()).await.context("an activity did not come")??;
        let now = Instant::now();
        match event {
            StreamEvent::Activities(set) => {
                let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                times.extend(
                    set.texts().into_iter().filter_map(|text| sent.remove(text)).map(|began| now - began),
                );
            }
            StreamEvent::Alive => {}
            StreamEvent::Closed(how) => bail!("the stream was closed: {how:?}"),
        }
    }
    stream.close().await;
    Ok(times)
}
