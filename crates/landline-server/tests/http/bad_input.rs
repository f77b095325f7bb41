//! What nobody should send: the right status and code, no panic, nothing in the conversation, nothing for the bot.

use std::time::Duration;

use hyper::Method;
use landline_testkit::in_process::{Call, Person, SECRET, TestServer, message, raw, start};
use serde_json::json;
use tokio::io::AsyncWriteExt;

/// A conversation that nothing may happen to.
struct Watched {
    server: TestServer,
    ann: Person,
    at_the_bot: usize,
}

impl Watched {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let ann = server.person("ann").await;
        ann.say("the only one").await;
        let at_the_bot = at_the_bot(&server, &ann);
        Self { server, ann, at_the_bot }
    }

    /// Asserts that it is as it was, and works.
    async fn is_untouched(&self) {
        let poll = self.ann.poll("").await.expect(200);
        assert_eq!((poll.texts(), poll.text("watermark")), (vec!["the only one".to_owned()], "2".to_owned()));
        assert_eq!(at_the_bot(&self.server, &self.ann), self.at_the_bot);
        self.ann.say("works").await;
    }

    fn send(&self) -> Call {
        self.ann.call(Method::POST, "/activities")
    }
}

/// How often the bot heard of the conversation.
fn at_the_bot(server: &TestServer, ann: &Person) -> usize {
    server.bot.taken().iter().filter(|a| a["conversation"]["id"] == ann.conversation.as_str()).count()
}

#[tokio::test]
async fn json_that_is_none() {
    let watched = Watched::start().await;
    let whole = message("ann", "x").to_string();
    let deep = |n: usize, open: &str, close: &str| {
        format!("{{\"type\":\"message\",\"v\":{}1{}}}", open.repeat(n), close.repeat(n))
    };
    let mut bodies: Vec<Vec<u8>> = (1..whole.len()).map(|n| whole.as_bytes()[..n].to_vec()).collect();
    bodies.extend([
        deep(64, "[", "]").into_bytes(),
        deep(100_000, "[", "]").into_bytes(),
        deep(40_000, "{\"a\":", "}").into_bytes(),
        "[".repeat(250_000).into_bytes(),
        "{\"a\":".repeat(50_000).into_bytes(),
        b"\xff\xfe{}".to_vec(),
        b"{\"type\":\"message\",\"text\":\"\xc3\x28\"}".to_vec(),
        b"{\"type\":\"message\",\"text\":\"\xed\xa0\x80\"}".to_vec(), // a surrogate in UTF-8
        b"{\"type\":\"message\",\"text\":\"\xc0\xaf\"}".to_vec(),     // an overlong slash
        br#"{"type":"message","text":"\ud800"}"#.to_vec(),
        br#"{"type":"message","text":"\udc00\ud800"}"#.to_vec(),
        br#"{"type":"message","text":"\u12"}"#.to_vec(),
        br#"{"type":"message","text":"\x41"}"#.to_vec(),
        b"{\"type\":\"message\",\"text\":\"a\nb\"}".to_vec(),
        b"{\"type\":\"message\",\"text\":\"a\0b\"}".to_vec(),
        br#"{"type":"message","type":"event"}"#.to_vec(),
        br#"{"type":"message","\u0074ype":"event"}"#.to_vec(),
        br#"{"type":"message",}"#.to_vec(),
        br#"{"type":"message"}{"type":"message"}"#.to_vec(),
        br#"{"type":"message"} x"#.to_vec(),
        br#"{'type':'message'}"#.to_vec(),
        br#"{type:"message"}"#.to_vec(),
        br#"{"type":"message","n":NaN}"#.to_vec(),
        br#"{"type":"message","n":01}"#.to_vec(),
        br#"{"type":"message","n":.5}"#.to_vec(),
        br#"{"type":"message","n":0x10}"#.to_vec(),
        b"{\"type\":\"message\"} // comment".to_vec(),
        b"\xef\xbb\xbf{\"type\":\"message\"}".to_vec(), // a byte order mark
        b"<activity/>".to_vec(),
        b"type=message&text=x".to_vec(),
        b"[{\"type\":\"message\"}]".to_vec(),
        b"\"{}\"".to_vec(),
        b"null".to_vec(),
        b"\0".to_vec(),
        b"PK\x03\x04".to_vec(),
    ]);
    let connector = watched.server.bot_actor().path(&watched.ann.conversation, "/activities");
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let reply = watched.send().json_text(body.clone()).send().await;
        assert_eq!(reply.refusal(), (400, "MalformedData".to_owned()), "{shown}: {:?}", reply.body);
        let reply = watched.server.post(&connector).json_text(body.clone()).send().await;
        assert_eq!(reply.refusal(), (400, "MalformedData".to_owned()), "{shown}: {:?}", reply.body);
        // `null` asks for nothing there.
        if body != b"null" {
            let reply = watched
                .server
                .post("/v3/directline/tokens/generate")
                .bearer(SECRET)
                .json_text(body.clone())
                .send()
                .await;
            let code = reply.refusal();
            let named_twice = shown.contains("type\":\"event");
            assert!(code == (400, "MalformedData".to_owned()), "{named_twice} {shown}: {:?}", reply.body);
            let reply = start(watched.server.address, SECRET).json_text(body).send().await;
            assert_eq!(reply.refusal(), (400, "MalformedData".to_owned()), "{shown}: {:?}", reply.body);
        }
    }
    watched.is_untouched().await;
}

#[tokio::test]
async fn content_types_that_are_not_read() {
    let watched = Watched::start().await;
    let body = message("ann", "x").to_string();
    for kind in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/json; charset=utf-16",
        "application/json;charset=latin1",
        "application/jsonp",
        "application",
        "json",
        "*/*",
        "application/json, text/plain",
        "image/png",
        "application/octet-stream",
    ] {
        let call = watched.send().header("content-type", kind).body(body.clone());
        let reply = call.send().await;
        assert_eq!(reply.refusal(), (415, "NotSupported".to_owned()), "{kind}");
    }
    let bytes = watched.send().raw_header("content-type", b"application/\xff").body(body.clone());
    bytes.send().await.refused(415, "NotSupported");
    watched.is_untouched().await;
}

#[tokio::test]
async fn path_tricks() {
    let watched = Watched::start().await;
    let id = &watched.ann.conversation;
    let base = format!("/v3/directline/conversations/{id}");
    let other = watched.server.person("bob").await.conversation;
    let auth = format!("authorization: Bearer {SECRET}\r\n");
    let not_found: Vec<Vec<u8>> = [
        format!("{base}/%2e%2e/{other}/activities"),
        format!("{base}/../{id}/activities"),
        format!("{base}/./activities"),
        format!("{base}//activities"),
        format!("//v3/directline/conversations/{id}/activities"),
        format!("/v3//directline/conversations/{id}/activities"),
        format!("{base}/activities/"),
        format!("{base}/activities/x"),
        format!("{base}/Activities"),
        format!("/V3/directline/conversations/{id}/activities"),
        format!("/v3/directline/conversations/{id};x=1/activities"),
        format!("/v3/directline/conversations/{id}%3bx/activities"),
        format!("/v3/directline/conversations/{id}%00/activities"),
        format!("/v3/directline/conversations/%00{id}/activities"),
        format!("/v3/directline/conversations/{id}%2f../activities"),
        format!("/v3/directline/conversations/{id}%2Factivities"),
        format!("/v3/directline/conversations/x%2f{id}/activities"),
        format!("/v3/directline/conversations/{id}%20/activities"),
        format!("/v3/directline/conversations/{id}%0d%0ax:y/activities"),
        format!("/v3/directline/conversations/{id}|0000001/activities"),
        "/v3/directline/conversations/%c0%ae%c0%ae/activities".into(),
        "/v3/directline/conversations/%c1%9c/activities".into(),
        "/v3/directline/conversations/%e0%80%af/activities".into(),
        "/v3/directline/conversations/%ff%fe/activities".into(),
        "/v3/directline/conversations/%/activities".into(),
        "/v3/directline/conversations/%zz/activities".into(),
        "/v3/directline/conversations/%u0041/activities".into(),
        "/v3/directline/conversations/%2e%2e/activities".into(),
        "/v3/directline/conversations/../activities".into(),
        "/v3/directline/conversations//activities".into(),
        "/v3/directline/conversations/*/activities".into(),
        "/v3/directline/conversations/{conversation}/activities".into(),
        format!("/v3/directline/conversations/{}/activities", "x".repeat(65)),
        format!("/v3/directline/conversations/{}/activities", "x".repeat(5000)),
        "/".into(),
        "/..".into(),
        "/%2e%2e/%2e%2e/etc/passwd".into(),
        "/..%2f..%2fetc%2fpasswd".into(),
        "/\\..\\x".into(),
        "/v3/directline".into(),
        "/connector/".into(),
        "/connector//v3/conversations/x/activities".into(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    for path in not_found {
        for method in ["GET", "POST"] {
            let body = message("ann", "x").to_string();
            let headers =
                format!("{auth}content-type: application/json\r\ncontent-length: {}\r\n", body.len());
            let mut bytes = raw::request(method, &path, &headers);
            bytes.extend_from_slice(body.as_bytes());
            let reply = raw::exchange(watched.server.address, &bytes).await;
            let shown = String::from_utf8_lossy(&path[..path.len().min(120)]).into_owned();
            // What is no path at all is refused before it comes to us.
            let no_path = reply.status == 400 && reply.body.is_empty();
            // A slash that is escaped separates nothing: that is the path of a conversation of no possible name; and
            // bots may put a slash more behind their base, where what they show is a token.
            let connector = shown.contains("connector//");
            let not_posted = reply.status == 405 && (shown.to_ascii_lowercase().contains("%2f") || connector);
            let no_token = connector && (reply.status, reply.code().as_str()) == (401, "Unauthorized");
            let not_found = (reply.status, reply.code().as_str()) == (404, "ResourceNotFound");
            assert!(no_path || not_posted || no_token || not_found, "{method} {shown}: {reply:?}");
        }
    }
    // What is the same path by the rules of URLs may be read as such.
    let escaped = format!("/v3/directline/conversations/%{:02x}{}/activities", id.as_bytes()[0], &id[1..]);
    let reply = raw::exchange(watched.server.address, &raw::request("GET", escaped.as_bytes(), &auth)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    watched.is_untouched().await;
}

#[tokio::test]
async fn requests_that_are_no_http() {
    let watched = Watched::start().await;
    let long = "x".repeat(40_000);
    let requests: Vec<Vec<u8>> = vec![
        b"\r\n\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), // TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /\xff\xfe HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"GET /\0 HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: h\r\nx y: 1\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: h\r\nx: a\0b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\nhost: h\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nhost: h\r\nx: {long}\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(200)).into_bytes(),
        b"OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"GET * HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"CONNECT h:443 HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"TRACE / HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"GET http://elsewhere.example/v3/directline/conversations HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1, 2\r\n\r\nxx".to_vec(),
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999999999999999999\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n"
            .to_vec(),
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n".to_vec(),
    ];
    for request in requests {
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        let mut tcp = tokio::net::TcpStream::connect(watched.server.address).await.expect("a connection");
        let _ = tcp.write_all(&request).await;
        let _ = tcp.shutdown().await;
        let reply = raw::read_reply(&mut tcp).await;
        assert!(reply.status < 500, "{shown}: {reply:?}");
        assert!(reply.status != 200 || shown.starts_with("OPTIONS *"), "{shown}: {reply:?}");
    }
    watched.is_untouched().await;
}

#[tokio::test]
async fn bodies_that_do_not_come_as_announced() {
    let server = TestServer::builder()
        .configure(|config| config.limits.server.body_timeout = Duration::from_millis(300))
        .start()
        .await;
    let ann = server.person("ann").await;
    let head = |more: &str| {
        format!(
            "POST {} HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n{more}\r\n",
            ann.path("/activities"),
            ann.token
        )
    };
    let body = message("ann", "x").to_string();
    let check = async |bytes: String, hang_up: bool, status: u16, code: &str| {
        let mut tcp = tokio::net::TcpStream::connect(server.address).await.expect("a connection");
        tcp.write_all(bytes.as_bytes()).await.expect("it is taken");
        if hang_up {
            tcp.shutdown().await.expect("half closed");
        }
        let reply = raw::read_reply(&mut tcp).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{bytes} {reply:?}");
    };
    // It stops in the middle, and the line stays open.
    check(head("content-length: 1000\r\n") + &body, false, 400, "MalformedData").await;
    check(head("transfer-encoding: chunked\r\n") + "5\r\n{\"typ\r\n", false, 400, "MalformedData").await;
    check(head("transfer-encoding: chunked\r\n"), false, 400, "MalformedData").await;
    // It is chunked badly.
    check(head("transfer-encoding: chunked\r\n") + "zz\r\n{}\r\n0\r\n\r\n", false, 400, "MalformedData")
        .await;
    // It is announced too large, and whoever asks first is told before sending.
    check(head("content-length: 300000\r\nexpect: 100-continue\r\n"), false, 413, "MessageSizeTooBig").await;
    // It ends in the middle because the client hangs up: nobody is there for an answer.
    for more in ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut tcp = tokio::net::TcpStream::connect(server.address).await.expect("a connection");
        tcp.write_all((head(more) + "{\"type\":\"message\"}").as_bytes()).await.expect("it is taken");
        drop(tcp);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(ann.history().await.is_empty());
    assert_eq!(server.bot.taken().len(), 1);
}

#[tokio::test]
async fn tokens_with_each_byte_changed() {
    let watched = Watched::start().await;
    let token = watched.ann.token.clone();
    let ticket = watched.ann.stream_url.split("t=").nth(1).expect("a ticket").to_owned();
    let path = watched.ann.path("/activities");
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        let reply = watched.server.post(&path).bearer(&changed).json(&message("ann", "x")).send().await;
        assert_eq!(reply.refusal(), (403, "BadArgument".to_owned()), "byte {at}");
    }
    let stream_path = watched.ann.path("/stream");
    for at in 0..ticket.len() {
        let mut changed = ticket.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        let reply = watched.server.get(&format!("{stream_path}?watermark=0&t={changed}")).send().await;
        assert_eq!(reply.refusal(), (403, "BadArgument".to_owned()), "byte {at}");
    }
    for cut in [1, token.len() / 2, token.len() - 1] {
        let reply = watched.server.get(&path).bearer(&token[..cut]).send().await;
        assert_eq!(reply.refusal(), (403, "BadArgument".to_owned()));
    }
    let huge = "x".repeat(9000);
    watched.server.get(&path).bearer(&huge).send().await.refused(401, "Unauthorized");
    let unsigned = "eyJhbGciOiJub25lIn0.eyJjb252IjoieCJ9.";
    watched.server.get(&path).bearer(unsigned).send().await.refused(403, "BadArgument");
    watched.is_untouched().await;
}

#[tokio::test]
async fn many_headers_of_one_name_do_not_smuggle() {
    let watched = Watched::start().await;
    let call = |credential: &str| watched.send().bearer(credential).json(&message("ann", "x"));
    call(SECRET).send().await.refused(401, "Unauthorized");
    // Two origins are none that is trusted.
    let trusted = watched
        .server
        .operator()
        .token(&json!({"trustedOrigins": ["https://a.example"], "conversationId": watched.ann.conversation}))
        .await;
    let twice = watched.server.get(&watched.ann.path("/activities")).bearer(&trusted);
    twice.origin("https://a.example").origin("https://evil.example").send().await.refused(403, "BadArgument");
    watched.is_untouched().await;
}
