//! A certificate with its chain, and the key to it: read from two files, and checked.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use landline_protocol::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, NamedGroup, ServerConfig};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;

use crate::config::{ConfigError, TlsFiles};
use crate::limits::TLS_FILE_BYTES;

/// The keys of the configuration.
pub(super) const CERTIFICATE: &str = "tls.certificate";
pub(super) const KEY: &str = "tls.key";

/// The only protocol that is spoken over it. Source: RFC 7301, 6.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate and its key, ready to be served with.
pub(super) struct Pair {
    pub(super) server: Arc<ServerConfig>,
    /// The server's own, which stands first in its chain.
    pub(super) certificate: CertificateDer<'static>,
    /// From when to when the certificate is good.
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// Whether everybody on this machine may read the key.
    pub(super) exposed: bool,
    /// By which the files are recognised when they are read again.
    pub(super) content: [u8; 32],
}

impl Pair {
    /// Reads both files, each up to a bound. Blocks.
    pub(super) fn read(files: &TlsFiles) -> Result<Self, ConfigError> {
        let (certificate_pem, _) = read(CERTIFICATE, &files.certificate)?;
        let (key_pem, exposed) = read(KEY, &files.key)?;
        let chain = chain(&files.certificate, &certificate_pem)?;
        let Some(certificate) = chain.first().cloned() else {
            return Err(no_certificate(&files.certificate));
        };
        let (from, until) = validity(&files.certificate, &certificate)?;
        let provider = crypto();
        let certified = fit(files, chain, key(&files.key, &key_pem)?, &provider)?;
        let server = server(certified, provider)
            .map_err(|why| ConfigError::new(CERTIFICATE, format!("it cannot be used: {why}")))?;
        let content = content(&[&certificate_pem, &key_pem]);
        Ok(Self { server: Arc::new(server), certificate, from, until, exposed, content })
    }

    /// Whether a client that believes its own clock takes it now.
    pub(super) fn is_good_at(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// The bytes of a file, and whether everybody may read it.
fn read(key: &str, path: &Path) -> Result<(Vec<u8>, bool), ConfigError> {
    let error = |problem: String| ConfigError::new(key, problem);
    let cannot = |why: io::Error| error(format!("cannot read {}: {why}", path.display()));
    // Before it is opened: a pipe would be waited for.
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(error(format!("{} is no file; name a file in PEM", path.display())));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TLS_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(cannot)?;
    if bytes.len() as u64 > TLS_FILE_BYTES {
        return Err(error(format!("{} has more than {TLS_FILE_BYTES} bytes", path.display())));
    }
    Ok((bytes, readable_by_everybody(&metadata)))
}

#[cfg(unix)]
fn readable_by_everybody(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn readable_by_everybody(_: &fs::Metadata) -> bool {
    false
}

fn chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    // The errors of the library quote what they do not understand.
    let chain = chain.map_err(|_| {
        let problem =
            format!("{} is damaged: a block of it is not what PEM looks like; copy it again", path.display());
        ConfigError::new(CERTIFICATE, problem)
    })?;
    if chain.is_empty() { Err(no_certificate(path)) } else { Ok(chain) }
}

fn no_certificate(path: &Path) -> ConfigError {
    let problem = format!(
        "{} holds no certificate in PEM (-----BEGIN CERTIFICATE-----); one in DER becomes PEM by `openssl x509 -inform \
         der`",
        path.display()
    );
    ConfigError::new(CERTIFICATE, problem)
}

fn key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let encrypted = pem.windows(b"ENCRYPTED".len()).any(|piece| piece == b"ENCRYPTED");
        let problem = if encrypted {
            "holds a key that is encrypted; write one without a passphrase by `openssl pkey`, which nobody but this \
             server may read"
        } else {
            "holds no private key in PEM (-----BEGIN PRIVATE KEY-----); one in DER becomes PEM by `openssl pkey \
             -inform der`"
        };
        ConfigError::new(KEY, format!("{} {problem}", path.display()))
    })
}

fn validity(path: &Path, certificate: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), ConfigError> {
    // Not by the rules for those who issue certificates: what clients accept is good enough.
    let parsed = CertificateInner::<Raw>::from_der(certificate).map_err(|why| {
        let problem = format!("the first certificate in {} cannot be understood: {why}", path.display());
        ConfigError::new(CERTIFICATE, problem)
    })?;
    let moment = |time: x509_cert::time::Time| {
        let millis = time.to_unix_duration().as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    };
    let validity = parsed.tbs_certificate().validity();
    Ok((moment(validity.not_before), moment(validity.not_after)))
}

/// Puts certificate and key together, if they belong together.
fn fit(
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ConfigError> {
    let key = provider.key_provider.load_private_key(key).map_err(|why| {
        let problem = format!(
            "the key in {} cannot be used: {why}; RSA of 2048 bits and more, ECDSA on P-256, P-384 or P-521, and \
             Ed25519 can",
            files.key.display()
        );
        ConfigError::new(KEY, problem)
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(ConfigError::new(KEY, does_not_fit(files, &certified))),
        Err(why) => {
            let problem =
                format!("the first certificate in {} cannot be used: {why}", files.certificate.display());
            Err(ConfigError::new(CERTIFICATE, problem))
        }
    }
}

fn does_not_fit(files: &TlsFiles, certified: &CertifiedKey) -> String {
    let (key, certificate) = (files.key.display(), files.certificate.display());
    let of_another =
        certified.cert.iter().skip(1).any(|other| {
            CertifiedKey::new(vec![other.clone()], Arc::clone(&certified.key)).keys_match().is_ok()
        });
    if of_another {
        return format!(
            "the key in {key} belongs to a certificate in {certificate} that does not stand first; put the server's own \
             first, and those that vouch for it behind"
        );
    }
    format!(
        "the key in {key} does not fit the first certificate in {certificate}; name two files that were made together, \
         such as privkey.pem and fullchain.pem"
    )
}

fn server(certified: CertifiedKey, provider: Arc<CryptoProvider>) -> Result<ServerConfig, Error> {
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    server.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(server)
}

/// The provider of everything else here, and in front the key exchange that is not broken later by a quantum computer,
/// for clients that have it.
fn crypto() -> Arc<CryptoProvider> {
    let mut provider = provider::default_provider();
    provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
    Arc::new(provider)
}

fn content(files: &[&[u8]; 2]) -> [u8; 32] {
    let mut both = [0; 64];
    for (half, file) in both.chunks_exact_mut(32).zip(files) {
        half.copy_from_slice(digest(&SHA256, file).as_ref());
    }
    let mut content = [0; 32];
    content.copy_from_slice(digest(&SHA256, &both).as_ref());
    content
}
