//! Coming back: where the new stream begins, for every watermark, proven by what comes on it.

use hyper::Method;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{OTHER_SECRET, Person, SECRET, Socket, TestServer};
use serde_json::{Value, json};

/// A conversation with four messages, and the watermark behind the second.
async fn four(server: &TestServer) -> (Person, String) {
    let ann = server.person("ann").await;
    ann.say("one").await;
    ann.say("two").await;
    let watermark = ann.poll("").await.expect(200).text("watermark");
    server.bot_actor().say(&ann.conversation, "three").await;
    ann.say("four").await;
    (ann, watermark)
}

/// Asks for a stream, says something before it is opened and something after, and looks at what comes.
async fn check(server: &TestServer, ann: &Person, query: &str, expected: &[&str]) {
    let url = ann.reconnect(query).await.expect(200).text("streamUrl");
    server.bot_actor().say(&ann.conversation, "between").await;
    let mut stream = Socket::open(&url).await;
    let (mut wanted, mut seen) = (expected.to_vec(), Vec::new());
    wanted.push("between");
    while seen.len() < wanted.len() {
        seen.extend(landline_testkit::in_process::socket::texts_of(&stream.set().await));
    }
    assert_eq!(seen, wanted, "{query:?}");
    ann.say("after").await;
    assert_eq!(stream.texts(1).await, ["after"], "{query:?}");
}

#[tokio::test]
async fn every_row_of_the_watermark_table() {
    let all = ["one", "two", "three", "four"];
    for (query, expected) in [
        ("?watermark={given}", &all[2..]),
        ("?x=1&watermark={given}&y=2", &all[2..]),
        ("?watermark=00000{given}", &all[2..]),
        ("", &[]),
        ("?other=1", &[]),
        ("?watermark=", &all[..]),
        ("?watermark", &all[..]),
        ("?watermark=-", &all[..]),
        ("?watermark=0", &all[..]),
        ("?watermark=%30", &all[..]),
        ("?watermark=99999", &[]),
        ("?watermark=18446744073709551615", &[]),
    ] {
        let server = TestServer::start().await;
        let (ann, given) = four(&server).await;
        check(&server, &ann, &query.replace("{given}", &given), expected).await;
    }
}

#[tokio::test]
async fn an_empty_watermark_means_only_new_where_the_site_says_so() {
    let server = TestServer::builder()
        .configure(|config| config.sites[0].empty_watermark_is_history = false)
        .start()
        .await;
    let (ann, _) = four(&server).await;
    check(&server, &ann, "?watermark=", &[]).await;
}

#[tokio::test]
async fn what_is_no_watermark_is_refused() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for bad in [
        "x",
        "1x",
        "-1",
        "+1",
        "%201",
        "1.0",
        "1e3",
        "0x1",
        "--",
        "%00",
        "%D9%A3",
        "18446744073709551616",
        "null",
        "undefined",
        "NaN",
        "000000000000000000001",
        "1,2",
        "%FF",
        "%",
    ] {
        for rest in ["", "/activities"] {
            let reply = ann.call(Method::GET, &format!("{rest}?watermark={bad}")).send().await;
            assert_eq!(reply.refusal(), (400, "BadArgument".to_owned()), "{rest} {bad:?}");
        }
        let at_the_stream = ann.stream_url.replace("watermark=0", &format!("watermark={bad}"));
        let refused = Opening::default().open(&at_the_stream).await.expect_err(bad);
        assert_eq!(refused.refusal(), (400, "BadArgument".to_owned()), "{bad:?}");
    }
}

#[tokio::test]
async fn a_watermark_ahead_of_the_log_is_answered_with_the_true_one() {
    let server = TestServer::start().await;
    let (ann, _) = four(&server).await;
    let truth = ann.poll("?watermark=3").await.expect(200).text("watermark");
    let ahead = ann.poll("?watermark=1000000").await.expect(200);
    assert_eq!((ahead.texts(), ahead.text("watermark")), (vec![], truth.clone()));
    let url = ann.reconnect("?watermark=1000000").await.expect(200).text("streamUrl");
    assert!(url.contains(&format!("watermark={truth}&")), "{url}");
}

#[tokio::test]
async fn the_answer_is_fresh_and_speaks_for_the_same_user() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;

    let with_token = ann.reconnect("").await.expect(200);
    let with_secret = server.get(&ann.path("")).bearer(SECRET).send().await.expect(200);

    for reply in [&with_token, &with_secret] {
        assert_eq!(reply.text("conversationId"), ann.conversation);
        assert_eq!(reply.json()["expires_in"], 3600);
        assert_ne!(reply.text("token"), ann.token);
        assert_ne!(reply.text("streamUrl"), ann.stream_url);
        let call = server.post(&ann.path("/activities")).bearer(&reply.text("token"));
        call.json(&json!({"type": "message", "text": "it is me", "from": {"id": "eve"}}))
            .send()
            .await
            .expect(200);
    }
    let senders: Vec<Value> = ann.history().await.iter().map(|a| a["from"]["id"].clone()).collect();
    assert_eq!(senders, ["ann", "ann"]);
    server.get(&ann.path("")).bearer(OTHER_SECRET).send().await.refused(404, "ResourceNotFound");
    let gone = server.get("/v3/directline/conversations/neverWas0123456789abcd").bearer(SECRET).send().await;
    gone.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn the_point_is_fixed_at_the_request_and_travels_in_the_ticket_too() {
    let server = TestServer::start().await;
    let (ann, _) = four(&server).await;
    let url = ann.reconnect("").await.expect(200).text("streamUrl");
    ann.say("five").await;
    let (base, ticket) = url.split_once("?watermark=").expect("a watermark in the URL");
    let ticket = ticket.split_once('&').expect("a ticket").1;

    let mut without = Socket::open(&format!("{base}?{ticket}")).await;

    assert_eq!(without.texts(1).await, ["five"]);
}

#[tokio::test]
async fn a_reader_that_left_at_any_moment_misses_nothing_and_gets_nothing_twice() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut seen = Vec::new();
    let mut watermark = String::new();
    for round in 0..10 {
        let mut stream = ann.stream(&format!("?watermark={watermark}")).await;
        for n in 0..3 {
            ann.say(&format!("{round}.{n}")).await;
        }
        // Leaves after one of the three, whatever frames they came in.
        let set = stream.set().await;
        seen.extend(landline_testkit::in_process::socket::texts_of(&set));
        watermark = set["watermark"].as_str().expect("a watermark").to_owned();
    }
    let mut last = ann.stream(&format!("?watermark={watermark}")).await;
    let rest = 30 - seen.len();
    seen.extend(last.texts(rest).await);
    let expected: Vec<String> = (0..30).map(|n| format!("{}.{}", n / 3, n % 3)).collect();
    assert_eq!(seen, expected);
}
