//! The end of a server.

use axum::routing::get;

use super::*;

fn slow(time: Duration) -> Router {
    Router::new().route("/", get(|| async { "quick" })).route(
        "/slow",
        get(move || async move {
            tokio::time::sleep(time).await;
            "done"
        }),
    )
}

#[tokio::test]
async fn what_is_under_way_is_finished_and_nothing_new_is_taken() {
    let server = Server::start(slow(A_WHILE * 2)).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(A_WHILE / 2).await;

    server.shutdown.cancel();

    assert!(idle.is_closed_within(A_WHILE).await, "idle connections are closed at once");
    let answer = busy.answer().await;
    assert_eq!((answer.status, &*answer.body), (200, "done"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.is_closed_within(PATIENCE).await);
    server.ended().await;
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn what_takes_too_long_is_cut() {
    let limits = ServeLimits { drain: A_WHILE, ..limits() };
    let server = Server::start_with(slow(Duration::from_secs(3600)), limits).await;
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(A_WHILE / 2).await;

    server.shutdown.cancel();

    server.ended().await;
    assert!(busy.is_closed_within(PATIENCE).await);
}

#[tokio::test]
async fn a_server_at_its_cap_stops_too() {
    let server = Server::start_with(slow(A_WHILE), ServeLimits { connections: 1, ..limits() }).await;
    let mut only = server.connect().await;
    assert_eq!(only.get("/").await.status, 200);
    let _waiting = server.connect().await;
    tokio::time::sleep(A_WHILE / 2).await;

    server.shutdown.cancel();

    server.ended().await;
}
