//! Bodies that are too large, too deep, too wide, or not what they say (S51 to S53).

use std::time::Duration;

use landline_testkit::in_process::{SECRET, message};
use tokio::time::Instant;

use super::World;
use super::raw::{Answer, Ask, Line};

const LIMIT: usize = 256 * 1024;

/// Every place that reads JSON: path, and the credential that lets in. All of them take an object.
fn readers(world: &World) -> Vec<(&'static str, String, Option<String>)> {
    let bot = world.server.bot_actor();
    let token = Some(world.ann.token.clone());
    let secret = Some(SECRET.to_owned());
    vec![
        ("POST", "/v3/directline/tokens/generate".into(), secret.clone()),
        ("POST", "/v3/directline/conversations".into(), secret),
        ("POST", world.ann.path("/activities"), token),
        ("POST", bot.path(&world.ann.conversation, "/activities"), None),
        ("POST", bot.path(&world.ann.conversation, "/activities/x"), None),
        ("PUT", bot.path(&world.ann.conversation, "/activities/x"), None),
        ("POST", bot.path(&world.ann.conversation, "/activities/history"), None),
        ("POST", bot.path(&world.ann.conversation, "/attachments"), None),
        ("POST", bot.path("", "").trim_end_matches('/').to_owned(), None),
    ]
}

fn ask(method: &str, path: &str, credential: Option<&String>) -> Ask {
    let ask = Ask::new(method, path);
    match credential {
        Some(credential) => ask.bearer(credential),
        None => ask,
    }
}

#[tokio::test]
async fn s51_a_body_over_its_limit_is_413_before_anybody_looks_into_it() {
    let world = World::start().await;
    // It is no JSON from its first byte on: who had parsed it would have said so.
    let over = vec![b'x'; LIMIT + 1];
    let send = || Ask::post(world.ann.path("/activities")).bearer(&world.ann.token);
    send().json(&over).send(world.server.address).await.refused(413, "MessageSizeTooBig");
    let chunks = format!("{:x}\r\n{}\r\n0\r\n\r\n", over.len(), "x".repeat(over.len()));
    let chunked = send().header("transfer-encoding", "chunked").json(chunks);
    chunked.send(world.server.address).await.refused(413, "MessageSizeTooBig");
    // Told by its head alone, to whoever asks first.
    let expecting = send().header("content-length", "999999999").header("expect", "100-continue").json("");
    let begun = Instant::now();
    expecting.send(world.server.address).await.refused(413, "MessageSizeTooBig");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    for (method, path, credential) in readers(&world) {
        let huge = ask(method, &path, credential.as_ref()).header("content-length", "99999999999").json("{");
        let mut line = Line::open(world.server.address).await;
        line.write(&huge.bytes()).await;
        line.half_close().await;
        assert_eq!(line.answer(method).await.refusal(), (413, "MessageSizeTooBig".into()), "{method} {path}");
    }
    world.nothing_happened().await;
}

/// `{"type":"message","v":…}` around so many of these.
fn nested(open: &str, depth: usize, close: &str) -> String {
    format!("{{\"type\":\"message\",\"v\":{}1{}}}", open.repeat(depth), close.repeat(depth))
}

#[tokio::test]
async fn s52_json_that_costs_more_than_it_weighs_is_refused_or_kept_as_it_is() {
    let world = World::start().await;
    let address = world.server.address;
    let deep = [
        nested("[", 64, "]"),
        nested("{\"a\":", 64, "}"),
        nested("[{\"a\":", 40, "}]"),
        nested("[", 100_000, "]"),
        "[".repeat(200_000),
        "{\"a\":".repeat(50_000),
        format!("{{\"a\":{}", "[".repeat(200_000)),
    ];
    let none = [
        r#"{"type":"message","n":NaN}"#,
        r#"{"type":"message","n":Infinity}"#,
        r#"{"type":"message","n":-}"#,
        r#"{"type":"message","n":1e}"#,
        r#"{"type":"message","n":+1}"#,
        r#"{"type":"message","text":"\ud83d"}"#,
        r#"{"type":"message","text":"\ude00\ud83d"}"#,
        r#"{"type":"message","channelData":{"\udfff":1}}"#,
        r#"{"type":"message","type":"message"}"#,
        r#"{"type":"message","text":"a","t\u0065xt":"b"}"#,
    ];
    let long = "n".repeat(100_000);
    let twice = format!("{{\"type\":\"message\",\"{long}\":1,\"{long}\":2}}");
    let none = none.into_iter().chain([&*twice]);
    for (method, path, credential) in readers(&world) {
        let mut line = Line::open(address).await;
        for body in deep.iter().map(String::as_str).chain(none.clone()) {
            line.write(&ask(method, &path, credential.as_ref()).json(body).bytes()).await;
            let answer = line.answer(method).await;
            // An attachment is no activity: what stands beside its properties is not looked into.
            let unread =
                path.ends_with("/attachments") && answer.refusal() == (400, "MissingProperty".into());
            let shown = &body[..body.len().min(60)];
            assert!(
                unread || answer.refusal() == (400, "MalformedData".into()),
                "{method} {path} {shown}: {answer:?}"
            );
            assert!(answer.body.len() < 1000, "the answer is no echo: {} bytes", answer.body.len());
        }
    }
    world.nothing_happened().await;

    // What is JSON is kept as it is, at a cost that grows with its size and no faster.
    let numbers = format!(
        r#"{{"type":"message","n":[{}1e400,-0,1E-999,{}]}}"#,
        "9".repeat(50_000) + ",",
        "1".repeat(50_000)
    );
    let keys: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":0")).collect();
    let wide = format!(r#"{{"type":"message",{}}}"#, keys.join(","));
    let alike: Vec<String> = (0..4000).map(|n| format!("\"{}{n}\":0", "x".repeat(50))).collect();
    let alike = format!(r#"{{"type":"message",{}}}"#, alike.join(","));
    let escapes = format!(r#"{{"type":"message","text":"{}"}}"#, r"\u00e9".repeat(40_000));
    let within = r#"{"type":"message","channelData":{"a":1,"a":2,"a":[]}}"#.to_owned();
    let levels = nested("[", 63, "]");
    // A bot may send numbers that no reader can hold; those of the tests cannot.
    let said =
        Ask::post(world.server.bot_actor().path(&world.ann.conversation, "/activities")).json(&numbers);
    said.send(address).await.expect(200);
    let page = Ask::get(world.ann.path("/activities")).bearer(&world.ann.token).send(address).await;
    assert!(page.text().contains(&numbers[1..numbers.len() - 1]));
    for body in [wide, alike, escapes, within, levels] {
        let begun = Instant::now();
        let send = Ask::post(world.ann.path("/activities")).bearer(&world.ann.token).json(&body);
        send.send(address).await.expect(200);
        // In a development build beside other tests; what grows with the square of it takes minutes.
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?} for {} bytes", begun.elapsed(), body.len());
        let page = Ask::get(world.ann.path("/activities")).bearer(&world.ann.token).send(address).await;
        let inner = &body[1..body.len() - 1];
        assert!(page.text().contains(inner), "{}", &body[..body.len().min(60)]);
    }
}

#[tokio::test]
async fn s53_what_is_no_json_object_in_utf_8_is_not_read() {
    let world = World::start().await;
    let address = world.server.address;
    let whole = message("ann", "x").to_string();
    let utf_16: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 40]].concat();
    let bodies: [&[u8]; 14] = [
        b"not json",
        b"[]",
        b"\"text\"",
        b"7",
        b"true",
        b"{",
        b"{}{}",
        b"<xml/>",
        b"type=message&text=x",
        b"--b\r\n\r\n{}\r\n--b--",
        &utf_16,
        &gzip,
        b"\xef\xbb\xbf{\"type\":\"message\"}",
        b"{\"type\":\"message\",\"text\":\"\xff\"}",
    ];
    let types = [
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-type", "application/json; charset=iso-8859-1"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "multipart/form-data; boundary=b"),
        ("content-type", "application/xml"),
        ("content-type", ""),
    ];
    for (method, path, credential) in readers(&world) {
        let ask = || ask(method, &path, credential.as_ref());
        for body in bodies {
            let answer = ask().json(body).send(address).await;
            assert_eq!(answer.refusal(), (400, "MalformedData".into()), "{method} {path} {body:?}");
        }
        for (name, value) in types {
            let answer = ask().header(name, value).body(&whole).send(address).await;
            assert_eq!(answer.refusal(), (415, "NotSupported".into()), "{method} {path} {value:?}");
        }
        for coding in ["gzip", "deflate", "br", "zstd", "x-unknown", "gzip, gzip"] {
            let answer = ask().header("content-encoding", coding).json(&gzip).send(address).await;
            assert_eq!(answer.refusal(), (415, "NotSupported".into()), "{method} {path} {coding}");
            let answer = ask().header("content-encoding", coding).json(&whole).send(address).await;
            assert_eq!(answer.refusal(), (415, "NotSupported".into()), "{method} {path} {coding}");
        }
    }
    // Nothing at all is an activity less than any other.
    let empty = |answer: Answer| answer.refused(400, "MissingProperty");
    let send = || Ask::post(world.ann.path("/activities")).bearer(&world.ann.token);
    empty(send().send(address).await);
    empty(send().json("").send(address).await);
    empty(send().json(" \r\n\t").send(address).await);
    empty(send().json("{}").send(address).await);
    world.nothing_happened().await;
}
