//! The identity keys of a running server: made at its first start, kept in the registry, rotated while it runs.
//!
//! Invariant: what is in use here is in the registry. A rotation is written first and used then; where it is not
//! known whether it was written, the registry is read again.
//!
//! Not here: when a key signs and how long it is published (`landline_auth::IdentityKeys`).

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use landline_auth::{IdentityKeys, IdentityKeysError, RsaKey, RsaKeyError};
use landline_core::store::{PutError, Registry, StoreError, Table, Version};
use landline_protocol::Timestamp;
use tokio::sync::Mutex;

/// The one entry of [`Table::IdentityKeys`].
const RING: &str = "ring";

/// Makes one new key. Computes for up to a second, so it is called where that holds nobody up.
pub type MakeIdentityKey = Arc<dyn Fn() -> Result<RsaKey, RsaKeyError> + Send + Sync>;

/// The keys, and how they change.
pub struct IdentityHolder {
    /// Held for a moment each; whoever reads gets a ring that does not change.
    ring: RwLock<Arc<IdentityKeys>>,
    registry: Arc<dyn Registry>,
    make: MakeIdentityKey,
    /// One rotation at a time.
    rotating: Mutex<()>,
}

/// Why there are no keys, or no new ones.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Nothing was changed.
    #[error("the registry cannot be read or written: {0}")]
    Unavailable(StoreError),
    /// It is not known whether it was changed. Looking tells.
    #[error("it is not known whether the new key was written; look at the keys before trying again: {0}")]
    Unknown(StoreError),
    /// Nothing was changed: the ring is full, or cannot be read.
    #[error(transparent)]
    Ring(#[from] IdentityKeysError),
    /// Nothing was changed: what is in the registry is no ring.
    #[error("the identity keys in the registry cannot be read; run `landline check`: {0}")]
    Unreadable(serde_json::Error),
    /// Nothing was changed.
    #[error(transparent)]
    Key(#[from] RsaKeyError),
    /// Nothing was changed: somebody else did so at the same time.
    #[error("the identity keys were changed by somebody else at the same time; look at them, and try again")]
    Conflict,
}

impl IdentityHolder {
    /// The keys in the registry; at the first start, a new one that signs at once.
    ///
    /// # Errors
    /// [`RotateError`]; the server cannot start without keys.
    pub async fn open(
        registry: Arc<dyn Registry>,
        make: MakeIdentityKey,
        now: Timestamp,
    ) -> Result<Self, RotateError> {
        let ring = match read(&*registry).await? {
            Some((ring, _)) => ring,
            None => {
                let ring = IdentityKeys::new(new_key(&make).await?, now)?;
                write(&*registry, &ring, None).await?;
                ring
            }
        };
        Ok(Self { ring: RwLock::new(Arc::new(ring)), registry, make, rotating: Mutex::default() })
    }

    /// The keys as they are now.
    pub fn current(&self) -> Arc<IdentityKeys> {
        // A panic elsewhere leaves a whole ring: it is only ever swapped.
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes a new key, which signs from `publish_ahead` after `now` on; see [`IdentityKeys::rotate`].
    ///
    /// # Errors
    /// [`RotateError`]; on all but `Unknown`, nothing was changed.
    pub async fn rotate(
        &self,
        now: Timestamp,
        publish_ahead: Duration,
    ) -> Result<Arc<IdentityKeys>, RotateError> {
        let _one_at_a_time = self.rotating.lock().await;
        let key = new_key(&self.make).await?;
        let (ring, version) = match read(&*self.registry).await? {
            Some((ring, version)) => (ring, Some(version)),
            None => (IdentityKeys::clone(&self.current()), None),
        };
        let rotated = ring.rotate(key, now, publish_ahead)?;
        match write(&*self.registry, &rotated, version).await {
            Ok(()) => Ok(self.replace(rotated)),
            Err(unknown @ RotateError::Unknown(_)) => {
                // Whichever it is, what is used has to be what is written.
                if let Some((found, _)) = read(&*self.registry).await? {
                    let is_there = found == rotated;
                    let current = self.replace(found);
                    return if is_there { Ok(current) } else { Err(unknown) };
                }
                Err(unknown)
            }
            Err(error) => Err(error),
        }
    }

    fn replace(&self, ring: IdentityKeys) -> Arc<IdentityKeys> {
        let ring = Arc::new(ring);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&ring);
        ring
    }
}

async fn new_key(make: &MakeIdentityKey) -> Result<RsaKey, RotateError> {
    let make = Arc::clone(make);
    // Only a key that cannot be made panics there.
    let made = tokio::task::spawn_blocking(move || make()).await;
    Ok(made.map_err(|_| RsaKeyError::Failed)??)
}

async fn read(registry: &dyn Registry) -> Result<Option<(IdentityKeys, Version)>, RotateError> {
    let known = registry.get(Table::IdentityKeys, RING).await.map_err(RotateError::Unavailable)?;
    let Some(known) = known else { return Ok(None) };
    let ring = serde_json::from_slice(&known.value).map_err(RotateError::Unreadable)?;
    Ok(Some((ring, known.version)))
}

async fn write(
    registry: &dyn Registry,
    ring: &IdentityKeys,
    expected: Option<Version>,
) -> Result<(), RotateError> {
    let value = Bytes::from(serde_json::to_vec(ring).map_err(RotateError::Unreadable)?);
    match registry.put(Table::IdentityKeys, RING, value, expected).await {
        Ok(_) => Ok(()),
        Err(PutError::Conflict(_)) => Err(RotateError::Conflict),
        Err(PutError::Unavailable(error)) => Err(RotateError::Unavailable(error)),
        Err(PutError::Unknown(error)) => Err(RotateError::Unknown(error)),
    }
}

impl fmt::Debug for IdentityHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityHolder").field("ring", &self.current()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
