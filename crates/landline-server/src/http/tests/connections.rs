//! Connections that are slow, rude, idle, or too many.

use axum::extract::Extension;
use axum::routing::get;

use super::*;

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/peer", get(|Extension(Peer(peer)): Extension<Peer>| async move { peer.to_string() }))
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other_and_knows_its_peer() {
    let server = Server::start(router()).await;
    let mut client = server.connect().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, "hello");
    }
    assert_eq!(client.get("/peer").await.body, client.stream.local_addr().unwrap().to_string());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_in_time() {
    let limits = ServeLimits { header_timeout: A_WHILE, ..limits() };
    let server = Server::start_with(router(), limits).await;
    for start in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut client = server.connect().await;
        client.send(start).await;
        let mut rest = Vec::new();
        timeout(PATIENCE, client.stream.read_to_end(&mut rest)).await.expect("the line stays open").unwrap();
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_in_time() {
    let limits = ServeLimits { header_timeout: A_WHILE, ..limits() };
    let server = Server::start_with(router(), limits).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\n").await;
    let began = tokio::time::Instant::now();
    while client.stream.write_all(b"a: b\r\n").await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "dripping keeps the line open");
        tokio::time::sleep(A_WHILE / 10).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_and_a_busy_one_is_not() {
    let limits = ServeLimits { idle_timeout: A_WHILE, ..limits() };
    let slow = get(|| async {
        tokio::time::sleep(A_WHILE * 3).await;
        "slow"
    });
    let server = Server::start_with(router().route("/slow", slow), limits).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/slow").await.body, "slow");
    let answered = tokio::time::Instant::now();
    assert!(client.is_closed_within(PATIENCE).await);
    assert!(answered.elapsed() >= A_WHILE / 2, "{:?}", answered.elapsed());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = Server::start(router()).await;
    let long = "x".repeat(2 * crate::limits::REQUEST_HEAD_BYTES);
    let many = "a: b\r\n".repeat(crate::limits::REQUEST_HEADERS + 1);
    assert_eq!(server.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\nlong: {long}\r\n\r\n")).await.status, 431);
    assert_eq!(server.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await.status, 431);
    let token = "x".repeat(16 * 1024);
    assert_eq!(server.ask(&format!("GET / HTTP/1.1\r\nhost: x\r\nlong: {token}\r\n\r\n")).await.status, 200);
}

#[tokio::test]
async fn what_is_no_request_is_400_or_cut_and_hurts_nobody() {
    let server = Server::start(router()).await;
    let mut neighbour = server.connect().await;
    for garbage in [
        "hello\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(garbage).await;
        let answer = timeout(PATIENCE, client.read_answer()).await.expect("the line hangs");
        assert!(answer.is_none_or(|answer| (400..=505).contains(&answer.status)), "{garbage:?}");
        assert!(client.is_closed_within(PATIENCE).await, "{garbage:?}");
        assert_eq!(neighbour.get("/").await.status, 200);
    }
}
