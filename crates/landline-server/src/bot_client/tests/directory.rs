//! Bots that come, go and move while the server runs.

use super::kept_lines::answer_for_ever;
use super::*;

async fn raw_bot() -> (RawBot, String) {
    let raw = RawBot::start(|_, stream| answer_for_ever(stream)).await;
    let endpoint = format!("http://{}/api/messages", raw.address);
    (raw, endpoint)
}

#[tokio::test]
async fn a_bot_that_moves_is_called_at_its_new_address() {
    let ((old, old_endpoint), (new, new_endpoint)) = (raw_bot().await, raw_bot().await);
    let directory = directory([(bot(), &old_endpoint)]);
    let transport = transport_over(&directory, Connector::default());
    post(&transport, b"{}", LATE).await.unwrap();

    directory.replace(snapshot([(bot(), &new_endpoint)]));
    for _ in 0..3 {
        post(&transport, b"{}", LATE).await.unwrap();
    }

    assert_eq!((old.connections(), new.connections()), (1, 1));
}

#[tokio::test]
async fn a_bot_that_comes_is_called_and_one_that_went_is_not() {
    let ((_first, first), (_second, second)) = (raw_bot().await, raw_bot().await);
    let other: BotName = "other".parse().unwrap();
    let directory = directory([(bot(), &first)]);
    let transport = transport_over(&directory, Connector::default());
    post(&transport, b"{}", LATE).await.unwrap();

    directory.replace(snapshot([(other.clone(), &second)]));

    let gone = post(&transport, b"{}", LATE).await;
    assert!(matches!(gone, Err(BotFailure::NotReached(_))), "{gone:?}");
    transport.post(request(other, b"{}", LATE)).await.unwrap();
}

#[tokio::test]
async fn the_lines_of_a_bot_that_went_are_closed() {
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let raw = RawBot::start(move |_, stream| {
        let closed = closed.clone();
        async move {
            answer_for_ever(stream).await;
            closed.send(()).unwrap();
        }
    })
    .await;
    let directory = directory([(bot(), &format!("http://{}/", raw.address))]);
    let transport = transport_over(&directory, Connector::default());
    post(&transport, b"{}", LATE).await.unwrap();

    directory.replace(Snapshot::default());
    transport.shared.targets.keep(&directory.snapshot(), Instant::now());

    closings.recv().await.unwrap();
    assert_eq!(transport.shared.targets.idle_lines(&bot()), None, "nothing is known of it any more");
}

#[tokio::test]
async fn a_line_that_comes_back_after_its_bot_moved_is_not_kept() {
    let answering = Arc::new(tokio::sync::Notify::new());
    let gate = Arc::clone(&answering);
    let raw = RawBot::start(move |_, mut stream| {
        let gate = Arc::clone(&gate);
        async move {
            read_request(&mut stream).await;
            gate.notified().await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "closed, not kept");
            gate.notify_one();
        }
    })
    .await;
    let (_new, new_endpoint) = raw_bot().await;
    let directory = directory([(bot(), &format!("http://{}/", raw.address))]);
    let transport = transport_over(&directory, Connector::default());
    let under_way = transport.post(request(bot(), b"{}", LATE));
    let moves = async {
        while raw.connections() == 0 {
            tokio::task::yield_now().await;
        }
        directory.replace(snapshot([(bot(), &new_endpoint)]));
        post(&transport, b"{}", LATE).await.unwrap();
        answering.notify_one();
    };

    let (answer, ()) = tokio::join!(under_way, moves);

    assert_eq!(answer.unwrap().status, 200, "what was under way goes on to its end");
    answering.notified().await;
}
