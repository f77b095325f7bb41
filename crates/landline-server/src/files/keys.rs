//! The key that signs links to files.
//!
//! In the registry, table TokenKeys, entry `files`: a ring of its own (its layout: `landline_auth::KeyRing`), of one key
//! that is made at the first start. It is never exchanged for another one: logs hold what it has signed, as long as
//! there are logs.

use anyhow::Context;
use landline_auth::{FileLinkKeys, KeyRing};
use landline_core::Entropy;
use landline_core::store::Registry;

use crate::token_keys::{get, new_key, put};

const FILES: &str = "files";

/// Reads the key, or makes it.
///
/// # Errors
/// In words for the operator.
pub(crate) async fn open_file_keys(
    registry: &dyn Registry,
    entropy: &dyn Entropy,
) -> anyhow::Result<FileLinkKeys> {
    let (ring, _) = get::<KeyRing>(registry, FILES).await?;
    let ring = match ring {
        Some(ring) => ring,
        None => {
            let ring = KeyRing::new(new_key(entropy));
            // Durable before anything is signed with it.
            put(registry, FILES, &ring, None).await.context("cannot write the key of links to files")?;
            ring
        }
    };
    Ok(FileLinkKeys::new(&ring))
}

#[cfg(test)]
mod tests {
    use landline_auth::LinkedFile;
    use landline_core::store::memory::MemoryStore;

    use super::*;
    use crate::SystemEntropy;

    #[tokio::test]
    async fn what_was_signed_before_a_restart_is_read_after_it() {
        let store = MemoryStore::new();
        let file = LinkedFile {
            conversation: "c".parse().unwrap(),
            file: "f".parse().unwrap(),
            view: "original".into(),
            name: "a.txt".into(),
            until: None,
        };
        let before = open_file_keys(&store, &SystemEntropy).await.unwrap().logged(&file);
        let after = open_file_keys(&store, &SystemEntropy).await.unwrap();
        assert_eq!(after.read_logged(&before), Some(file));
        let elsewhere = open_file_keys(&MemoryStore::new(), &SystemEntropy).await.unwrap();
        assert_eq!(elsewhere.read_logged(&before), None);
    }
}
