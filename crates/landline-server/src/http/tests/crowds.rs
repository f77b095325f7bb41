//! More connections than there may be.

use axum::extract::Request;
use axum::routing::get;

use super::*;

fn router() -> Router {
    let slow = get(|| async {
        tokio::time::sleep(A_WHILE * 2).await;
        "slow"
    });
    Router::new().route("/", get(|| async { "hello" })).route("/slow", slow).route("/upgrade", get(upgrade))
}

/// Becomes another protocol, which echoes one byte and then waits for the end.
pub(super) async fn upgrade(request: Request) -> axum::response::Response {
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

pub(super) const UPGRADE: &str =
    "GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

/// An upgraded connection that was seen to work.
async fn upgraded(server: &Server) -> Client {
    let mut upgraded = server.connect().await;
    upgraded.send(UPGRADE).await;
    assert_eq!(upgraded.answer().await.status, 101);
    upgraded.echoes().await;
    upgraded
}

impl Client {
    async fn echoes(&mut self) {
        self.send("!").await;
        let mut echo = [0; 1];
        timeout(PATIENCE, self.stream.read_exact(&mut echo)).await.unwrap().unwrap();
        assert_eq!(&echo, b"!");
    }

    /// From another loopback address.
    async fn from(server: &Server, address: &str) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        Self { stream: socket.connect(server.address).await.unwrap() }
    }
}

#[tokio::test]
async fn over_the_cap_whoever_rests_longest_makes_room() {
    let server = Server::start_with(router(), ServeLimits { connections: 3, ..limits() }).await;
    let mut upgraded = upgraded(&server).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!((second.get("/").await.status, first.get("/").await.status), (200, 200));

    let mut third = server.connect().await;
    assert_eq!(third.get("/").await.status, 200);

    assert!(second.is_closed_within(PATIENCE).await, "it rested longest");
    assert_eq!(first.get("/").await.status, 200);
    upgraded.echoes().await;
    assert_eq!((server.shed("Idle"), server.connections()), (1, 3));
}

#[tokio::test]
async fn whoever_says_nothing_or_half_a_thing_makes_room_first() {
    let server = Server::start_with(router(), ServeLimits { connections: 10, ..limits() }).await;
    let mut silent = Vec::new();
    for n in 0..200 {
        let mut client = server.connect().await;
        if n % 2 == 0 {
            let _ = client.stream.write_all(b"GET / HTTP/1.1\r\nhost:").await;
        }
        silent.push(client);
        if n % 20 == 0 {
            assert_eq!(
                timeout(A_WHILE * 5, server.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n")).await.unwrap().status,
                200
            );
        }
    }
    assert!(server.connections() <= 10);
}

#[tokio::test]
async fn who_is_being_answered_is_not_disturbed_and_the_next_one_waits_for_him() {
    let server = Server::start_with(router(), ServeLimits { connections: 2, ..limits() }).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    first.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    second.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(A_WHILE / 2).await;
    let third = server.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((third.status, first.answer().await.status, second.answer().await.status), (200, 200, 200));
    assert_eq!((server.shed("Full"), server.shed("Idle")), (0, 1), "who was done made room");
}

#[tokio::test]
async fn where_all_are_at_work_for_long_others_are_closed_and_not_left_in_the_queue() {
    let server = Server::start_with(router(), ServeLimits { connections: 1, ..limits() }).await;
    let mut upgraded = upgraded(&server).await;
    let mut waiting = server.connect().await;
    waiting.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(timeout(A_WHILE, waiting.read_answer()).await.is_err(), "an upgraded connection is not counted");
    assert!(waiting.is_closed_within(crate::limits::PLACE_WAIT + A_WHILE * 3).await);
    for _ in 0..20 {
        assert!(server.connect().await.is_closed_within(A_WHILE * 3).await, "they are made to wait");
    }
    assert!(server.shed("Full") >= 21);
    upgraded.echoes().await;
    drop(upgraded);
    tokio::time::sleep(A_WHILE / 2).await;
    assert_eq!(server.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn an_address_has_as_many_as_it_may_sockets_included_and_others_are_not_touched() {
    let limits = ServeLimits { connections_per_address: 3, ..limits() };
    let server = Server::start_with(router(), limits).await;
    let mut upgraded = Vec::new();
    for _ in 0..3 {
        let mut client = Client::from(&server, "127.0.0.9").await;
        client.send(UPGRADE).await;
        assert_eq!(client.answer().await.status, 101);
        upgraded.push(client);
    }
    let mut one_more = Client::from(&server, "127.0.0.9").await;
    assert!(one_more.is_closed_within(PATIENCE).await);
    assert_eq!(server.shed("Address"), 1);

    upgraded.pop();
    tokio::time::sleep(A_WHILE / 2).await;
    let mut resting = Client::from(&server, "127.0.0.9").await;
    assert_eq!(resting.get("/").await.status, 200);
    let mut instead = Client::from(&server, "127.0.0.9").await;
    assert_eq!(instead.get("/").await.status, 200);
    assert!(resting.is_closed_within(PATIENCE).await, "it makes room for the next one of its address");
    assert_eq!(server.shed("AddressIdle"), 1);

    assert_eq!(Client::from(&server, "127.0.0.10").await.get("/").await.status, 200);
    let mut here = Vec::new();
    for _ in 0..10 {
        let mut client = server.connect().await;
        assert_eq!(client.get("/").await.status, 200);
        here.push(client);
    }
    upgraded[0].echoes().await;
}
