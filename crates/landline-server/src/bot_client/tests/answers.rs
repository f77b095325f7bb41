//! What a bot answers, or fails to, once it has the request.

use super::*;

#[tokio::test]
async fn a_request_says_who_we_are_and_brings_the_activity() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let bot = RawBot::start(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(read_request(&mut stream).await).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        }
    })
    .await;

    let answer = post(&transport_to(bot.address), br#"{"type":"message"}"#, LATE).await.unwrap();

    assert_eq!((answer.status, &*answer.body), (200, &b"{}"[..]));
    let request = requests.recv().await.unwrap();
    let lower = request.to_ascii_lowercase();
    assert!(request.starts_with("POST /api/messages HTTP/1.1\r\n"), "{request}");
    assert!(lower.contains(&format!("host: {}\r\n", bot.address)), "{request}");
    assert!(lower.contains("content-type: application/json"), "{request}");
    assert!(lower.contains(concat!("user-agent: landline/", env!("CARGO_PKG_VERSION"))), "{request}");
    assert!(!lower.contains("authorization"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"type\":\"message\"}"), "{request}");
}

#[tokio::test]
async fn every_status_is_an_answer_and_no_redirect_is_followed() {
    let elsewhere = RawBot::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let location =
        format!("HTTP/1.1 307 Go\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.address);
    let location: &'static [u8] = Box::leak(location.into_boxed_str()).as_bytes();
    for (bytes, status) in [
        (location, 307),
        (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".as_slice(), 500),
        (b"HTTP/1.1 429 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n", 429),
        (b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", 410),
        (b"HTTP/1.0 202 Ok\r\n\r\n", 202),
        (b"HTTP/1.1 204 Ok\r\n\r\n", 204),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Ok\r\ncontent-length: 0\r\n\r\n", 201),
    ] {
        let bot = RawBot::answering(bytes).await;
        let answer = post(&transport_to(bot.address), b"{}", LATE).await.unwrap();
        assert_eq!(answer.status, status);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_bot_that_takes_the_request_and_resets_leaves_the_outcome_open() {
    let bot = RawBot::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        reset(stream);
    })
    .await;
    let failure = post(&transport_to(bot.address), b"{}", LATE).await.unwrap_err();
    assert!(matches!(failure, BotFailure::Broken(_)), "{failure:?}");
    assert_eq!(bot.connections(), 1, "an open outcome is not tried again");
}

#[tokio::test]
async fn a_bot_that_closes_with_the_request_unread_leaves_the_outcome_open() {
    let bot = RawBot::start(|_, stream| async move {
        stream.readable().await.unwrap(); // it is there, and is never read
    })
    .await;
    let failure = post(&transport_to(bot.address), b"{}", LATE).await.unwrap_err();
    assert!(matches!(failure, BotFailure::Broken(_)), "{failure:?}");
    assert_eq!(bot.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_ends_too_early_is_broken() {
    for bytes in [
        b"".as_slice(),
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let bot = RawBot::answering(bytes).await;
        let failure = post(&transport_to(bot.address), b"{}", LATE).await.unwrap_err();
        assert!(matches!(failure, BotFailure::Broken(_)), "{}: {failure:?}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_rules_is_bad() {
    for bytes in [
        b"HELO who are you\r\n\r\n".as_slice(),
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    ] {
        let bot = RawBot::answering(bytes).await;
        let failure = post(&transport_to(bot.address), b"{}", LATE).await.unwrap_err();
        assert!(matches!(failure, BotFailure::BadAnswer(_)), "{}: {failure:?}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn a_huge_head_is_bad_and_bounded() {
    let bot = RawBot::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let failure = post(&transport_to(bot.address), b"{}", LATE).await.unwrap_err();
    assert!(matches!(failure, BotFailure::BadAnswer(_)), "{failure:?}");
}

#[tokio::test]
async fn a_body_of_64_mib_is_not_read_whole() {
    const HUGE: usize = 64 * 1024 * 1024;
    for head in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {HUGE}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{HUGE:x}\r\n"),
        "HTTP/1.0 200 OK\r\n\r\n".to_owned(),
    ] {
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let bot = RawBot::start(move |_, mut stream| {
            let (head, count) = (head.clone(), Arc::clone(&count));
            async move {
                read_request(&mut stream).await;
                stream.write_all(head.as_bytes()).await.unwrap();
                while count.load(Ordering::SeqCst) < HUGE && stream.write_all(&[b'x'; 65_536]).await.is_ok() {
                    count.fetch_add(65_536, Ordering::SeqCst);
                }
            }
        })
        .await;
        let failure = post(&transport_to(bot.address), b"{}", LATE).await.unwrap_err();
        assert!(matches!(&failure, BotFailure::BadAnswer(why) if why.contains("65536")), "{failure:?}");
        assert!(written.load(Ordering::SeqCst) < HUGE / 2, "the line was cut, not read to its end");
    }
}

#[tokio::test]
async fn a_body_at_the_limit_is_read() {
    let bot = RawBot::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream
            .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {MAX_ANSWER}\r\n\r\n").as_bytes())
            .await;
        let _ = stream.write_all(&[b'x'; MAX_ANSWER]).await;
    })
    .await;
    let answer = post(&transport_to(bot.address), b"{}", LATE).await.unwrap();
    assert_eq!(answer.body.len(), MAX_ANSWER);
}

#[tokio::test]
async fn a_bot_that_hangs_is_out_of_time() {
    let bot = RawBot::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let began = Instant::now();
    let failure = post(&transport_to(bot.address), b"{}", SOON).await.unwrap_err();
    assert_eq!(failure, BotFailure::TimedOut);
    assert!(began.elapsed() < SOON * 3, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_bot_that_drips_is_out_of_time() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n"] {
        let bot = RawBot::start(move |_, mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            let drops = if head.is_empty() { b"HTTP/1.1 200 OK\r\n".to_vec() } else { vec![b'x'; 9_999] };
            for drop in drops {
                if stream.write_all(&[drop]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let failure = post(&transport_to(bot.address), b"{}", SOON).await.unwrap_err();
        assert_eq!(failure, BotFailure::TimedOut);
    }
}

#[tokio::test]
async fn a_bot_that_reads_nothing_of_a_large_request_is_out_of_time() {
    let bot = RawBot::start(|_, stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let body: &'static [u8] = Box::leak(vec![b'x'; 32 * 1024 * 1024].into_boxed_slice());
    let failure = post(&transport_to(bot.address), body, SOON).await.unwrap_err();
    assert_eq!(failure, BotFailure::TimedOut);
}

/// What a 2xx says is not taken back by what follows it.
#[tokio::test]
async fn where_only_the_status_counts_a_bad_body_does_not() {
    for bytes in [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".as_slice(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
    ] {
        let bot = RawBot::answering(bytes).await;
        let transport = transport_to(bot.address);
        for _ in 0..2 {
            let answer = send(&transport, LATE).await;
            assert_eq!(answer.unwrap().status, 200, "{}", bytes.escape_ascii());
        }
        assert_eq!(bot.connections(), 2, "the line is not used again: {}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn where_only_the_status_counts_64_mib_are_not_waited_for() {
    const HUGE: usize = 64 * 1024 * 1024;
    let bot = RawBot::start(move |_, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut written = 0;
        while written < HUGE && stream.write_all(&[b'x'; 65_536]).await.is_ok() {
            written += 65_536;
        }
        assert!(written < HUGE, "the line was cut, not read to its end");
    })
    .await;
    assert_eq!(send(&transport_to(bot.address), LATE).await.unwrap().status, 200);
}

#[tokio::test]
async fn where_only_the_status_counts_a_body_that_hangs_is_not_waited_for() {
    let bot = RawBot::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 202 OK\r\ncontent-length: 10\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    // Also when there is less time left than such a body is given.
    for time in [LATE, SOON] {
        let began = Instant::now();
        assert_eq!(send(&transport_to(bot.address), time).await.unwrap().status, 202);
        assert!(began.elapsed() < crate::limits::BOT_UNWANTED_BODY_TIME * 3, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_refusal_is_one_whatever_follows_it() {
    for bytes in [
        b"HTTP/1.1 500 No\r\ncontent-length: 10\r\n\r\nhalf".as_slice(),
        b"HTTP/1.1 500 No\r\ncontent-length: 99999999999\r\n\r\n",
    ] {
        let bot = RawBot::answering(bytes).await;
        assert_eq!(post(&transport_to(bot.address), b"{}", LATE).await.unwrap().status, 500);
    }
}
