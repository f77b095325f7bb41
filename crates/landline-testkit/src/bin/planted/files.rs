//! The bytes of files: `files/{conversation}/{file}.{view}`, each written beside and renamed, before anything says that it
//! is there. What no line of the log names is taken away at the start.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Mistake;

pub(crate) struct Files {
    folder: PathBuf,
    mistake: Mistake,
    /// What a lazy server writes some time later.
    unwritten: Mutex<Vec<(PathBuf, Vec<u8>)>>,
    reads: AtomicUsize,
}

/// A part of an upload.
struct Part<'b> {
    head: String,
    bytes: &'b [u8],
}

/// One download in so many is mistreated.
const SOME: usize = 10;

impl Files {
    /// Only the files in `named` are of any use.
    pub(crate) fn open(data: &Path, mistake: Mistake, named: &HashSet<String>) -> Result<Self> {
        let folder = data.join("files");
        std::fs::create_dir_all(&folder)?;
        for conversation in std::fs::read_dir(&folder)? {
            for file in std::fs::read_dir(conversation?.path())? {
                let path = file?.path();
                let known = path.file_stem().is_some_and(|id| named.contains(&*id.to_string_lossy()));
                if !known && mistake != Mistake::LeavesOrphans {
                    std::fs::remove_file(path)?;
                }
            }
        }
        Ok(Self { folder, mistake, unwritten: Mutex::default(), reads: AtomicUsize::new(0) })
    }

    fn path(&self, conversation: &str, id: &str, view: &str) -> PathBuf {
        self.folder.join(conversation).join(format!("{id}.{view}"))
    }

    pub(crate) fn keep(&self, conversation: &str, id: &str, view: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(conversation, id, view);
        if self.mistake == Mistake::LosesFiles {
            self.unwritten().push((path, bytes.to_vec()));
            return Ok(());
        }
        write(&path, bytes)
    }

    /// Writes late what was not written at once.
    pub(crate) fn flush(&self) {
        let late = std::mem::take(&mut *self.unwritten());
        for (path, bytes) in late {
            // The worst that can come of it is what this server is for.
            let _ = write(&path, &bytes);
        }
    }

    pub(crate) fn remove(&self, conversation: &str, ids: &[String]) {
        if self.mistake == Mistake::LeavesOrphans {
            return;
        }
        let mut unwritten = self.unwritten();
        for id in ids {
            let path = self.path(conversation, id, "original");
            unwritten.retain(|(late, _)| *late != path);
            // Not there: then there is nothing to remove.
            let _ = std::fs::remove_file(path);
        }
    }

    pub(crate) fn read(&self, conversation: &str, id: &str, view: &str) -> Option<Vec<u8>> {
        let path = self.path(conversation, id, view);
        let late = self.unwritten().iter().find(|(late, _)| *late == path).map(|(_, bytes)| bytes.clone());
        let mut bytes = late.or_else(|| std::fs::read(path).ok())?;
        let number = self.reads.fetch_add(1, Ordering::Relaxed);
        if self.mistake == Mistake::ChangesFiles && number.is_multiple_of(SOME) {
            bytes.pop();
        }
        Some(bytes)
    }

    /// Keeps the files of an upload. Gives the activity, with them as its attachments, and their ids.
    ///
    /// # Errors
    /// A body that is not what its type says. Then none of its files is kept.
    pub(crate) fn take(
        &self,
        conversation: &str,
        (content_type, disposition): (&str, &str),
        body: &[u8],
        link: impl Fn(&str, &str) -> String,
    ) -> Result<(Value, Vec<String>)> {
        let mut ids = Vec::new();
        let taken = self.take_parts(conversation, (content_type, disposition), body, link, &mut ids);
        if taken.is_err() {
            self.remove(conversation, &ids);
        }
        Ok((taken?, ids))
    }

    fn take_parts(
        &self,
        conversation: &str,
        (content_type, disposition): (&str, &str),
        body: &[u8],
        link: impl Fn(&str, &str) -> String,
        ids: &mut Vec<String>,
    ) -> Result<Value> {
        let mut activity = json!({"type": "message"});
        let mut attachments = Vec::new();
        let parts = match content_type.split_once("boundary=") {
            Some((_, boundary)) => split(body, boundary)?,
            None => vec![Part { head: disposition.to_owned(), bytes: body }],
        };
        for Part { head, bytes } in parts {
            if head.contains("application/vnd.microsoft.activity") {
                activity = serde_json::from_slice(bytes)?;
                continue;
            }
            let name = head.split("filename=\"").nth(1).and_then(|rest| rest.split('"').next());
            let name = name.context("a file without a name")?;
            let id = format!("f{:016x}", crate::unique());
            self.keep(conversation, &id, "original", bytes)?;
            attachments.push(json!({"name": name, "contentUrl": link(&id, name)}));
            ids.push(id);
        }
        activity["attachments"] = attachments.into();
        Ok(activity)
    }

    fn unwritten(&self) -> std::sync::MutexGuard<'_, Vec<(PathBuf, Vec<u8>)>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, bytes)?;
    Ok(std::fs::rename(unfinished, path)?)
}

/// The parts between the delimiters; the body has to be closed.
fn split<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = body.strip_prefix(delimiter.as_bytes()).context("no delimiter")?;
    let next = format!("\r\n{delimiter}");
    while !rest.starts_with(b"--") {
        let rest_of_head = rest.strip_prefix(b"\r\n").context("no line after a delimiter")?;
        let head = find(rest_of_head, b"\r\n\r\n").context("a part without a head")?;
        let content = &rest_of_head[head + 4..];
        let end = find(content, next.as_bytes()).context("a part without an end")?;
        let text = String::from_utf8_lossy(&rest_of_head[..head]).into_owned();
        parts.push(Part { head: text, bytes: &content[..end] });
        rest = &content[end + next.len()..];
    }
    ensure!(!parts.is_empty(), "nothing in it");
    Ok(parts)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
