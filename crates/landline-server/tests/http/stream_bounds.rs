//! What a stream costs at the most, and how it ends for those who cannot keep up. With short bounds, in real time.

use std::time::Duration;

use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{Frame, TestServer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

async fn quick(idle_ms: u64, frame_ms: u64) -> TestServer {
    TestServer::builder()
        .configure(|config| {
            config.limits.server.stream_idle = Duration::from_millis(idle_ms);
            config.limits.server.stream_frame_timeout = Duration::from_millis(frame_ms);
        })
        .start()
        .await
}

#[tokio::test]
async fn an_idle_line_is_shown_to_live() {
    let server = quick(100, 10_000).await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    let began = Instant::now();
    for _ in 0..6 {
        assert_eq!(stream.next().await, Frame::Empty);
        assert_eq!(stream.next().await, Frame::Ping);
    }
    assert!(began.elapsed() >= Duration::from_millis(550), "{:?}", began.elapsed());
    ann.say("still here").await;
    assert_eq!(stream.texts(1).await, ["still here"]);
}

#[tokio::test]
async fn a_client_that_only_listens_is_not_taken_for_dead() {
    let server = quick(200, 10_000).await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    // Frames come faster than the line can become idle, for much longer than a silent peer is borne with.
    for n in 0..15 {
        server.bot_actor().say(&ann.conversation, &n.to_string()).await;
        assert_eq!(stream.texts(1).await, [n.to_string()]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stream.silent_for(Duration::from_millis(500)).await;
    ann.say("still here").await;
    assert_eq!(stream.texts(1).await, ["still here"]);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed_and_its_seat_is_free() {
    let server = quick(100, 10_000).await;
    let ann = server.person("ann").await;
    let mut dead = ann.stream("").await.into_tcp();
    let mut alive = ann.stream("").await;
    let began = Instant::now();

    let mut bytes = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), dead.read_to_end(&mut bytes));
    tokio::pin!(closed);
    let closed = loop {
        tokio::select! {
            closed = &mut closed => break closed,
            // The other one answers the pings meanwhile.
            () = alive.silent_for(Duration::from_millis(50)) => {}
        }
    };

    closed.expect("it is closed in time").expect("and well");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // A close frame, 1008, at the end.
    let close = bytes.windows(4).rposition(|w| w[0] == 0x88 && w[2..] == 1008_u16.to_be_bytes());
    assert!(close.is_some(), "{bytes:x?}");
    ann.say("unharmed").await;
    assert_eq!(alive.texts(1).await, ["unharmed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_closed_slows_nobody_and_resumes_without_loss() {
    const MESSAGES: usize = 80;
    let server = quick(60_000, 700).await;
    let ann = server.person("ann").await;
    let opening = Opening::default().receive_buffer(4096);
    let url = ann.reconnect("?watermark=").await.expect(200).text("streamUrl");
    let mut slow = opening.open(&url).await.expect("a stream");
    let mut quick = ann.stream("").await;
    let filler = "x".repeat(200 * 1024);

    let began = Instant::now();
    for n in 0..MESSAGES {
        let message = json!({"type": "message", "text": n.to_string(), "filler": filler});
        server.bot_actor().send(&ann.conversation, &message).send().await.expect(200);
        assert_eq!(quick.texts(1).await, [n.to_string()]);
    }
    let took = began.elapsed();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (mut seen, mut watermark) = (Vec::new(), String::new());
    let end = loop {
        match slow.next().await {
            Frame::Set(set, _) => {
                seen.extend(landline_testkit::in_process::socket::texts_of(&set));
                watermark = set["watermark"].as_str().expect("a watermark").to_owned();
            }
            Frame::Empty | Frame::Ping | Frame::Pong => {}
            end => break end,
        }
    };

    assert_eq!(end, Frame::Cut, "it was closed by the bound");
    assert!(seen.len() < MESSAGES, "the reader was not slow");
    assert!(took < Duration::from_secs(20), "the others were slowed: {took:?}");
    let mut resumed = ann.stream(&format!("?watermark={watermark}")).await;
    seen.extend(resumed.texts(MESSAGES - seen.len()).await);
    assert_eq!(seen, (0..MESSAGES).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_chatters_does_not_make_the_server_read_for_it() {
    let server = quick(60_000, 10_000).await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    let before = server.disk.reads();
    for _ in 0..2000 {
        assert!(stream.send(tokio_tungstenite::tungstenite::Message::text("x")).await);
    }
    ann.say("and now").await;
    assert_eq!(stream.texts(1).await, ["and now"]);
    assert!(server.disk.reads() - before < 20, "{} pages were read", server.disk.reads() - before);
}

#[tokio::test]
async fn the_largest_record_that_can_be_logged_can_be_streamed() {
    let server = TestServer::builder()
        .configure(|config| {
            config.limits.domain.activity_bytes = 1024 * 1024;
            config.limits.domain.page_bytes = 2 * 1024 * 1024;
            config.limits.domain.bot_answer_bytes = 8 * 1024 * 1024;
        })
        .start()
        .await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    let large =
        json!({"activities": [{"type": "message", "text": "large", "filler": "x".repeat(6 * 1024 * 1024)}]});
    server.bot.then([landline_testkit::domain::Behaviour::Answer(200, large.to_string())]);
    let question = json!({"type": "message", "text": "q", "deliveryMode": "expectReplies"});

    let status = ann.send(&question).send().await.status;

    // Either it is refused, or everybody can read it.
    match status {
        200 => assert_eq!(stream.texts(2).await, ["q", "large"]),
        _ => assert_eq!(stream.texts(1).await, ["q"]),
    }
    ann.say("after").await;
    assert_eq!(stream.texts(1).await, ["after"]);
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_let_go() {
    let server = TestServer::builder()
        .configure(|config| config.limits.server.write_timeout = Duration::from_millis(500))
        .start()
        .await;
    let ann = server.person("ann").await;
    let filler = "x".repeat(250 * 1024);
    for _ in 0..5 {
        server.bot_actor().say(&ann.conversation, &filler).await;
    }
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut tcp = socket.connect(server.address).await.expect("a connection");
    let poll = format!(
        "GET {} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n\r\n",
        ann.path("/activities"),
        ann.token
    );
    tcp.write_all(poll.repeat(20).as_bytes()).await.expect("it is taken");

    tokio::time::sleep(Duration::from_millis(1500)).await;

    // What is still in buffers can be read; then the line is gone, long before twenty pages have come.
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), tcp.read_to_end(&mut bytes)).await;
    ended.expect("the line is gone").ok();
    assert!(bytes.len() < 15 * 1024 * 1024, "{} bytes were kept for it", bytes.len());
    ann.say("unharmed").await;
}
