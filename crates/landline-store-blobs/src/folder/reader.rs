//! Reads one blob of a folder. Whoever has it open reads it to its end, also when it is deleted meanwhile.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use landline_core::store::{BlobRead, StoreError};
use tokio::task::spawn_blocking;

use super::trouble;
use crate::limits::FOLDER_PIECE_BYTES;

pub(super) fn read(root: PathBuf, file: File, bytes: u64, range: Option<Range<u64>>) -> BlobRead {
    let range = range.map_or(0..bytes, |range| range.start.min(bytes)..range.end.min(bytes));
    let file = Arc::new(file);
    let pieces = stream::try_unfold(range, move |rest| {
        let (file, root) = (Arc::clone(&file), root.clone());
        async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let position = rest.start;
            let length = usize::try_from(rest.end - position).unwrap_or(usize::MAX).min(FOLDER_PIECE_BYTES);
            let reading = spawn_blocking(move || {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, position).map(|()| Bytes::from(piece))
            });
            let piece = reading.await.map_err(io::Error::other).flatten();
            let piece = piece.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => StoreError(format!(
                    "a file in {} is shorter than it was; restore a back-up",
                    root.display()
                )),
                _ => trouble(&root, &error),
            })?;
            Ok(Some((piece, position + length as u64..rest.end)))
        }
    });
    BlobRead { bytes, pieces: pieces.boxed() }
}
