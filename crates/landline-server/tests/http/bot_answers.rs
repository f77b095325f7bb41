//! Whatever a bot answers: what its clients are told, when, and that nobody else notices.
//!
//! `502` and `504` say that the bot failed; `200` that it took the activity, which a head with 2xx says for good where
//! nobody wants what follows it.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::Method;
use landline_testkit::bad_bot::{BadBot, HUGE, Way};
use landline_testkit::in_process::socket::texts_of;
use landline_testkit::in_process::{Call, Person, TestServer, message};
use serde_json::{Value, json};
use tokio::time::Instant;

/// What a bot has in these tests.
const DEADLINE: Duration = Duration::from_secs(2);

/// What is left for everything else, on a machine that is busy.
const SLACK: Duration = Duration::from_secs(8);

async fn world() -> (TestServer, BadBot, BadBot) {
    world_with(DEADLINE).await
}

async fn world_with(bot_deadline: Duration) -> (TestServer, BadBot, BadBot) {
    let (bot, other) = (BadBot::start().await.expect("a bot"), BadBot::start().await.expect("a bot"));
    let endpoint = other.endpoint().parse().expect("a URL");
    let server = TestServer::builder()
        .http_bot(&bot.endpoint())
        .configure(|config| {
            config.limits.domain.bot_deadline = bot_deadline;
            config.limits.domain.order_grace = Duration::ZERO;
            config.bots[1].endpoint = endpoint;
        })
        .start()
        .await;
    (server, bot, other)
}

fn question(mode: &str) -> Value {
    let mut question = message("ann", "q");
    if !mode.is_empty() {
        question["deliveryMode"] = json!(mode);
    }
    question
}

/// The status that the client gets, and that it comes in time.
async fn status(ann: &Person, activity: &Value) -> u16 {
    let began = Instant::now();
    let reply = ann.send(activity).send().await;
    assert!(began.elapsed() < DEADLINE + SLACK, "{:?}", began.elapsed());
    reply.status
}

/// What is answered to a message, and to one that wants its replies in the answer.
const EXPECTED: [(Way, u16, u16); 19] = [
    (Way::Accept, 200, 200),
    (Way::Hang, 504, 504),
    (Way::DripHead, 504, 504),
    (Way::DripBody, 200, 504),
    (Way::HugeLength, 200, 502),
    (Way::HugeChunk, 200, 502),
    (Way::HugeUntilClose, 200, 502),
    (Way::Redirect, 502, 502),
    (Way::BadChunks, 200, 502),
    (Way::Packed, 200, 502),
    (Way::ResetBefore, 502, 502),
    (Way::ResetInHead, 502, 502),
    (Way::ResetInBody, 200, 502),
    (Way::ResetAfter, 200, 200),
    (Way::Interim, 502, 502),
    (Way::ManyHeaders, 502, 502),
    (Way::HugeHeader, 502, 502),
    (Way::NoHttp, 502, 502),
    (Way::Extra, 200, 200),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_status_within_the_deadline() {
    // Each holds the start of a server: too much for the stack together.
    join_all(EXPECTED.map(|(way, plain, wanted)| {
        Box::pin(async move {
            let (server, bot, _other) = world().await;
            let ann = server.person("ann").await;
            ann.say("before").await;
            bot.set_way(way);
            let before = bot.requests();
            for (mode, expected) in [("", plain), ("expectReplies", wanted)] {
                assert_eq!(status(&ann, &question(mode)).await, expected, "{way:?} {mode}");
                // A reset that comes behind an answer has come.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            assert_eq!(
                bot.requests() - before,
                2,
                "{way:?}: neither is tried twice, and no redirect followed"
            );

            bot.set_way(Way::Accept);
            assert_eq!(
                status(&ann, &question("")).await,
                200,
                "the next one is as if nothing had been: {way:?}"
            );
            assert_eq!(ann.texts().await, ["before", "q", "q", "q"], "{way:?}");
        })
    }))
    .await;
}

#[tokio::test]
async fn a_bot_that_answers_before_it_has_read_has_taken_it() {
    let (server, bot, _other) = world().await;
    let ann = server.person("ann").await;
    ann.say("before").await;
    // Lines that are kept wait in a read; on a new one it answers what it has not read.
    tokio::time::sleep(Duration::from_secs(4)).await;
    bot.set_way(Way::Early);
    for bytes in [10, 200_000] {
        assert_eq!(status(&ann, &message("ann", &"x".repeat(bytes))).await, 200, "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_bot_does_nobody_else_notices() {
    for way in [Way::Hang, Way::DripBody, Way::HugeUntilClose, Way::Interim, Way::ResetBefore] {
        let (server, bot, _other) = world().await;
        let people = join_all((0..50).map(|_| server.person("ann"))).await;
        let neighbour = server.other_operator().person("bob").await;
        neighbour.say("before").await;
        bot.set_way(way);
        let question = question("expectReplies");
        let bad = join_all(people.iter().map(|ann| ann.send(&question).send()));
        let good = async {
            let mut times = Vec::new();
            for _ in 0..21 {
                let began = Instant::now();
                neighbour.say("hello").await;
                times.push(began.elapsed());
            }
            times.sort_unstable();
            times[10]
        };
        let (bad, median) = tokio::join!(bad, good);
        assert!(bad.iter().all(|reply| matches!(reply.status, 502 | 504)), "{way:?}");
        assert!(median < DEADLINE / 2, "{way:?}: {median:?}");
    }
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_answers_of_64_mib_need_little_memory() {
    const ANSWERS: usize = 64;
    // So many answers take their time on a machine that is busy, and none of them is to be late.
    let (server, bot, _other) = world_with(SLACK).await;
    let people = join_all((0..ANSWERS).map(|_| server.person("ann"))).await;
    let before = resident_bytes();
    for way in [Way::HugeLength, Way::HugeChunk, Way::HugeUntilClose, Way::HugeHeader] {
        bot.set_way(way);
        for mode in ["", "expectReplies", "stream"] {
            let question = question(mode);
            let sends = join_all(people.iter().map(|ann| ann.send(&question).send()));
            let mut sends = std::pin::pin!(sends);
            let mut most = before;
            let replies = loop {
                match tokio::time::timeout(Duration::from_millis(10), &mut sends).await {
                    Ok(replies) => break replies,
                    Err(_) => most = most.max(resident_bytes()),
                }
            };
            assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 502)), "{way:?} {mode}");
            let grown = most.saturating_sub(before);
            // A limit of 1 MiB each, and twice that while a buffer grows; the other tests of this process, too.
            assert!(grown < ANSWERS * HUGE / 16, "{way:?} {mode}: {grown} bytes more");
        }
    }
}

#[tokio::test]
async fn a_streamed_answer_is_seen_as_it_comes_and_a_stop_waits_for_it() {
    let (server, bot, _other) = world().await;
    let ann = server.person("ann").await;
    ann.say("before").await;
    let mut socket = ann.stream("?watermark=").await;
    assert_eq!(socket.texts(1).await, ["before"]);
    bot.set_way(Way::Events(30));

    for stops in [false, true] {
        let began = Instant::now();
        assert_eq!(status(&ann, &question("stream")).await, 200);
        assert!(ann.texts().await.last().is_some_and(|text| text != "part 29"), "the head is enough");
        let mut seen = Vec::new();
        while seen.len() < 4 {
            seen.extend(texts_of(&socket.set().await));
        }
        if stops {
            server.begin_stop();
        }
        while seen.len() < 31 {
            seen.extend(texts_of(&socket.set().await));
        }
        let parts = (0..30).map(|number| format!("part {number}"));
        assert_eq!(seen, std::iter::once("q".to_owned()).chain(parts).collect::<Vec<_>>());
        if !stops {
            let counted = "landline_bot_streamed_answers_total{end=\"Complete\"} 1";
            let page = || Call::new(server.admin, Method::GET, "/metrics").send();
            while !String::from_utf8_lossy(&page().await.body).contains(counted) {
                assert!(began.elapsed() < SLACK, "not counted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    server.stop().await.expect("a clean stop");
}
