//! Files that lie, hide something, or name a place (S56 to S60, S62, S63), as bytes on the wire.

use hyper::Method;
use landline_testkit::in_process::{Person, TestServer};
use serde_json::Value;

use super::World;
use super::raw::{Answer, Ask, Line};

/// Uploads these bytes under this type and name, as they are; the answer.
async fn upload(world: &World, kind: &str, disposition: &[u8], bytes: &[u8]) -> Answer {
    let ask = Ask::post(world.ann.path("/upload")).bearer(&world.ann.token).header("content-type", kind);
    ask.header("content-disposition", disposition).body(bytes).send(world.server.address).await
}

/// The newest attachment, and the answer to its link.
async fn fetched(server: &TestServer, person: &Person) -> (Value, Answer) {
    let newest = person.history().await.pop().expect("an activity");
    let attachment = newest["attachments"][0].clone();
    let answer = Ask::get(link(&attachment)).send(server.address).await;
    (attachment, answer)
}

/// Path and query of an attachment's link.
fn link(attachment: &Value) -> String {
    let link = attachment["contentUrl"].as_str().expect("a link");
    format!("/{}", link.splitn(4, '/').nth(3).expect("a path"))
}

#[tokio::test]
async fn s56_an_upload_without_end_is_413_at_its_limit_and_the_line_ends() {
    const LIMIT: usize = 300_000;
    let server = TestServer::builder().configure(|config| config.limits.domain.file_bytes = LIMIT as u64);
    let world = World::of(server.start().await).await;
    let head = |more: (&str, &str)| {
        let ask = Ask::post(world.ann.path("/upload")).bearer(&world.ann.token);
        ask.header("content-type", "image/png").header(more.0, more.1).bytes()
    };
    // It never says how long it is, and never stops.
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    let mut line = Line::open(world.server.address).await;
    line.write(&head(("transfer-encoding", "chunked"))).await;
    for _ in 0..LIMIT / 0x4000 + 2 {
        line.write(&chunk).await;
    }
    // Nobody waits for more than the bounded rest that is read and thrown away.
    let flood = async {
        loop {
            line.write(&chunk).await;
            if line.ends_within(std::time::Duration::from_millis(1)).await {
                break;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), flood).await.expect("the line ends");
    line.answer("POST").await.refused(413, "MessageSizeTooBig");
    // It announces more than it may: refused by that alone.
    let mut line = Line::open(world.server.address).await;
    let announced = (LIMIT + 1).to_string();
    let head =
        Ask::post(world.ann.path("/upload")).bearer(&world.ann.token).header("content-type", "image/png");
    line.write(&head.header("content-length", announced).header("expect", "100-continue").bytes()).await;
    line.answer("POST").await.refused(413, "MessageSizeTooBig");
    assert!(world.server.blobs.all().await.is_empty());
    world.nothing_happened().await;
}

#[tokio::test]
async fn s58_a_name_is_never_a_place_and_breaks_no_header() {
    let world = World::start().await;
    let long = format!("filename=\"{}.txt\"", "n".repeat(10_000));
    let names: Vec<Vec<u8>> = [
        "filename=\"../../../../etc/passwd\"",
        "filename=\"/etc/passwd\"",
        "filename=\"..\\\\..\\\\windows\\\\system32\\\\x.dll\"",
        "filename=\"C:\\\\CON\"",
        "filename=\"CON\"",
        "filename=\"NUL.txt\"",
        "filename=\".htaccess\"",
        "filename=\"..\"",
        "filename=\".\"",
        "filename=\"\"",
        "filename=\"a;b=c\"; x=y",
        "filename=\"a\\\"; filename=\\\"b.html\"",
        "filename*=UTF-8''%0d%0aset-cookie:%20a=b",
        "filename*=UTF-8''..%2f..%2fetc%2fpasswd",
        "filename*=UTF-8''%00%01%1b%7f.txt",
        "filename*=UTF-8''%ff%fe",
        "filename*=UTF-8''a%e2%80%aegpj.exe",
        "filename*=ISO-8859-1''%e4.txt",
        "filename=\"a.txt\"; filename*=UTF-8''b.html",
        &long,
    ]
    .into_iter()
    .map(|name| format!("form-data; name=\"file\"; {name}").into_bytes())
    .chain([b"file; filename=\"a\xff\xfe.txt\"".to_vec(), b"file; filename=\"a\tb\"".to_vec()])
    .collect();
    let mut kept = 0;
    for name in names {
        let shown = String::from_utf8_lossy(&name).into_owned();
        let sent = upload(&world, "text/plain", &name, b"hello").await;
        if sent.status != 200 {
            assert!(matches!(sent.status, 400), "{shown}: {sent:?}");
            continue;
        }
        kept += 1;
        let (attachment, answer) = fetched(&world.server, &world.ann).await;
        let name = attachment["name"].as_str().expect("a name");
        assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..", "{shown}: {name:?}");
        assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control), "{shown}: {name:?}");
        assert!(!name.contains(['\u{202e}', '\u{2066}', '\u{200f}']), "{shown}: {name:?}");
        assert_eq!((answer.status, answer.text()), (200, "hello".to_owned()), "{shown}");
        assert_eq!(answer.header("set-cookie"), None, "{shown}");
        let disposition = answer.header("content-disposition").expect("a disposition");
        assert!(disposition.starts_with("attachment; filename=\""), "{shown}: {disposition}");
        assert!(disposition.is_ascii() && disposition.len() < 1200, "{shown}: {disposition}");
        let quoted = disposition.split('"').count();
        assert_eq!(quoted, 3, "{shown}: {disposition}");
    }
    assert!(kept >= 18, "{kept}");
    // All of them lie under names of our own.
    for blob in world.server.blobs.all().await {
        assert!(
            format!("{:?}", blob.key).chars().all(|letter| !matches!(letter, '/' | '\\')),
            "{:?}",
            blob.key
        );
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

#[tokio::test]
async fn s59_a_file_is_served_as_what_its_first_bytes_are() {
    let world = World::start().await;
    let html = b"<html><script>alert(1)</script>";
    let polyglot = [b"GIF89a/*".as_slice(), html, b"*/=1;alert(1)"].concat();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let table: [(&str, &[u8], &str, bool); 14] = [
        ("image/png", PNG, "image/png", true),
        ("image/jpeg", PNG, "image/png", true),
        ("text/html", PNG, "application/octet-stream", false),
        ("image/png", b"MZ\x90\0\x03\0\0\0", "application/octet-stream", false),
        ("image/png", html, "application/octet-stream", false),
        ("image/png", svg, "application/octet-stream", false),
        ("image/svg+xml", svg, "application/octet-stream", false),
        ("image/gif", &polyglot, "image/gif", true),
        ("text/html", html, "application/octet-stream", false),
        ("application/xhtml+xml", html, "application/octet-stream", false),
        ("text/javascript", b"alert(1)", "application/octet-stream", false),
        ("application/pdf", b"%PDF-1.7", "application/octet-stream", false),
        ("image/png, text/html", html, "application/octet-stream", false),
        ("image/png;charset=text/html", html, "application/octet-stream", false),
    ];
    for (said, bytes, served, shown) in table {
        upload(&world, said, b"file; filename=\"x\"", bytes).await.expect(200);
        let (_, answer) = fetched(&world.server, &world.ann).await;
        assert_eq!((answer.header("content-type"), &*answer.body), (Some(served), bytes), "{said}");
        let disposition = answer.header("content-disposition").unwrap_or_default();
        assert_eq!(disposition.starts_with("inline"), shown, "{said}: {disposition}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
    }
}

#[tokio::test]
async fn s60_what_is_packed_stays_packed() {
    let world = World::start().await;
    // A mebibyte of nothing in a few bytes, again and again; a picture that says it has four billion pixels.
    let deflated = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3][..], &[0; 1000]].concat();
    let zip = [b"PK\x03\x04".as_slice(), &[0; 500]].concat();
    let mut picture = PNG.to_vec();
    picture[16..24].copy_from_slice(&[0xff; 8]);
    for (kind, bytes) in [("application/gzip", &deflated), ("application/zip", &zip), ("image/png", &picture)]
    {
        upload(&world, kind, b"file; filename=\"x\"", bytes).await.expect(200);
        let (_, answer) = fetched(&world.server, &world.ann).await;
        assert_eq!((&answer.body, answer.header("content-encoding")), (bytes, None), "{kind}");
        let packed =
            Ask::post(world.ann.path("/upload")).bearer(&world.ann.token).header("content-type", kind);
        let packed = packed.header("content-encoding", "gzip").body(&deflated);
        packed.send(world.server.address).await.refused(415, "NotSupported");
    }
    // Nor is an answer packed, which would make what it says guessable by its length.
    let poll = Ask::get(world.ann.path("/activities"))
        .bearer(&world.ann.token)
        .header("accept-encoding", "gzip, br");
    assert_eq!(poll.send(world.server.address).await.expect(200).header("content-encoding"), None);
}

#[tokio::test]
async fn s62_a_link_opens_its_file_for_its_time_and_for_nobody_else() {
    let world = World::start().await;
    upload(&world, "text/plain", b"file; filename=\"x.txt\"", b"of ann").await.expect(200);
    let (attachment, answer) = fetched(&world.server, &world.ann).await;
    assert_eq!(answer.text(), "of ann");
    let path = link(&attachment);
    // Without its signature, whoever asks; and with every credential that is not for it.
    let bare = path.split('?').next().expect("a path");
    for credential in [None, Some(&world.ann.token), Some(&world.eve.token)] {
        let ask = credential.iter().fold(Ask::get(bare), |ask, credential| ask.bearer(credential));
        ask.send(world.server.address).await.refused(403, "BadArgument");
    }
    // The name of somebody else's conversation, a later end, another file: one bit is enough.
    let moved = path.replace(&world.ann.conversation, &world.eve.conversation);
    Ask::get(moved).send(world.server.address).await.refused(403, "BadArgument");
    let begin = path.find("/files/").expect("its files") + "/files/".len();
    for at in begin..path.len() {
        for bit in 0..7 {
            let mut changed = path.clone().into_bytes();
            changed[at] ^= 1 << bit;
            let answer = Ask::get(&changed).send(world.server.address).await;
            let shown = String::from_utf8_lossy(&changed).into_owned();
            assert!(matches!(answer.status, 400 | 403 | 404), "{shown}: {answer:?}");
            assert!(!answer.text().contains("of ann"), "{shown}");
        }
    }
    world.server.clock.advance(std::time::Duration::from_secs(2 * 86_400));
    Ask::get(&path).send(world.server.address).await.refused(403, "TokenExpired");
    let deleted = world.server.admin(Method::DELETE, &format!("/conversations/{}", world.ann.conversation));
    deleted.send().await.expect(204);
    // What is gone does not come back by setting a clock.
    world.server.clock.set_back(std::time::Duration::from_secs(2 * 86_400));
    Ask::get(&path).send(world.server.address).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn s63_a_thousand_ranges_are_one_file_at_the_most() {
    let world = World::start().await;
    let bytes = vec![7; 100_000];
    upload(&world, "application/zip", b"file; filename=\"x\"", &bytes).await.expect(200);
    let (attachment, _) = fetched(&world.server, &world.ann).await;
    let path = link(&attachment);
    let overlapping: Vec<String> = (0..1000).map(|_| "0-".to_owned()).collect();
    let spread: Vec<String> = (0..1000).map(|n| format!("{n}-{n}")).collect();
    for range in [
        format!("bytes={}", overlapping.join(",")),
        format!("bytes={}", spread.join(",")),
        "bytes=0-1,-1".to_owned(),
        "bytes=,,,,".to_owned(),
        "bytes=5-1".to_owned(),
        "bytes=99999999999999999999-".to_owned(),
        "bytes=-99999999999999999999".to_owned(),
        "bytes=0-18446744073709551615".to_owned(),
        "bytes=18446744073709551615-".to_owned(),
        "bytes=--1".to_owned(),
        "chars=0-1".to_owned(),
    ] {
        let answer = Ask::get(&path).header("range", &range).send(world.server.address).await;
        let shown = &range[..range.len().min(40)];
        assert!(matches!(answer.status, 200 | 206 | 416), "{shown}: {}", answer.status);
        assert!(answer.body.len() <= bytes.len(), "{shown}: {} bytes", answer.body.len());
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(!kind.starts_with("multipart/"), "{shown}: {kind}");
        let whole = answer.status != 200 || answer.body == bytes;
        assert!(whole, "{shown}");
    }
    let twice = Ask::get(&path).header("range", "bytes=0-0").header("range", "bytes=1-1");
    let answer = twice.send(world.server.address).await;
    assert!(answer.body.len() == bytes.len() || answer.body.len() == 1, "{}", answer.body.len());
}
