//! Opens what keeps the bytes of files, where the configuration wants it.
//!
//! In the registry, table TokenKeys, entry `files-owner`: by what this server is told from others in a bucket, a JSON
//! text. It is no secret; whoever reads the bucket reads it.

use std::sync::Arc;

use anyhow::Context;
use landline_core::Entropy;
use landline_core::store::{BlobStore, Registry};
use landline_store_blobs::{CloudBlobs, FolderBlobs};
use tokio::task::spawn_blocking;

use crate::config::{FilesAt, OutboundConfig, StoreLimits};
use crate::directory::random_text;
use crate::token_keys::{get, put};

const OWNER: &str = "files-owner";

/// Opens it.
///
/// # Errors
/// In words for the operator. A cloud that is not there is none: the files in it are unavailable until it is.
pub async fn open_blobs(
    files: &FilesAt,
    limits: &StoreLimits,
    registry: &dyn Registry,
    entropy: &dyn Entropy,
    connections: &OutboundConfig,
) -> anyhow::Result<Arc<dyn BlobStore>> {
    match files {
        FilesAt::Folder(path) => {
            let (folder, reserve) = (path.clone(), limits.reserve_bytes);
            let opened = spawn_blocking(move || FolderBlobs::open(&folder, reserve)).await?;
            Ok(Arc::new(opened.context("cannot open the folder of files")?))
        }
        FilesAt::Bucket(place) => {
            let (place, owner) = (place.clone(), owner(registry, entropy).await?);
            // What is no text is for no provider.
            let variables = std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
            let variables: Vec<_> = variables.collect();
            let OutboundConfig { addresses, trust } = connections.clone();
            // Reads certificates.
            let opened =
                spawn_blocking(move || CloudBlobs::open(&place, owner, variables, addresses, trust)).await?;
            Ok(Arc::new(opened.context("cannot open the bucket of files")?))
        }
    }
}

/// Reads it, or makes it.
async fn owner(registry: &dyn Registry, entropy: &dyn Entropy) -> anyhow::Result<String> {
    let (owner, _) = get::<String>(registry, OWNER).await?;
    if let Some(owner) = owner {
        return Ok(owner);
    }
    let owner = random_text(entropy);
    // Durable before anything is named so.
    put(registry, OWNER, &owner, None)
        .await
        .context("cannot write by what this server is known in a bucket")?;
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use landline_core::store::memory::MemoryStore;

    use super::*;
    use crate::SystemEntropy;

    #[tokio::test]
    async fn a_server_is_known_by_the_same_text_after_a_restart_and_no_other_by_it() {
        let (one, other) = (MemoryStore::new(), MemoryStore::new());
        let before = owner(&one, &SystemEntropy).await.unwrap();
        assert_eq!(owner(&one, &SystemEntropy).await.unwrap(), before);
        assert_ne!(owner(&other, &SystemEntropy).await.unwrap(), before);
    }
}
