//! Writes one blob of a folder.

use std::fs;
use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use landline_core::store::{BlobKey, BlobWriter, StoreError, WriterFuture};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::directory::{Directory, Unfinished};
use super::trouble;
use crate::limits::FOLDER_PIECE_BYTES;

pub(super) struct Writer {
    directory: Arc<Directory>,
    key: BlobKey,
    /// Lent to the step that writes; not there when that failed or was given up.
    unfinished: Option<Draft>,
    buffer: BytesMut,
}

/// An unfinished blob; dropping it removes it.
struct Draft {
    on_disk: Unfinished,
    bytes: u64,
    published: bool,
}

impl Writer {
    pub(super) fn new(directory: Arc<Directory>, key: BlobKey, on_disk: Unfinished) -> Self {
        let unfinished = Some(Draft { on_disk, bytes: 0, published: false });
        Self { directory, key, unfinished, buffer: BytesMut::new() }
    }

    async fn flush(&mut self, piece: Bytes) -> Result<(), StoreError> {
        let pieces = [self.buffer.split().freeze(), piece];
        let directory = Arc::clone(&self.directory);
        let draft = self.draft()?;
        let written = spawn_blocking(move || {
            directory.check_room()?;
            draft.write(&pieces)
        });
        let draft = written.await.map_err(io::Error::other).flatten();
        self.unfinished = Some(draft.map_err(|error| trouble(&self.directory.root, &error))?);
        Ok(())
    }

    fn draft(&mut self) -> Result<Draft, StoreError> {
        let failed =
            || StoreError("a part of this file was not written; send the whole file again".to_owned());
        self.unfinished.take().ok_or_else(failed)
    }
}

impl BlobWriter for Writer {
    fn write(&mut self, piece: Bytes) -> WriterFuture<'_, ()> {
        Box::pin(async move {
            if self.buffer.len() + piece.len() < FOLDER_PIECE_BYTES {
                self.buffer.extend_from_slice(&piece);
                return Ok(());
            }
            self.flush(piece).await
        })
    }

    fn finish(mut self: Box<Self>) -> WriterFuture<'static, u64> {
        Box::pin(async move {
            let draft = self.draft()?;
            let Self { directory, key, buffer, .. } = *self;
            let root = directory.root.clone();
            let finished = spawn_blocking(move || {
                let mut draft = draft.write(&[buffer.freeze()])?;
                draft.on_disk.file.sync_all()?;
                directory.publish(&draft.on_disk.path, &key)?;
                draft.published = true;
                Ok(draft.bytes)
            });
            finished.await.map_err(io::Error::other).flatten().map_err(|error| trouble(&root, &error))
        })
    }
}

impl Draft {
    fn write(mut self, pieces: &[Bytes]) -> io::Result<Self> {
        for piece in pieces {
            self.on_disk.file.write_all(piece)?;
            self.bytes += piece.len() as u64;
        }
        Ok(self)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        let path = std::mem::take(&mut self.on_disk.path);
        // What cannot be removed is thrown away at the next start.
        let remove = move || drop(fs::remove_file(path));
        match Handle::try_current() {
            // The disk may keep one waiting, which a task must not.
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
