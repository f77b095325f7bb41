//! Where a request ends and the next one begins: what the routes get of a connection, against another reading of the
//! same bytes. Whatever the two do not agree about could be smuggled past a proxy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use landline_server::fuzzing::serve_line;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::{sleep, timeout};

use crate::Target;
use crate::input::split;
use crate::server::run as run_server;

pub(crate) const TARGET: Target = Target {
    name: "framing",
    longest: 4096,
    share: 3,
    claim: "each request that gets to the routes is one that a strict reader of RFC 9112 finds at the same place of the \
            connection, with the same method, target and body; cut into other pieces, the bytes come to the same",
    run,
};

const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// The host of the request that the server puts in the place of one that it refuses.
const REFUSED: &str = "refused";

/// Method, target, body.
type Seen = (String, String, Vec<u8>);

fn run(data: &[u8]) {
    let (cut, sent) = split(data);
    if sent.windows(REFUSED.len()).any(|word| word == REFUSED.as_bytes()) {
        return;
    }
    let seen = run_server(connection(sent, 0));
    let expected = strict(sent);
    assert!(seen.len() <= expected.len(), "{seen:?} where {expected:?} was sent");
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!((&seen.0, &seen.2), (&expected.0, &expected.2));
        // A target that is a whole URL is written in another way by whoever reads it.
        assert!(seen.1 == expected.1 || !expected.1.starts_with('/'), "{seen:?} where {expected:?} was sent");
    }
    assert_eq!(run_server(connection(sent, usize::from(cut) + 1)), seen, "cut otherwise");
}

/// What gets through.
async fn connection(sent: &[u8], cut: usize) -> Vec<Seen> {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let note = move |request: Request<Body>| {
        let noted = Arc::clone(&noted);
        async move {
            let (head, body) = request.into_parts();
            if head.headers.get("host").is_some_and(|host| host == REFUSED) {
                return;
            }
            // One that breaks off is none.
            if let Ok(body) = body.collect().await {
                let seen = (head.method.to_string(), head.uri.to_string(), body.to_bytes().to_vec());
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            }
        }
    };
    let (client, line) = duplex(64 * 1024);
    let serving = serve_line(line, Router::new().fallback(note));
    let (mut from, mut to) = tokio::io::split(client);
    let sending = async {
        for piece in sent.chunks(if cut == 0 { sent.len().max(1) } else { cut }) {
            if to.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        // When all of it was answered: who hangs up before is not answered.
        sleep(Duration::from_millis(1)).await;
        let _ = to.shutdown().await;
    };
    let mut answers = Vec::new();
    let all = async { tokio::join!(serving, sending, from.read_to_end(&mut answers)) };
    assert!(timeout(PATIENCE, all).await.is_ok(), "the connection never ends");
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.clone()
}

/// All requests that are beyond doubt, from the beginning up to the first one that is not.
fn strict(mut rest: &[u8]) -> Vec<Seen> {
    let mut found = Vec::new();
    while let Some((request, behind)) = one(rest) {
        found.push(request);
        rest = behind;
    }
    found
}

fn line(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = &bytes[..end];
    // Neither alone, anywhere.
    if line.contains(&b'\r') || line.contains(&b'\n') {
        return None;
    }
    // A character for each byte: a value may hold what is no UTF-8.
    Some((line.iter().copied().map(char::from).collect(), &bytes[end + 2..]))
}

fn one(mut rest: &[u8]) -> Option<(Seen, &[u8])> {
    while let Some(behind) = rest.strip_prefix(b"\r\n") {
        rest = behind;
    }
    let (first, mut rest) = line(rest)?;
    let words: Vec<_> = first.split(' ').collect();
    let [method, target, version] = *words else { return None };
    let (mut lengths, mut codings, mut hosts) = (Vec::new(), Vec::new(), 0);
    loop {
        let (field, behind) = line(rest)?;
        rest = behind;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']).to_owned();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value),
            "host" => hosts += 1,
            _ => {}
        }
    }
    if hosts > 1 || hosts == 0 && version != "HTTP/1.0" {
        return None;
    }
    let (body, rest) = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => (Vec::new(), rest),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let (body, rest) = rest.split_at_checked(length.parse().ok()?)?;
            (body.to_vec(), rest)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && version == "HTTP/1.1" => chunks(rest)?,
        _ => return None,
    };
    Some(((method.to_owned(), target.to_owned(), body), rest))
}

fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (head, behind) = line(rest)?;
        let digits = head.split(';').next()?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let (chunk, behind) = behind.split_at_checked(usize::from_str_radix(digits, 16).ok()?)?;
        if chunk.is_empty() {
            rest = behind;
            break;
        }
        body.extend_from_slice(chunk);
        rest = behind.strip_prefix(b"\r\n")?;
    }
    loop {
        let (trailer, behind) = line(rest)?;
        rest = behind;
        if trailer.is_empty() {
            return Some((body, rest));
        }
        trailer.split_once(':')?;
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
