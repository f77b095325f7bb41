//! The keys that sign tokens and tickets, while the server runs: they can be exchanged without ending anybody's chat.
//!
//! A request takes the ring as it is at that moment and keeps it to its end. After a rotation the newest key signs, and
//! the older ones of the ring go on verifying.
//!
//! Invariant: a ring signs only when it is durable, so that no restart refuses what it has signed.
//!
//! In the registry, table TokenKeys: `ring` (its layout: `landline_auth`), and `times`, when each key was made:
//! `{"<kid>":ms,…}`. Of keys that were made before times were written down there is none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use landline_auth::{KeyRing, MAX_TOKEN_KEYS, NOT_BEFORE_LEEWAY, STREAM_TICKET_TTL, TokenKey};
use landline_core::Entropy;
use landline_core::store::{PutError, Registry, Table, Version};
use landline_protocol::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::directory::{ChangeError, from_bytes, to_bytes};

const RING: &str = "ring";
const TIMES: &str = "times";

type Times = BTreeMap<String, Timestamp>;

/// The ring of the running server.
pub struct TokenKeys {
    /// Swapped whole; held for one clone.
    ring: RwLock<Arc<KeyRing>>,
    registry: Arc<dyn Registry>,
    /// Held over the writing, so that rotations come one after another. No request waits for it.
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    ring_version: Option<Version>,
    times: Times,
    times_version: Option<Version>,
    /// Set while something is written, and left set when it is not known what became of it.
    stale: bool,
}

/// A key, without what signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its `kid`.
    pub kid: String,
    /// When it was made, where that is known.
    pub created: Option<Timestamp>,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("ring", &self.current()).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Reads the ring, or makes one of one key.
    ///
    /// # Errors
    /// In words for the operator.
    pub(crate) async fn open(
        registry: Arc<dyn Registry>,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let mut writer =
            Writer { ring_version: None, times: Times::new(), times_version: None, stale: false };
        let ring = match writer.read(&*registry).await? {
            Some(ring) => ring,
            None => {
                let ring = KeyRing::new(new_key(entropy));
                writer.write(&*registry, &ring, now).await.context("cannot write the token keys")?;
                ring
            }
        };
        Ok(Self { ring: RwLock::new(Arc::new(ring)), registry, writer: Mutex::new(writer) })
    }

    /// The ring, as it is now.
    pub fn current(&self) -> Arc<KeyRing> {
        // A panic elsewhere leaves a whole ring: it is only ever swapped.
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys, oldest first; the last one signs.
    pub async fn list(&self) -> Vec<ListedKey> {
        let writer = self.writer.lock().await;
        let listed = |key: &TokenKey| ListedKey {
            kid: key.id().to_owned(),
            created: writer.times.get(key.id()).copied(),
        };
        self.current().keys().map(listed).collect()
    }

    /// Makes a key that signs from now on. Where the ring is full its oldest key goes, once everything that it has
    /// signed has expired; `token_lifetime` is the longest life of a token of any site.
    ///
    /// # Errors
    /// [`ChangeError::Conflict`], saying until when, while the oldest key of a full ring is needed.
    pub async fn rotate(
        &self,
        entropy: &dyn Entropy,
        now: Timestamp,
        token_lifetime: Duration,
    ) -> Result<(), ChangeError> {
        let mut writer = self.writer.lock().await;
        if writer.stale {
            let read = writer.read(&*self.registry).await;
            let ring = read.map_err(|error| ChangeError::Unavailable(format!("{error:#}")))?;
            self.show(ring.ok_or_else(|| ChangeError::Unavailable("the ring of token keys is gone".into()))?);
            writer.stale = false;
        }
        if let Some(until) = writer.oldest_is_needed_until(&self.current(), token_lifetime)
            && now < until
        {
            return Err(ChangeError::Conflict(format!(
                "nothing was changed: there is room for {MAX_TOKEN_KEYS} token keys, and tokens that the oldest has signed may \
                 be in use until {until}; rotate again then"
            )));
        }
        let next = self.current().rotate(new_key(entropy));
        // Two random keys of one id: trying again makes another one.
        let next = next.map_err(|error| ChangeError::Unavailable(error.to_string()))?;
        writer.stale = true;
        match writer.write(&*self.registry, &next, now).await {
            Ok(()) => {
                writer.stale = false;
                self.show(next);
                Ok(())
            }
            Err(PutError::Unavailable(error)) => {
                writer.stale = false;
                Err(ChangeError::Unavailable(error.to_string()))
            }
            Err(error @ PutError::Conflict(_)) => Err(ChangeError::Unavailable(error.to_string())),
            Err(PutError::Unknown(error)) => Err(ChangeError::Unknown(error.to_string())),
        }
    }

    fn show(&self, ring: KeyRing) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }
}

impl Writer {
    async fn read(&mut self, registry: &dyn Registry) -> anyhow::Result<Option<KeyRing>> {
        let (ring, ring_version) = get(registry, RING).await?;
        let (times, times_version) = get(registry, TIMES).await?;
        self.ring_version = ring_version;
        self.times = times.unwrap_or_default();
        self.times_version = times_version;
        Ok(ring)
    }

    /// When the last token of the oldest key has expired; `None` where it stays in the ring at the next rotation.
    ///
    /// A key signs until the next one is made, so that is when the life of its last token began. Where it is not known
    /// when the next one was made, the first later one of which it is known counts.
    fn oldest_is_needed_until(&self, ring: &KeyRing, token_lifetime: Duration) -> Option<Timestamp> {
        if ring.keys().count() < MAX_TOKEN_KEYS {
            return None;
        }
        let signed_last = ring.keys().skip(1).find_map(|key| self.times.get(key.id()))?;
        Some(signed_last.plus(token_lifetime.max(STREAM_TICKET_TTL)).plus(NOT_BEFORE_LEEWAY))
    }

    /// Writes when the newest key was made, then the ring. A crash between the two leaves a time without a key, which
    /// goes at the next write.
    async fn write(
        &mut self,
        registry: &dyn Registry,
        ring: &KeyRing,
        now: Timestamp,
    ) -> Result<(), PutError> {
        let mut times = self.times.clone();
        times.insert(ring.signing().id().to_owned(), now);
        times.retain(|kid, _| ring.keys().any(|key| key.id() == kid));
        let version = put(registry, TIMES, &times, self.times_version).await?;
        self.times_version = Some(version);
        self.times = times;
        self.ring_version = Some(put(registry, RING, ring, self.ring_version).await?);
        Ok(())
    }
}

pub(crate) fn new_key(entropy: &dyn Entropy) -> TokenKey {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    TokenKey::from_random(&bytes)
}

pub(crate) async fn get<T: DeserializeOwned>(
    registry: &dyn Registry,
    name: &str,
) -> anyhow::Result<(Option<T>, Option<Version>)> {
    let what = || format!("entry {name:?} of table TokenKeys in the registry");
    let Some(found) = registry.get(Table::TokenKeys, name).await.with_context(what)? else {
        return Ok((None, None));
    };
    Ok((Some(from_bytes(&found.value).with_context(what)?), Some(found.version)))
}

pub(crate) async fn put<T: Serialize>(
    registry: &dyn Registry,
    name: &str,
    value: &T,
    expected: Option<Version>,
) -> Result<Version, PutError> {
    let value = to_bytes(value)
        .map_err(|error| PutError::Unavailable(landline_core::store::StoreError(error.to_string())))?;
    registry.put(Table::TokenKeys, name, value, expected).await
}

#[cfg(test)]
mod tests {
    use landline_core::store::memory::MemoryStore;

    use super::*;
    use crate::SystemEntropy;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    async fn open(store: &Arc<MemoryStore>) -> TokenKeys {
        TokenKeys::open(Arc::<MemoryStore>::clone(store), &SystemEntropy, at(1)).await.unwrap()
    }

    #[tokio::test]
    async fn a_rotation_outlives_a_restart_and_older_keys_stay() {
        let store = Arc::new(MemoryStore::new());
        let keys = open(&store).await;
        let before = keys.current();
        keys.rotate(&SystemEntropy, at(2), HOUR).await.unwrap();
        let after = keys.current();
        assert_ne!(after.signing(), before.signing());
        assert_eq!(after.keys().next(), Some(before.signing()));

        let again = open(&store).await;
        assert_eq!(again.current(), after);
        assert_eq!(again.list().await, keys.list().await);
        let times: Vec<_> = again.list().await.into_iter().map(|key| key.created).collect();
        assert_eq!(times, [Some(at(1)), Some(at(2))]);
    }

    #[tokio::test]
    async fn a_ring_without_times_is_read_and_a_full_one_stays_bounded() {
        let store = Arc::new(MemoryStore::new());
        let ring = KeyRing::new(new_key(&SystemEntropy));
        put(&*store, RING, &ring, None).await.unwrap();
        let keys = open(&store).await;
        assert_eq!(keys.list().await, [ListedKey { kid: ring.signing().id().into(), created: None }]);

        for hours in 1..20 {
            keys.rotate(&SystemEntropy, at(2).plus(HOUR * hours), HOUR).await.unwrap();
        }
        let listed = keys.list().await;
        assert_eq!(listed.len(), MAX_TOKEN_KEYS);
        assert!(listed.iter().all(|key| key.created.is_some()));
        let kept: Times = get(&*store, TIMES).await.unwrap().0.unwrap();
        assert_eq!(kept.len(), MAX_TOKEN_KEYS);
    }

    #[tokio::test]
    async fn a_key_stays_until_the_last_token_that_it_has_signed_has_expired() {
        let store = Arc::new(MemoryStore::new());
        let keys = open(&store).await;
        // The first key signs for a hundred hours: what counts is when it signed last, not when it was made.
        let second = at(1).plus(HOUR * 100);
        for minutes in 0..7 {
            let now = second.plus(HOUR / 60 * minutes);
            keys.rotate(&SystemEntropy, now, HOUR).await.unwrap();
        }
        let full = keys.current();
        let until = second.plus(HOUR).plus(NOT_BEFORE_LEEWAY);
        let before = Timestamp::from_millis(until.as_millis() - 1);

        let refused = keys.rotate(&SystemEntropy, before, HOUR).await;

        let Err(ChangeError::Conflict(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains(&format!("until {until};")), "{why}");
        assert_eq!(keys.current(), full);
        assert_eq!(open(&store).await.current(), full);
        assert!(keys.rotate(&SystemEntropy, until, HOUR * 2).await.is_err(), "another site's live longer");
        keys.rotate(&SystemEntropy, until, HOUR).await.unwrap();
        assert_eq!(keys.current().keys().next(), full.keys().nth(1), "the oldest has gone");
        // With shorter tokens, stream tickets live longest.
        let ticket = second.plus(HOUR / 60).plus(STREAM_TICKET_TTL);
        assert!(keys.rotate(&SystemEntropy, ticket, Duration::from_secs(1)).await.is_err());
    }

    #[tokio::test]
    async fn somebody_else_who_writes_first_is_noticed_and_nothing_is_lost() {
        let store = Arc::new(MemoryStore::new());
        let (one, other) = (open(&store).await, open(&store).await);
        one.rotate(&SystemEntropy, at(2), HOUR).await.unwrap();
        other.rotate(&SystemEntropy, at(3), HOUR).await.unwrap_err();
        other.rotate(&SystemEntropy, at(4), HOUR).await.unwrap();
        let ids = |keys: &TokenKeys| -> Vec<String> {
            keys.current().keys().map(|key| key.id().to_owned()).collect()
        };
        assert_eq!(ids(&other).len(), 3);
        assert!(ids(&other).starts_with(&ids(&one)));
    }
}
