//! What lies in the server's folder of files. It is read as it stands, without the server's help; so this is the one place of
//! the campaign that knows a layout on disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

use crate::checker::{self, Invariant};
use crate::file::digest;
use crate::history::{Blob, Blobs, Event, Record};
use crate::process::ServerProcess;

/// The folder, below that of the data.
const FOLDER: &str = "files";
/// What its user holds while it runs; the only thing in it that is not of files.
const LOCK: &str = ".lock";
/// What was left over when the server was killed is gone within this time after its start.
const SWEPT_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Adds to the history what lies in the folder when nothing is left that belongs to nobody, or time is up. What earlier
/// rounds have `accounted` for is left out, and the rest is added to it.
pub(super) async fn look(
    server: &ServerProcess,
    history: &mut Vec<Record>,
    accounted: &mut BTreeSet<String>,
) -> Result<()> {
    let time = history.last().map_or(0, |record| record.time);
    let deadline = Instant::now() + SWEPT_WITHIN;
    loop {
        let mut blobs = blobs(&server.data())?;
        blobs.retain(|blob| !accounted.contains(&blob.path));
        let paths: Vec<String> = blobs.iter().map(|blob| blob.path.clone()).collect();
        let event = Event::Blobs(Blobs { blobs });
        history.push(Record { time, process: "campaign".to_owned(), event });
        let report = checker::check(history).context("the campaign wrote a wrong history")?;
        if report.count(Invariant::Files) == 0 || Instant::now() > deadline {
            accounted.extend(paths);
            return Ok(());
        }
        history.pop();
        sleep(LOOK_AGAIN).await;
    }
}

/// Which of the paths are no longer there.
pub(super) fn missing(data: &Path, accounted: &BTreeSet<String>) -> Vec<String> {
    let folder = data.join(FOLDER);
    accounted.iter().filter(|path| !folder.join(path).is_file()).cloned().collect()
}

/// Everything below the folder that is no folder.
fn blobs(data: &Path) -> Result<Vec<Blob>> {
    let folder = data.join(FOLDER);
    let mut found = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let path = path.strip_prefix(&folder)?.to_string_lossy().into_owned();
                if path == LOCK {
                    continue;
                }
                found.push(Blob { id: id_of(&path), path, digest: digest(&bytes) });
            }
        }
    }
    Ok(found)
}

/// The id of the file: `…/{conversation}/{file}.{view}`.
fn id_of(path: &str) -> Option<String> {
    let (_, name) = path.rsplit_once('/')?;
    let (id, view) = name.split_once('.')?;
    ["original", "thumbnail"].contains(&view).then(|| id.to_owned())
}
