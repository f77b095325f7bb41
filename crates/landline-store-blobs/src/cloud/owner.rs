//! Whose a place in a cloud is: the object `PREFIX/owner.landline` says so, in a word that the server has at random.
//!
//! What a server does not know, it removes; so two of them in one place would remove each other's files. Nothing
//! locks a bucket as a folder is locked. Therefore nothing is written to a place, and all of it is listed for nobody,
//! before it is clear that it is this server's.
//!
//! Two servers that come to a new place in the same moment may both take it for theirs; the next start tells.

use landline_core::store::StoreError;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};

use super::Bucket;
use crate::limits::CLOUD_OWNER_BYTES;

/// No conversation is called like this.
const NAME: &str = "owner.landline";

/// Looks whose the place is, and takes it where it is nobody's.
pub(super) async fn claim(bucket: &Bucket, owner: &str) -> Result<(), StoreError> {
    let (path, ours) = (bucket.prefix.clone().join(NAME), format!("landline files, format 1\n{owner}\n"));
    if let Some(there) = read(bucket, &path).await? {
        return if there == ours.as_bytes() { Ok(()) } else { Err(taken(bucket, &path)) };
    }
    let new = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    if bucket.store.put_opts(&path, ours.clone().into(), new).await.is_err()
        && read(bucket, &path).await?.is_none()
    {
        // Not every server that speaks like S3 knows this condition.
        bucket.store.put(&path, ours.clone().into()).await.map_err(|error| bucket.trouble(&error))?;
    }
    match read(bucket, &path).await? {
        Some(there) if there == ours.as_bytes() => Ok(()),
        _ => Err(taken(bucket, &path)),
    }
}

async fn read(bucket: &Bucket, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let found = match bucket.store.get(path).await {
        Ok(found) => found,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(bucket.trouble(&error)),
    };
    // Larger than any of ours: somebody else's.
    if found.meta.size > CLOUD_OWNER_BYTES {
        return Err(taken(bucket, path));
    }
    found.bytes().await.map(|bytes| Some(bytes.to_vec())).map_err(|error| bucket.trouble(&error))
}

fn taken(bucket: &Bucket, path: &Path) -> StoreError {
    StoreError(format!(
        "the files at {} are those of another server; give this one a bucket or a prefix of its own. If that server is gone \
         for good, delete the object {path}; what this server does not know is then removed",
        bucket.place
    ))
}
