//! Whether the bytes of files are what was kept, for whoever looks at a store from outside.

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::{FileDigest, StoredView};
use crate::store::{BlobKey, BlobStore, StoreError};

/// What is wrong with the bytes of a view of a file, in words; `None` where they are what was kept. Reads all of them.
///
/// # Errors
/// Where the store cannot answer; what it cannot read to the end is told as being wrong.
pub async fn problem_with(
    blobs: &dyn BlobStore,
    key: &BlobKey,
    kept: &StoredView,
) -> Result<Option<String>, StoreError> {
    let Some(mut read) = blobs.read(key, None).await? else {
        return Ok(Some("its bytes are gone".to_owned()));
    };
    if read.bytes != kept.bytes {
        return Ok(Some(format!("it has {} bytes, {} were kept", read.bytes, kept.bytes)));
    }
    let mut hash = Sha256::new();
    while let Some(piece) = read.pieces.next().await {
        match piece {
            Ok(piece) => hash.update(&piece),
            Err(error) => return Ok(Some(format!("it cannot be read: {error}"))),
        }
    }
    let is_same = FileDigest::new(hash.finalize().into()) == kept.digest;
    Ok((!is_same).then(|| "its bytes are others than were kept".to_owned()))
}
