//! What bots answer: events, the headers that say when to try again, the activities of `expectReplies`.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use landline_protocol::BotActivities;
use landline_server::fuzzing;

use crate::Target;
use crate::input::{halves, split, text};

pub(crate) const TARGET: Target = Target {
    name: "bot_answer",
    longest: 16 * 1024,
    share: 1,
    claim: "events mean the same however they are cut into pieces; none is longer than allowed, and what was written is read; \
            a time to wait is within its bound",
    run,
};

/// How many bytes an event may have, here.
const MOST: usize = 512;

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    match kind % 3 {
        0 => events(rest),
        1 => times(rest),
        _ => written(rest),
    }
}

fn events(data: &[u8]) {
    let (cut, data) = split(data);
    let whole = fuzzing::events([data], MOST);
    assert_eq!(fuzzing::events(data.chunks(usize::from(cut) + 1), MOST), whole, "cut otherwise");
    assert_eq!(fuzzing::events(data.chunks(1), MOST), whole, "byte by byte");
    for (name, data) in whole.unwrap_or_default() {
        assert!(!name.is_empty() && data.len() <= MOST);
        let _ = BotActivities::parse(&data);
    }
}

fn written(data: &[u8]) {
    let (name, said) = halves(data);
    let line = |bytes: &[u8]| text(bytes).replace(['\r', '\n'], " ");
    let (name, said) = (line(name), line(said));
    let event = format!("event: {name}\r\ndata: {said}\r\n\r\n");
    if event.len() < MOST {
        let name = if name.is_empty() { "message".to_owned() } else { name };
        assert_eq!(fuzzing::events([event.as_bytes()], MOST), Some(vec![(name, said.into_bytes().into())]));
    }
}

fn times(data: &[u8]) {
    let (said, date) = halves(data);
    assert!(fuzzing::keep_for(Some(&text(said))) <= Duration::from_secs(3600));
    let mut headers = HeaderMap::new();
    for (name, value) in [("retry-after", said), ("date", date)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    assert!(fuzzing::retry_after(&headers).is_none_or(|time| time <= Duration::from_secs(3600)));
}
