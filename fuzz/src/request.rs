//! A connection: any bytes at all, through hyper and the routes to whatever they ask for.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use landline_server::fuzzing::serve_line;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::{sleep, timeout};

use crate::Target;
use crate::input::split;
use crate::server::{Server, check_answer, run as run_server, with_names};

pub(crate) const TARGET: Target = Target {
    name: "request",
    longest: 8 * 1024,
    share: 4,
    claim: "whatever comes over a connection, it ends, and each answer is whole and one of the server's own: no 500, no \
            panic, an error in its envelope; what was logged before is still there",
    run,
};

/// Longer than every timeout of the server; nothing waits for real.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

fn run(data: &[u8]) {
    run_server(connection(data));
}

async fn connection(data: &[u8]) {
    let (cut, data) = split(data);
    let server = Server::start().await;
    let anna = server.person("anna").await;
    assert_eq!(anna.say(&server, "first").await.status, 200);
    let sent = with_names(data, &anna.names(&server));

    let (client, line) = duplex(64 * 1024);
    let serving = serve_line(line, server.router.clone());
    let (mut from, mut to) = tokio::io::split(client);
    let sending = async {
        let piece = if cut == 0 { sent.len().max(1) } else { usize::from(cut) };
        for piece in sent.chunks(piece) {
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
    check_answers(&answers);
    // A bot may change what was said; clients may not.
    if !data.windows(5).any(|word| word == b"{bot}") {
        let history = server.history(&anna).await.expect("a history");
        assert_eq!(history[0]["text"], "first");
    }
}

/// Takes the answers apart; what is behind a switch of protocols is another target's.
fn check_answers(mut rest: &[u8]) {
    while !rest.is_empty() {
        let Some((status, headers, behind)) = head(rest) else {
            panic!("no answer: {:?}", String::from_utf8_lossy(rest))
        };
        if status == 101 {
            return;
        }
        if status == 100 {
            rest = behind;
            continue;
        }
        let length =
            headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        // Behind the answer to HEAD there is no body, whatever its length says.
        let length =
            if behind.is_empty() || behind.starts_with(b"HTTP/1.") { 0 } else { length.unwrap_or(0) };
        assert!(length <= behind.len(), "an answer is cut off");
        let (body, next) = behind.split_at(length);
        check_answer(status, &headers, body);
        rest = next;
    }
}

fn head(bytes: &[u8]) -> Option<(u16, HeaderMap, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    // Bytes and no text: CORS hands back any origin as it came.
    let mut lines =
        bytes[..end].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // Whoever asks in HTTP/1.0 is answered in it.
    let status = lines.next()?.strip_prefix(b"HTTP/1.")?;
    let status = status.strip_prefix(b"1 ").or_else(|| status.strip_prefix(b"0 "))?.get(..3)?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        headers.append(HeaderName::from_bytes(&line[..colon]).ok()?, value);
    }
    assert!(!headers.contains_key("transfer-encoding"), "all answers say how long they are");
    Some((status, headers, &bytes[end + 4..]))
}
