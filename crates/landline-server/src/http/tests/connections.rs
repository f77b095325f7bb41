//! Connections that are slow, rude, idle, or too many.

use axum::extract::{Extension, Request};
use axum::routing::get;

use super::*;

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/peer", get(|Extension(Peer(peer)): Extension<Peer>| async move { peer.to_string() }))
        .route("/upgrade", get(upgrade))
}

/// Becomes another protocol, which echoes one byte and then waits for the end.
async fn upgrade(request: Request) -> axum::response::Response {
    let tasks = TaskTracker::new();
    tasks.spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let mut io = hyper_util::rt::TokioIo::new(upgraded);
        let mut byte = [0; 1];
        while io.read(&mut byte).await.is_ok_and(|count| count == 1) {
            io.write_all(&byte).await.unwrap();
        }
    });
    let answer = axum::response::Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "x");
    answer.body(axum::body::Body::empty()).unwrap()
}

const UPGRADE: &str = "GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

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
    let limits = ServeLimits { header_timeout: A_WHILE, ..limits() };
    let slow = get(|| async {
        tokio::time::sleep(A_WHILE * 3).await;
        "slow"
    });
    let server = Server::start_with(router().route("/slow", slow), limits).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/slow").await.body, "slow");
    assert!(client.is_closed_within(PATIENCE).await);
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

#[tokio::test]
async fn over_the_cap_connections_wait_and_are_served_in_the_end() {
    let server = Server::start_with(router(), ServeLimits { connections: 2, ..limits() }).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!((first.get("/").await.status, second.get("/").await.status), (200, 200));

    let mut third = server.connect().await; // the kernel takes it
    third.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(timeout(A_WHILE, third.read_answer()).await.is_err(), "the cap does not hold");
    assert_eq!(server.connections(), 2);

    drop(first);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test]
async fn a_connection_that_was_upgraded_counts_until_it_is_closed() {
    let server = Server::start_with(router(), ServeLimits { connections: 1, ..limits() }).await;
    let mut upgraded = server.connect().await;
    upgraded.send(UPGRADE).await;
    assert_eq!(upgraded.answer().await.status, 101);
    upgraded.send("!").await;
    let mut echo = [0; 1];
    upgraded.stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"!");

    let mut waiting = server.connect().await;
    waiting.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(timeout(A_WHILE, waiting.read_answer()).await.is_err(), "an upgraded connection is not counted");
    assert_eq!(server.connections(), 1);

    drop(upgraded);
    assert_eq!(waiting.answer().await.status, 200);
}
