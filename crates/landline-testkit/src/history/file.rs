//! Histories as files: one JSON object per line.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::Record;

/// Writes `records` to `path`, replacing what was there.
pub fn write(path: &Path, records: &[Record]) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut out = BufWriter::new(file);
    for record in records {
        serde_json::to_writer(&mut out, record)?;
        out.write_all(b"\n")?;
    }
    out.flush().with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a history written by [`write()`]. Names the line that does not fit.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut records = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line?;
        let record = serde_json::from_str(&line)
            .with_context(|| format!("{}:{} is no record of a history", path.display(), index + 1))?;
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{
        Blob, Blobs, Deliver, Event, Fetch, KeepStep, Open, Outcome, Page, Seen, SendStep, SentFile, Start,
    };

    #[test]
    fn every_kind_of_record_survives_the_file() {
        let file = SentFile { name: "n".into(), bytes: 1, digest: "d".into() };
        let keep = KeepStep {
            outcome: Outcome::Ok,
            op: 2,
            conversation: "c".into(),
            file: file.clone(),
            thumbnail: Some("t".into()),
            id: Some("f".into()),
            status: Some(200),
        };
        let fetch = Fetch {
            conversation: "c".into(),
            payload: Some("p".into()),
            name: "n".into(),
            id: "f".into(),
            status: 200,
            digest: Some("d".into()),
            is_final: true,
        };
        let blob = Blob { path: "a/b".into(), id: None, digest: "d".into() };
        let send = SendStep {
            outcome: Outcome::Invoke,
            op: 1,
            conversation: "c".into(),
            payload: "p".into(),
            key: Some("k".into()),
            position: Some(u64::MAX),
            status: None,
            files: vec![file],
        };
        let open = Open { connection: 1, conversation: "c".into(), start: Start::After(7), is_final: true };
        let seen = Seen { position: 9, payload: "p".into(), key: None };
        let events = [
            Event::Send(send),
            Event::Open(open.clone()),
            Event::Open(Open { start: Start::New, is_final: false, ..open }),
            Event::Page(Page { connection: 1, seen: vec![seen], watermark: 9 }),
            Event::Deliver(Deliver { conversation: "c".into(), position: 9, payload: "p".into() }),
            Event::Restore { conversation: "c".into() },
            Event::Nemesis { what: "kill".into() },
            Event::Close { connection: 1 },
            Event::Keep(keep),
            Event::Fetch(fetch),
            Event::Blobs(Blobs { blobs: vec![blob] }),
        ];
        let records: Vec<Record> =
            (0..).zip(events).map(|(time, event)| Record { time, process: "w1".into(), event }).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");

        write(&path, &records).unwrap();

        assert_eq!(read(&path).unwrap(), records);
    }

    #[test]
    fn a_line_that_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, "{\"time\":1,\"process\":\"n\",\"f\":\"nemesis\",\"what\":\"kill\"}\nno\n")
            .unwrap();

        let error = read(&path).unwrap_err().to_string();

        assert!(error.contains("history.jsonl:2 "), "{error}");
    }
}
