//! A cloud that is not there, that sends one elsewhere, that falls silent: told in words, within a bounded time.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "these are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::TryStreamExt as _;
use landline_core::store::{BlobKey, BlobStore as _, View};
use landline_outbound::{AddressPolicy, Trust};
use landline_store_blobs::CloudBlobs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that gives everybody the same answer; how many have asked, and where.
async fn server(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let asking = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut line, _)) = listener.accept().await {
            asking.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut head = [0; 4096];
                drop(line.read(&mut head).await);
                drop(line.write_all(answer.as_bytes()).await);
                if answer.is_empty() {
                    // For ever, as far as the other side knows.
                    while line.read(&mut head).await.is_ok_and(|read| read > 0) {}
                }
            });
        }
    });
    (address, asked)
}

fn open(address: &str, allow_http: bool) -> CloudBlobs {
    let environment = [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", allow_http.to_string()),
        ("AWS_ACCESS_KEY_ID", "id-canary".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "key-canary".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    CloudBlobs::open(
        &"s3://bucket/prefix".parse().unwrap(),
        "owner-canary",
        environment,
        Arc::default(),
        Trust::default(),
    )
    .unwrap()
}

fn key() -> BlobKey {
    BlobKey {
        conversation: "conversation-canary".parse().unwrap(),
        file: "file-canary".parse().unwrap(),
        view: View::Original,
    }
}

/// What all four operations say.
async fn troubles(blobs: &CloudBlobs) -> Vec<String> {
    let mut writer = blobs.create(&key()).await.unwrap();
    writer.write("bytes".into()).await.unwrap();
    let troubles = vec![
        writer.finish().await.unwrap_err().0,
        blobs.read(&key(), None).await.unwrap_err().0,
        blobs.delete(&key()).await.unwrap_err().0,
        blobs.list(None).try_collect::<Vec<_>>().await.unwrap_err().0,
        blobs.clear_unfinished().await.unwrap_err().0,
    ];
    for trouble in &troubles {
        assert!(trouble.contains("the files at s3://bucket/prefix"), "{trouble}");
        assert!(!trouble.contains("canary"), "{trouble}");
    }
    troubles
}

#[track_caller]
fn assert_all(troubles: &[String], words: &str) {
    assert!(
        troubles.iter().all(|trouble| trouble.contains(words)),
        "{words:?} is not in all of {troubles:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_all(&troubles(&open(&address, true)).await, "refused");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{elsewhere}/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (address, _) = server(answer.leak()).await;

    let troubles = troubles(&open(&address, true)).await;

    assert_all(&troubles, "it answered 307");
    assert_all(&troubles, "region");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn without_tls_only_where_that_is_allowed() {
    let (address, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_all(&troubles(&open(&address, false)).await, "http");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

fn opened(place: &str, environment: &[(&str, &str)], allow: Option<&str>) -> CloudBlobs {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let allow = allow.map(|rule| vec![rule.parse().unwrap()]);
    let addresses = Arc::new(AddressPolicy::new(allow, vec![]));
    let place = place.parse().unwrap();
    CloudBlobs::open(&place, "owner-canary", environment, addresses, Trust::default()).unwrap()
}

/// Neither as the place of files nor for the credentials of the machine, for which all three libraries would ask there.
#[tokio::test(start_paused = true)]
async fn a_link_local_address_is_never_asked() {
    let keys = [("AWS_ACCESS_KEY_ID", "id-canary"), ("AWS_SECRET_ACCESS_KEY", "key-canary")];
    for endpoint in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "0.0.0.0",
        "0",
    ] {
        let endpoint = format!("http://{endpoint}");
        let environment =
            [&keys[..], &[("AWS_ENDPOINT_URL", &*endpoint), ("AWS_ALLOW_HTTP", "true")]].concat();
        let blobs = opened("s3://bucket/prefix", &environment, None);
        let said = blobs.clear_unfinished().await.unwrap_err().0;
        assert!(
            said.contains("never connected to") || said.contains("names no machine"),
            "{endpoint}: {said}"
        );
    }
    let (address, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let here = format!("http://{address}");
    for (place, environment) in [
        ("s3://bucket", vec![("AWS_ENDPOINT_URL", &*here), ("AWS_ALLOW_HTTP", "true")]),
        ("s3://bucket", vec![("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"), ("AWS_REGION", "x")]),
        ("s3://bucket", vec![("AWS_METADATA_ENDPOINT", "http://[fe80::a9fe:a9fe]"), ("AWS_REGION", "x")]),
        ("az://container", vec![("AZURE_STORAGE_ACCOUNT_NAME", "x")]),
    ] {
        let blobs = opened(place, &environment, None);
        let said = blobs.clear_unfinished().await.unwrap_err().0;
        assert!(said.contains("never connected to"), "{place} {environment:?}: {said}");
        assert!(said.contains("environment"), "{place} {environment:?}: {said}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is asked for without credentials");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_the_operator_does_not_allow_is_not_asked() {
    let (address, asked) = server("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n").await;
    let here = format!("http://{address}");
    let environment = [
        ("AWS_ENDPOINT_URL", &*here),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "id-canary"),
        ("AWS_SECRET_ACCESS_KEY", "key-canary"),
    ];
    for (allow, reached) in [(Some("public"), false), (Some("loopback"), true), (None, true)] {
        let before = asked.load(Ordering::Relaxed);
        let said = opened("s3://bucket/prefix", &environment, allow).clear_unfinished().await.unwrap_err().0;
        assert_eq!(said.contains("[outbound] allow"), !reached, "{said}");
        assert_eq!(asked.load(Ordering::Relaxed) > before, reached, "{allow:?}");
    }
}

/// A server that answers everybody with this, and then for ever with that; how much it got rid of at the most.
async fn pouring(head: &'static str, piece: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, most) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let poured = Arc::clone(&most);
    tokio::spawn(async move {
        while let Ok((mut line, _)) = listener.accept().await {
            let most = Arc::clone(&poured);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                drop(line.read(&mut request).await);
                drop(line.write_all(head.as_bytes()).await);
                let mut written = 0;
                while written < 64 << 20 && line.write_all(piece.as_bytes()).await.is_ok() {
                    written += piece.len();
                    most.fetch_max(written, Ordering::Relaxed);
                }
            });
        }
    });
    (address, most)
}

/// Lists and errors are held in memory as a whole, so they end somewhere; so does a head.
#[tokio::test]
async fn s68_an_answer_without_end_is_cut_off() {
    let piece = "x".repeat(64 * 1024).leak();
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\n\r\n", &*piece),
        ("HTTP/1.1 404 No\r\n\r\n", piece),
        ("HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n", piece),
        ("HTTP/1.1 200 OK\r\n", "x-header: and more of it\r\n"),
        ("HTTP/1.1 200 OK\r\nx: ", piece),
    ] {
        let (address, most) = pouring(head, piece).await;
        let one = "0123456789ABCDEFGHIJKL".parse().unwrap();
        let listed = open(&address, true).list(Some(&one)).try_collect::<Vec<_>>();
        let outcome = tokio::time::timeout(std::time::Duration::from_secs(120), listed).await.unwrap();
        assert!(outcome.is_err(), "{head:?}");
        assert!(most.load(Ordering::Relaxed) < 40 << 20, "{head:?}: {most:?}");
    }
}

/// Time goes by itself while everybody waits.
#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer() {
    let (address, _) = server("").await;
    assert_all(&troubles(&open(&address, true)).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_breaks_off_is_an_error_for_who_reads_it() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\netag: \"x\"\r\n\
                  last-modified: Sat, 21 Nov 2026 08:00:00 GMT\r\n\r\nten bytes!";
    let (address, asked) = server(answer).await;
    let blobs = open(&address, true);

    let read = blobs.read(&key(), None).await.unwrap().unwrap();

    assert_eq!(read.bytes, 100);
    let outcome = read.pieces.try_collect::<Vec<_>>().await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert!(asked.load(Ordering::Relaxed) > 1, "the rest was not asked for again");
}

#[test]
fn settings_that_cannot_be_are_told_at_once() {
    for (place, name, value, told) in [
        ("s3://bucket", "AWS_ACCESS_KEY_ID", "canary", "AWS_"),
        ("s3://bucket", "AWS_ALLOW_HTTP", "canary", "AWS_ALLOW_HTTP"),
        ("az://container", "AZURE_X", "canary", "Account must be specified"),
        ("ftp://x/canary-less", "X", "canary", "s3://"),
    ] {
        let environment = [(name.to_owned(), value.to_owned())];
        let error =
            CloudBlobs::open(&place.parse().unwrap(), "owner", environment, Arc::default(), Trust::default())
                .unwrap_err()
                .to_string();
        assert!(error.contains(told) && error.contains(place) && !error.contains("canary;"), "{error}");
    }
}
