//! Connections that are used again, and the bot that closed one in between.

use super::*;
use crate::bot_client::exchange::keep_for;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

pub(super) async fn answer_for_ever(mut stream: TcpStream) {
    while !read_request(&mut stream).await.is_empty() {
        if stream.write_all(OK).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_line_is_used_again() {
    let bot = RawBot::start(|_, stream| answer_for_ever(stream)).await;
    let transport = transport_to(bot.address);
    for _ in 0..20 {
        post(&transport, b"{}", LATE).await.unwrap();
    }
    assert_eq!(bot.connections(), 1);
}

#[tokio::test]
async fn a_line_that_the_bot_closed_in_between_costs_nothing() {
    // The bot closes right behind its answer, without having said so; the news is in the kernel before the next
    // request, and often not yet in the runtime.
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let bot = RawBot::start(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(OK).await;
            drop(stream);
            closed.send(()).unwrap();
        }
    })
    .await;
    let transport = transport_to(bot.address);
    for round in 0..200 {
        post(&transport, b"{}", LATE).await.unwrap();
        closings.recv().await.unwrap();
        assert_eq!(bot.connections(), round + 1);
    }
}

/// A bot on a thread of its own, which closes each connection behind its answer and then says so.
fn closing_bot() -> (SocketAddr, std::sync::mpsc::Receiver<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (closed, closings) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::{Read, Write};
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                let mut piece = [0; 1024];
                let count = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..count]);
            }
            stream.write_all(OK).unwrap();
            // The answer is to be taken before the end comes.
            std::thread::park_timeout(Duration::from_millis(5));
            drop(stream);
            if closed.send(()).is_err() {
                return;
            }
        }
    });
    (address, closings)
}

#[tokio::test]
async fn a_close_that_only_the_kernel_knows_of_is_found_too() {
    let (address, closings) = closing_bot();
    let transport = transport_to(address);
    for _ in 0..50 {
        post(&transport, b"{}", LATE).await.unwrap();
        // Holds up this thread, and with it the runtime, which so cannot hear of the close before the next request.
        closings.recv_timeout(LATE).unwrap();
    }
}

#[tokio::test]
async fn a_line_that_the_bot_reset_in_between_costs_nothing() {
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let bot = RawBot::start(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(OK).await;
            // The answer has to be taken before the reset throws it away.
            tokio::time::sleep(Duration::from_millis(20)).await;
            reset(stream);
            closed.send(()).unwrap();
        }
    })
    .await;
    let transport = transport_to(bot.address);
    for _ in 0..5 {
        post(&transport, b"{}", LATE).await.unwrap();
        closings.recv().await.unwrap();
    }
}

#[tokio::test]
async fn many_dead_lines_are_passed_over_in_one_attempt() {
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let bot = RawBot::start(move |number, mut stream| {
        let closed = closed.clone();
        async move {
            if number < 8 {
                read_request(&mut stream).await;
                tokio::time::sleep(Duration::from_millis(100)).await; // all eight at once
                let _ = stream.write_all(OK).await;
                drop(stream);
                closed.send(()).unwrap();
            } else {
                answer_for_ever(stream).await;
            }
        }
    })
    .await;
    let transport = transport_to(bot.address);
    let all = (0..8).map(|_| post(&transport, b"{}", LATE));
    for result in futures_util::future::join_all(all).await {
        result.unwrap();
    }
    for _ in 0..8 {
        closings.recv().await.unwrap();
    }

    post(&transport, b"{}", LATE).await.unwrap();

    assert_eq!(bot.connections(), 9);
}

#[tokio::test]
async fn a_line_is_not_used_again_when_the_bot_says_so() {
    for head in [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".as_slice(),
        b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n",
    ] {
        let bot = RawBot::start(move |_, mut stream| async move {
            while !read_request(&mut stream).await.is_empty() {
                let _ = stream.write_all(head).await;
            }
        })
        .await;
        let transport = transport_to(bot.address);
        post(&transport, b"{}", LATE).await.unwrap();
        post(&transport, b"{}", LATE).await.unwrap();
        assert_eq!(bot.connections(), 2, "{}", head.escape_ascii());
    }
}

#[tokio::test]
async fn an_attempt_that_is_given_up_takes_its_line_along() {
    let bot = RawBot::start(|number, mut stream| async move {
        read_request(&mut stream).await;
        if number == 0 {
            tokio::time::sleep(SOON * 2).await; // the answer to the first comes when nobody waits for it
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n").await;
        let _ = stream.write_all(if number == 0 { b"0" } else { b"1" }).await;
    })
    .await;
    let transport = transport_to(bot.address);
    assert_eq!(post(&transport, b"{}", SOON).await.unwrap_err(), BotFailure::TimedOut);
    tokio::time::sleep(SOON * 2).await;

    let answer = post(&transport, b"{}", LATE).await.unwrap();

    assert_eq!(&*answer.body, b"1", "never the answer to another request");
}

#[tokio::test]
async fn idle_lines_are_closed_in_time() {
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let bot = RawBot::start(move |_, stream| {
        let closed = closed.clone();
        async move {
            answer_for_ever(stream).await;
            closed.send(()).unwrap();
        }
    })
    .await;
    let transport = transport_to(bot.address);
    post(&transport, b"{}", LATE).await.unwrap();
    assert!(closings.try_recv().is_err());

    let shutdown = CancellationToken::new();
    shutdown.cancel();
    transport.keep_tidy(shutdown).await;

    closings.recv().await.unwrap();
    post(&transport, b"{}", LATE).await.unwrap();
    closings.recv().await.unwrap();
}

#[tokio::test]
async fn the_pool_is_bounded() {
    let many = crate::limits::BOT_IDLE_CONNECTIONS + 10;
    let bot = RawBot::start(|_, mut stream| async move {
        while !read_request(&mut stream).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await; // all at once
            let _ = stream.write_all(OK).await;
        }
    })
    .await;
    let transport = transport_to(bot.address);
    for result in futures_util::future::join_all((0..many).map(|_| post(&transport, b"{}", LATE))).await {
        result.unwrap();
    }
    assert_eq!(transport.shared.targets.idle_lines(&super::bot()), Some(crate::limits::BOT_IDLE_CONNECTIONS));
}

#[test]
fn keeping_is_always_shorter_than_what_the_bot_said() {
    assert_eq!(keep_for(None), BOT_IDLE_TIME);
    assert_eq!(keep_for(Some("timeout=5")), BOT_IDLE_TIME);
    assert_eq!(keep_for(Some("max=100, timeout=2")), Duration::from_secs(1));
    assert_eq!(keep_for(Some("timeout=0")), Duration::ZERO);
    assert_eq!(keep_for(Some("timeout=soon")), BOT_IDLE_TIME);
}
