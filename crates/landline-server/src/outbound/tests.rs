//! Every way in which an address of the operator's can fail us, played by a bare socket.

use serde_json::{Value, json};

use super::*;
use crate::bot_client::raw_bot::{RawBot, read_request};
use tokio::io::AsyncWriteExt;

const LATE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(300);

async fn get(url: &str, time: Duration) -> Result<OutboundAnswer, OutboundError> {
    Outbound::new(Connector::default()).get(&url.parse().unwrap(), Instant::now() + time).await
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
