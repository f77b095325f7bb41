//! Blobs in the object storage of a cloud: S3 and what speaks like it, Azure Blob Storage, Google Cloud Storage.
//!
//! A blob is the object `PREFIX/CONVERSATION/FILE.VIEW`. All three make an object visible whole or not at all, and
//! durable before they say so. A blob up to the size of a part is one request; a larger one is sent in parts, which are
//! nothing until they are put together.
//!
//! Parts that a killed process has sent stay with the provider, readable for nobody, until a rule of the bucket removes them;
//! S3 and Google bill them until then. The protocol library cannot list them, so [`BlobStore::clear_unfinished`] only
//! looks whether the place can be reached, and is this server's.
//!
//! Not here: how the protocols go (`object_store`).

mod http;
mod open;
mod owner;
mod reader;
mod trouble;
mod writer;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use landline_core::store::{BlobKey, BlobRead, BlobStore, BlobWriter, ListedBlob, StoreError, StoreFuture};
use landline_outbound::{AddressPolicy, Trust};
use landline_protocol::{ConversationId, Timestamp};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::task::TaskTracker;
use url::Url;

use self::writer::Writer;
use crate::error::OpenBlobsError;
use crate::limits::CLOUD_WRITERS;
use crate::names;

/// Keeps blobs in a cloud.
#[derive(Clone)]
pub struct CloudBlobs {
    bucket: Arc<Bucket>,
}

/// What readers and writers share.
struct Bucket {
    /// As the operator has written it, for messages. Holds no credentials.
    place: Url,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// By what this server is known, and that the place is known to be its own.
    owner: String,
    claimed: OnceCell<()>,
    /// One for each writer that holds a part.
    writers: Arc<Semaphore>,
    /// Deletions, and parts that are taken back: what goes on when nobody waits for it.
    tasks: TaskTracker,
}

impl fmt::Debug for CloudBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudBlobs").field("place", &self.bucket.place.as_str()).finish_non_exhaustive()
    }
}

impl CloudBlobs {
    /// Gets ready for `s3://bucket/prefix`, `az://container/prefix` or `gs://bucket/prefix`; makes no connection.
    ///
    /// The place is for one server alone, which is told from others by `owner`: a text that it keeps and no other has.
    ///
    /// Region, endpoint and credentials are taken from the variables of the environment that the tools of the provider
    /// know: those that begin with `AWS_`, `AZURE_` or `GOOGLE_`. What an instance would hand out at a link-local address
    /// is not asked for: nothing here connects there.
    ///
    /// Connections are made to these addresses, with whoever has a certificate that is trusted.
    ///
    /// # Errors
    /// What is missing, or cannot be.
    pub fn open(
        place: &Url,
        owner: impl Into<String>,
        environment: impl IntoIterator<Item = (String, String)>,
        addresses: Arc<AddressPolicy>,
        trust: Trust,
    ) -> Result<Self, OpenBlobsError> {
        let failed = |why| OpenBlobsError::Cloud { place: place.clone(), why };
        let prefix = Path::from_url_path(place.path())
            .map_err(|error| failed(format!("the prefix cannot be used: {error}")))?;
        let store =
            open::store(place, environment.into_iter().collect(), http::Connector { addresses, trust });
        let store = store.map_err(failed)?;
        let bucket = Bucket {
            place: place.clone(),
            store,
            prefix,
            owner: owner.into(),
            claimed: OnceCell::new(),
            writers: Arc::new(Semaphore::new(CLOUD_WRITERS)),
            tasks: TaskTracker::new(),
        };
        Ok(Self { bucket: Arc::new(bucket) })
    }

    /// Waits for what goes on by itself. Bounded by the time that requests may take.
    pub async fn close(&self) {
        self.bucket.tasks.close();
        self.bucket.tasks.wait().await;
    }
}

impl Bucket {
    fn path(&self, key: &BlobKey) -> Path {
        self.folder(Some(&key.conversation)).join(names::file_name(key))
    }

    fn folder(&self, of: Option<&ConversationId>) -> Path {
        let prefix = self.prefix.clone();
        of.map_or(prefix.clone(), |conversation| prefix.join(conversation.as_str()))
    }

    /// Makes sure that the place is this server's. What fails is tried again the next time.
    async fn claim(&self) -> Result<(), StoreError> {
        self.claimed.get_or_try_init(|| owner::claim(self, &self.owner)).await.copied()
    }

    fn trouble(&self, error: &object_store::Error) -> StoreError {
        trouble::trouble(&self.place, error)
    }

    /// `None` for what is not ours.
    fn listed(&self, object: &ObjectMeta) -> Option<ListedBlob> {
        let mut parts = object.location.prefix_match(&self.prefix)?;
        let (conversation, name) = (parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let key = names::key(&conversation.as_ref().parse().ok()?, name.as_ref())?;
        let modified = Timestamp::from_millis(object.last_modified.timestamp_millis());
        Some(ListedBlob { key, bytes: object.size, modified })
    }

    async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.store.delete(path).await {
            // Some say so, others do not.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.trouble(&error)),
        }
    }
}

impl BlobStore for CloudBlobs {
    fn create(&self, key: &BlobKey) -> StoreFuture<Box<dyn BlobWriter>, StoreError> {
        let writer = Writer::new(Arc::clone(&self.bucket), self.bucket.path(key));
        Box::pin(std::future::ready(Ok(Box::new(writer) as Box<dyn BlobWriter>)))
    }

    fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> StoreFuture<Option<BlobRead>, StoreError> {
        Box::pin(reader::read(Arc::clone(&self.bucket), self.bucket.path(key), range))
    }

    fn delete(&self, key: &BlobKey) -> StoreFuture<(), StoreError> {
        let (bucket, path) = (Arc::clone(&self.bucket), self.bucket.path(key));
        let deleting = self.bucket.tasks.spawn(async move { bucket.delete(&path).await });
        Box::pin(async move { deleting.await.unwrap_or_else(|error| Err(StoreError(error.to_string()))) })
    }

    fn list(&self, of: Option<&ConversationId>) -> BoxStream<'static, Result<ListedBlob, StoreError>> {
        let (bucket, folder, all) = (Arc::clone(&self.bucket), self.bucket.folder(of), of.is_none());
        let listing = async move {
            if all {
                bucket.claim().await?;
            }
            let listed = bucket.store.list(Some(&folder));
            let blobs = listed.filter_map(move |object| {
                let blob = match object {
                    Ok(object) => bucket.listed(&object).map(Ok),
                    Err(error) => Some(Err(bucket.trouble(&error))),
                };
                std::future::ready(blob)
            });
            Ok(blobs)
        };
        stream::once(listing).try_flatten().boxed()
    }

    fn clear_unfinished(&self) -> StoreFuture<u64, StoreError> {
        let bucket = Arc::clone(&self.bucket);
        Box::pin(async move { bucket.claim().await.map(|()| 0) })
    }
}
