//! Bots behind TLS.

use landline_outbound::{Authorities, Trust};
use rustls::pki_types::PrivateKeyDer;
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
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let bot = RawBot::start(move |_, stream| {
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
    .await;
    (bot, made.cert.pem())
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
