//! What a client sends on its stream, on which it has nothing to say.

use std::time::Duration;

use landline_server::fuzzing::serve_line;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::timeout;

use crate::Target;
use crate::input::split;
use crate::server::{Server, run as run_server};

pub(crate) const TARGET: Target = Target {
    name: "stream",
    longest: 16 * 1024,
    share: 3,
    claim: "whatever comes on a stream, what goes out are whole frames in order, unmasked, each empty or a set, with \
            watermarks that rise, no activity twice, and at most one close with a code that RFC 6455 has; and it ends",
    run,
};

const PATIENCE: Duration = Duration::from_secs(24 * 3600);

fn run(data: &[u8]) {
    run_server(stream(data));
}

async fn stream(data: &[u8]) {
    let (cut, data) = split(data);
    let server = Server::start().await;
    let anna = server.person("anna").await;
    anna.say(&server, "first").await;
    let (client, line) = duplex(64 * 1024);
    let serving = serve_line(line, server.router.clone());
    let (mut from, mut to) = tokio::io::split(client);
    let hello = format!(
        "GET {} HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        anna.path(&format!("/stream?watermark=0&t={}", anna.ticket))
    );
    let sending = async {
        let _ = to.write_all(hello.as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let piece = if cut == 0 { data.len().max(1) } else { usize::from(cut) };
        for piece in data.chunks(piece) {
            if to.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        anna.say(&server, "second").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let _ = to.shutdown().await;
    };
    let mut came = Vec::new();
    let all = async { tokio::join!(serving, sending, from.read_to_end(&mut came)) };
    assert!(timeout(PATIENCE, all).await.is_ok(), "the stream never ends");
    let text = b"\r\n\r\n";
    let end = came.windows(4).position(|four| four == text).expect("an answer") + 4;
    assert!(came.starts_with(b"HTTP/1.1 101 "), "{:?}", String::from_utf8_lossy(&came[..end]));
    check_frames(&came[end..]);
}

fn check_frames(mut rest: &[u8]) {
    let (mut texts, mut watermark, mut closed) = (Vec::new(), 0, false);
    while !rest.is_empty() {
        let Some((opcode, body, behind)) = frame(rest) else { break }; // cut off where the line ended
        rest = behind;
        assert!(!closed, "a frame behind the close");
        match opcode {
            1 if body.is_empty() => {}
            1 => {
                let set: Value = serde_json::from_slice(body).expect("a set is JSON");
                let activities = set["activities"].as_array().expect("a set has activities");
                if let Some(said) = set["watermark"].as_str() {
                    let said: u64 = said.parse().expect("a number");
                    assert!(said > watermark, "a watermark that does not rise");
                    watermark = said;
                }
                texts.extend(
                    activities.iter().filter_map(|activity| activity["text"].as_str().map(str::to_owned)),
                );
            }
            8 => {
                closed = true;
                if let Some(code) = body.first_chunk::<2>() {
                    let code = u16::from_be_bytes(*code);
                    assert!(matches!(code, 1000..=1003 | 1007..=1011 | 1013 | 3000..=4999), "{code}");
                    assert!(std::str::from_utf8(&body[2..]).is_ok());
                }
            }
            9 | 10 => assert!(body.len() <= 125),
            other => panic!("a frame of kind {other}"),
        }
    }
    assert!(
        ["first", "second"].starts_with(&texts.iter().map(String::as_str).collect::<Vec<_>>()),
        "{texts:?}"
    );
}

/// Opcode, payload, and what is behind it.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&second, rest) = rest.split_first()?;
    assert_eq!(first & 0xf0, 0x80, "whole, and without an extension");
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (length, rest) = match second {
        126 => rest
            .split_first_chunk::<2>()
            .map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk::<8>().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (u64::from(short), rest),
    };
    let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first & 0x0f, body, rest))
}
