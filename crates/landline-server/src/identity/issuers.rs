//! Whose tokens are trusted beside our own, and their keys as fetched last.
//!
//! Invariants: keys are fetched because a token needs them, never per request, and never because a token names a key
//! that is not there more often than once in [`ISSUER_KEYS_UNKNOWN`]: such tokens cost nothing to make. One fetch runs
//! at a time for each issuer. It runs to its end also when whoever needed it hangs up, so that nobody can keep keys
//! from being fetched. What was fetched last stays in use until there is something newer.
//!
//! Not here: the check of a token (`landline_auth`), how a request is made (`outbound`).

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use landline_auth::{InvalidJwks, JwkSet};
use landline_outbound::Authorities;
use landline_protocol::BotName;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::config::{KeysAt, TrustedIssuer};
use crate::limits::{ISSUER_KEYS_KEPT, ISSUER_KEYS_RETRY, ISSUER_KEYS_TIMEOUT, ISSUER_KEYS_UNKNOWN};
use crate::outbound::{Outbound, OutboundError};
use crate::telemetry::{KeysFetched, Metrics};

/// What a source answers.
pub type KeySourceFuture<'a> = Pin<Box<dyn Future<Output = Result<Bytes, OutboundError>> + Send + 'a>>;

/// Where keys are fetched. Bounds what it reads, in size and in time.
pub trait KeySource: Send + Sync + 'static {
    /// The body of what is at this address; where there are authorities, from whoever has a certificate of theirs.
    fn get<'a>(
        &'a self,
        url: &'a Url,
        only: Option<&'a Authorities>,
        deadline: Instant,
    ) -> KeySourceFuture<'a>;
}

impl KeySource for Outbound {
    fn get<'a>(
        &'a self,
        url: &'a Url,
        only: Option<&'a Authorities>,
        deadline: Instant,
    ) -> KeySourceFuture<'a> {
        Box::pin(async move { Ok(Self::get(self, url, only, deadline).await?.body) })
    }
}

/// All issuers that are trusted beside this server.
pub struct ExternalIssuers {
    issuers: Vec<Arc<Issuer>>,
    source: Arc<dyn KeySource>,
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
}

struct Issuer {
    config: TrustedIssuer,
    /// Held for a moment each.
    known: RwLock<Known>,
    /// Held while its keys are fetched.
    fetching: Mutex<()>,
}

/// What is known of an issuer's keys.
#[derive(Clone, Default)]
struct Known {
    keys: Arc<JwkSet>,
    /// When they came.
    fetched: Option<Instant>,
    /// When a fetch began last, whatever came of it.
    tried: Option<Instant>,
}

/// An issuer and its keys, as they are known now.
pub(super) struct KnownIssuer<'a> {
    pub(super) issuers: &'a [Arc<str>],
    pub(super) keys: Arc<JwkSet>,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    #[error("what is there is {0}")]
    Keys(#[from] InvalidJwks),
    #[error("its metadata names no jwks_uri that can be used")]
    Metadata,
}

/// All that is read of an OpenID document.
#[derive(Deserialize)]
struct Metadata {
    jwks_uri: String,
}

impl ExternalIssuers {
    /// These, of which nothing is known yet. Fetches run among `tasks`.
    pub fn new(
        trusted: Vec<TrustedIssuer>,
        source: Arc<dyn KeySource>,
        tasks: TaskTracker,
        metrics: Arc<Metrics>,
    ) -> Self {
        let issuer = |config| Issuer { config, known: RwLock::default(), fetching: Mutex::default() };
        let issuers = trusted.into_iter().map(|config| Arc::new(issuer(config))).collect();
        Self { issuers, source, tasks, metrics }
    }

    /// What is known now, in the order in which they were handed in.
    pub(super) fn known(&self) -> Vec<KnownIssuer<'_>> {
        let known = |issuer: &Arc<Issuer>| issuer.known().keys;
        let issuers = self.issuers.iter();
        issuers.map(|issuer| KnownIssuer { issuers: &issuer.config.issuers, keys: known(issuer) }).collect()
    }

    /// False where this is one of them, and has a list of bots without this one.
    pub(super) fn vouch_for(&self, issuer: &str, bot: &BotName) -> bool {
        let of = |known: &&Arc<Issuer>| known.config.issuers.iter().any(|name| **name == *issuer);
        let bots = self.issuers.iter().find(of).and_then(|issuer| issuer.config.bots.as_ref());
        bots.is_none_or(|bots| bots.contains(bot))
    }

    /// Fetches the keys of an issuer again where they are old. Whoever asks does not wait.
    pub(super) fn refresh_if_old(&self, issuer: &str) {
        let now = Instant::now();
        let of = |known: &&Arc<Issuer>| known.config.issuers.iter().any(|name| **name == *issuer);
        if let Some(issuer) = self.issuers.iter().find(of)
            && issuer.is_old(now)
            && issuer.may_try(now)
        {
            self.spawn_fetch(issuer);
        }
    }

    /// A token named a key that is not among those `seen` of this issuer. True when there are others now, so that it is
    /// worth to look again.
    pub(super) async fn fetched_for_unknown_key(&self, which: usize, seen: &Arc<JwkSet>) -> bool {
        let Some(issuer) = self.issuers.get(which) else { return false };
        let others = || !Arc::ptr_eq(&issuer.known().keys, seen);
        let nobody_fetches = issuer.fetching.try_lock().is_ok();
        if others() {
            return true;
        }
        if nobody_fetches && !issuer.may_try(Instant::now()) {
            return false;
        }
        // A fetch that panicked has brought nothing.
        let _ = self.spawn_fetch(issuer).await;
        others()
    }

    /// Fetches, or waits for the fetch that runs.
    fn spawn_fetch(&self, issuer: &Arc<Issuer>) -> tokio::task::JoinHandle<()> {
        let (issuer, source) = (Arc::clone(issuer), Arc::clone(&self.source));
        let metrics = Arc::clone(&self.metrics);
        self.tasks.spawn(async move { issuer.fetch(&*source, &metrics).await })
    }
}

impl Issuer {
    fn known(&self) -> Known {
        // A panic elsewhere leaves it whole: each change is one assignment.
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn is_old(&self, now: Instant) -> bool {
        self.known().fetched.is_some_and(|fetched| now.duration_since(fetched) >= ISSUER_KEYS_KEPT)
    }

    fn may_try(&self, now: Instant) -> bool {
        let known = self.known();
        let pause = if known.keys.is_empty() { ISSUER_KEYS_RETRY } else { ISSUER_KEYS_UNKNOWN };
        known.tried.is_none_or(|tried| now.duration_since(tried) >= pause)
    }

    async fn fetch(&self, source: &dyn KeySource, metrics: &Metrics) {
        let _one_at_a_time = self.fetching.lock().await;
        let now = Instant::now();
        if !self.may_try(now) {
            return; // somebody else did, while this one waited
        }
        self.change(|known| known.tried = Some(now));
        let name = &self.config.name;
        match self.fetch_keys(source, now + ISSUER_KEYS_TIMEOUT).await {
            Ok(keys) => {
                tracing::info!(issuer = %name, keys = keys.len(), "Fetched {} keys of the issuer {name}", keys.len());
                metrics.issuer_keys_fetched(KeysFetched::Good);
                let keys = Arc::new(keys);
                self.change(|known| {
                    known.keys = keys;
                    known.fetched = Some(Instant::now());
                });
            }
            Err(error) => {
                tracing::warn!(issuer = %name, %error, "Could not fetch the keys of the issuer {name}: {error}");
                metrics.issuer_keys_fetched(KeysFetched::Failed);
            }
        }
    }

    async fn fetch_keys(&self, source: &dyn KeySource, deadline: Instant) -> Result<JwkSet, FetchError> {
        let get = async |url: &Url| -> Result<Bytes, FetchError> {
            // The source keeps the deadline itself; one that does not is cut off.
            let late = deadline + Duration::from_millis(100);
            let got = source.get(url, self.config.ca_certificates.as_ref(), deadline);
            Ok(timeout_at(late, got).await.unwrap_or(Err(OutboundError::TimedOut))?)
        };
        let json = match &self.config.keys {
            KeysAt::Keys(url) => get(url).await?,
            KeysAt::Metadata(url) => {
                let document = get(url).await?;
                let metadata: Metadata =
                    serde_json::from_slice(&document).map_err(|_| FetchError::Metadata)?;
                let keys: Url = metadata.jwks_uri.parse().map_err(|_| FetchError::Metadata)?;
                // Whoever reads the keys on the way could exchange them; not where the operator wrote https.
                if keys.scheme() != url.scheme() && keys.scheme() != "https" {
                    return Err(FetchError::Metadata);
                }
                get(&keys).await?
            }
        };
        Ok(JwkSet::from_json(&json)?)
    }
}

impl fmt::Debug for ExternalIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.issuers.iter().map(|issuer| &issuer.config.name)).finish()
    }
}

#[cfg(test)]
mod tests;
