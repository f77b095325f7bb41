//! TLS on the listener: what is spoken, what is refused, and what comes too late.

use std::convert::Infallible;

use axum::routing::get;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::crowds::{UPGRADE, upgrade};
use super::*;
use crate::config::TlsFiles;
use crate::tls::Tls;

fn router() -> Router {
    let endless = || {
        futures_util::stream::repeat_with(|| {
            Ok::<_, Infallible>(bytes::Bytes::from_static(&[b'x'; 16 * 1024]))
        })
    };
    connections::router()
        .route("/upgrade", get(upgrade))
        .route("/endless", get(async move || axum::body::Body::from_stream(endless())))
}

/// A server with a certificate for `localhost`, which its clients trust.
struct Secure {
    server: Server,
    certificate: CertificateDer<'static>,
}

impl Secure {
    async fn start(limits: ServeLimits) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files =
            TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        std::fs::write(&files.certificate, cert.pem()).unwrap();
        std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
        let metrics = Arc::<Metrics>::default();
        let tls = Tls::open(&files, Arc::clone(&metrics)).await.unwrap();
        let server = Server::start_over(router(), limits, Some(tls), metrics).await;
        Self { server, certificate: cert.der().clone() }
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    async fn shake_hands(&self, client: &TlsConnector) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(self.server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = timeout(PATIENCE, client.connect(name, stream)).await.expect("the handshake hangs")?;
        Ok(Client { stream })
    }

    async fn connect(&self) -> Client<TlsStream<TcpStream>> {
        self.shake_hands(&self.client(&[&TLS13, &TLS12], &[])).await.unwrap()
    }

    /// How often a handshake has ended so.
    fn ended(&self, outcome: &str) -> i64 {
        self.server.metric(&format!("landline_tls_handshakes_total{{outcome=\"{outcome}\"}} "))
    }

    async fn will_have_ended(&self, outcome: &str, times: i64) {
        let counted = async {
            while self.ended(outcome) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("{outcome}: {}", self.ended(outcome)));
        assert_eq!(self.ended(outcome), times, "{outcome}");
    }
}

#[tokio::test]
async fn both_versions_are_spoken() {
    let secure = Secure::start(limits()).await;
    let versions = [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)];
    for (version, spoken) in versions {
        let mut client = secure.shake_hands(&secure.client(&[version], &[])).await.unwrap();
        assert_eq!(client.stream.get_ref().1.protocol_version(), Some(spoken));
        for _ in 0..3 {
            assert_eq!(client.get("/").await.body, "hello");
        }
        let address = client.stream.get_ref().0.local_addr().unwrap();
        assert_eq!(client.get("/peer").await.body, address.to_string());
    }
    assert_eq!(secure.ended("Done"), 2);
}

#[tokio::test]
async fn http_1_1_is_agreed_on_and_nothing_else() {
    let secure = Secure::start(limits()).await;
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some(&b"http/1.1"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let mut client = secure.shake_hands(&secure.client(&[&TLS13, &TLS12], offered)).await.unwrap();
        assert_eq!(client.stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
        assert_eq!(client.get("/").await.status, 200);
    }
    let refused = secure.shake_hands(&secure.client(&[&TLS13, &TLS12], &["h2"])).await.err().unwrap();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    secure.will_have_ended("Failed", 1).await;
}

/// A hello of a client that knows nothing above a version. Source: RFC 5246, 7.4.1.2.
fn hello(version: [u8; 2]) -> Vec<u8> {
    let byte = |length: usize| u8::try_from(length).unwrap();
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0); // no session
    body.extend([0, 6, 0xc0, 0x13, 0xc0, 0x14, 0, 0x2f]); // what such clients have
    body.extend([1, 0]);
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 1];
    body.extend([0, byte(extensions.len())]);
    body.extend(extensions);
    let mut record = vec![22, 3, 1, 0, byte(body.len() + 4), 1, 0, 0, byte(body.len())];
    record.extend(body);
    record
}

#[tokio::test]
async fn older_versions_are_refused() {
    let secure = Secure::start(limits()).await;
    for (index, version) in [[3, 2], [3, 1], [3, 0]].into_iter().enumerate() {
        let mut stream = TcpStream::connect(secure.server.address).await.unwrap();
        stream.write_all(&hello(version)).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the line hangs").unwrap();
        // An alert, fatal, protocol_version.
        assert_eq!((answer.first(), &answer[answer.len() - 2..]), (Some(&21), &[2, 70][..]), "{version:?}");
        secure.will_have_ended("Failed", index as i64 + 1).await;
    }
}

#[tokio::test]
async fn s73_a_handshake_that_does_not_end_is_cut_off_in_time_and_others_do_not_notice() {
    let limits = ServeLimits { handshake_timeout: A_WHILE, connections: 10, ..limits() };
    let secure = Secure::start(limits).await;
    let name = ServerName::try_from("localhost").unwrap();
    let config = Arc::clone(secure.client(&[&TLS13], &[]).config());
    let mut whole = Vec::new();
    rustls::ClientConnection::new(config, name).unwrap().write_tls(&mut whole).unwrap();
    // Nothing at all, a byte, half a hello, and a hello that nothing follows.
    for (index, start) in [&[][..], &whole[..1], &whole[..20], &whole].into_iter().enumerate() {
        let began = tokio::time::Instant::now();
        let mut silent = TcpStream::connect(secure.server.address).await.unwrap();
        silent.write_all(start).await.unwrap();
        let mut neighbour = secure.connect().await;
        assert_eq!(neighbour.get("/").await.status, 200);
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("the line stays open");
        assert!(began.elapsed() >= A_WHILE, "{index}: cut off too early");
        secure.will_have_ended("TimedOut", index as i64 + 1).await;
    }
}

#[tokio::test]
async fn s73_a_handshake_that_drips_is_cut_off_in_time() {
    let secure = Secure::start(ServeLimits { handshake_timeout: A_WHILE, ..limits() }).await;
    let mut client = TcpStream::connect(secure.server.address).await.unwrap();
    let began = tokio::time::Instant::now();
    // A record that says it is as long as one may be.
    let mut drops = [22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb].into_iter().chain(std::iter::repeat(0));
    while client.write_all(&[drops.next().unwrap()]).await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "dripping keeps the line open");
        tokio::time::sleep(A_WHILE / 20).await;
    }
}

#[tokio::test]
async fn s73_handshakes_count_under_the_cap_and_make_room_for_who_comes() {
    let limits = ServeLimits { handshake_timeout: PATIENCE * 10, connections: 3, ..limits() };
    let secure = Secure::start(limits).await;
    let mut neighbour = secure.connect().await;
    assert_eq!(neighbour.get("/").await.status, 200);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(secure.server.address).await.unwrap());
        assert!(secure.server.connections() <= 3);
    }
    let mut late = secure.connect().await;
    assert_eq!(late.get("/").await.status, 200);
    assert!(secure.server.shed("Idle") >= 18, "{}", secure.server.shed("Idle"));
    assert!(silent.len() == 20 && secure.server.connections() <= 3);
}

#[tokio::test]
async fn who_speaks_plain_http_is_told_so() {
    let secure = Secure::start(limits()).await;
    let long = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n{}", "x".repeat(60_000));
    for (index, request) in ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "G", &long].into_iter().enumerate() {
        let mut client = secure.server.connect().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"]["code"], "BadArgument");
        assert!(body["error"]["message"].as_str().unwrap().contains("write https://"), "{body}");
        assert!(client.is_closed_within(PATIENCE).await);
        drop(client);
        secure.will_have_ended("PlainHttp", index as i64 + 1).await;
    }
}

#[tokio::test]
async fn what_is_neither_is_cut_off_and_hurts_nobody() {
    let secure = Secure::start(limits()).await;
    let mut neighbour = secure.connect().await;
    let records: [&[u8]; 5] = [
        b"\x00\x00\x00\x00\x00\x00",
        b"\x80\x2e\x01\x00\x02",
        b"\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff\x01\xff\xff\xff",
        b"\x17\x03\x03\x00\x01\x00",
    ];
    for garbage in records {
        let mut client = TcpStream::connect(secure.server.address).await.unwrap();
        client.write_all(garbage).await.unwrap();
        // It may be the beginning of something; there is no more.
        let _ = client.shutdown().await;
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, client.read_to_end(&mut rest)).await.expect("the line hangs");
        assert!(rest.first().is_none_or(|first| *first == 21), "{garbage:?}: no alert but {rest:?}");
        assert_eq!(neighbour.get("/").await.status, 200);
    }
    let left = TcpStream::connect(secure.server.address).await.unwrap();
    drop(left);
    timeout(PATIENCE, async {
        while secure.server.connections() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("a failed handshake goes on counting");
}

#[tokio::test]
async fn tls_on_a_plain_port_is_400_or_cut() {
    let server = Server::start(router()).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(&hello([3, 3])).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, client.read_to_end(&mut rest)).await.expect("the line hangs");
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{rest:?}");
}

#[tokio::test]
async fn an_upgraded_connection_with_tls_counts_until_it_is_closed() {
    let secure = Secure::start(ServeLimits { connections: 1, ..limits() }).await;
    let mut upgraded = secure.connect().await;
    upgraded.send(UPGRADE).await;
    assert_eq!(upgraded.answer().await.status, 101);
    for _ in 0..3 {
        upgraded.send("!").await;
        let mut echo = [0; 1];
        upgraded.stream.read_exact(&mut echo).await.unwrap();
        assert_eq!((&echo, secure.server.connections()), (b"!", 1));
    }

    let client = secure.client(&[&TLS13], &[]);
    let waiting = secure.shake_hands(&client);
    tokio::pin!(waiting);
    assert!(timeout(A_WHILE, &mut waiting).await.is_err(), "an upgraded connection is not counted");
    drop(upgraded);
    assert_eq!(waiting.await.unwrap().get("/").await.status, 200);
}

#[tokio::test]
async fn a_stop_waits_for_requests_and_not_for_handshakes() {
    let limits = ServeLimits { handshake_timeout: PATIENCE, drain: PATIENCE * 10, ..limits() };
    let secure = Secure::start(limits).await;
    let silent = TcpStream::connect(secure.server.address).await.unwrap();
    let mut busy = secure.connect().await;
    assert_eq!(busy.get("/").await.status, 200);
    secure.server.shutdown.cancel();
    secure.server.ended().await;
    assert!(busy.is_closed_within(PATIENCE).await);
    drop(silent);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up_with_tls_too() {
    let limits = ServeLimits { write_timeout: A_WHILE, ..limits() };
    let secure = Secure::start(limits).await;
    let mut greedy = secure.connect().await;
    greedy.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    timeout(PATIENCE, async {
        while secure.server.connections() > 0 {
            tokio::time::sleep(A_WHILE / 10).await;
        }
    })
    .await
    .expect("whoever takes nothing is served for ever");
}
