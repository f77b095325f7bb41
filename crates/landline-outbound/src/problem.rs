//! What an operator can do about a connection that did not come up.

use std::error::Error;
use std::io;
use std::net::IpAddr;

use rustls::CertificateError;

use crate::addresses::Refused;

/// An address that was not connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedAddress {
    /// It stood in the URL, or somebody came out there.
    #[error("{0} {1}")]
    Literal(IpAddr, Refused),
    /// A name has led there.
    #[error("{0} leads to {1}, which {2}")]
    Name(Box<str>, IpAddr, Refused),
}

impl RefusedAddress {
    /// Why.
    pub fn why(&self) -> Refused {
        match self {
            Self::Literal(_, why) | Self::Name(_, _, why) => *why,
        }
    }
}

impl From<RefusedAddress> for io::Error {
    fn from(refused: RefusedAddress) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, refused)
    }
}

/// Why an address was not connected to, where that is why there is no connection.
pub fn address_problem<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a RefusedAddress> {
    find(error)
}

/// What is wrong with a certificate, where that is why there is no connection.
pub fn certificate_problem(error: &(dyn Error + 'static)) -> Option<String> {
    match find(error)? {
        rustls::Error::InvalidCertificate(why) => Some(in_words(why)),
        _ => None,
    }
}

/// The first cause of this type.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `source` of such an error passes over what it was made of.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn in_words(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "its certificate is of an authority that is not trusted here; name the \
                                            certificate of that authority in ca_certificates"
                .into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is for another name ({why}); write the name that stands in it")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("its certificate has expired ({why}); renew it there")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("its certificate is not valid yet ({why}); compare the clocks")
        }
        other => format!("its certificate cannot be believed: {other}"),
    }
}
