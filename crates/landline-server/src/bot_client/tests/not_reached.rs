//! Attempts of which provably nothing arrived, so that they may be repeated.

use super::*;

#[track_caller]
fn assert_not_reached(result: Result<BotAnswer, BotFailure>) {
    assert!(matches!(result, Err(BotFailure::NotReached(_))), "{result:?}");
}

#[tokio::test]
async fn a_refused_connection() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let result = post(&transport_to(address), b"{}", LATE).await;
    assert!(matches!(&result, Err(BotFailure::NotReached(why)) if why.contains("refused")), "{result:?}");
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    // Source: RFC 6761, "invalid." never resolves.
    assert_not_reached(post(&transport("http://bot.invalid/api/messages"), b"{}", LATE).await);
}

#[tokio::test]
async fn an_unknown_bot() {
    let other = request("other".parse().unwrap(), b"{}", LATE);
    assert_not_reached(transport("http://127.0.0.1:1/").post(other).await);
}

#[tokio::test]
async fn a_deadline_that_is_past() {
    let bot = RawBot::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_not_reached(post(&transport_to(bot.address), b"{}", Duration::ZERO).await);
}

#[tokio::test]
async fn a_line_that_never_comes_up() {
    // A listener with room for one connection, which is taken: the kernel leaves the next ones without an answer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(filler) = tokio::time::timeout(SOON, TcpStream::connect(address)).await {
        fillers.push(filler.unwrap());
        assert!(fillers.len() < 100, "the kernel's queue has no end");
    }

    let began = Instant::now();
    assert_not_reached(post(&transport_to(address), b"{}", SOON).await);
    assert!(began.elapsed() < SOON * 3, "{:?}", began.elapsed());
}

#[tokio::test]
async fn tls_with_somebody_who_does_not_speak_it() {
    let bot = RawBot::start(|_, mut stream| async move {
        let mut hello = [0; 1024];
        let _ = stream.read(&mut hello).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let url = format!("https://{}/", bot.address);
    let config = tls::trusting(&[]);
    assert_not_reached(post(&tls::transport(&url, config), b"{}", LATE).await);
}

#[tokio::test]
async fn tls_that_hangs_half_way() {
    let bot = RawBot::start(|_, stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let url = format!("https://{}/", bot.address);
    let config = tls::trusting(&[]);
    assert_not_reached(post(&tls::transport(&url, config), b"{}", SOON).await);
}

#[tokio::test]
async fn closed_at_once_is_either_not_reached_or_open_never_an_answer() {
    // Whether the close is seen before the first byte goes out is for the scheduler to say; what matters is that
    // the count decides, and that `NotReached` is not said of bytes that went out.
    for _ in 0..50 {
        let bot = RawBot::start(|_, stream| async move { drop(stream) }).await;
        let result = post(&transport_to(bot.address), b"{}", LATE).await;
        assert!(matches!(result, Err(BotFailure::NotReached(_) | BotFailure::Broken(_))), "{result:?}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_used() {
    for url in
        ["http://169.254.169.254/", "http://[fe80::1]/", "https://[::ffff:a9fe:a9fe]/", "ftp://localhost/"]
    {
        assert_not_reached(post(&transport(url), b"{}", LATE).await);
    }
}
