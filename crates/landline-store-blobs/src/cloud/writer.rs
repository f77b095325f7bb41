//! Writes one blob to a cloud.
//!
//! Invariant: a writer that holds bytes is one of [`CLOUD_WRITERS`], and holds at most a part of them.

use std::sync::Arc;

use bytes::Bytes;
use landline_core::store::{BlobWriter, StoreError, WriterFuture};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayloadMut};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::Bucket;
use crate::limits::{CLOUD_BLOCK_BYTES, CLOUD_PART_BYTES, CLOUD_WRITER_PATIENCE, CLOUD_WRITERS};

pub(super) struct Writer {
    bucket: Arc<Bucket>,
    path: Path,
    place: Option<OwnedSemaphorePermit>,
    part: PutPayloadMut,
    /// Begun with the second part.
    parts: Option<Parts>,
    bytes: u64,
    /// A write failed or was given up.
    broken: bool,
}

/// Parts that were sent; dropping them takes them back.
struct Parts {
    upload: Option<Box<dyn MultipartUpload>>,
    tasks: TaskTracker,
}

fn empty() -> PutPayloadMut {
    PutPayloadMut::new().with_block_size(CLOUD_BLOCK_BYTES)
}

impl Writer {
    pub(super) fn new(bucket: Arc<Bucket>, path: Path) -> Self {
        Self { bucket, path, place: None, part: empty(), parts: None, bytes: 0, broken: false }
    }

    async fn add(&mut self, mut piece: Bytes) -> Result<(), StoreError> {
        if self.place.is_none() && !piece.is_empty() {
            self.place = Some(place(&self.bucket).await?);
        }
        while !piece.is_empty() {
            // Not before more comes: the last part may be a whole blob.
            if self.part.content_length() == CLOUD_PART_BYTES {
                self.send_part().await?;
            }
            let more = piece.split_to(piece.len().min(CLOUD_PART_BYTES - self.part.content_length()));
            self.part.extend_from_slice(&more);
            self.bytes += more.len() as u64;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), StoreError> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                self.bucket.claim().await?;
                let upload = self.bucket.store.put_multipart(&self.path).await;
                let upload = Some(upload.map_err(|error| self.bucket.trouble(&error))?);
                self.parts.insert(Parts { upload, tasks: self.bucket.tasks.clone() })
            }
        };
        let Some(upload) = &mut parts.upload else { return Err(given_up()) };
        let part = std::mem::replace(&mut self.part, empty()).freeze();
        upload.put_part(part).await.map_err(|error| self.bucket.trouble(&error))
    }

    async fn end(mut self: Box<Self>) -> Result<u64, StoreError> {
        if self.broken {
            return Err(given_up());
        }
        if self.parts.is_none() {
            self.bucket.claim().await?;
            let whole = std::mem::replace(&mut self.part, empty()).freeze();
            let put = self.bucket.store.put(&self.path, whole).await;
            return put.map(|_| self.bytes).map_err(|error| self.bucket.trouble(&error));
        }
        self.send_part().await?;
        let Some(parts) = &mut self.parts else { return Err(given_up()) };
        let Some(upload) = &mut parts.upload else { return Err(given_up()) };
        upload.complete().await.map_err(|error| self.bucket.trouble(&error))?;
        parts.upload = None;
        Ok(self.bytes)
    }
}

async fn place(bucket: &Bucket) -> Result<OwnedSemaphorePermit, StoreError> {
    let place = timeout(CLOUD_WRITER_PATIENCE, Arc::clone(&bucket.writers).acquire_owned()).await;
    place.ok().and_then(Result::ok).ok_or_else(|| {
        StoreError(format!("{CLOUD_WRITERS} files are being written to {} already; try again", bucket.place))
    })
}

fn given_up() -> StoreError {
    StoreError("a part of this file was not written; send the whole file again".to_owned())
}

impl BlobWriter for Writer {
    fn write(&mut self, piece: Bytes) -> WriterFuture<'_, ()> {
        Box::pin(async move {
            if self.broken {
                return Err(given_up());
            }
            self.broken = true;
            self.add(piece).await?;
            self.broken = false;
            Ok(())
        })
    }

    fn finish(self: Box<Self>) -> WriterFuture<'static, u64> {
        Box::pin(self.end())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let (Some(mut upload), Ok(runtime)) = (self.upload.take(), Handle::try_current()) else { return };
        let taking_back = async move {
            if let Err(error) = upload.abort().await {
                warn!(
                    "Parts of a file could not be taken back, a rule of the bucket has to remove them: {error}"
                );
            }
        };
        drop(self.tasks.spawn_on(taking_back, &runtime));
    }
}
