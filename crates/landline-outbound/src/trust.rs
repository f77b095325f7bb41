//! Whose certificates are believed.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::authorities::Authorities;

/// The authorities of this machine and those that the operator adds. A cheap handle; what was loaded is shared.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    added: Option<Authorities>,
    loaded: Arc<OnceLock<Arc<ClientConfig>>>,
}

/// There is nobody whose certificates could be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot load the certificate authorities of this machine: {0}; install the package ca-certificates")]
pub struct NoAuthorities(String);

impl Trust {
    /// Those of this machine, and these. Reads no file yet.
    pub fn new(added: Option<Authorities>) -> Self {
        Self { added, loaded: Arc::default() }
    }

    /// What TLS needs. Reads files the first time; what fails is tried again the next time.
    ///
    /// # Errors
    /// [`NoAuthorities`].
    pub async fn load(&self) -> Result<Arc<ClientConfig>, NoAuthorities> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(Arc::clone(loaded));
        }
        let trust = self.clone();
        let loaded = tokio::task::spawn_blocking(move || trust.load_now()).await;
        loaded.map_err(|error| NoAuthorities(error.to_string()))?
    }

    /// The same, blocking.
    ///
    /// # Errors
    /// As [`Trust::load`].
    pub fn load_now(&self) -> Result<Arc<ClientConfig>, NoAuthorities> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(Arc::clone(loaded));
        }
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        // Machines have some that are older than what is understood here.
        let (_, _) = roots.add_parsable_certificates(found.certs);
        for certificate in self.added.iter().flat_map(Authorities::certificates) {
            roots.add(certificate.clone()).map_err(|error| NoAuthorities(error.to_string()))?;
        }
        if roots.is_empty() {
            let why = found.errors.first().map_or("there are none".to_owned(), ToString::to_string);
            return Err(NoAuthorities(why));
        }
        let config = client_config(roots).map_err(|error| NoAuthorities(error.to_string()))?;
        Ok(Arc::clone(self.loaded.get_or_init(|| config)))
    }
}

/// TLS 1.2 and 1.3, with certificates of these authorities.
pub(crate) fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
