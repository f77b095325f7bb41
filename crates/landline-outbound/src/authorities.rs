//! Certificate authorities that the operator names, as PEM.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::{ClientConfig, RootCertStore};

use crate::limits::AUTHORITIES_BYTES;
use crate::trust::client_config;

/// One or more certificate authorities. Equal where the texts are.
#[derive(Clone)]
pub struct Authorities {
    pem: Arc<str>,
    certificates: Arc<[CertificateDer<'static>]>,
    only_these: Arc<ClientConfig>,
}

/// Why a text holds no certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAuthorities {
    /// No PEM, or none with certificates.
    #[error(
        "it holds no certificate; write one or more in PEM, each from -----BEGIN CERTIFICATE----- to its end"
    )]
    None,
    /// Too much of it.
    #[error("it has {0} bytes, {AUTHORITIES_BYTES} at the most")]
    TooLarge(usize),
    /// A private key has no business here.
    #[error("it holds more than certificates; leave keys and all else out")]
    MoreThanCertificates,
    /// Not the certificate of an authority.
    #[error("certificate {0} in it cannot be that of an authority")]
    Unusable(usize),
}

impl Authorities {
    /// From a text with certificates in PEM.
    ///
    /// # Errors
    /// [`BadAuthorities`]; it quotes nothing.
    pub fn from_pem(text: &str) -> Result<Self, BadAuthorities> {
        if text.len() > AUTHORITIES_BYTES {
            return Err(BadAuthorities::TooLarge(text.len()));
        }
        let sections: Vec<(SectionKind, Vec<u8>)> = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| BadAuthorities::None)?;
        let (mut roots, mut certificates) = (RootCertStore::empty(), Vec::new());
        for (at, (kind, der)) in sections.into_iter().enumerate() {
            if kind != SectionKind::Certificate {
                return Err(BadAuthorities::MoreThanCertificates);
            }
            let certificate = CertificateDer::from(der);
            roots.add(certificate.clone()).map_err(|_| BadAuthorities::Unusable(at + 1))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(BadAuthorities::None);
        }
        let only_these = client_config(roots).map_err(|_| BadAuthorities::Unusable(1))?;
        Ok(Self { pem: text.into(), certificates: certificates.into(), only_these })
    }

    /// The text that it was made from.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// TLS with whoever shows a certificate of one of these, and with nobody else.
    pub fn only_these(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.only_these)
    }

    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Eq for Authorities {}

/// How many: the texts are long.
impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({} certificates)", self.certificates.len())
    }
}
