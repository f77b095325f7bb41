//! Requests whose end is a matter of opinion, and what else is no request: S39, S40, S41, S44, S45.
//!
//! Each vector carries a second request where a mistake would find one. There must be one answer, it is a refusal, and
//! the connection ends.

use std::time::Duration;

use landline_testkit::in_process::{SECRET, TestServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::raw::{Answer, Ask, Line};

/// What a smuggler wants to be answered. It would be 404.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a vector as it is; gives all answers until the line ends.
async fn answers(server: &TestServer, vector: &[u8]) -> Vec<Answer> {
    let mut line = Line::open(server.address).await;
    line.write(vector).await;
    let mut answers = Vec::new();
    loop {
        let answer = line.answer("POST").await;
        if answer.status == 0 {
            assert!(answer.body.is_empty(), "half an answer: {}", answer.text());
            return answers;
        }
        answers.push(answer);
    }
}

/// One answer, a refusal like all others, and the end.
async fn refused(server: &TestServer, vector: impl AsRef<[u8]>, status: u16) {
    let vector = vector.as_ref();
    let shown = String::from_utf8_lossy(&vector[..vector.len().min(200)]).into_owned();
    let answers = answers(server, vector).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [status], "{shown:?}");
    let answer = &answers[0];
    let error = &answer.json()["error"];
    assert!(
        error["message"].as_str().is_some_and(|message| message.len() > 10),
        "{shown:?}: {}",
        answer.text()
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{shown:?}");
    assert_eq!(answer.header("x-request-id").map(str::len), Some(16), "{shown:?}");
    assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{shown:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{shown:?}");
    assert_eq!(answer.header("server"), None, "{shown:?}");
}

/// A request for a token, with these fields, and what follows as it is.
fn post(fields: &str, rest: &str) -> String {
    format!(
        "POST /v3/directline/tokens/generate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n{fields}\r\n\r\n{rest}"
    )
}

/// Lengths and codings that two readers may read differently.
pub(super) fn two_ends() -> Vec<String> {
    let chunks = format!("0\r\n\r\n{SMUGGLED}");
    [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: identity\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 5 ",
        "Content-Length: 0x5",
        "Content-Length: 5.0",
        "Content-Length: 5e0",
        "Content-Length: 5 5",
        "Content-Length: ",
        "Content-Length: \u{660}",
        "Content-Length: \"5\"",
        "Content-Length: 5;",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999",
        "Content-Length : 5",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "X: y\r\n Content-Length: 5",
        "X: y\r\n\tTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: , chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chun\u{0}ked",
        "Transfer-Encoding: \u{a0}chunked",
        "Transfer-Encoding: ",
        "Transfer-\u{130}ncoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\r\r\nTransfer-Encoding: chunked",
        "X: \u{0}",
        "X\u{0}: y",
        "X: \u{1}",
        "X: \u{7f}",
        "X y: z",
        "X",
        ": y",
        "(X): y",
        "X: y\n",
    ]
    .iter()
    .map(|fields| post(fields, &chunks))
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s39_a_request_with_two_ends_is_refused_and_nothing_behind_it_is_answered() {
    let server = TestServer::start().await;
    let vectors = two_ends();
    assert!(vectors.len() >= 60, "{}", vectors.len());
    for vector in vectors {
        // A space behind a length is allowed around every value, and is no second end.
        if vector.contains("Content-Length: 5 \r") {
            continue;
        }
        refused(&server, vector, 400).await;
    }
    // The lines of the head themselves.
    for vector in [
        format!("POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n{SMUGGLED}"),
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\n{SMUGGLED}"),
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\n\r\n{SMUGGLED}"),
        format!("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        format!("POST / HTTP/1.1\r\n Host: x\r\n\r\n{SMUGGLED}"),
        format!("POST  / HTTP/1.1\r\nHost: x\r\n\r\n{SMUGGLED}"),
        format!("POST / HTTP/1.1 \r\nHost: x\r\n\r\n{SMUGGLED}"),
        format!("POST\t/\tHTTP/1.1\r\nHost: x\r\n\r\n{SMUGGLED}"),
        format!(" POST / HTTP/1.1\r\nHost: x\r\n\r\n{SMUGGLED}"),
        format!("POST /\u{0} HTTP/1.1\r\nHost: x\r\n\r\n{SMUGGLED}"),
        format!("POST / http/1.1\r\nHost: x\r\n\r\n{SMUGGLED}"),
        format!("POST / HTTP/1.1, HTTP/1.1\r\nHost: x\r\n\r\n{SMUGGLED}"),
    ] {
        refused(&server, vector, 400).await;
    }
}

/// Bodies that two readers may end in two places.
pub(super) fn bad_chunks() -> Vec<String> {
    let long = "x".repeat(20_000);
    [
        "0x2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}XX0\r\n\r\n",
        "2;\n{}\r\n0\r\n\r\n",
        "2;a=\"\r\n\"\r\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        "2,2\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "10000000000000002\r\n{}\r\n0\r\n\r\n",
        "0000000000000000000000000000002\r\n{}\r\n0\r\n\r\n",
        "\r\n2\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nx\r\n\r\n",
        "2\r\n{}\r\n0\r\n Content-Length: 5\r\n\r\n",
        "2\r\n{}\r\n0\r\nX: y\n\r\n",
        "2\r\n{}\r\n0\n\n",
        &format!("2;{long}\r\n{{}}\r\n0\r\n\r\n"),
        &format!("2\r\n{{}}\r\n0\r\nX: {long}\r\n\r\n"),
    ]
    .iter()
    .map(|chunks| post("Transfer-Encoding: chunked", &format!("{chunks}{SMUGGLED}")))
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s39_a_body_that_is_not_in_chunks_as_it_should_be_ends_the_connection() {
    let server = TestServer::start().await;
    for vector in bad_chunks() {
        let statuses: Vec<_> = answers(&server, vector.as_bytes()).await.iter().map(|a| a.status).collect();
        assert_eq!(statuses, [400], "{:?}", &vector[..vector.len().min(300)]);
    }
}

#[tokio::test]
async fn s39_trailers_change_nothing_and_chunks_that_are_in_order_are_read() {
    let server = TestServer::start().await;
    for chunks in [
        "2\r\n{}\r\n0\r\n\r\n",
        "02;a=b\r\n{}\r\n0;x\r\n\r\n",
        "1\r\n{\r\n1\r\n}\r\n0\r\nContent-Length: 100\r\nTransfer-Encoding: gzip\r\nHost: evil\r\nAuthorization: x\r\n\r\n",
    ] {
        let next = "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let vector = post("Transfer-Encoding: chunked", &format!("{chunks}{next}"));
        let statuses: Vec<_> = answers(&server, vector.as_bytes()).await.iter().map(|a| a.status).collect();
        assert_eq!(statuses, [200, 404], "{chunks:?}");
    }
}

#[tokio::test]
async fn s40_a_head_that_is_too_long_is_told_so() {
    let server = TestServer::start().await;
    let long = |bytes: usize| "x".repeat(bytes);
    refused(&server, format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", long(9000)), 414).await;
    refused(&server, format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(101)), 431).await;
    refused(&server, format!("GET / HTTP/1.1\r\nHost: x\r\na: {}\r\n\r\n", long(33_000)), 431).await;
    // Without an end, as fast as it goes.
    refused(&server, format!("GET /{}", long(1_000_000)), 414).await;
    refused(&server, format!("GET / HTTP/1.1\r\na: {}", long(1_000_000)), 431).await;
    // Up to there, all is well.
    let answer = Ask::get(format!("/{}", long(8000))).header("a", long(20_000)).send(server.address).await;
    answer.expect(404);
}

#[tokio::test]
async fn s41_hosts_methods_and_targets() {
    let server = TestServer::start().await;
    for head in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
        "GET / HTTP/1.1\r\nHost: \r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n",
        "GET / HTTP/1.1\r\nHost: a:port\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: b\r\n",
        "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n",
        "GET ?a HTTP/1.1\r\nHost: a\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n",
        "CONNECT /x HTTP/1.1\r\nHost: a\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n",
    ] {
        refused(&server, format!("{head}\r\n{SMUGGLED}"), 400).await;
    }
    let path = "/v3/directline/tokens/generate";
    for method in ["TRACE", "TRACK", "DEBUG", "PROPFIND", "post", "MOVE"] {
        let answer = Ask::new(method, path).header("x-secret", "canary").send(server.address).await;
        let answer = answer.refused(405, "NotSupported");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{answer:?}");
        assert!(!answer.text().contains("canary"), "{method} echoes");
    }
    // A whole URL is what RFC 9112 asks servers to take, where it names the same host.
    let url = Ask::get("http://landline.test/v3/directline/nothing").send(server.address).await;
    url.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn s44_only_http_1_is_spoken() {
    let server = TestServer::start().await;
    refused(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", 400).await;
    refused(&server, "GET / HTTP/3.0\r\nHost: x\r\n\r\n", 400).await;
    refused(&server, "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400).await;
    refused(&server, "GET /\r\n", 400).await;
    refused(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400).await;
    let h2c = Ask::get("/x").header("connection", "upgrade, http2-settings").header("upgrade", "h2c");
    let answer = h2c.header("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA").send(server.address).await;
    let answer = answer.refused(404, "ResourceNotFound");
    assert_eq!(answer.header("upgrade"), None, "answered as HTTP/1.1");
}

#[tokio::test]
async fn s45_an_upgrade_has_no_body_and_an_expectation_costs_nothing() {
    let server = TestServer::start().await;
    for fields in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let vector = format!(
            "GET /x HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n{fields}\r\n\r\n0\r\n\r\n{SMUGGLED}"
        );
        refused(&server, vector, 400).await;
    }
    // Whoever asks and is refused is not told to go on.
    let vector = "POST /v3/directline/tokens/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let mut tcp = tokio::net::TcpStream::connect(server.address).await.expect("a connection");
    tcp.write_all(vector.as_bytes()).await.expect("it is taken");
    let mut said = Vec::new();
    let all = tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut said)).await;
    all.expect("it ends").expect("well");
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with("HTTP/1.1 401") && !said.contains("100 Continue"), "{said}");
    // Asked of nothing, on HTTP/1.0, twice, or for something else: it is as if it was not there.
    for (version, fields, status) in [
        ("1.1", "Content-Length: 0\r\nExpect: 100-continue", 200),
        ("1.0", "Content-Length: 2\r\nExpect: 100-continue", 200),
        ("1.1", "Content-Length: 2\r\nExpect: 200-ok", 200),
    ] {
        let vector = post(&format!("{fields}\r\nConnection: close"), "{}").replacen(
            "HTTP/1.1",
            &format!("HTTP/{version}"),
            1,
        );
        let vector = if fields.contains(": 0") { vector.trim_end_matches("{}").to_owned() } else { vector };
        let statuses: Vec<_> = answers(&server, vector.as_bytes()).await.iter().map(|a| a.status).collect();
        assert_eq!(statuses, [status], "{fields}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_ten_thousand_requests_in_a_row_are_answered_one_by_one() {
    const REQUESTS: usize = 10_000;
    let server = TestServer::start().await;
    let (mut reading, mut writing) =
        tokio::net::TcpStream::connect(server.address).await.expect("a connection").into_split();
    let all = async {
        let request = "GET /v3/directline/x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS - 1);
        writing.write_all(request.as_bytes()).await.expect("it is taken");
        let last = "GET /v3/directline/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        writing.write_all(last.as_bytes()).await.expect("it is taken");
    };
    let count = async {
        let (mut answers, mut last, mut piece) = (0, Vec::new(), vec![0; 64 * 1024]);
        loop {
            let read = reading.read(&mut piece).await.expect("a line");
            if read == 0 {
                return answers;
            }
            last.extend_from_slice(&piece[..read]);
            while let Some(at) = last.windows(13).position(|window| window == b"HTTP/1.1 404 ") {
                answers += 1;
                last.drain(..at + 13);
            }
        }
    };
    let both = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(all, count) });
    let ((), answers) = both.await.expect("it ends in time");
    assert_eq!(answers, REQUESTS);
}
