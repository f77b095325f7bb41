//! Links to files: what they open, for how long, as what a file is served, and parts of it.

use std::time::Duration;

use hyper::Method;
use landline_core::files::FileLife;
use landline_core::store::BlobStore;
use landline_testkit::domain::{BlobCall, BlobFault};
use landline_testkit::in_process::{Person, Reply, TestServer, raw};
use serde_json::json;

use crate::form::{PNG, path_of, uploaded};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";

/// What stands on every answer that is a file.
#[track_caller]
fn looks_like_a_file(reply: &Reply, kind: &str, disposition: &str) {
    assert_eq!(reply.header("content-type"), kind);
    assert_eq!(reply.header("content-disposition"), disposition);
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    let policy = "sandbox; default-src 'none'; frame-ancestors 'none'";
    assert_eq!(reply.header("content-security-policy"), policy);
    assert_eq!(reply.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("accept-ranges"), "bytes");
    assert!(reply.headers.contains_key("access-control-allow-origin"));
}

/// S35, S59.
#[tokio::test]
async fn no_file_is_served_as_what_a_browser_would_run() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let octet_stream = "application/octet-stream";
    for (name, declared, content, served, shown) in [
        ("a.png", "image/png", PNG, "image/png", "inline"),
        ("a.gif", "image/gif", b"GIF89a".as_slice(), "image/gif", "inline"),
        ("a.jpg", "image/jpeg", b"\xff\xd8\xff\xe0", "image/jpeg", "inline"),
        ("a.webp", "image/webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", "inline"),
        ("a.html", "text/html", b"<script>alert(1)</script>", octet_stream, "attachment"),
        ("a.svg", "image/svg+xml", SVG, octet_stream, "attachment"),
        ("a.xml", "text/xml", b"<?xml version='1.0'?>", octet_stream, "attachment"),
        ("a.pdf", "application/pdf", b"%PDF-1.7", octet_stream, "attachment"),
        ("a.js", "text/javascript", b"alert(1)", octet_stream, "attachment"),
        ("exe.png", "image/png", b"MZ\x90\0\x03", octet_stream, "attachment"),
        ("svg.png", "image/png", SVG, octet_stream, "attachment"),
        ("html.png", "text/html", PNG, octet_stream, "attachment"),
        ("png.jpg", "image/jpeg", PNG, "image/png", "inline"),
        ("a.txt", "text/plain", b"hello", "text/plain", "attachment"),
        ("zip.bin", "application/zip", b"PK\x03\x04", "application/zip", "attachment"),
        ("none", "nonsense", b"hello", octet_stream, "attachment"),
    ] {
        let path = uploaded(&ann, name, declared, content).await;
        let seen = ann.history().await.pop().expect("an activity");
        assert_eq!(seen["attachments"][0]["contentType"], declared, "what the sender says stays");
        let disposition = format!("{shown}; filename=\"{name}\"");
        let got = server.get(&path).send().await.expect(200);
        looks_like_a_file(&got, served, &disposition);
        assert_eq!((got.header("content-length"), &*got.body), (content.len().to_string().as_str(), content));
        let head = server.call(Method::HEAD, &path).send().await.expect(200);
        looks_like_a_file(&head, served, &disposition);
        assert_eq!((head.header("content-length"), head.body.len()), (content.len().to_string().as_str(), 0));
        assert_eq!(head.header("etag"), got.header("etag"));
    }
}

#[tokio::test]
async fn parts_of_a_file() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let content: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
    let path = uploaded(&ann, "a.bin", "application/zip", &content).await;
    let get = async |range: &str| server.get(&path).header("range", range).send().await;

    for (range, from, to) in [
        ("bytes=0-0", 0, 0),
        ("bytes=1000-150000", 1000, 150_000),
        ("bytes=199999-", 199_999, 199_999),
        ("bytes=-7", 199_993, 199_999),
        ("bytes=5-999999999", 5, 199_999),
        ("bytes=0-", 0, 199_999),
    ] {
        let got = get(range).await.expect(206);
        assert!(*got.body == content[from..=to], "{range}");
        assert_eq!(got.header("content-range"), format!("bytes {from}-{to}/200000"), "{range}");
        assert_eq!(got.header("content-length"), (to - from + 1).to_string());
        looks_like_a_file(&got, "application/zip", "attachment; filename=\"a.bin\"");
    }
    for range in ["bytes=200000-", "bytes=-0", "bytes=999999999999999999999-"] {
        let got = get(range).await.refused(416, "BadArgument");
        assert_eq!(got.header("content-range"), "bytes */200000");
    }
    // S63: a thousand ranges are one whole file.
    let many = (0..1000).map(|n| format!("{n}-{}", n + 100_000)).collect::<Vec<_>>().join(",");
    for range in ["bytes=0-1,3-4", &format!("bytes={many}"), "bytes=x", "lines=1-2"] {
        let got = get(range).await.expect(200);
        assert!(*got.body == content, "{range}");
    }
    let head = server.call(Method::HEAD, &path).header("range", "bytes=0-0").send().await.expect(200);
    assert_eq!(head.header("content-length"), "200000");
}

#[tokio::test]
async fn who_has_it_already_does_not_get_it_again() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = uploaded(&ann, "a.txt", "text/plain", b"hello").await;
    let etag = server.get(&path).send().await.header("etag").to_owned();
    // SHA-256 of "hello".
    assert_eq!(etag, "\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"");
    for method in [Method::GET, Method::HEAD] {
        let got = server.call(method, &path).header("if-none-match", &etag).send().await.expect(304);
        assert_eq!((got.body.len(), got.header("etag")), (0, etag.as_str()));
    }
    server.get(&path).header("if-none-match", "\"x\"").send().await.expect(200);
    let part = |condition: &str| server.get(&path).header("if-range", condition).header("range", "bytes=1-2");
    assert_eq!(part(&etag).send().await.expect(206).body, "el");
    assert_eq!(part("\"x\"").send().await.expect(200).body, "hello");
    let other = uploaded(&ann, "b.txt", "text/plain", b"hello!").await;
    assert_ne!(server.get(&other).send().await.header("etag"), etag);
}

/// S62: every byte of the path and the query counts.
#[tokio::test]
async fn an_altered_link_opens_nothing() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = uploaded(&ann, "Ü a.txt", "text/plain", b"hello").await;
    let begin = path.find(&ann.conversation).expect("the conversation");
    for at in begin..path.len() {
        for to in [b'A', b'1', b'/', b'%', b'.', b'&', b' ', b'-'] {
            let mut changed = path.clone().into_bytes();
            if std::mem::replace(&mut changed[at], to) == to {
                continue;
            }
            let reply = raw::exchange(server.address, &raw::request("GET", &changed, "")).await;
            let shown = String::from_utf8_lossy(&changed).into_owned();
            let refused = matches!(
                (reply.status, reply.code().as_str()),
                (403, "BadArgument") | (404, "ResourceNotFound") | (400, "MalformedData")
            );
            assert!(refused, "{shown}: {reply:?}");
        }
    }
    let (before, query) = path.split_once('?').expect("a query");
    for changed in [
        before.to_owned(),
        format!("{before}?"),
        format!("{path}A"),
        format!("{before}?{}", query.split('&').next().unwrap_or_default()),
        format!("{before}?{}", query.split('&').next_back().unwrap_or_default()),
        format!("{before}?s=x&{query}"),
        format!("{before}?e=99999999999&{query}"),
        path.replace("/original/", "/thumbnail/"),
        path.replace("/original/", "/Original/"),
        path.replace("/original/", "/x/"),
    ] {
        server.get(&changed).send().await.refused(403, "BadArgument");
    }
    for changed in [
        format!("{before}/?{query}"),
        path.replace("/files/", "/file/"),
        path.replace("/original/", "/original/../original/"),
        path.replace("/original/", "//"),
        path.replace("/original", ""),
    ] {
        let status = server.get(&changed).send().await.status;
        assert!(matches!(status, 403 | 404), "{status} {changed}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        server.call(method, &path).send().await.refused(405, "NotSupported");
    }
    // The same by the rules of URLs, and something beside it that nobody reads.
    let same = path.replacen("/original/", "/%6frigina%6C/", 1);
    assert_eq!(server.get(&format!("{same}&x=y")).send().await.expect(200).body, "hello");
}

#[tokio::test]
async fn a_link_to_one_file_opens_no_other() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let one = uploaded(&ann, "a.txt", "text/plain", b"of ann").await;
    let other = uploaded(&ann, "a.txt", "text/plain", b"more of ann").await;
    let of_bob = uploaded(&bob, "a.txt", "text/plain", b"of bob").await;
    let id = |path: &str| path.split('/').nth(6).unwrap_or_default().to_owned();
    assert_eq!(server.get(&one).send().await.expect(200).body, "of ann");
    for (from, to) in [(&one, &other), (&one, &of_bob)] {
        server.get(&from.replace(&id(from), &id(to))).send().await.refused(403, "BadArgument");
    }
    server
        .get(&of_bob.replace(&bob.conversation, &ann.conversation))
        .send()
        .await
        .refused(403, "BadArgument");
}

#[tokio::test]
async fn a_link_needs_no_credentials_and_takes_no_notice_of_any() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = uploaded(&ann, "a.txt", "text/plain", b"hello").await;
    let got = server.get(&path).bearer("nonsense").origin("https://evil.example").send().await.expect(200);
    assert_eq!(got.body, "hello");
}

#[tokio::test]
async fn a_link_expires_and_the_next_poll_has_one_that_works() {
    let server = TestServer::builder()
        .configure(|config| config.sites[0].files = Some(FileLife::Conversation))
        .start()
        .await;
    let ann = server.person("ann").await;
    let path = uploaded(&ann, "a.txt", "text/plain", b"hello").await;

    server.clock.advance(DAY);
    server.get(&path).send().await.expect(200);
    server.clock.advance(DAY);

    server.get(&path).send().await.refused(403, "TokenExpired");
    let token = server.operator().token(&json!({"conversationId": ann.conversation})).await;
    let later = ann.beside("ann", &token);
    let again = path_of(&later.history().await[0]["attachments"][0]["contentUrl"]);
    assert_ne!(again, path);
    assert_eq!(server.get(&again).send().await.expect(200).body, "hello");
}

#[tokio::test]
async fn no_link_outlives_its_file() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = uploaded(&ann, "a.txt", "text/plain", b"hello").await;
    server.clock.advance(DAY - Duration::from_secs(1));
    server.get(&path).send().await.expect(200);
    server.clock.advance(Duration::from_secs(1));
    server.get(&path).send().await.refused(403, "TokenExpired");
    let token = server.operator().token(&json!({"conversationId": ann.conversation})).await;
    let again = ann.beside("ann", &token).history().await[0]["attachments"][0]["contentUrl"].clone();
    server.get(&path_of(&again)).send().await.refused(403, "TokenExpired");
}

#[tokio::test]
async fn a_link_works_after_a_restart() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = uploaded(&ann, "a.txt", "text/plain", b"hello").await;
    let later = server.restarted().await;
    assert_eq!(later.get(&path).send().await.expect(200).body, "hello");
    assert_eq!(path_of(&ann.at(later.address).history().await[0]["attachments"][0]["contentUrl"]), path);
}

#[tokio::test]
async fn what_is_gone_is_not_found() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let path = uploaded(&ann, "a.txt", "text/plain", b"hello").await;
    let of_bob = uploaded(&bob, "a.txt", "text/plain", b"hello").await;

    server.admin(Method::DELETE, &format!("/conversations/{}", ann.conversation)).send().await.expect(204);
    let keys: Vec<_> = server.blobs.all().await.into_iter().map(|blob| blob.key).collect();
    for key in keys.iter().filter(|key| key.conversation.as_str() == bob.conversation) {
        server.blobs.delete(key).await.expect("deleted");
    }

    for path in [&path, &of_bob] {
        server.get(path).send().await.refused(404, "ResourceNotFound");
        server.call(Method::HEAD, path).send().await.expect(404);
    }
}

#[tokio::test]
async fn a_store_that_fails_says_so_and_never_gone() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = uploaded(&ann, "a.txt", "text/plain", b"hello").await;
    for method in [Method::GET, Method::HEAD] {
        server.blobs.then(BlobCall::Read, BlobFault::Refuse);
        let reply = server.call(method, &path).send().await.expect(503);
        assert!(reply.headers.contains_key("retry-after"));
    }
    server.get(&path).send().await.expect(200);
}

/// Never wrong bytes: whoever reads notices.
#[tokio::test]
async fn bytes_that_have_changed_are_not_served_as_whole() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let content = vec![7; 300_000];
    let path = uploaded(&ann, "a.bin", "application/zip", &content).await;
    let key = server.blobs.all().await.remove(0).key;
    let replace = async |bytes: &[u8]| {
        server.blobs.delete(&key).await.expect("deleted");
        server.blobs.put(&key, bytes).await;
    };

    for at in [0, 150_000, 299_999] {
        let mut changed = content.clone();
        changed[at] ^= 1;
        replace(&changed).await;
        let request = raw::request("GET", path.as_bytes(), "");
        let reply = raw::exchange(server.address, &request).await;
        assert_eq!(reply.header("content-length"), Some("300000"));
        assert!(
            reply.body.len() < 300_000,
            "{} bytes of 300000 with a changed one at {at}",
            reply.body.len()
        );
        assert!(server.get(&path).try_send().await.is_err(), "a client notices");
    }
    for other in [&content[1..], &[content.as_slice(), b"x"].concat()] {
        replace(other).await;
        server.get(&path).send().await.expect(503);
    }
    replace(&content).await;
    assert!(*server.get(&path).send().await.expect(200).body == content);
}

#[tokio::test]
async fn names_are_saved_as_names() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let saved = async |ann: &Person, name: &str| {
        let path = uploaded(ann, name, "text/plain", b"hello").await;
        let declared = ann.history().await.pop().expect("an activity")["attachments"][0]["name"].clone();
        let got = server.get(&path).send().await.expect(200);
        (declared.as_str().unwrap_or_default().to_owned(), got.header("content-disposition").to_owned())
    };
    for (name, shown, disposition) in [
        ("Ünï.txt", "Ünï.txt", "attachment; filename=\"_n_.txt\"; filename*=UTF-8''%C3%9Cn%C3%AF.txt"),
        ("../../etc/passwd", "passwd", "attachment; filename=\"passwd\""),
        ("C:\\windows\\CON", "CON", "attachment; filename=\"CON\""),
        ("photo_\u{202e}gnp.exe", "photo_gnp.exe", "attachment; filename=\"photo_gnp.exe\""),
        (
            "a\"; x=\"b.html",
            "a\"; x=\"b.html",
            "attachment; filename=\"a_; x=_b.html\"; filename*=UTF-8''a%22%3B%20x%3D%22b.html",
        ),
        ("..", "file", "attachment; filename=\"file\""),
        (
            "%2e%2e%2fx",
            "%2e%2e%2fx",
            "attachment; filename=\"_2e_2e_2fx\"; filename*=UTF-8''%252e%252e%252fx",
        ),
    ] {
        assert_eq!(saved(&ann, name).await, (shown.to_owned(), disposition.to_owned()), "{name:?}");
    }
    let long = format!("{}.txt", "x".repeat(10_000));
    let (shown, disposition) = saved(&ann, &long).await;
    assert_eq!(shown, format!("{}.txt", "x".repeat(251)));
    assert!(disposition.contains(&shown));
}
