//! Every way in which an address of the operator's can fail us, played by a bare socket.

use serde_json::{Value, json};

use super::*;
use crate::bot_client::raw_bot::{RawBot, read_request};
use tokio::io::AsyncWriteExt;

const LATE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(300);

async fn get(url: &str, time: Duration) -> Result<OutboundAnswer, OutboundError> {
    Outbound::new(Connector::default()).get(&url.parse().unwrap(), None, Instant::now() + time).await
}

fn url_of(server: &RawBot) -> String {
    format!("http://{}/keys?x=1", server.address)
}

/// Answers with this, and says what it was asked.
async fn answering(answer: &'static str) -> (RawBot, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
    let server = RawBot::start(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            let _ = seen.send(read_request(&mut stream).await);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    (server, requests)
}

#[tokio::test]
async fn a_get_brings_json_and_for_how_long_it_may_be_kept() {
    let (server, mut requests) = answering(
        "HTTP/1.1 200 OK\r\ncache-control: public, max-age=86400\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}",
    )
    .await;

    let answer = get(&url_of(&server), LATE).await.unwrap();

    assert_eq!(answer.json::<Value>().unwrap(), json!({"keys": []}));
    assert_eq!(answer.max_age, Some(Duration::from_secs(86_400)));
    let request = requests.recv().await.unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /keys?x=1 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {}\r\n", server.address)), "{request}");
    assert!(!request.contains("content-type"), "{request}");
}

#[tokio::test]
async fn a_form_is_encoded() {
    let (server, mut requests) = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let outbound = Outbound::new(Connector::default());
    let fields = [("grant_type", "client_credentials"), ("client_secret", "a b&c=d+é")];

    outbound.post_form(&url_of(&server).parse().unwrap(), &fields, Instant::now() + LATE).await.unwrap();

    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("POST /keys?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    assert!(
        request.ends_with("\r\n\r\ngrant_type=client_credentials&client_secret=a+b%26c%3Dd%2B%C3%A9"),
        "{request}"
    );
}

#[tokio::test]
async fn what_is_no_answer_of_use() {
    for (answer, expected) in [
        ("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", OutboundError::Status(404)),
        ("HTTP/1.1 302 Go\r\nlocation: /else\r\ncontent-length: 0\r\n\r\n", OutboundError::Status(302)),
        ("HTTP/1.1 500 No\r\ncontent-length: 9999999\r\n\r\n", OutboundError::Status(500)),
    ] {
        let (server, _requests) = answering(answer).await;
        assert_eq!(get(&url_of(&server), LATE).await.unwrap_err(), expected);
        assert_eq!(server.connections(), 1);
    }
    for answer in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let (server, _requests) = answering(answer).await;
        let error = get(&url_of(&server), LATE).await.unwrap_err();
        assert!(matches!(error, OutboundError::BadAnswer(_)), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let server = RawBot::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    })
    .await;
    let error = get(&url_of(&server), LATE).await.unwrap_err();
    assert!(matches!(error, OutboundError::BadAnswer(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for() {
    let server = RawBot::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(get(&url_of(&server), SOON).await.unwrap_err(), OutboundError::TimedOut);
}

#[tokio::test]
async fn an_address_that_is_never_connected_to() {
    for url in ["file:///etc/passwd", "http://a:b@c/"] {
        let error = get(url, LATE).await.unwrap_err();
        assert!(matches!(error, OutboundError::Address(_)), "{url}: {error}");
    }
    for url in ["http://169.254.169.254/metadata", "http://[fe80::1]/", "https://[::ffff:a9fe:a9fe]/"] {
        let error = get(url, LATE).await.unwrap_err();
        assert!(matches!(&error, OutboundError::NotReached(why) if why.contains("never")), "{url}: {error}");
    }
    let error = get("http://keys.invalid/", LATE).await.unwrap_err();
    assert!(matches!(error, OutboundError::NotReached(_)), "{error}");
}

#[tokio::test]
async fn errors_and_debug_output_hold_nothing_that_was_answered() {
    let (server, _requests) =
        answering("HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{\"access_token\":\"hush\" oh}").await;
    let answer = get(&url_of(&server), LATE).await.unwrap();
    let error = answer.json::<Value>().unwrap_err();
    assert_eq!(error, OutboundError::NotJson);
    assert!(!format!("{answer:?} {error:?} {error}").contains("hush"));
}

/// Neither to where keys are, nor to where a token is fetched with a secret in the body.
#[tokio::test]
async fn s67_a_redirect_is_an_answer_and_nobody_goes_there() {
    let elsewhere = RawBot::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Go\r\nlocation: http://{}/\r\nrefresh: 0; url=http://{}/\r\ncontent-length: 0\r\n\r\n",
            elsewhere.address, elsewhere.address
        );
        let (server, _requests) = answering(answer.leak()).await;
        assert_eq!(get(&url_of(&server), LATE).await.unwrap_err(), OutboundError::Status(status));
        let outbound = Outbound::new(Connector::default());
        let url = url_of(&server).parse().unwrap();
        let posted = outbound.post_form(&url, &[("client_secret", "s")], Instant::now() + LATE).await;
        assert_eq!(posted.unwrap_err(), OutboundError::Status(status));
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// Writes the head and then this, again and again, until nobody takes it or `times` are over.
async fn pouring(head: &'static str, piece: &'static [u8], times: usize, pause: Duration) -> RawBot {
    RawBot::start(move |_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(head.as_bytes()).await;
        for _ in 0..times {
            if stream.write_all(piece).await.is_err() {
                return;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn s68_whoever_answers_without_measure_is_cut_off() {
    const CHUNK: &[u8] = b"10\r\n0123456789abcdef\r\n";
    const ENDLESS: usize = 64 * 1024 * 1024 / 16;
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n", &[b'x'; 16][..]),
        ("HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 16]),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", CHUNK),
        ("HTTP/1.1 200 OK\r\n", b"x-header: and more\r\n"),
        ("HTTP/1.1 200 OK\r\nx: ", &[b'x'; 16]),
        ("", b"HTTP/1.1 103 Wait\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", &[b'x'; 16]),
    ] {
        let server = pouring(head, piece, ENDLESS, Duration::ZERO).await;
        let error = get(&url_of(&server), LATE).await.unwrap_err();
        assert!(matches!(error, OutboundError::BadAnswer(_)), "{head:?}: {error}");
    }
}

#[tokio::test]
async fn s68_whoever_drips_is_not_waited_for() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "HTTP/1.1 200 OK\r\nx: "] {
        let server = pouring(head, b"H", 1000, Duration::from_millis(20)).await;
        let began = Instant::now();
        let error = get(&url_of(&server), SOON).await.unwrap_err();
        assert!(matches!(error, OutboundError::TimedOut | OutboundError::BadAnswer(_)), "{head:?}: {error}");
        assert!(began.elapsed() < SOON * 3, "{:?}", began.elapsed());
    }
}

/// Nobody asked for it packed, so it is not unpacked: what would be gigabytes is a few bytes that are no JSON.
#[tokio::test]
async fn s68_what_is_packed_stays_packed() {
    let (server, mut requests) = answering(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x0b\x08",
    )
    .await;
    let answer = get(&url_of(&server), LATE).await.unwrap();
    assert_eq!(answer.body.len(), 3);
    assert_eq!(answer.json::<Value>().unwrap_err(), OutboundError::NotJson);
    assert!(!requests.recv().await.unwrap().to_ascii_lowercase().contains("accept-encoding"));
}

#[tokio::test]
async fn s68_chunks_that_are_none() {
    for chunks in [
        "xyz\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcdef\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc",
        "-1\r\na\r\n",
        "3\r\nabc",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        let (server, _requests) = answering(answer.leak()).await;
        let error = get(&url_of(&server), LATE).await.unwrap_err();
        assert!(matches!(error, OutboundError::BadAnswer(_)), "{chunks:?}: {error}");
    }
}
