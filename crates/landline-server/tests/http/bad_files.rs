//! Uploads as nobody should send them: the right status, no panic, bounded memory, and nothing left.

use std::time::Duration;

use hyper::Method;
use landline_testkit::domain::{BlobCall, BlobFault};
use landline_testkit::in_process::{Person, TestServer, message, raw};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::form::{BOUNDARY, Form, PNG, nothing_is_left, upload, upload_form};

const LIMIT: usize = 100_000;

/// A server that takes small files only, and waits for none for long.
async fn start() -> (TestServer, Person) {
    let server = TestServer::builder()
        .configure(|config| {
            config.limits.domain.file_bytes = LIMIT as u64;
            config.limits.server.body_timeout = Duration::from_millis(400);
        })
        .start()
        .await;
    let ann = server.person("ann").await;
    (server, ann)
}

/// The head of an upload by hand, without its end.
fn head(person: &Person, kind: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\n",
        person.path("/upload"),
        person.token
    )
}

fn form_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

fn whole_form() -> Form {
    Form::default()
        .activity(&message("ann", "x"))
        .file("a.txt", "text/plain", b"hello\r\n--not the boundary")
        .file("b.png", "image/png", PNG)
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Sends the bytes and hangs up, the polite way or the other; gives the status, `0` where there is none.
async fn cut(server: &TestServer, bytes: &[u8], politely: bool) -> u16 {
    let mut tcp = TcpStream::connect(server.address).await.expect("a connection");
    tcp.write_all(bytes).await.expect("it is taken");
    if !politely {
        // Lets it be read.
        tokio::task::yield_now().await;
        return 0;
    }
    tcp.shutdown().await.expect("half closed");
    raw::read_reply(&mut tcp).await.status
}

#[tokio::test]
async fn an_upload_that_is_cut_at_any_byte_leaves_nothing() {
    let (server, ann) = start().await;
    let body = whole_form().bytes();
    let announced = format!("{}content-length: {}\r\n\r\n", head(&ann, &form_type()), body.len());
    let by_length = [announced.as_bytes(), &body].concat();
    let in_chunks = format!("{}transfer-encoding: chunked\r\n\r\n", head(&ann, &form_type())).into_bytes();
    let in_chunks = [in_chunks, chunked(&body, 50)].concat();
    for (request, step) in [(by_length, 1), (in_chunks, 3)] {
        for at in (0..request.len()).step_by(step) {
            let status = cut(&server, &request[..at], at % 2 == 0).await;
            assert!(matches!(status, 0 | 400), "{status} for the first {at} of {} bytes", request.len());
        }
        nothing_is_left(&server, &ann).await;
    }
    // A file alone, whose end nothing but the length tells.
    let request = format!("{}content-length: 1000\r\n\r\n{}", head(&ann, "image/png"), "x".repeat(999));
    for at in [request.len(), request.len() - 500, request.len() - 999] {
        for politely in [true, false] {
            let status = cut(&server, &request.as_bytes()[..at], politely).await;
            assert!(matches!(status, 0 | 400), "{status}");
        }
    }
    nothing_is_left(&server, &ann).await;
    upload_form(&ann, whole_form()).send().await.expect(200);
    assert_eq!(server.blobs.all().await.len(), 2);
}

#[tokio::test]
async fn forms_that_are_none() {
    let (server, ann) = start().await;
    let part =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello");
    let whole = format!("{part}\r\n--{BOUNDARY}--\r\n");
    upload(&ann, &form_type(), whole.clone()).send().await.expect(200);
    let watermark = ann.poll("").await.text("watermark");
    let blobs = server.blobs.all().await.len();

    let quoted = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
    let nested = "--b\r\nContent-Disposition: file; filename=\"x\"\r\n\r\nhello\r\n--b--";
    let nested = Form::default().part("Content-Type: multipart/mixed; boundary=b", nested.as_bytes()).bytes();
    let in_base64 = Form::default()
        .part("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64", b"aGVsbG8=")
        .bytes();
    let two = Form::default().activity(&message("ann", "1")).activity(&message("ann", "2")).bytes();
    let other = whole.replace(BOUNDARY, "other");
    let headers = "x: y\r\n".repeat(40);
    let many_headers = whole.replacen("Content-Disposition", &format!("{headers}Content-Disposition"), 1);
    let table: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        // The type.
        ("multipart/form-data", whole.clone().into(), 400, "MalformedData"),
        ("multipart/form-data; boundary=", whole.clone().into(), 400, "MalformedData"),
        ("multipart/form-data; boundary=\"\"", whole.clone().into(), 400, "MalformedData"),
        ("multipart/form-data; boundary", whole.clone().into(), 400, "MalformedData"),
        ("multipart/form-data; charset=utf-8", whole.clone().into(), 400, "MalformedData"),
        ("multipart/mixed; boundary=b", whole.clone().into(), 400, "MalformedData"),
        ("multipart/", whole.clone().into(), 400, "MalformedData"),
        // What is between the parts.
        (&quoted, Vec::new(), 400, "MalformedData"),
        (&quoted, b"\r\n".to_vec(), 400, "MalformedData"),
        (&quoted, b"hello".to_vec(), 400, "MalformedData"),
        (&quoted, other.into(), 400, "MalformedData"),
        (&quoted, format!("--{BOUNDARY}").into(), 400, "MalformedData"),
        (&quoted, format!("--{BOUNDARY}\r\n").into(), 400, "MalformedData"),
        (&quoted, format!("--{BOUNDARY}--\r\n").into(), 400, "MissingProperty"),
        (&quoted, format!("--{BOUNDARY}x\r\n\r\nhello\r\n--{BOUNDARY}--").into(), 400, "MalformedData"),
        (&quoted, part.clone().into(), 400, "MalformedData"),
        (&quoted, format!("{part}\r\n--{BOUNDARY}-").into(), 400, "MalformedData"),
        (&quoted, format!("{part}\r\n--{BOUNDARY}x--").into(), 400, "MalformedData"),
        (&quoted, format!("{part}--{BOUNDARY}--").into(), 400, "MalformedData"),
        (&quoted, whole.replace("\r\n", "\n").into(), 400, "MalformedData"),
        // The parts.
        (
            &quoted,
            whole.replacen("Content-Disposition:", "Content Disposition:", 1).into(),
            400,
            "MalformedData",
        ),
        (&quoted, whole.replacen("Content-Disposition:", ":", 1).into(), 400, "MalformedData"),
        (&quoted, whole.replacen("form-data;", "form-data\0;", 1).into(), 400, "MalformedData"),
        (&quoted, many_headers.into(), 400, "MalformedData"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nhello\r\n--x--".to_vec(), 400, "MalformedData"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\n\r\nhello\r\n--x\r\nx: y\r\n\r\nother\r\n--x--".to_vec(),
            400,
            "MalformedData",
        ),
        (&quoted, nested, 400, "MalformedData"),
        (&quoted, in_base64, 400, "MalformedData"),
        (&quoted, two, 400, "BadArgument"),
        // A file alone.
        ("image/png", Vec::new(), 400, "MissingProperty"),
    ];
    for (kind, body, status, code) in table {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let reply = upload(&ann, kind, body).send().await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{kind}: {shown}");
    }
    let call = || ann.call(Method::POST, "/upload").body(whole.clone());
    let twice = call().header("content-type", &form_type()).header("content-type", "image/png");
    twice.send().await.refused(400, "BadArgument");
    let packed = call().header("content-type", &form_type()).header("content-encoding", "gzip");
    packed.send().await.refused(415, "NotSupported");
    assert_eq!(ann.poll("").await.text("watermark"), watermark);
    assert_eq!(server.blobs.all().await.len(), blobs);
}

#[tokio::test]
async fn forms_that_are_odd_but_right() {
    let (server, ann) = start().await;
    let whole =
        String::from_utf8(Form::default().file("a.txt", "text/plain", b"hello").bytes()).expect("UTF-8");
    let forms = [
        format!("what comes before is skipped\r\n{whole}and behind it, too"),
        whole.replacen("\r\n", " \t \r\n", 1),
        whole.replace("Content-Type", "CONTENT-TYPE"),
        whole.trim_end().to_owned(),
        whole.replace("Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n", ""),
    ];
    for form in &forms {
        for size in [1, 7, 1000] {
            upload(&ann, &form_type(), form.clone()).chunked(size).send().await.expect(200);
        }
    }
    upload(&ann, "Multipart/Form-Data; Boundary=x", "--x\r\nx:\r\n\r\nhello\r\n--x--")
        .send()
        .await
        .expect(200);
    let history = ann.history().await;
    assert_eq!(history.len(), forms.len() * 3 + 1);
    assert_eq!(history.last().expect("an activity")["attachments"][0]["name"], "file");
    for blob in server.blobs.all().await {
        let bytes = server.blobs.bytes_of(&blob.key).await.expect("bytes");
        assert_eq!(bytes, b"hello");
    }
}

#[tokio::test]
async fn parts_without_end() {
    let (server, ann) = start().await;
    // S57. Eleven files are refused as soon as the eleventh begins; ten thousand parts are no more.
    for parts in [11, 10_000] {
        let form = (0..parts).fold(Form::default(), |form, n| form.file(&n.to_string(), "text/plain", b"x"));
        let refused = upload_form(&ann, form).send().await.refused(400, "BadArgument");
        let words = refused.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(words.contains("more than 10 files"), "{words}");
    }
    let begun = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"");
    for before in ["", &begun, &format!("{begun}file\"\r\nx: ")] {
        for (unit, size) in [("x", 100_000), ("x\r\n", 40_000), ("\n", 60_000), ("--", 1000)] {
            let body = format!("{before}{}", unit.repeat(400_000 / unit.len()));
            let reply = upload(&ann, &form_type(), body).chunked(size).send().await;
            assert_eq!(reply.refusal(), (400, "MalformedData".to_owned()), "{before:?} {unit:?}");
        }
    }
    let behind = [whole_form().bytes(), vec![b'x'; 400_000]].concat();
    upload(&ann, &form_type(), behind).send().await.refused(400, "MalformedData");
    nothing_is_left(&server, &ann).await;
}

/// The head of a part that comes byte by byte costs no more than its length.
#[tokio::test]
async fn a_long_head_in_the_smallest_pieces() {
    let (server, ann) = start().await;
    let long = "x".repeat(10_000);
    upload_form(&ann, Form::default().file(&long, "text/plain", b"x")).chunked(1).send().await.expect(200);
    let longer = "x".repeat(40_000);
    let refused =
        upload_form(&ann, Form::default().file(&longer, "text/plain", b"x")).chunked(1).send().await;
    refused.refused(400, "MalformedData");
    assert_eq!(server.blobs.all().await.len(), 1);
}

/// S56.
#[tokio::test]
async fn files_that_are_too_large() {
    let (server, ann) = start().await;
    let over = vec![b'x'; LIMIT + 1];
    let form =
        || Form::default().file("a.txt", "text/plain", b"hello").file("b.bin", "application/zip", &over);
    for chunk in [None, Some(1000), Some(70_000)] {
        let sized = |call: landline_testkit::in_process::Call| match chunk {
            Some(size) => call.chunked(size),
            None => call,
        };
        sized(upload(&ann, "image/png", over.clone())).send().await.refused(413, "MessageSizeTooBig");
        sized(upload_form(&ann, form())).send().await.refused(413, "MessageSizeTooBig");
        // Much over it, so that whoever looks for the answer afterwards must find it.
        sized(upload(&ann, "image/png", vec![0; 8_000_000])).send().await.refused(413, "MessageSizeTooBig");
    }
    // Announced: told before anything is sent.
    let ask = format!("{}content-length: 999999999\r\nexpect: 100-continue\r\n\r\n", head(&ann, "image/png"));
    let reply = raw::exchange(server.address, ask.as_bytes()).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "MessageSizeTooBig"));
    let lie = format!("{}content-length: 99999999999999999999\r\n\r\n", head(&ann, "image/png"));
    assert_eq!(raw::exchange(server.address, lie.as_bytes()).await.status, 400);
    nothing_is_left(&server, &ann).await;
    upload(&ann, "image/png", vec![b'x'; LIMIT]).send().await.expect(200);
}

#[tokio::test]
async fn an_upload_that_stops_is_given_up() {
    let (server, ann) = start().await;
    let body = whole_form().bytes();
    for at in [0, 20, 200, body.len() - 30, body.len() - 1] {
        let announced = format!("{}content-length: {}\r\n\r\n", head(&ann, &form_type()), body.len());
        let mut tcp = TcpStream::connect(server.address).await.expect("a connection");
        tcp.write_all(&[announced.as_bytes(), &body[..at]].concat()).await.expect("it is taken");
        let reply = raw::read_reply(&mut tcp).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MalformedData"), "after {at}");
    }
    nothing_is_left(&server, &ann).await;
}

/// S61.
#[tokio::test]
async fn there_is_room_for_so_much() {
    let server = TestServer::builder()
        .configure(|config| {
            config.limits.domain.conversation_files = 3;
            config.limits.domain.conversation_files_bytes = 5000;
            config.limits.domain.site_files_bytes = 8000;
        })
        .start()
        .await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let form = |sizes: &[usize]| {
        sizes.iter().fold(Form::default(), |form, size| form.file("a", "text/plain", &vec![b'x'; *size]))
    };
    let mut refused = Vec::new();
    for (who, sizes, fits) in [
        (&ann, &[1, 1, 1, 1][..], false), // too many files of a conversation
        (&ann, &[4000, 1001], false),     // too many bytes
        (&ann, &[5000], true),
        (&ann, &[1], false),
        (&bob, &[3001], false), // too many bytes of the site
        (&bob, &[1000, 1000, 1000], true),
        (&bob, &[1], false),
    ] {
        let reply = upload_form(who, form(sizes)).send().await;
        if fits {
            reply.expect(200);
        } else {
            refused.push(reply.refused(413, "QuotaExceeded").json()["error"]["message"].to_string());
        }
    }
    assert!(refused[0].contains("start a new one"), "{refused:?}");
    assert!(refused[3].contains("site_files_size"), "{refused:?}");
    assert_eq!((ann.history().await.len(), bob.history().await.len()), (1, 1));
    assert_eq!(server.blobs.all().await.len(), 4);
}

#[tokio::test]
async fn a_store_that_fails_loses_no_conversation() {
    let (server, ann) = start().await;
    for call in [BlobCall::Create, BlobCall::Write, BlobCall::Finish] {
        server.blobs.then(call, BlobFault::Refuse);
        let reply = upload_form(&ann, whole_form()).send().await.refused(503, "ServiceUnavailable");
        assert!(reply.headers.contains_key("retry-after"));
    }
    nothing_is_left(&server, &ann).await;
    server.blobs.always(Some(BlobFault::Refuse));
    ann.say("chat goes on").await;
    server.blobs.always(None);
    server.disk.fail_writes(true);
    upload_form(&ann, whole_form()).send().await.refused(503, "ServiceUnavailable");
    server.disk.fail_writes(false);
    upload_form(&ann, whole_form()).send().await.expect(200);
    assert_eq!(ann.texts().await, ["chat goes on", "x"]);
}

#[tokio::test]
async fn a_stop_waits_for_uploads_and_takes_no_new_ones() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let body = whole_form().bytes();
    let announced = format!("{}content-length: {}\r\n\r\n", head(&ann, &form_type()), body.len());
    let mut tcp = TcpStream::connect(server.address).await.expect("a connection");
    tcp.write_all(&[announced.as_bytes(), &body[..body.len() - 40]].concat()).await.expect("it is taken");
    while server.blobs.all().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    server.begin_stop();

    upload_form(&ann, whole_form()).send().await.refused(503, "ServiceUnavailable");
    tcp.write_all(&body[body.len() - 40..]).await.expect("it is taken");
    assert_eq!(raw::read_reply(&mut tcp).await.status, 200);
    assert_eq!(server.blobs.all().await.len(), 2);
    server.stop().await.expect("a good end");
}

#[tokio::test]
async fn so_many_uploads_at_a_time() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let begun = format!("{}content-length: 10\r\n\r\nx", head(&ann, "image/png"));
    let mut held = Vec::new();
    for _ in 0..256 {
        let mut tcp = TcpStream::connect(server.address).await.expect("a connection");
        tcp.write_all(begun.as_bytes()).await.expect("it is taken");
        held.push(tcp);
    }
    let begun = tokio::time::Instant::now();
    loop {
        let reply = upload(&ann, "image/png", PNG).send().await;
        if reply.status == 503 {
            assert!(reply.headers.contains_key("retry-after"));
            break;
        }
        assert!(begun.elapsed().as_secs() < 10, "{}", reply.status);
    }
    ann.say("chat goes on").await;
    drop(held);
    loop {
        if upload(&ann, "image/png", PNG).send().await.status == 200 {
            break;
        }
        assert!(begun.elapsed().as_secs() < 20, "places are free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whatever is sent: an answer, no 5xx, and for each attachment its bytes and no others.
#[tokio::test]
async fn forms_with_a_changed_byte() {
    let (server, mut ann) = start().await;
    let body = whole_form().bytes();
    let mut links = 0;
    for at in 0..body.len() {
        for change in [b'-', b'\r', b'"', 0, 0xff] {
            let mut changed = body.clone();
            if at % 3 == 0 {
                changed.insert(at, change);
            } else {
                changed[at] = change;
            }
            let reply = upload(&ann, &form_type(), changed).send().await;
            assert!(matches!(reply.status, 200 | 400), "byte {at} to {change}: {}", reply.status);
            assert_eq!(reply.status == 400, !reply.refusal().1.is_empty(), "byte {at} to {change}");
        }
        // Room for more, of which there is no end.
        if at % 20 == 19 {
            links += check_attachments(&server, &ann, links).await;
            ann = server.person("ann").await;
        }
    }
}

/// Every attachment of the conversation has its bytes, and so have `others`, and there are no more.
async fn check_attachments(server: &TestServer, ann: &Person, others: usize) -> usize {
    let history = ann.history().await;
    let attachments = history.iter().filter_map(|activity| activity["attachments"].as_array()).flatten();
    let links: Vec<_> = attachments.map(|attachment| &attachment["contentUrl"]).collect();
    for link in &links {
        server.call(Method::HEAD, &crate::form::path_of(link)).send().await.expect(200);
    }
    let begun = tokio::time::Instant::now();
    while server.blobs.all().await.len() != others + links.len() {
        assert!(
            begun.elapsed().as_secs() < 10,
            "{:?}",
            (server.blobs.all().await.len(), others, links.len())
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    links.len()
}
