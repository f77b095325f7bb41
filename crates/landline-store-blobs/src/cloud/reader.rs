//! Reads one blob from a cloud. What was asked for is one request, and goes on with further ones where the line breaks.

use std::ops::Range;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use landline_core::store::{BlobRead, StoreError};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _};

use super::Bucket;

type Pieces = BoxStream<'static, Result<bytes::Bytes, StoreError>>;

pub(super) async fn read(
    bucket: Arc<Bucket>,
    path: Path,
    range: Option<Range<u64>>,
) -> Result<Option<BlobRead>, StoreError> {
    let wanted = range.clone().filter(|range| !range.is_empty());
    if range.is_some() && wanted.is_none() {
        return size(&bucket, &path).await.map(|bytes| bytes.map(nothing));
    }
    let options = GetOptions { range: wanted.clone().map(GetRange::Bounded), ..GetOptions::default() };
    match bucket.store.get_opts(&path, options).await {
        Ok(found) => {
            let (bytes, length) = (found.meta.size, found.range.end - found.range.start);
            let pieces = found.into_stream();
            Ok(Some(BlobRead { bytes, pieces: whole(bucket, pieces, length) }))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        // Perhaps there is nothing in this range; the providers say so in different ways.
        Err(error) => match wanted {
            Some(wanted) => match size(&bucket, &path).await? {
                Some(bytes) if wanted.start < bytes => Err(bucket.trouble(&error)),
                bytes => Ok(bytes.map(nothing)),
            },
            None => Err(bucket.trouble(&error)),
        },
    }
}

async fn size(bucket: &Bucket, path: &Path) -> Result<Option<u64>, StoreError> {
    match bucket.store.head(path).await {
        Ok(object) => Ok(Some(object.size)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(bucket.trouble(&error)),
    }
}

fn nothing(bytes: u64) -> BlobRead {
    BlobRead { bytes, pieces: stream::empty().boxed() }
}

/// What comes, if it is as much as was announced, and else an error at its end.
fn whole(
    bucket: Arc<Bucket>,
    pieces: BoxStream<'static, object_store::Result<bytes::Bytes>>,
    length: u64,
) -> Pieces {
    let pieces = pieces.filter(|piece| std::future::ready(!piece.as_ref().is_ok_and(bytes::Bytes::is_empty)));
    let counted = stream::try_unfold((pieces.boxed(), length), move |(mut pieces, left)| {
        let bucket = Arc::clone(&bucket);
        async move {
            match pieces.next().await {
                Some(Ok(piece)) => match left.checked_sub(piece.len() as u64) {
                    Some(left) => Ok(Some((piece, (pieces, left)))),
                    None => Err(StoreError(format!("{} sent more than was asked for", bucket.place))),
                },
                Some(Err(error)) => Err(bucket.trouble(&error)),
                None if left == 0 => Ok(None),
                None => Err(StoreError(format!("{} left out the last {left} bytes of a file", bucket.place))),
            }
        }
    });
    counted.boxed()
}
