//! `landline check`: reads everything, so that every checksum is compared, and says what is damaged.

mod files;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use landline_core::store::{Damage, DeliveryKind, LogStore, PageLimit, ReadError, Registry};
use landline_core::{Clock as _, SystemClock};
use landline_protocol::{ConversationId, Position};
use landline_server::app;
use landline_server::audit::Event;
use landline_server::config::StoreLimits;

use crate::cli::CheckFlags;
use crate::{exit, output};

/// How many conversations or deliveries are listed at a time.
const LIST: usize = 1000;

/// How much of a conversation is read at a time.
const PAGE: PageLimit = PageLimit { records: 1000, bytes: 4 * 1024 * 1024 };

/// What was read.
#[derive(Default)]
struct Tally {
    conversations: u64,
    records: u64,
    damaged: u64,
}

pub(crate) async fn run(flags: CheckFlags) -> anyhow::Result<ExitCode> {
    let store = open(&flags.data).await?;
    for conversation in &flags.repair {
        let repaired =
            store.repair(conversation).await.with_context(|| format!("cannot repair {conversation}"))?;
        let event = Event::Repaired { conversation: conversation.clone(), kept: repaired.kept };
        event.to_log(SystemClock.now());
        output::line(&format!(
            "{conversation}: repaired, {} records kept; the next position is {}",
            repaired.kept, repaired.tail
        ))?;
    }
    let mut tally = check_all(&*store).await?;
    for kind in [DeliveryKind::Pending, DeliveryKind::Queued, DeliveryKind::Parked] {
        check_deliveries(&*store, kind, &mut tally).await?;
    }
    let blobs = files::open(&flags.data, flags.files.as_deref(), &*store).await?;
    let files = files::check(&*store, blobs.as_deref()).await?;
    if files.left_over > 0 {
        output::line(&format!(
            "{} stored files or thumbnails belong to nothing; the next start of the server takes them away",
            files.left_over
        ))?;
    }
    let Tally { conversations, records, damaged } = tally;
    if damaged == 0 && files.damaged == 0 {
        let files = files.files;
        output::line(&format!(
            "All is well: {conversations} conversations, {records} records, {files} files"
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    if files.damaged > 0 {
        output::line(&format!(
            "{} of {} files are damaged. Links to them are 404 or break off; all else goes on. Put them back from a backup; \
             where files are kept elsewhere, say so with --files",
            files.damaged, files.files
        ))?;
    }
    if damaged == 0 {
        return Ok(ExitCode::from(exit::DAMAGE));
    }
    output::line(&format!(
        "{damaged} of {conversations} conversations are damaged; {records} records are well. A damaged conversation \
         answers 503. To keep what can be read of one, make a copy of the folder, then run\n  \
         landline check --data {} --repair CONVERSATION",
        flags.data.display()
    ))?;
    Ok(ExitCode::from(exit::DAMAGE))
}

/// Opens a folder that is there; opening one that is not would make it.
async fn open(data: &Path) -> anyhow::Result<Box<impl LogStore + Registry>> {
    let is_empty = std::fs::read_dir(data)
        .with_context(|| format!("cannot read the data folder {}", data.display()))?
        .next()
        .is_none();
    if is_empty {
        bail!("the folder {} is empty; say with --data where the data is", data.display());
    }
    Ok(Box::new(app::open_store(data, &StoreLimits::default()).await?))
}

async fn check_all(store: &dyn LogStore) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        let listed = store.conversations(after, LIST).await.context("cannot list the conversations")?;
        let Some(last) = listed.last() else { return Ok(tally) };
        after = Some(last.clone());
        for conversation in &listed {
            tally.conversations += 1;
            match read_through(store, conversation, &mut tally.records).await {
                Ok(()) => {}
                Err(ReadError::Damaged(Damage { what, .. })) => {
                    tally.damaged += 1;
                    output::line(&format!("{conversation}: damaged: {what}"))?;
                }
                Err(error @ (ReadError::NotFound | ReadError::PastTail { .. })) => {
                    tally.damaged += 1;
                    output::line(&format!("{conversation}: damaged: it is listed, and yet: {error}"))?;
                }
                Err(error @ ReadError::Unavailable(_)) => {
                    return Err(anyhow::Error::new(error).context(format!("cannot read {conversation}")));
                }
            }
        }
    }
}

/// What is still to be brought to a bot, or was given up. A conversation may be counted here that is damaged otherwise too.
async fn check_deliveries(store: &dyn LogStore, kind: DeliveryKind, tally: &mut Tally) -> anyhow::Result<()> {
    let mut after = None;
    let mut last_damaged = None;
    loop {
        let listed = store.deliveries(kind, after, LIST).await.context("cannot list the deliveries")?;
        let Some(last) = listed.last() else { return Ok(()) };
        after = Some(last.place());
        for one in listed {
            let Err(Damage { conversation, what }) = one.state else { continue };
            output::line(&format!("{conversation}: damaged: {what}, at position {}", one.position))?;
            if last_damaged.as_ref() != Some(&conversation) {
                tally.damaged += 1;
                last_damaged = Some(conversation);
            }
        }
    }
}

async fn read_through(
    store: &dyn LogStore,
    conversation: &ConversationId,
    records: &mut u64,
) -> Result<(), ReadError> {
    let mut after = store.head(conversation).await?.expired_through;
    loop {
        let page = store.read(conversation, after, PAGE).await?;
        let Some(last) = page.records.last() else { return Ok(()) };
        *records += page.records.len() as u64;
        after = Position::max(after, last.position);
    }
}
