//! What is said about a pair that can be used and is still worth a look.

use landline_protocol::Timestamp;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use url::Url;

use super::pair::{CERTIFICATE, KEY, Pair};
use crate::config::{Config, TlsFiles};
use crate::limits::CERTIFICATE_ENDS_SOON;

/// All of it, at the start.
pub(super) fn warnings(files: &TlsFiles, pair: &Pair, config: &Config, now: Timestamp) -> Vec<String> {
    let mut warnings: Vec<_> = validity(files, pair, now).into_iter().collect();
    if pair.exposed {
        warnings.push(format!(
            "{KEY}: everybody on this machine may read {}, and who has the key can pose as this server; chmod 640 or \
             600 (Kubernetes: defaultMode: 0400 at the volume)",
            files.key.display()
        ));
    }
    warnings.extend(names(pair, config));
    warnings
}

/// What is wrong with the time of the certificate, or soon will be.
pub(super) fn validity(files: &TlsFiles, pair: &Pair, now: Timestamp) -> Option<String> {
    let path = files.certificate.display();
    let (from, until) = (pair.from, pair.until);
    if now >= until {
        return Some(format!(
            "{CERTIFICATE}: {path} has expired on {until}, and clients refuse it; renew it"
        ));
    }
    if now < from {
        return Some(format!(
            "{CERTIFICATE}: {path} is good from {from} on, and until then clients refuse it"
        ));
    }
    (now.plus(CERTIFICATE_ENDS_SOON) >= until).then(|| {
        format!(
            "{CERTIFICATE}: {path} expires on {until}; renew it, and the new one is taken without a restart"
        )
    })
}

/// Addresses that clients or bots are sent to and at which they would not accept the certificate.
fn names(pair: &Pair, config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    match &config.public_url {
        Some(url) if url.scheme() == "http" => warnings.push(format!(
            "public_url: {url} says http, and with [tls] the listener speaks https alone; write https, unless a proxy \
             takes plain http there"
        )),
        Some(url) if !covers(pair, url) => warnings.push(format!(
            "public_url: the certificate is not for {}; clients will refuse it, unless a proxy shows them another one",
            url.host_str().unwrap_or_default()
        )),
        Some(_) => {}
        None if config.connector_url.is_none() => warnings.push(
            "public_url: it is not set, so bots are sent to the address of the listener, for which certificates are \
             rarely made; set it to https:// and a name of the certificate"
                .to_owned(),
        ),
        None => {}
    }
    warnings
}

fn covers(pair: &Pair, url: &Url) -> bool {
    // URLs write IPv6 addresses in brackets, names of certificates do not.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let Ok(name) = ServerName::try_from(host) else { return false };
    ParsedCertificate::try_from(&pair.certificate)
        .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
}
