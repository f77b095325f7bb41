//! The file that records go to: appended to, for its owner alone, put aside when it is large.
//!
//! ```text
//! audit.log      being written
//! audit.log.1    the one before it, and so on
//! ```
//!
//! Invariants: all of them together are no larger than their number times the size, but for one batch. What others have
//! moved away is not written to any more: a new file is begun under the name, as logrotate and its like expect.
//!
//! Not here: who waits for the disk (`writer`).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// For nobody but who runs the server.
const MODE: u32 = 0o600;

#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    /// At which size it is put aside.
    most_bytes: u64,
    /// How many that were put aside are kept.
    kept: usize,
    open: Open,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// By what the file is known, whatever its name is.
    identity: (u64, u64),
    bytes: u64,
    /// A write broke off, perhaps in the middle of a line.
    torn: bool,
}

impl AuditFile {
    /// Opens it, or makes it.
    pub(super) fn open(path: PathBuf, most_bytes: u64, kept: usize) -> anyhow::Result<Self> {
        let open = open(&path).with_context(|| {
            format!("audit_log: cannot write {}; its folder must be there and be writable", path.display())
        })?;
        Ok(Self { path, most_bytes, kept, open })
    }

    /// Appends lines, in one write.
    pub(super) fn append(&mut self, lines: &[String]) -> io::Result<()> {
        if !self.is_under_its_name() {
            self.open = open(&self.path)?;
        }
        let size: usize = lines.iter().map(|line| line.len() + 1).sum();
        if self.open.bytes > 0 && self.open.bytes.saturating_add(size as u64) > self.most_bytes {
            self.put_aside()?;
        }
        let mut text = String::with_capacity(size + 1);
        if self.open.torn {
            text.push('\n');
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        self.open.torn = true;
        self.open.file.write_all(text.as_bytes())?;
        self.open.torn = false;
        self.open.bytes += text.len() as u64;
        Ok(())
    }

    fn is_under_its_name(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == self.open.identity)
    }

    /// The oldest goes, each other one takes the next number, and a new one is begun.
    fn put_aside(&mut self) -> io::Result<()> {
        for number in (1..self.kept).rev() {
            rename(&numbered(&self.path, number), &numbered(&self.path, number + 1))?;
        }
        match self.kept {
            0 => fs::remove_file(&self.path)?,
            _ => rename(&self.path, &numbered(&self.path, 1))?,
        }
        self.open = open(&self.path)?;
        Ok(())
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// One that is not there need not be moved.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

fn open(path: &Path) -> io::Result<Open> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let there = file.metadata()?;
    let torn = there.len() > 0 && !ends_a_line(path);
    Ok(Open { file, identity: (there.dev(), there.ino()), bytes: there.len(), torn })
}

/// False also where that cannot be seen: an empty line does no harm.
fn ends_a_line(path: &Path) -> bool {
    let last = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        io::Result::Ok(last == *b"\n")
    };
    last().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn lines(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn it_is_for_its_owner_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        AuditFile::open(path.clone(), 1000, 1).unwrap().append(&lines(&["zero"])).unwrap();
        AuditFile::open(path.clone(), 1000, 1).unwrap().append(&lines(&["one"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "zero\none\n");
        // As a crash in the middle of a line leaves it.
        fs::write(&path, "one\ntw").unwrap();
        AuditFile::open(path.clone(), 1000, 1).unwrap().append(&lines(&["three", "four"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntw\nthree\nfour\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
    }

    #[test]
    fn however_much_is_written_it_takes_so_much_and_the_newest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut file = AuditFile::open(path.clone(), 100, 2).unwrap();
        for number in 0..1000 {
            file.append(&lines(&[&format!("line {number:04}")])).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["audit.log", "audit.log.1", "audit.log.2"]);
        let text: String =
            names.iter().rev().map(|name| fs::read_to_string(folder.path().join(name)).unwrap()).collect();
        assert!(text.len() <= 300, "{}", text.len());
        let kept: Vec<_> = text.lines().collect();
        assert_eq!(kept.last(), Some(&"line 0999"));
        let first = 1000 - kept.len();
        assert!(
            kept.iter().enumerate().all(|(at, line)| *line == format!("line {:04}", first + at)),
            "{kept:?}"
        );
    }

    #[test]
    fn one_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit.log"), folder.path().join("moved"));
        let mut file = AuditFile::open(path.clone(), 1000, 1).unwrap();
        file.append(&lines(&["one"])).unwrap();
        fs::rename(&path, &moved).unwrap();
        file.append(&lines(&["two"])).unwrap();
        fs::remove_file(&path).unwrap();
        file.append(&lines(&["three"])).unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn one_that_cannot_be_made_is_named() {
        let path = PathBuf::from("/does/not/exist/audit.log");
        let error = AuditFile::open(path, 1000, 1).unwrap_err();
        assert!(error.to_string().contains("/does/not/exist/audit.log"), "{error}");
    }
}
