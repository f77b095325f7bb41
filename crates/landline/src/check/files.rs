//! `landline check`, the part about files: whether the bytes of each are there and what they were, and whether there are
//! any that belong to nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use futures_util::StreamExt;
use landline_core::files::{StoredFile, problem_with};
use landline_core::store::{BlobKey, BlobStore, LogStore, ReadError, Registry, View};
use landline_core::{Clock, Facts, SystemClock};
use landline_protocol::{ConversationId, Timestamp};
use landline_server::config::{FilesAt, OutboundConfig, StoreLimits};
use landline_server::{SystemEntropy, app};

use super::LIST;
use crate::output;

/// What was read.
#[derive(Default)]
pub(super) struct FilesTally {
    /// Files whose time is not over.
    pub(super) files: u64,
    pub(super) damaged: u64,
    /// Blobs that no conversation knows.
    pub(super) left_over: u64,
}

/// Where the files are: as it was said, or else below the data folder, if there is anything. Does not make it.
pub(super) async fn open(
    data: &Path,
    files: Option<&str>,
    registry: &dyn Registry,
) -> anyhow::Result<Option<Arc<dyn BlobStore>>> {
    let at = match files {
        Some(text) => FilesAt::parse(text, Path::new(""))?,
        None => FilesAt::default_in(data),
    };
    if let FilesAt::Folder(folder) = &at
        && !folder.exists()
    {
        return Ok(None);
    }
    let connections = OutboundConfig::default();
    app::open_blobs(&at, &StoreLimits::default(), registry, &SystemEntropy, &connections).await.map(Some)
}

/// Every file of every conversation, and everything that is kept.
pub(super) async fn check(store: &dyn LogStore, blobs: Option<&dyn BlobStore>) -> anyhow::Result<FilesTally> {
    let now = SystemClock.now();
    let mut tally = FilesTally::default();
    let mut after = None;
    loop {
        let listed = store.conversations(after, LIST).await.context("cannot list the conversations")?;
        let Some(last) = listed.last() else { break };
        after = Some(last.clone());
        for conversation in &listed {
            for file in files_of(store, conversation).await?.unwrap_or_default() {
                check_file(blobs, conversation, &file, now, &mut tally).await?;
            }
        }
    }
    if let Some(blobs) = blobs {
        look_for_left_overs(store, blobs, &mut tally).await?;
    }
    Ok(tally)
}

async fn check_file(
    blobs: Option<&dyn BlobStore>,
    conversation: &ConversationId,
    file: &StoredFile,
    now: Timestamp,
    tally: &mut FilesTally,
) -> anyhow::Result<()> {
    if file.is_over(now) {
        return Ok(());
    }
    tally.files += 1;
    let mut problems = Vec::new();
    for view in [View::Original, View::Thumbnail] {
        let Some(kept) = file.view(view) else { continue };
        let key = BlobKey { conversation: conversation.clone(), file: file.id.clone(), view };
        let problem = match blobs {
            Some(blobs) => problem_with(blobs, &key, &kept).await.context("cannot read the files")?,
            None => Some("its bytes are gone".to_owned()),
        };
        problems.extend(problem.map(|problem| format!("{}: {problem}", view.as_str())));
    }
    if !problems.is_empty() {
        tally.damaged += 1;
        output::line(&format!("{conversation}: file {}: {}", file.id, problems.join("; ")))?;
    }
    Ok(())
}

async fn look_for_left_overs(
    store: &dyn LogStore,
    blobs: &dyn BlobStore,
    tally: &mut FilesTally,
) -> anyhow::Result<()> {
    let mut list = blobs.list(None).chunks(LIST);
    while let Some(some) = list.next().await {
        let mut by_conversation: BTreeMap<ConversationId, Vec<BlobKey>> = BTreeMap::new();
        for blob in some {
            let key = blob.context("cannot list the files")?.key;
            by_conversation.entry(key.conversation.clone()).or_default().push(key);
        }
        for (conversation, keys) in by_conversation {
            let Some(files) = files_of(store, &conversation).await? else { continue };
            let is_known =
                |key: &BlobKey| files.iter().any(|file| file.id == key.file && file.view(key.view).is_some());
            tally.left_over += keys.iter().filter(|key| !is_known(key)).count() as u64;
        }
    }
    Ok(())
}

/// None where there is no such conversation; `None` where it is damaged, which was told before.
async fn files_of(
    store: &dyn LogStore,
    conversation: &ConversationId,
) -> anyhow::Result<Option<Vec<StoredFile>>> {
    match store.head(conversation).await {
        Ok(head) => Ok(Facts::from_bytes(conversation, &head.facts).ok().map(|facts| facts.files)),
        Err(ReadError::NotFound) => Ok(Some(Vec::new())),
        Err(ReadError::Damaged(_) | ReadError::PastTail { .. }) => Ok(None),
        Err(error @ ReadError::Unavailable(_)) => {
            Err(anyhow::Error::new(error).context(format!("cannot read {conversation}")))
        }
    }
}
