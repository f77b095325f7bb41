//! A stop drops nothing that was accepted.

use std::time::Duration;

use landline_testkit::bot::{Bot, Mode};
use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::{Call, Frame, TestServer, message};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_that_wait_for_a_slow_bot_are_answered() {
    let server = TestServer::builder()
        .configure(|config| config.limits.domain.order_grace = Duration::ZERO)
        .start()
        .await;
    let ann = server.person("ann").await;
    server.bot.then(std::iter::repeat_n(Behaviour::Slow(Duration::from_millis(700), 200), 20));
    let sends = (0..20).map(|n| ann.send(&message("ann", &n.to_string())).send());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.begin_stop();
    };

    let (replies, ()) = tokio::join!(futures_util::future::join_all(sends), stop);

    for reply in replies {
        reply.expect(200);
    }
    assert_eq!(server.bot.texts().len(), 20);
    server.stop().await.expect("a good end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_answers_by_the_connector_is_heard_to_the_end() {
    let mut bot = Bot::start(Mode::Hang).await.expect("a bot");
    let server = TestServer::builder().http_bot(&bot.endpoint()).start().await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    let asked = message("ann", "last words");
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.begin_stop();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Only now does the bot call back, on a connection that it opens for it.
        bot.set_mode(Mode::Echo).await.expect("a bot that listens");
    };

    let (reply, ()) = tokio::join!(ann.send(&asked).send(), stop);

    reply.expect(200);
    let (end, texts) = stream.until_end().await;
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[1].ends_with("of last words"), "{texts:?}");
    assert!(matches!(end, Frame::Closed(1001, _)), "{end:?}");
    server.stop().await.expect("a good end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_is_turned_away_while_the_last_sends_are_waited_for() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let url = ann.reconnect("").await.expect(200).text("streamUrl");
    server.bot.then([Behaviour::Slow(Duration::from_millis(800), 200)]);
    let asked = message("ann", "accepted");
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.begin_stop();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let refused = ann.send(&message("ann", "too late")).send().await.refused(503, "ServiceUnavailable");
        assert_eq!(refused.header("retry-after"), "2");
        let stream = landline_testkit::in_process::socket::Opening::default().open(&url).await;
        assert_eq!(stream.expect_err("no new streams").refusal(), (503, "ServiceUnavailable".to_owned()));
        let ready = Call::new(server.admin, hyper::Method::GET, "/readyz").send().await;
        assert_eq!(ready.status, 503);
    };
    let (reply, ()) = tokio::join!(ann.send(&asked).send(), later);
    reply.expect(200);
    assert_eq!(server.bot.texts(), ["accepted"]);
    server.stop().await.expect("a good end");
}

#[tokio::test]
async fn an_idle_server_stops_at_once() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    // A connection without a request, and one that is kept.
    let _silent = tokio::net::TcpStream::connect(server.address).await.expect("a connection");
    let began = tokio::time::Instant::now();
    server.stop().await.expect("a good end");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(matches!(stream.until_end().await.0, Frame::Closed(1001, _)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_answer_is_true() {
    let server = TestServer::builder().embedded().start().await;
    let ann = server.person("ann").await;
    let writers = (0..8).map(|w| {
        let ann = ann.clone();
        async move {
            let mut acknowledged = Vec::new();
            for n in 0..500 {
                let text = format!("{w}.{n}");
                match ann.send(&message("ann", &text)).try_send().await {
                    Ok(reply) if reply.status == 200 => acknowledged.push(text),
                    Ok(reply) => {
                        assert_eq!(reply.status, 503);
                        break;
                    }
                    Err(_) => break, // refused: the port is closed
                }
            }
            acknowledged
        }
    });
    let mut stream = ann.stream("").await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.begin_stop();
    };
    let (acknowledged, ()) = tokio::join!(futures_util::future::join_all(writers), stop);
    let (end, seen) = stream.until_end().await;
    assert!(matches!(end, Frame::Closed(1001, _)), "{end:?}");
    let seen: std::collections::HashSet<_> = seen.into_iter().collect();
    let acknowledged: Vec<_> = acknowledged.into_iter().flatten().collect();
    assert!(acknowledged.len() > 8, "nothing was under way: {}", acknowledged.len());
    for text in &acknowledged {
        assert!(seen.contains(text), "{text} was acknowledged and never came");
    }
    server.stop().await.expect("a good end");
}
