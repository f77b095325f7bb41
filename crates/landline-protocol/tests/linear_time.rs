//! S77: the costliest inputs take a time that grows with their length, and no faster; in a release build, a megabyte of
//! any of them takes less than 50 ms.
//!
//! Times are compared with one another, so that a slow machine or build changes nothing: the best of several, at a length
//! and at four times that. Where each byte is looked at again for each other one, that is sixteen times as long.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use landline_protocol::{
    Activity, AttachmentUpload, BotActivities, ConversationParameters, StartRequest, Timestamp, TokenRequest,
    exchange_texts,
};
use rustix::time::{ClockId, clock_gettime};

/// A megabyte; a quarter of it where nothing is optimised, because that takes long enough.
const LONG: usize = if cfg!(debug_assertions) { 256 * 1024 } else { 1024 * 1024 };
const SHORT: usize = LONG / 4;

/// Between four and sixteen, nearer to the first: noise only adds.
const MOST: u32 = 9;

/// What a parser of a megabyte may take where it is optimised.
const MOST_OPTIMISED: Duration = Duration::from_millis(50);

/// Inputs of about this many bytes, each made to be costly in another way.
fn inputs(bytes: usize) -> Vec<(&'static str, String)> {
    let repeated =
        |begin: &str, one: &str, end: &str| format!("{begin}{}{end}", one.repeat(bytes / one.len()));
    let numbered = |one: &dyn Fn(usize) -> String| {
        let mut all = String::with_capacity(bytes + 256);
        for count in 0.. {
            all.push_str(&one(count));
            if all.len() >= bytes {
                break;
            }
        }
        all
    };
    let prefix = "k".repeat(200);
    let by_number = numbered(&|n| format!("\"{n}\":7,"));
    vec![
        ("many names", format!("{{{}\"z\":0}}", numbered(&|n| format!("\"n{n}\":0,")))),
        ("long names alike", format!("{{{}\"z\":0}}", numbered(&|n| format!("\"{prefix}{n}\":0,")))),
        ("one long text", repeated("{\"text\":\"", "a", "\"}")),
        ("escapes", repeated("{\"text\":\"", "\\u00e9\\\"", "\"}")),
        ("half a surrogate at the end", repeated("{\"text\":\"", "\\\\", "\\ud83d\"}")),
        ("brackets", repeated("{\"x\":[", "[],", "[]]}")),
        ("quotes", repeated("", "\"", "")),
        ("backslashes", repeated("\"", "\\", "")),
        ("entities", repeated("{\"type\":\"typing\",\"entities\":[", "{\"type\":\"x\"},", "{}]}")),
        (
            "activities",
            repeated("{\"activities\":[", "{\"type\":\"message\",\"from\":{\"id\":\"u\"}},", "{}]}"),
        ),
        ("members", repeated("{\"members\":[", "{\"id\":\"u\"},", "{\"id\":\"u\"}]}")),
        ("origins", repeated("{\"trustedOrigins\":[", "\"http://a\",", "\"http://a\"]}")),
        ("base64 in lines", repeated("{\"originalBase64\":\"", "AAAA\\n", "\"}")),
        ("bytes", repeated("{\"originalBase64\":[", "7,", "7]}")),
        ("bytes by number", format!("{{\"originalBase64\":{{{}}}}}", by_number.trim_end_matches(','))),
        ("a long number", repeated("{\"x\":", "9", "}")),
    ]
}

/// Whether it was accepted, so that nothing is optimised away.
type Parser = fn(&str) -> bool;

const PARSERS: [(&str, Parser); 6] = [
    ("activity", |json| {
        Activity::parse(json.as_bytes()).is_ok_and(|mut activity| {
            let info = activity.stream_info();
            activity.stamp("c|1", &"c".parse().unwrap(), Timestamp::default());
            info.is_none() || !activity.to_json().is_empty()
        })
    }),
    ("activities of a bot", |json| BotActivities::parse(json.as_bytes()).is_ok()),
    ("token and start", |json| {
        TokenRequest::parse(json.as_bytes()).is_ok() | StartRequest::parse(json.as_bytes()).is_ok()
    }),
    ("conversation of a bot", |json| ConversationParameters::parse(json.as_bytes()).is_ok()),
    ("file of a bot", |json| AttachmentUpload::parse(json.as_bytes()).is_ok()),
    ("texts", |json| exchange_texts(json, |text| (text == "a").then(|| "b".into())).is_some()),
];

/// Of the processor, so that what else this machine does counts for nothing.
fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

fn best_of_some(parse: Parser, json: &str) -> Duration {
    let time = |_| {
        let begun = now();
        std::hint::black_box(parse(std::hint::black_box(json)));
        now() - begun
    };
    (0..2).map(time).min().unwrap()
}

#[test]
fn s77_no_input_takes_more_than_its_length() {
    for ((name, short), (_, long)) in inputs(SHORT).into_iter().zip(inputs(LONG)) {
        for (parser, parse) in PARSERS {
            // A busy machine has better moments.
            let fits = (0..5).any(|_| {
                let (short, long) = (best_of_some(parse, &short), best_of_some(parse, &long));
                let quick = cfg!(debug_assertions) || long < MOST_OPTIMISED;
                println!("{parser:<22} {name:<28} {short:>10.1?} {long:>10.1?}");
                quick && long < short * MOST + Duration::from_millis(2)
            });
            assert!(fits, "{parser}, {name}: see the times above");
        }
    }
}
