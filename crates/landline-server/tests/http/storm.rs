//! Everything at once: writers that repeat until they are answered, a disk and a bot that fail at random, readers that
//! come and go. What must hold all the same is counted at the end. The seed is printed; `STORM_SEEDS=100` runs as many.

use std::collections::HashMap;
use std::time::Duration;

use landline_core::Entropy;
use landline_testkit::domain::{Behaviour, Fault, SeededEntropy};
use landline_testkit::in_process::socket::{Opening, texts_of};
use landline_testkit::in_process::{Builder, Frame, Person, TestServer};
use serde_json::{Value, json};

const WRITERS: usize = 4;
const MESSAGES: usize = 30;
const READERS: usize = 3;

/// Numbers that a seed decides.
struct Dice(SeededEntropy);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed.wrapping_mul(0xD134_2543_DE82_EF95)))
    }

    fn below(&self, n: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % n
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_moved_in_memory() {
    for seed in 0..seeds(2) {
        storm(TestServer::builder(), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_moved_on_disk() {
    for seed in 1000..1000 + seeds(1) {
        storm(TestServer::builder().embedded(), seed).await;
    }
}

fn seeds(default: u64) -> u64 {
    std::env::var("STORM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[expect(clippy::print_stdout, reason = "a failure is found again by its seed")]
async fn storm(builder: Builder, seed: u64) {
    println!("seed {seed}");
    let builder = builder.configure(|config| config.limits.domain.bot_deadline = Duration::from_millis(500));
    let server = builder.start().await;
    let ann = server.person("ann").await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let name = format!("w{writer}");
        let body = json!({"conversationId": ann.conversation, "user": {"id": name}});
        let token = server.operator().token(&body).await;
        writers.push(ann.beside(&name, &token));
    }
    let writing =
        writers.iter().enumerate().map(|(n, person)| write(person, Dice::new(seed * 100 + n as u64)));
    let writing = async {
        let mut acknowledged = futures_util::future::join_all(writing).await.concat();
        acknowledged.push(until_taken(&ann, "end", &Dice::new(seed)).await);
        acknowledged
    };
    let readers = (0..READERS).map(|n| read(&ann, Dice::new(seed * 100 + 50 + n as u64)));

    let (acknowledged, seen) = tokio::select! {
        done = async { tokio::join!(writing, futures_util::future::join_all(readers)) } => done,
        never = trouble(&server, Dice::new(seed * 100 + 99)) => match never {},
    };

    server.disk.heal();
    let history = ann.history().await;
    let texts: Vec<&str> = history.iter().filter_map(|a| a["text"].as_str()).collect();
    let ids: HashMap<&str, &str> =
        history.iter().filter_map(|a| Some((a["text"].as_str()?, a["id"].as_str()?))).collect();
    assert_eq!(ids.len(), texts.len(), "something is there twice: {texts:?}");
    assert_eq!(texts.len(), WRITERS * MESSAGES + 1);
    for sent in &acknowledged {
        assert_eq!(ids.get(sent.text.as_str()), Some(&sent.id.as_str()), "{} was acknowledged", sent.text);
    }
    for writer in 0..WRITERS {
        let of_one: Vec<_> =
            texts.iter().filter(|t| t.starts_with(&format!("w{writer}."))).copied().collect();
        let sent: Vec<_> = (0..MESSAGES).map(|n| format!("w{writer}.{n}")).collect();
        assert_eq!(of_one, sent, "the order of one writer");
    }
    for seen in seen {
        assert_eq!(seen, texts, "a reader saw something else than the log");
    }
    let times: Vec<&str> = history.iter().filter_map(|a| a["timestamp"].as_str()).collect();
    assert!(times.is_sorted(), "time went back");
    the_bot_was_treated_well(&server, &acknowledged);
    server.stop().await.expect("a good end");
}

/// What a writer knows of one message.
#[derive(Clone, Debug)]
struct Sent {
    text: String,
    id: String,
    /// How many requests it took.
    requests: usize,
}

/// Every activity reached it under its id, and not more often than it was asked for.
fn the_bot_was_treated_well(server: &TestServer, acknowledged: &[Sent]) {
    let taken = server.bot.taken();
    for sent in acknowledged {
        let attempts: Vec<_> = taken.iter().filter(|a| a["text"] == sent.text.as_str()).collect();
        assert!(attempts.iter().all(|a| a["id"] == sent.id.as_str()), "{sent:?}: {attempts:?}");
        assert!(
            (1..=sent.requests).contains(&attempts.len()),
            "{sent:?} reached the bot {} times",
            attempts.len()
        );
    }
}

/// Sends one message after the other.
async fn write(person: &Person, dice: Dice) -> Vec<Sent> {
    let mut acknowledged = Vec::new();
    for n in 0..MESSAGES {
        acknowledged.push(until_taken(person, &format!("{}.{n}", person.name), &dice).await);
    }
    acknowledged
}

/// Sends a message until it is answered with 200, sometimes without waiting for the answer.
async fn until_taken(person: &Person, text: &str, dice: &Dice) -> Sent {
    let activity = json!({"type": "message", "text": text, "channelData": {"clientActivityID": text}});
    for requests in 1.. {
        let patience = Duration::from_millis(5 + dice.below(400));
        match tokio::time::timeout(patience, person.send(&activity).try_send()).await {
            Err(_) => {} // hangs up, and asks again
            Ok(Err(error)) => panic!("{text}: {error}"),
            Ok(Ok(reply)) if reply.status == 200 => {
                return Sent { text: text.to_owned(), id: reply.text("id"), requests };
            }
            Ok(Ok(reply)) => assert!(matches!(reply.status, 502..=504), "{text}: {reply:?}"),
        }
    }
    unreachable!("it asks until it is answered")
}

/// Reads by streams and polls in turn, each from the watermark of the one before, until the end was seen.
async fn read(person: &Person, dice: Dice) -> Vec<String> {
    let (mut seen, mut watermark) = (Vec::<String>::new(), String::new());
    while seen.last().is_none_or(|last| last != "end") {
        if dice.below(4) == 0 {
            let reply = person.poll(&format!("?watermark={watermark}&wait={}", dice.below(2))).await;
            if reply.status == 200 {
                take(&reply.json(), &mut seen, &mut watermark);
            }
            continue;
        }
        let reply = person.reconnect(&format!("?watermark={watermark}")).await;
        if reply.status != 200 {
            continue;
        }
        let Ok(mut stream) = Opening::default().open(&reply.text("streamUrl")).await else { continue };
        for _ in 0..dice.below(20) {
            match stream.within(Duration::from_millis(300)).await {
                Some(Frame::Set(set, _)) => take(&set, &mut seen, &mut watermark),
                Some(Frame::Closed(..) | Frame::Cut) => break,
                _ => {}
            }
        }
    }
    seen
}

fn take(set: &Value, seen: &mut Vec<String>, watermark: &mut String) {
    seen.extend(texts_of(set));
    if let Some(text) = set["watermark"].as_str() {
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        assert!(number(text) >= number(watermark), "the watermark went back");
        text.clone_into(watermark);
    }
}

/// Makes the next attempts of the bot and the next appends go wrong, again and again.
async fn trouble(server: &TestServer, dice: Dice) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(Duration::from_millis(2 + dice.below(10))).await;
        match dice.below(12) {
            0 => server.disk.then([Fault::Refuse]),
            1 => server.disk.then([Fault::LoseUnknown]),
            2 => server.disk.then([Fault::WriteUnknown]),
            3 => server.disk.then([Fault::Slow(Duration::from_millis(dice.below(20)))]),
            4 => server.bot.then([Behaviour::Answer(500, String::new())]),
            5 => server.bot.then([Behaviour::Break]),
            6 => server.bot.then([Behaviour::Slow(Duration::from_millis(dice.below(50)), 200)]),
            7 => server.bot.then([Behaviour::Away]),
            8 => {
                server.disk.fail_heads(true);
                tokio::time::sleep(Duration::from_millis(dice.below(10))).await;
                server.disk.fail_heads(false);
            }
            9 => {
                server.disk.fail_reads(true);
                tokio::time::sleep(Duration::from_millis(dice.below(10))).await;
                server.disk.fail_reads(false);
            }
            10 => {
                server.disk.fail_writes(true);
                tokio::time::sleep(Duration::from_millis(dice.below(10))).await;
                server.disk.fail_writes(false);
            }
            _ => {}
        }
    }
}
