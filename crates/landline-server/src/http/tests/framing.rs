//! Where the gate and hyper must agree: what one takes for the end of a body.

use axum::extract::Request;
use axum::routing::any;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::http::framing::Framing;

/// All at once: how much of it is body, and whether that is its end. `None`: refused.
fn follow(body: &[u8]) -> Option<(usize, bool)> {
    let mut framing = Framing::chunked();
    let taken = framing.follow(body).ok()?;
    Some((taken, framing.is_over()))
}

#[test]
fn chunks_end_where_they_end() {
    for (body, rest) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "GET"),
        ("00005\r\nhello\r\nA;x=y;z\r\n0123456789\r\n0\r\nname: value\r\nother:\r\n\r\n", "GET /"),
    ] {
        let all = format!("{body}{rest}");
        assert_eq!(follow(all.as_bytes()), Some((body.len(), true)), "{all:?}");
        let mut framing = Framing::chunked();
        for byte in body.bytes() {
            assert!(!framing.is_over());
            assert_eq!(framing.follow(&[byte]), Ok(1), "byte by byte: {body:?}");
        }
        assert!(framing.is_over());
    }
}

#[test]
fn what_is_no_chunk_is_refused() {
    for body in [
        "\r\n",
        " 5\r\n",
        "5 \r\n",
        "+5\r\n",
        "-5\r\n",
        "0x5\r\n",
        "5\n",
        "5\rx",
        "g\r\n",
        ";\r\n",
        "5;\n",
        "5;a b\r\n",
        "5;a=\"b\"\r\n",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\rx",
        "0\r\n\n",
        "0\r\n a: b\r\n",
        "0\r\na\r\n",
        "0\r\n: b\r\n",
        "0\r\na : b\r\n",
        "0\r\na: b\n",
        "0\r\na: \0",
        "1000000000000000\r\n",
        "ffffffffffffffff\r\n",
    ] {
        assert_eq!(follow(body.as_bytes()), None, "{body:?}");
    }
    let long = format!("1;{}\r\n", "x".repeat(300));
    assert_eq!(follow(long.as_bytes()), None);
    let long = format!("0\r\na: {}\r\n", "x".repeat(5000));
    assert_eq!(follow(long.as_bytes()), None);
}

/// What hyper makes of a body that the gate lets in: how long it is, and whether the next request is found behind it.
async fn hyper_takes(server: &Server, body: &[u8]) -> Option<(usize, bool)> {
    let mut client = server.connect().await;
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let next = b"GET /next HTTP/1.1\r\nhost: x\r\n\r\n";
    client.stream.write_all(&[head, body, next].concat()).await.unwrap();
    let answer = timeout(PATIENCE, client.read_answer()).await.ok().flatten()?;
    let (first, second) = answer.body.split_once("HTTP/1.1 ").unwrap_or((&answer.body, ""));
    let length = first.parse().ok()?;
    let is_next = |text: &str| text.starts_with("200") && text.ends_with("next");
    if !second.is_empty() {
        return Some((length, is_next(second)));
    }
    let second = client.answer().await;
    Some((length, second.status == 200 && second.body == "next"))
}

#[tokio::test]
async fn the_gate_and_hyper_agree_on_made_up_bodies() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let piece = prop_oneof![
        4 => "[0-9a-f]{1,2}\r\n[a-z]{0,12}\r\n",
        2 => Just("5\r\nhello\r\n".to_owned()),
        1 => "[0-3];?[a-z=]{0,3}\r\n",
        1 => "[\\x00-\\x7f]{0,3}",
    ];
    let bodies = proptest::collection::vec(piece, 0..4);
    let whole = any(|request: Request| async move {
        match axum::body::to_bytes(request.into_body(), usize::MAX).await {
            Ok(bytes) => bytes.len().to_string(),
            Err(_) => "broken".to_owned(),
        }
    });
    let router = Router::new().route("/", whole).route("/next", any(|| async { "next" }));
    let server = Server::start(router).await;
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..300 {
        let pieces = bodies.new_tree(&mut runner).unwrap().current();
        let body = format!("{}0\r\n\r\n", pieces.concat());
        let ours = follow(body.as_bytes());
        if let Some((end, true)) = ours {
            taken += 1;
            let hyper = hyper_takes(&server, &body.as_bytes()[..end]).await;
            assert!(hyper.is_some_and(|(_, next)| next), "hyper sees another end: {body:?} {hyper:?}");
        } else {
            refused += 1;
        }
    }
    assert!(taken > 50 && refused > 50, "{taken} {refused}");
}
