//! I15: an activity that came with files has each of them, byte for byte, under its link; what a bot gave to keep is kept; and
//! the folder of files holds nothing else: nothing of what was refused or cut, of a repeat, of a process that was killed.
//!
//! Whoever records the history leaves out answers that a crash explains, and looks into the folder when everything is at
//! rest. A history without such a look says nothing about leftovers.

use std::collections::{HashMap, HashSet};

use super::{Found, Index, Invariant};
use crate::history::{Fetch, Outcome, SentFile};

/// An activity's payload and the name of one of its attachments.
type Place<'h> = (&'h str, &'h str);

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let sent: HashMap<Place<'_>, &SentFile> = index
        .payloads
        .iter()
        .flat_map(|(payload, known)| known.files.iter().map(|file| ((*payload, file.name.as_str()), file)))
        .collect();
    let kept: HashMap<&str, &SentFile> = index
        .keeps
        .values()
        .filter(|keep| keep.outcome == Outcome::Ok)
        .filter_map(|keep| Some((keep.id.as_deref()?, &keep.file)))
        .collect();
    let given = |fetch: &Fetch| match &fetch.payload {
        Some(payload) => sent.get(&(payload.as_str(), fetch.name.as_str())).copied(),
        None => kept.get(fetch.id.as_str()).copied(),
    };
    for fetch in &index.fetches {
        judge(fetch, given(fetch), found);
    }
    without_their_files(index, found);
    look_into_the_folder(index, found);
}

/// What was downloaded is what was given.
fn judge(fetch: &Fetch, given: Option<&SentFile>, found: &mut Found<'_>) {
    let Fetch { conversation, name, id, status, digest, .. } = fetch;
    let what = match (given, status, digest) {
        (None, ..) => "nobody gave it".to_owned(),
        (Some(given), 200, Some(digest)) if *digest == given.digest => return,
        (Some(given), 200, Some(_)) => format!("its {} bytes are not what was given", given.bytes),
        (Some(_), ..) => format!("asked for by its link, it is answered {status}"),
    };
    let of = fetch.payload.as_deref().unwrap_or("a bot");
    found(Invariant::Files, format!("{name} of {of} in {conversation}, file {id}: {what}"));
}

/// What stands in the log at the end was downloaded with each of its files.
fn without_their_files(index: &Index<'_>, found: &mut Found<'_>) {
    let fetched: HashSet<Place<'_>> = index
        .fetches
        .iter()
        .filter(|fetch| fetch.is_final)
        .filter_map(|fetch| Some((fetch.payload.as_deref()?, fetch.name.as_str())))
        .collect();
    for conversation in index.conversations.keys() {
        for seen in index.final_read(conversation).into_iter().flatten() {
            let files = index.payloads.get(seen.payload.as_str()).map_or(&[][..], |payload| payload.files);
            for file in files.iter().filter(|file| !fetched.contains(&(&seen.payload, &file.name))) {
                let what = format!(
                    "{} stands at {} of {conversation} without its file {}",
                    seen.payload, seen.position, file.name
                );
                found(Invariant::Files, what);
            }
        }
    }
}

/// Everything in the folder belongs to somebody, and what a bot was told to be kept is there.
fn look_into_the_folder(index: &Index<'_>, found: &mut Found<'_>) {
    let Some(blobs) = index.blobs else { return };
    let mut owned: HashSet<&str> =
        index.fetches.iter().filter(|fetch| fetch.is_final).map(|fetch| fetch.id.as_str()).collect();
    let mut perhaps: HashSet<&str> = HashSet::new();
    for keep in index.keeps.values() {
        match keep.outcome {
            Outcome::Ok => owned.extend(keep.id.as_deref()),
            // It may be kept under an id that nobody was told. A bot that is cut off does not complete what it invoked.
            Outcome::Info | Outcome::Invoke => {
                perhaps.insert(&keep.file.digest);
                perhaps.extend(keep.thumbnail.as_deref());
            }
            Outcome::Fail => {}
        }
    }
    for blob in blobs {
        let known =
            blob.id.as_deref().is_some_and(|id| owned.contains(id) || perhaps.contains(&*blob.digest));
        if !known {
            found(
                Invariant::Files,
                format!("{} lies in the folder of files and belongs to nobody", blob.path),
            );
        }
    }
    let there: HashSet<(&str, &str)> =
        blobs.iter().filter_map(|blob| Some((blob.id.as_deref()?, blob.digest.as_str()))).collect();
    for keep in index.keeps.values().filter(|keep| keep.outcome == Outcome::Ok) {
        let id = keep.id.as_deref().unwrap_or_default();
        for digest in keep.thumbnail.iter().chain([&keep.file.digest]) {
            if !there.contains(&(id, digest)) {
                let what = format!(
                    "{} of {}, file {id}, was acknowledged to a bot, and its bytes are not in the folder of files",
                    keep.file.name, keep.conversation
                );
                found(Invariant::Files, what);
            }
        }
    }
}
