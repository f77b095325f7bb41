//! The stream: who may open it, what comes on it, and how it ends.

use std::time::Duration;

use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{Frame, Person, Reply, Socket, TestServer, message};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::looks_like_a_refusal;

async fn refused(url: &str) -> Reply {
    *Opening::default().open(url).await.expect_err("the stream opened")
}

fn ticket_of(url: &str) -> &str {
    url.split_once("t=").expect("a ticket").1
}

#[tokio::test]
async fn who_may_open_a_stream() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let url = &ann.stream_url;
    let ticket = ticket_of(url);

    for none in
        [&url.replace(&format!("&t={ticket}"), ""), &url.replace(ticket, ""), &url.replace("&t=", "&T=")]
    {
        looks_like_a_refusal(&refused(none).await, 401, "Unauthorized");
    }
    for altered in ["x", "a.b.c", &ticket[1..], &format!("{ticket}x"), &ann.token, ticket_of(&bob.stream_url)]
    {
        looks_like_a_refusal(&refused(&url.replace(ticket, altered)).await, 403, "BadArgument");
    }
    let elsewhere = url.replace(&ann.conversation, &bob.conversation);
    looks_like_a_refusal(&refused(&elsewhere).await, 403, "BadArgument");
    let nowhere = url.replace(&ann.conversation, "a%20b");
    looks_like_a_refusal(&refused(&nowhere).await, 404, "ResourceNotFound");
    let no_upgrade =
        server.get(url.split_once(&server.address.to_string()).expect("an address").1).send().await;
    looks_like_a_refusal(&no_upgrade, 426, "NotSupported");

    server.clock.advance(Duration::from_secs(59));
    let _in_time = Socket::open(url).await;
    server.clock.advance(Duration::from_secs(1));
    looks_like_a_refusal(&refused(url).await, 403, "TokenExpired");
}

#[tokio::test]
async fn a_socket_outlives_its_ticket_and_its_token() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut stream = Socket::open(&ann.stream_url).await;

    server.clock.advance(Duration::from_secs(100_000));
    server.bot_actor().say(&ann.conversation, "still here").await;

    assert_eq!(stream.texts(1).await, ["still here"]);
}

#[tokio::test]
async fn history_first_then_what_happens_own_activities_included() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let first = ann.say("one").await;
    let mut stream = Socket::open(&ann.stream_url).await;
    let replay = stream.set().await;
    assert_eq!(replay["activities"][0]["id"], first.as_str());
    assert_eq!(replay["watermark"], "2");

    let second = ann.say("two").await;
    let echo = stream.set().await;
    let third = server.bot_actor().say(&ann.conversation, "three").await;
    let answer = stream.set().await;

    assert_eq!(echo["activities"][0]["id"], second.as_str());
    assert_eq!(echo["activities"][0]["from"]["id"], "ann");
    assert_eq!(answer["activities"][0]["id"], third.as_str());
    assert_eq!(answer["watermark"], "4");
    assert_eq!(ann.poll("?watermark=4").await.expect(200).texts(), Vec::<String>::new());
}

#[tokio::test]
async fn each_activity_has_a_frame_and_a_watermark_of_its_own() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let texts: Vec<String> = (0..150).map(|n| n.to_string()).collect();
    for text in &texts {
        server.bot_actor().say(&ann.conversation, text).await;
    }
    let mut stream = Socket::open(&ann.stream_url).await;
    for (n, text) in texts.iter().enumerate() {
        // The stock client hands out what is in one frame bit by bit, and mixes it with what is in the next one.
        let Frame::Set(set, frame) = stream.next().await else { panic!("no set") };
        assert_eq!(set["activities"].as_array().map(Vec::len), Some(1));
        assert_eq!(set["activities"][0]["text"], text.as_str());
        let watermark = set["watermark"].as_str().expect("a watermark");
        let activity =
            frame.strip_prefix("{\"activities\":[").and_then(|rest| rest.split("],\"watermark\"").next());
        if n % 30 == 0 {
            let rest = ann.poll(&format!("?watermark={watermark}")).await.expect(200);
            assert_eq!(rest.texts().first(), texts.get(n + 1), "behind {watermark}");
            let before = watermark.parse::<u64>().expect("a number") - 1;
            let polled = ann.poll(&format!("?watermark={before}")).await.expect(200).body;
            let polled = String::from_utf8(polled.to_vec()).expect("UTF-8");
            assert!(
                polled.starts_with(&format!("{{\"activities\":[{}", activity.expect("one"))),
                "{polled} {frame}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_client_sends_is_ignored() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut stream = Socket::open(&ann.stream_url).await;
    let activity = json!({"activities": [message("ann", "by socket")]}).to_string();
    for sent in [
        Message::text(""),
        Message::text("garbage"),
        Message::text(activity),
        Message::text("x".repeat(64 * 1024)),
        Message::binary(vec![0xff; 1000]),
        Message::Pong(Bytes::from_static(b"unasked")),
    ] {
        assert!(stream.send(sent).await);
    }
    assert!(stream.send(Message::Ping(Bytes::from_static(b"there?"))).await);
    assert_eq!(stream.next().await, Frame::Pong);
    ann.say("by post").await;
    assert_eq!(stream.texts(1).await, ["by post"]);
    assert_eq!(ann.texts().await, ["by post"]);
}

#[tokio::test]
async fn a_client_that_sends_too_much_or_no_websocket_is_closed_alone() {
    use tokio::io::AsyncWriteExt;
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut good = ann.stream("").await;

    let mut large = ann.stream("").await;
    large.send(Message::text("x".repeat(64 * 1024 + 1))).await;
    assert!(matches!(large.until_end().await.0, Frame::Closed(..) | Frame::Cut));

    let mut tcp = ann.stream("").await.into_tcp();
    tcp.write_all(&[0xff; 64]).await.expect("the line takes it");
    let _ = landline_testkit::in_process::raw::read_reply(&mut tcp).await;

    ann.say("unharmed").await;
    assert_eq!(good.texts(1).await, ["unharmed"]);
}

#[tokio::test]
async fn several_sockets_receive_everything_and_the_ninth_is_turned_away() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut eight = Vec::new();
    for _ in 0..8 {
        eight.push(ann.stream("").await);
    }

    let mut ninth = ann.stream("").await;

    let (end, texts) = ninth.until_end().await;
    assert_eq!((end, texts), (Frame::Closed(1008, "collision".into()), vec![]));
    ann.say("to all").await;
    for stream in &mut eight {
        assert_eq!(stream.texts(1).await, ["to all"]);
    }
    drop(eight.pop());
    let mut next = seat(&ann).await;
    ann.say("again").await;
    assert_eq!(next.texts(1).await, ["again"]);
    // Sockets of another conversation are counted for themselves.
    let bob = server.person("bob").await;
    let mut of_bob = bob.stream("").await;
    bob.say("mine").await;
    assert_eq!(of_bob.texts(1).await, ["mine"]);
}

/// A socket that got a seat; one becomes free a moment after its socket is gone.
async fn seat(ann: &Person) -> Socket {
    for _ in 0..100 {
        let mut stream = ann.stream("").await;
        match stream.within(Duration::from_millis(50)).await {
            None => return stream,
            Some(Frame::Closed(1008, _)) => {}
            Some(frame) => panic!("{frame:?}"),
        }
    }
    panic!("no seat became free");
}

#[tokio::test]
async fn typing_is_shown_and_not_kept() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    ann.say("one").await;
    let mut stream = ann.stream("?watermark=").await;
    assert_eq!(stream.texts_and_watermark(1).await.1, "2");

    let id = server
        .bot_actor()
        .send(&ann.conversation, &json!({"type": "typing"}))
        .send()
        .await
        .expect(200)
        .text("id");
    let shown = stream.set().await;
    ann.send(&json!({"type": "typing"})).send().await.expect(200);
    let own = stream.set().await;

    assert_eq!(shown["activities"][0]["type"], "typing");
    assert_eq!(shown["activities"][0]["id"], id.as_str());
    assert_eq!(shown["activities"][0]["from"]["id"], "main");
    assert_eq!(own["activities"][0]["from"]["id"], "ann");
    assert!(shown.get("watermark").is_none() && own.get("watermark").is_none(), "{shown} {own}");
    let poll = ann.poll("?watermark=2").await.expect(200);
    assert_eq!((poll.json()["activities"].clone(), poll.text("watermark")), (json!([]), "2".to_owned()));
    ann.say("two").await;
    assert_eq!(stream.texts_and_watermark(1).await, (vec!["two".to_owned()], "3".to_owned()));
    assert!(server.bot.taken().iter().any(|a| a["type"] == "typing" && a["from"]["id"] == "ann"));
    assert_eq!(ann.stream("?watermark=").await.texts(2).await, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_see_one_order_whoever_writes() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut streams = vec![ann.stream("").await, ann.stream("").await, ann.stream("").await];
    let bot = server.bot_actor();
    let by_ann = async {
        for n in 0..60 {
            ann.say(&format!("a{n}")).await;
        }
    };
    let by_bot = async {
        for n in 0..60 {
            bot.say(&ann.conversation, &format!("b{n}")).await;
        }
    };
    tokio::join!(by_ann, by_bot);
    let polled = ann.texts().await;
    assert_eq!(polled.len(), 120);
    for stream in &mut streams {
        assert_eq!(stream.texts(120).await, polled);
    }
    for prefix in ["a", "b"] {
        let of_one: Vec<_> = polled.iter().filter(|text| text.starts_with(prefix)).cloned().collect();
        let sent: Vec<_> = (0..60).map(|n| format!("{prefix}{n}")).collect();
        assert_eq!(of_one, sent);
    }
}

#[tokio::test]
async fn what_was_accepted_comes_before_the_goodbye() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut behind = ann.stream("?watermark=").await;
    let mut tail = ann.stream("").await;
    for n in 0..250 {
        server.bot_actor().say(&ann.conversation, &n.to_string()).await;
    }
    server.stop().await.expect("a good end");
    let expected: Vec<String> = (0..250).map(|n| n.to_string()).collect();
    for stream in [&mut behind, &mut tail] {
        let (end, texts) = stream.until_end().await;
        assert_eq!(texts, expected);
        assert!(matches!(end, Frame::Closed(1001, _)), "{end:?}");
    }
}

#[tokio::test]
async fn end_of_conversation_is_passed_on_and_closes_nothing() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    let end = json!({"type": "endOfConversation", "code": "completedSuccessfully"});
    ann.send(&end).send().await.expect(200);
    server.bot_actor().send(&ann.conversation, &end).send().await.expect(200);
    for from in ["ann", "main"] {
        let set = stream.set().await;
        assert_eq!(set["activities"][0]["type"], "endOfConversation");
        assert_eq!(set["activities"][0]["from"]["id"], from);
    }
    ann.say("and on").await;
    assert_eq!(stream.texts(1).await, ["and on"]);
    let kept: Vec<_> = ann.history().await.iter().map(|a| a["type"].clone()).collect();
    assert_eq!(kept, ["endOfConversation", "endOfConversation", "message"]);
    assert_eq!(server.bot.taken().iter().filter(|a| a["type"] == "endOfConversation").count(), 1);
}

#[tokio::test]
async fn a_goodbye_is_answered() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for _ in 0..20 {
        let mut stream = ann.stream("").await;
        assert!(stream.send(Message::Close(None)).await);
        let (end, _) = stream.until_end().await;
        assert!(matches!(end, Frame::Closed(..)), "{end:?}");
    }
}

#[tokio::test]
async fn a_goodbye_of_the_server_arrives_though_the_client_is_talking() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(ann.stream("").await);
    }
    let mut ninth = ann.stream("").await;
    for stream in &mut streams {
        for _ in 0..20 {
            stream.send(Message::text("x".repeat(10_000))).await;
        }
    }
    for _ in 0..20 {
        ninth.send(Message::text("x".repeat(10_000))).await;
    }
    assert_eq!(ninth.until_end().await.0, Frame::Closed(1008, "collision".into()));
    server.begin_stop();
    for stream in &mut streams {
        for _ in 0..20 {
            stream.send(Message::text("x".repeat(10_000))).await;
        }
        let (end, _) = stream.until_end().await;
        assert!(matches!(end, Frame::Closed(1001, _)), "{end:?}");
    }
}
