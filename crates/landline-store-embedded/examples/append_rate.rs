//! How many appends a second this machine makes durable, next to what its disk can do at all.
//!
//! `cargo run -p landline-store-embedded --release --example append_rate -- [FOLDER] [CONVERSATIONS] [SECONDS]`
//!
//! Prints: syncs a second of the bare disk; the time to begin that many conversations; appends a second with 1,
//! 64, 256 and 1024 appenders, each to a conversation picked at random; the cost of a whole send (append, attempt
//! begun, delivered); of reads; of opening the store again.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "this is a tool that measures, for a person to read"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use landline_core::store::{
    Append, Audience, Create, DeliveryKind, DeliveryState, IdempotencyKey, LogStore, NewRecord, PageLimit,
};
use landline_protocol::{ConversationId, Position, Timestamp};
use landline_store_embedded::{EmbeddedOptions, EmbeddedStore};
use rand::RngExt as _;

const BODY_BYTES: usize = 600;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let conversations: usize = arguments.next().map_or(10_000, |text| text.parse().unwrap());
    let seconds = Duration::from_secs(arguments.next().map_or(3, |text| text.parse().unwrap()));

    println!("bare disk: {:.0} syncs/s of {BODY_BYTES} bytes", raw(&folder, seconds));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(&folder, conversations, seconds));
}

/// Appends to a file and syncs it, again and again.
fn raw(folder: &Path, seconds: Duration) -> f64 {
    let path = folder.join("raw");
    let mut file = File::create(&path).unwrap();
    let block = [b'x'; BODY_BYTES];
    let begun = Instant::now();
    let mut syncs = 0_u32;
    while begun.elapsed() < seconds {
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        syncs += 1;
    }
    std::fs::remove_file(path).unwrap();
    f64::from(syncs) / begun.elapsed().as_secs_f64()
}

fn id(number: usize) -> ConversationId {
    // Spread like random ids are.
    let spread = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{spread:016x}{number:06}").parse().unwrap()
}

/// Text like that of activities: neither all the same nor all random.
fn bodies() -> Vec<Bytes> {
    let body = |n: usize| {
        let mut body = format!(
            "{{\"type\":\"message\",\"id\":\"{:032x}\",\"n\":{n},\"text\":\"",
            rand::rng().random::<u128>()
        );
        while body.len() < BODY_BYTES {
            body.push_str(&format!("{:x} ", rand::rng().random::<u32>()));
        }
        Bytes::from(body)
    };
    (0..1000).map(body).collect()
}

/// What is known of the conversations: each belongs to one appender, which knows its tail.
struct Load {
    store: EmbeddedStore,
    tails: Vec<AtomicU64>,
    bodies: Vec<Bytes>,
}

impl Load {
    fn record(&self) -> NewRecord {
        let body = self.bodies[rand::rng().random_range(0..self.bodies.len())].clone();
        NewRecord { time: Timestamp::from_millis(1), audience: Audience::Everyone, body, replaces: None }
    }

    /// One durable append to one of every so many conversations.
    async fn append(
        &self,
        appender: usize,
        appenders: usize,
        delivery: Option<DeliveryState>,
    ) -> (ConversationId, Position) {
        let number = rand::rng().random_range(0..self.tails.len() / appenders) * appenders + appender;
        let tail = self.tails[number].fetch_add(1, Ordering::Relaxed);
        let append = Append {
            conversation: id(number),
            expected_tail: Position::new(tail),
            records: vec![(self.record(), delivery)],
            idempotency: Some(IdempotencyKey {
                digest: rand::rng().random(),
                not_before: Timestamp::from_millis(0),
            }),
            facts: None,
        };
        self.store.append(append).await.unwrap();
        (id(number), Position::new(tail))
    }

    async fn send(&self, sender: usize, senders: usize) {
        let (conversation, position) = self.append(sender, senders, Some(DeliveryState::Pending)).await;
        self.store.set_delivery(&conversation, position, Some(DeliveryState::Attempted)).await.unwrap();
        self.store.set_delivery(&conversation, position, None).await.unwrap();
    }
}

async fn measure(folder: &Path, conversations: usize, seconds: Duration) {
    let folder = folder.join("store");
    let store = EmbeddedStore::open(&folder, EmbeddedOptions::default()).unwrap();
    let tails = (0..conversations).map(|_| AtomicU64::new(2)).collect();
    let load = Load { store, tails, bodies: bodies() };

    let begun = Instant::now();
    for chunk in (0..conversations).collect::<Vec<_>>().chunks(1000) {
        let created = join_all(chunk.iter().map(|n| {
            load.store.create(Create {
                conversation: id(*n),
                time: Timestamp::from_millis(1),
                facts: Bytes::from_static(&[b'f'; 200]),
                records: vec![(load.record(), None)],
            })
        }));
        assert!(created.await.into_iter().all(|created| created.is_ok()));
    }
    println!("{conversations} conversations begun in {:.2?}", begun.elapsed());

    for appenders in [1, 64, 256, 1024] {
        let (rate, p50, p99) = repeat(appenders, seconds, |n| load.append(n, appenders, None)).await;
        println!("{appenders:>4} appenders: {rate:>7.0} durable appends/s, p50 {p50:.2?}, p99 {p99:.2?}");
    }
    let (rate, p50, p99) = repeat(64, seconds, |n| load.send(n, 64)).await;
    println!("  64 senders:   {rate:>7.0} sends/s (append, begun, delivered), p50 {p50:.2?}, p99 {p99:.2?}");
    reads(&load.store, conversations).await;

    drop(load);
    let begun = Instant::now();
    let store = EmbeddedStore::open(&folder, EmbeddedOptions::default()).unwrap();
    println!("opened again in {:.2?}", begun.elapsed());
    reads(&store, conversations).await;
    let begun = Instant::now();
    let pending = store.deliveries(DeliveryKind::Pending, None, 10).await.unwrap().len();
    println!("{pending} pending deliveries listed in {:.2?}", begun.elapsed());
}

/// Does it over and over by so many at once; how often a second, and how long one takes.
async fn repeat<T, F: Future<Output = T>>(
    workers: usize,
    seconds: Duration,
    work: impl Fn(usize) -> F,
) -> (f64, Duration, Duration) {
    let done = AtomicU64::new(0);
    let begun = Instant::now();
    let times = join_all((0..workers).map(|worker| {
        let (work, done) = (&work, &done);
        async move {
            let mut times = Vec::new();
            while begun.elapsed() < seconds {
                let started = Instant::now();
                work(worker).await;
                times.push(started.elapsed());
                done.fetch_add(1, Ordering::Relaxed);
            }
            times
        }
    }))
    .await;
    let mut times: Vec<_> = times.into_iter().flatten().collect();
    times.sort();
    let rate = done.into_inner() as f64 / begun.elapsed().as_secs_f64();
    (rate, times[times.len() / 2], times[times.len() * 99 / 100])
}

async fn reads(store: &EmbeddedStore, conversations: usize) {
    const READS: usize = 2000;
    let limit = PageLimit { records: 20, bytes: 1 << 20 };
    let mut times = Vec::new();
    for _ in 0..READS {
        let conversation = id(rand::rng().random_range(0..conversations));
        let begun = Instant::now();
        store.read(&conversation, Position::new(1), limit).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    println!("page read from the middle: p50 {:.2?}, p99 {:.2?}", times[READS / 2], times[READS * 99 / 100]);
}
