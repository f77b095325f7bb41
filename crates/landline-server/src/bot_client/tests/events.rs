//! Answers that go on, as a stream of events.

use landline_core::BotEvent;
use tokio::sync::mpsc;

use super::*;
use crate::limits::{BOT_EVENTS_BYTES, BOT_EVENTS_IDLE};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n";

async fn ask(raw: &RawBot) -> BotAnswer {
    let transport = transport_to(raw.address);
    transport.post(BotRequest { wanted: Wanted::Events, ..request(bot(), b"{}", LATE) }).await.unwrap()
}

/// Writes what the test hands over, each piece as a chunk of its own.
async fn talking() -> (RawBot, mpsc::UnboundedSender<String>, mpsc::UnboundedReceiver<String>) {
    let (say, said) = mpsc::unbounded_channel::<String>();
    let (asked, requests) = mpsc::unbounded_channel();
    let said = Arc::new(tokio::sync::Mutex::new(said));
    let raw = RawBot::start(move |_, mut stream| {
        let (said, asked) = (Arc::clone(&said), asked.clone());
        async move {
            asked.send(read_request(&mut stream).await).unwrap();
            let head = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            while let Some(text) = said.lock().await.recv().await {
                let _ = stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await;
            }
            let _ = stream.write_all(b"0\r\n\r\n").await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    (raw, say, requests)
}

fn activity(data: &str) -> BotEvent {
    BotEvent { name: "activity".into(), data: data.to_owned().into() }
}

#[tokio::test]
async fn each_event_is_there_as_soon_as_it_is_written() {
    let (raw, say, mut requests) = talking().await;
    let answer = ask(&raw).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let request = requests.recv().await.unwrap();
    assert!(request.contains("accept: text/event-stream, application/json\r\n"), "{request}");
    let mut events = answer.events.unwrap();

    for (pieces, expected) in [
        (vec!["event: activity\r\ndata: {\"a\":1}\r\n\r\n"], vec!["{\"a\":1}"]),
        (
            vec!["event: act", "ivity\r\ndata", ": {}\r\n\r", "\nevent: activity\ndata: 2\n\n"],
            vec!["{}", "2"],
        ),
        (vec![": still here\r\n\r\n", "event: activity\ndata: 3\n\n"], vec!["3"]),
    ] {
        pieces.into_iter().for_each(|piece| say.send(piece.to_owned()).unwrap());
        for data in expected {
            assert_eq!(events.next().await, Some(Ok(activity(data))));
        }
    }
    drop(say);
    assert_eq!(events.next().await, None);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_read_as_ever() {
    for (bytes, status) in [
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}".as_slice(), 200),
        (b"HTTP/1.1 202 OK\r\ncontent-length: 2\r\n\r\n{}", 202),
        (b"HTTP/1.1 500 No\r\ncontent-type: text/event-stream\r\ncontent-length: 2\r\n\r\n{}", 500),
    ] {
        let raw = RawBot::answering(bytes).await;
        let answer = ask(&raw).await;
        assert_eq!((answer.status, &*answer.body), (status, &b"{}"[..]));
        assert!(answer.events.is_none());
    }
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_after_what_came_before_it() {
    let event = "event: activity\ndata: {}\n\n";
    let huge = "x".repeat(MAX_ANSWER + 1);
    for (rest, is_bad) in [
        (format!("content-length: 1000\r\n\r\n{event}event"), false),
        (format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n5\r\nev", event.len()), false),
        (format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\nxyz\r\n", event.len()), true),
        (format!("\r\n{event}data: {huge}\n\n"), true),
    ] {
        let answer: &'static [u8] = Box::leak(format!("{HEAD}{rest}").into_boxed_str()).as_bytes();
        let raw = RawBot::answering(answer).await;
        let mut events = ask(&raw).await.events.unwrap();
        assert_eq!(events.next().await, Some(Ok(activity("{}"))));
        let failure = events.next().await.unwrap().unwrap_err();
        let as_expected = match failure {
            BotFailure::BadAnswer(_) => is_bad,
            BotFailure::Broken(_) => !is_bad,
            _ => false,
        };
        assert!(as_expected, "{failure:?}");
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn a_stream_without_end_is_cut_off_and_held_in_little_memory() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let raw = RawBot::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(format!("{HEAD}\r\n").as_bytes()).await;
            let piece = "event: a\ndata: 1\n\n".repeat(4096);
            while stream.write_all(piece.as_bytes()).await.is_ok() {
                count.fetch_add(piece.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let mut events = ask(&raw).await.events.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(written.load(Ordering::SeqCst) < BOT_EVENTS_BYTES / 2, "what nobody takes is not read");
    let failure = loop {
        if let Err(failure) = events.next().await.unwrap() {
            break failure;
        }
    };
    assert!(matches!(failure, BotFailure::BadAnswer(_)), "{failure:?}");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_bot_that_falls_silent_is_let_go() {
    let (raw, _say, _requests) = talking().await;
    let mut events = ask(&raw).await.events.unwrap();
    tokio::time::pause();
    let began = Instant::now();
    assert_eq!(events.next().await, Some(Err(BotFailure::TimedOut)));
    assert!(began.elapsed() >= BOT_EVENTS_IDLE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_does_not_listen_any_more_hangs_up() {
    let (ended, mut end) = mpsc::unbounded_channel();
    let raw = RawBot::start(move |_, mut stream| {
        let ended = ended.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(format!("{HEAD}\r\n").as_bytes()).await;
            ended.send(stream.read(&mut [0; 1]).await.unwrap_or(0)).unwrap();
        }
    })
    .await;
    let events = ask(&raw).await.events.unwrap();
    assert!(end.try_recv().is_err());
    drop(events);
    assert_eq!(end.recv().await, Some(0));
}
