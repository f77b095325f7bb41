use std::sync::atomic::{AtomicUsize, Ordering};

use landline_auth::{IDENTITY_PUBLISH_AHEAD, KeyState};
use landline_core::store::memory::MemoryStore;
use landline_testkit::in_process::keys::key;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// Makes key after key and counts.
fn maker() -> (MakeIdentityKey, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::default());
    let count = Arc::clone(&made);
    (Arc::new(move || Ok(key(count.fetch_add(1, Ordering::Relaxed)))), made)
}

async fn open(registry: &Arc<MemoryStore>, make: &MakeIdentityKey) -> Result<IdentityHolder, RotateError> {
    let registry: Arc<dyn Registry> = Arc::<MemoryStore>::clone(registry);
    IdentityHolder::open(registry, Arc::clone(make), NOW).await
}

fn ids(ring: &IdentityKeys, now: Timestamp) -> Vec<(String, KeyState)> {
    ring.published(now).map(|(key, state)| (key.id().to_owned(), state)).collect()
}

#[tokio::test]
async fn a_key_is_made_at_the_first_start_and_read_at_every_later_one() {
    let registry = Arc::new(MemoryStore::new());
    let (make, made) = maker();
    let first = open(&registry, &make).await.unwrap();
    let again = open(&registry, &make).await.unwrap();
    assert_eq!(again.current(), first.current());
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_rotation_is_in_the_registry_and_in_use() {
    let registry = Arc::new(MemoryStore::new());
    let (make, _) = maker();
    let holder = open(&registry, &make).await.unwrap();

    let rotated = holder.rotate(NOW, IDENTITY_PUBLISH_AHEAD).await.unwrap();

    let expected = [(key(0).id().to_owned(), KeyState::Signing), (key(1).id().to_owned(), KeyState::Next)];
    assert_eq!(ids(&rotated, NOW), expected);
    assert_eq!(holder.current(), rotated);
    assert_eq!(open(&registry, &make).await.unwrap().current(), rotated);
}

#[tokio::test]
async fn rotations_at_the_same_time_lose_nothing() {
    let registry = Arc::new(MemoryStore::new());
    let (make, _) = maker();
    let holder = open(&registry, &make).await.unwrap();

    let (one, two) =
        tokio::join!(holder.rotate(NOW, IDENTITY_PUBLISH_AHEAD), holder.rotate(NOW, IDENTITY_PUBLISH_AHEAD));

    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(ids(&holder.current(), NOW).len(), 3);
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_not_replaced() {
    let registry = Arc::new(MemoryStore::new());
    let damaged = Bytes::from_static(b"{\"version\":1,\"keys\":[]}");
    registry.put(Table::IdentityKeys, RING, damaged.clone(), None).await.unwrap();
    let (make, made) = maker();

    let refused = open(&registry, &make).await;

    assert!(matches!(refused, Err(RotateError::Unreadable(_))), "{refused:?}");
    assert_eq!(made.load(Ordering::Relaxed), 0);
    let kept = registry.get(Table::IdentityKeys, RING).await.unwrap().unwrap();
    assert_eq!(kept.value, damaged);
}

#[tokio::test]
async fn a_key_that_cannot_be_made_changes_nothing() {
    let registry = Arc::new(MemoryStore::new());
    let (make, _) = maker();
    let holder = open(&registry, &make).await.unwrap();
    let before = holder.current();
    let failing: MakeIdentityKey = Arc::new(|| Err(RsaKeyError::Failed));
    let holder = IdentityHolder { make: failing, ..holder };

    let refused = holder.rotate(NOW, Duration::ZERO).await;

    assert!(matches!(refused, Err(RotateError::Key(_))), "{refused:?}");
    assert_eq!(holder.current(), before);
}
