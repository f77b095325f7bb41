//! Bots behind TLS.

use landline_outbound::{Authorities, Trust};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Authorities beside those of the machine.
pub(super) fn trusting(pem: &[&str]) -> Trust {
    Trust::new((!pem.is_empty()).then(|| Authorities::from_pem(&pem.concat()).unwrap()))
}

pub(super) fn transport(url: &str, trust: Trust) -> HyperBotTransport {
    transport_over(&directory([(bot(), url)]), Connector::new(Arc::default(), trust))
}

/// A bot with a certificate for `name`; answers as often as asked, `per_line` times on each connection.
async fn tls_bot(name: &str, per_line: usize) -> (RawBot, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (serving(certificate, key, per_line).await, made.cert.pem())
}

async fn serving(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    per_line: usize,
) -> RawBot {
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    RawBot::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            for _ in 0..per_line {
                if read_request(&mut stream).await.is_empty() {
                    return;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                let _ = stream.flush().await;
            }
            let _ = stream.shutdown().await;
        }
    })
    .await
}

fn url_of(bot: &RawBot) -> String {
    format!("https://localhost:{}/api/messages", bot.address.port())
}

#[tokio::test]
async fn a_bot_with_a_trusted_certificate_is_reached_and_its_line_kept() {
    let (raw, certificate) = tls_bot("localhost", 100).await;
    let transport = transport(&url_of(&raw), trusting(&[&certificate]));
    for _ in 0..5 {
        assert_eq!(post(&transport, b"{}", LATE).await.unwrap().status, 200);
    }
    assert_eq!(raw.connections(), 1);
}

#[tokio::test]
async fn a_bot_with_an_unknown_or_foreign_certificate_is_not_reached() {
    let (raw, _) = tls_bot("localhost", 1).await;
    let (other, of_other) = tls_bot("bot.example.org", 1).await;
    for (raw, trusted) in [(&raw, vec![]), (&raw, vec![&*of_other]), (&other, vec![&*of_other])] {
        let transport = transport(&url_of(raw), trusting(&trusted));
        let result = post(&transport, b"{}", LATE).await;
        assert!(matches!(result, Err(BotFailure::NotReached(_))), "{result:?}");
    }
}

#[tokio::test]
async fn a_line_that_the_bot_closed_in_between_costs_nothing() {
    let (raw, certificate) = tls_bot("localhost", 1).await;
    let transport = transport(&url_of(&raw), trusting(&[&certificate]));
    for _ in 0..20 {
        post(&transport, b"{}", LATE).await.unwrap();
        // The farewell of TLS is on its way; it arrives as something to read, not as an end.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(raw.connections(), 20);
}

/// An authority of a test's own.
struct Ca {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    /// A bot with a certificate for this name, from the one year to the other.
    async fn bot(&self, name: &str, years: (i32, i32)) -> RawBot {
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        serving(certificate, PrivateKeyDer::try_from(key.serialize_der()).unwrap(), 100).await
    }
}

const VALID: (i32, i32) = (2020, 4000);

/// What becomes of a request to this bot: nothing, or why it was not reached.
async fn reached(raw: &RawBot, trusted: &[&str], pinned: Option<&Ca>) -> Option<String> {
    let directory = directory([(bot(), &url_of(raw))]);
    let mut snapshot = Snapshot::clone(&directory.snapshot());
    let mut changed = Bot::clone(&snapshot.bots[&bot()]);
    changed.ca_certificates = pinned.map(|ca| Authorities::from_pem(&ca.pem).unwrap());
    snapshot.bots.insert(bot(), Arc::new(changed));
    directory.replace(snapshot);
    let transport = transport_over(&directory, Connector::new(Arc::default(), trusting(trusted)));
    match post(&transport, b"{}", LATE).await {
        Ok(_) => None,
        Err(BotFailure::NotReached(why)) => Some(why),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s69_who_shows_a_certificate_that_is_not_right_gets_nothing_and_the_operator_learns_why() {
    let (ours, theirs) = (Ca::new("ours"), Ca::new("theirs"));
    let good = ours.bot("localhost", VALID).await;
    assert_eq!(reached(&good, &[&ours.pem], None).await, None);
    assert_eq!(reached(&good, &[&theirs.pem, &ours.pem], None).await, None, "one of several will do");

    let (itself, _) = tls_bot("localhost", 1).await;
    for (raw, trusted, why) in [
        (&good, "", "an authority that is not trusted"),
        (&good, &*theirs.pem, "an authority that is not trusted"),
        (&itself, &*ours.pem, "an authority that is not trusted"),
        (&ours.bot("bot.example", VALID).await, &*ours.pem, "another name"),
        (&ours.bot("127.0.0.1", VALID).await, &*ours.pem, "another name"),
        (&ours.bot("localhost", (2020, 2021)).await, &*ours.pem, "has expired"),
        (&ours.bot("localhost", (3999, 4000)).await, &*ours.pem, "not valid yet"),
    ] {
        let trusted: Vec<_> = [trusted].into_iter().filter(|pem| !pem.is_empty()).collect();
        let said = reached(raw, &trusted, None).await.expect(why);
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn s69_a_bot_with_authorities_of_its_own_is_believed_by_no_others() {
    let (ours, theirs) = (Ca::new("ours"), Ca::new("theirs"));
    let (good, foreign) = (ours.bot("localhost", VALID).await, theirs.bot("localhost", VALID).await);
    assert_eq!(reached(&good, &[], Some(&ours)).await, None);
    // Trusted for everybody else, and not for this one.
    assert!(reached(&foreign, &[&theirs.pem], Some(&ours)).await.unwrap().contains("not trusted"));
    assert_eq!(reached(&foreign, &[&theirs.pem], None).await, None);
    // It spares nothing else.
    assert!(
        reached(&ours.bot("other", VALID).await, &[], Some(&ours)).await.unwrap().contains("another name")
    );
    let old = ours.bot("localhost", (2020, 2021)).await;
    assert!(reached(&old, &[], Some(&ours)).await.unwrap().contains("has expired"));
}

/// A line that is kept was made with the authorities of before.
#[tokio::test]
async fn s69_lines_are_not_kept_over_a_change_of_authorities() {
    let (ours, theirs) = (Ca::new("ours"), Ca::new("theirs"));
    let raw = ours.bot("localhost", VALID).await;
    let directory = directory([(bot(), &url_of(&raw))]);
    let transport = transport_over(&directory, Connector::new(Arc::default(), trusting(&[&ours.pem])));
    post(&transport, b"{}", LATE).await.unwrap();
    let mut snapshot = Snapshot::clone(&directory.snapshot());
    let mut pinned = Bot::clone(&snapshot.bots[&bot()]);
    pinned.ca_certificates = Some(Authorities::from_pem(&theirs.pem).unwrap());
    snapshot.bots.insert(bot(), Arc::new(pinned));
    directory.replace(snapshot);
    let refused = post(&transport, b"{}", LATE).await;
    assert!(matches!(refused, Err(BotFailure::NotReached(_))), "{refused:?}");
}
