//! TLS on the public listener, as clients and operators meet it.
//!
//! Not here: the handshake itself (`http::tests::tls` in the crate), which pairs are taken and when they are looked at
//! (`tls::tests`), flags and signals (`landline`).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use landline_server::app::{Engines, StartOptions, start_with};
use landline_server::config::TlsFiles;
use landline_testkit::client::{CallError, Client, Conversation, Stream, StreamEvent};
use landline_testkit::in_process::logs::Logs;
use landline_testkit::in_process::{Call, SECRET, TestServer, message};
use landline_testkit::wire::Trust;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that shows a certificate which can be replaced.
struct Secure {
    server: TestServer,
    files: TlsFiles,
    _folder: tempfile::TempDir,
}

/// Writes a new certificate for this machine, and gives who believes it.
fn renew(files: &TlsFiles) -> Trust {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a pair");
    fs::write(&files.certificate, cert.pem()).expect("a certificate");
    fs::write(&files.key, signing_key.serialize_pem()).expect("a key");
    Trust::in_authorities(&[cert.der().clone()]).expect("an authority")
}

fn files_in(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("fullchain.pem"), key: folder.join("privkey.pem") }
}

impl Secure {
    async fn start() -> (Self, Trust) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files_in(folder.path());
        let trust = renew(&files);
        let tls = files.clone();
        let server = TestServer::builder().configure(|config| config.tls = Some(tls)).start().await;
        (Self { server, files, _folder: folder }, trust)
    }

    fn client(&self, trust: &Trust) -> Client {
        Client::trusting(self.server.address, trust.clone())
    }

    async fn metrics(&self) -> String {
        let page = Call::new(self.server.admin, Method::GET, "/metrics").send().await.expect(200);
        String::from_utf8(page.body.to_vec()).expect("text")
    }

    /// Waits until a line stands in the metrics.
    async fn will_count(&self, line: &str) {
        let counted = async {
            while !self.metrics().await.lines().any(|l| l == line) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("{line:?} does not come"));
    }
}

/// Starts a conversation and opens its stream.
async fn begin(client: &mut Client, trust: &Trust) -> (Conversation, Stream) {
    let token = client.generate_token(SECRET, &json!({"user": {"id": "ann"}})).await.expect("a token");
    let begun = client.start(&token.token, None).await.expect("a conversation");
    let stream = Stream::open_trusting(&begun.stream_url, trust).await.expect("a stream");
    (begun, stream)
}

async fn sees(stream: &mut Stream, text: &str) {
    let seen = async {
        loop {
            match stream.next().await.expect("a frame") {
                StreamEvent::Activities(set) if set.activities.iter().any(|a| a["text"] == text) => return,
                StreamEvent::Closed(how) => panic!("the stream ended: {how:?}"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{text:?} does not come"));
}

#[tokio::test]
async fn a_conversation_is_held_over_https_and_wss() {
    let (secure, trust) = Secure::start().await;
    let mut ann = secure.client(&trust);
    let (begun, mut stream) = begin(&mut ann, &trust).await;
    let authority = secure.server.address.to_string();
    assert!(
        begun.stream_url.starts_with(&format!("wss://{authority}/v3/directline/")),
        "{}",
        begun.stream_url
    );

    for text in ["one", "two", "three"] {
        ann.send(&begun.token, &begun.conversation_id, &message("ann", text)).await.expect("an id");
        sees(&mut stream, text).await;
    }
    let again = ann.reconnect(&begun.token, &begun.conversation_id, Some("")).await.expect("a reconnect");
    let mut resumed = Stream::open_trusting(&again.stream_url, &trust).await.expect("a stream");
    sees(&mut resumed, "one").await;
    let page = ann.poll(&begun.token, &begun.conversation_id, None, None).await.expect("a page");
    assert_eq!(page.activities.iter().filter(|a| a["type"] == "message").count(), 3);

    let service_url = format!("https://{authority}/");
    assert!(secure.server.service_url.starts_with(&service_url), "{}", secure.server.service_url);
    assert!(secure.metrics().await.contains("landline_tls_handshakes_total{outcome=\"Done\"} 3\n"));
}

#[tokio::test]
async fn links_to_files_are_https() {
    let (secure, trust) = Secure::start().await;
    let mut ann = secure.client(&trust);
    let (begun, _stream) = begin(&mut ann, &trust).await;
    let card = json!({
        "type": "message", "from": {"id": "ann"},
        "attachments": [{"contentType": "image/png", "name": "x.png", "contentUrl": "data:image/png;base64,iVBORw0KGgo="}],
    });
    ann.send(&begun.token, &begun.conversation_id, &card).await.expect("an id");
    let page = ann.poll(&begun.token, &begun.conversation_id, None, None).await.expect("a page");
    let url =
        page.activities.iter().find_map(|a| a["attachments"][0]["contentUrl"].as_str()).expect("a link");
    let authority = secure.server.address;
    assert!(url.starts_with(&format!("https://{authority}/")) || url.starts_with("data:"), "{url}");
}

#[tokio::test]
async fn streams_go_on_while_the_certificate_changes_and_new_ones_see_the_new_one() {
    let (secure, old) = Secure::start().await;
    let mut ann = secure.client(&old);
    let (begun, mut stream) = begin(&mut ann, &old).await;

    let new = renew(&secure.files);
    secure.server.reload();
    secure.will_count("landline_tls_certificate_reloads_total{outcome=\"Good\"} 1").await;

    // The line of before, and its stream.
    ann.send(&begun.token, &begun.conversation_id, &message("ann", "still here")).await.expect("an id");
    sees(&mut stream, "still here").await;
    let refused = secure.client(&old).start(SECRET, None).await.expect_err("the old certificate is shown");
    assert!(matches!(refused, CallError::NotSent(_)), "{refused}");
    let mut bob = secure.client(&new);
    bob.send(&begun.token, &begun.conversation_id, &message("ann", "over a new line")).await.expect("an id");
    sees(&mut stream, "over a new line").await;
}

#[tokio::test]
async fn a_broken_renewal_is_loud_and_changes_nothing() {
    let logs = Logs::capture();
    let (secure, trust) = Secure::start().await;
    let key = fs::read_to_string(&secure.files.key).expect("a key");
    fs::write(&secure.files.certificate, "-----BEGIN CERTIFICATE-----\nnonsense").expect("a file");
    secure.server.reload();
    secure.will_count("landline_tls_certificate_reloads_total{outcome=\"Failed\"} 1").await;

    let mut ann = secure.client(&trust);
    let (begun, mut stream) = begin(&mut ann, &trust).await;
    ann.send(&begun.token, &begun.conversation_id, &message("ann", "as before")).await.expect("an id");
    sees(&mut stream, "as before").await;
    let said = logs.text();
    let loud = said.lines().find(|line| line.contains("ERROR")).expect("an error");
    assert!(
        loud.contains("the old one goes on: tls.certificate: ") && loud.contains("fullchain.pem"),
        "{loud}"
    );
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!said.contains(line), "the key is in the log");
    }
}

#[tokio::test]
async fn handshakes_that_fail_are_counted_and_not_complained_about() {
    let logs = Logs::capture();
    let (secure, _) = Secure::start().await;
    let (_, stranger) = Secure::start().await;
    for _ in 0..5 {
        let refused = secure.client(&stranger).start(SECRET, None).await;
        assert!(matches!(refused, Err(CallError::NotSent(_))), "{refused:?}");
        let mut garbage = TcpStream::connect(secure.server.address).await.expect("a line");
        garbage.write_all(b"\x16\x03\x01\x00\x05hello").await.expect("a write");
        let _ = garbage.read_to_end(&mut Vec::new()).await;
    }
    secure.will_count("landline_tls_handshakes_total{outcome=\"Failed\"} 10").await;
    let said = logs.text();
    assert!(said.lines().any(|line| line.contains("DEBUG") && line.contains("handshake of TLS")), "{said}");
    // Warnings of the start stand above them.
    let complaints =
        said.lines().filter(|line| line.contains("INFO") || line.contains("WARN") || line.contains("ERROR"));
    let complaints: Vec<_> = complaints.filter(|line| line.contains("andshake")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[tokio::test]
async fn what_cannot_be_served_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files_in(folder.path());
    renew(&files);
    let bind = async || tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let start = async |config| {
        let (public, admin) = (bind().await, bind().await);
        let engines = engines();
        start_with(options(config, public, admin), engines)
            .await
            .map(drop)
            .expect_err("it starts")
            .to_string()
    };
    let config = |lines: &str| {
        landline_server::config::Config::parse(lines, folder.path(), &|_| None).expect("a configuration")
    };
    let tls = "[tls]\ncertificate = \"fullchain.pem\"\nkey = \"privkey.pem\"";
    fs::write(&files.key, rcgen::KeyPair::generate().expect("a key").serialize_pem()).expect("a key");
    let why = start(config(tls)).await;
    assert!(why.starts_with("tls.key: ") && why.contains("does not fit"), "{why}");
    fs::remove_file(&files.certificate).expect("it was there");
    let why = start(config(tls)).await;
    assert!(why.starts_with("tls.certificate: cannot read"), "{why}");
}

fn engines() -> Engines {
    use landline_core::store::memory::{MemoryBlobs, MemoryStore};
    let store = Arc::new(MemoryStore::new());
    let blobs = Arc::new(MemoryBlobs::new(Arc::new(landline_core::SystemClock)));
    Engines { log: Arc::<MemoryStore>::clone(&store), registry: store, blobs, bots: None }
}

fn options(
    config: landline_server::config::Config,
    public: tokio::net::TcpListener,
    admin: tokio::net::TcpListener,
) -> StartOptions {
    StartOptions {
        config,
        public,
        admin,
        clock: Arc::new(landline_core::SystemClock),
        entropy: Arc::new(landline_server::SystemEntropy),
        make_identity_key: Arc::new(landline_auth::RsaKey::generate),
        extra_routes: Default::default(),
        reload: Arc::default(),
        shutdown: Default::default(),
    }
}
