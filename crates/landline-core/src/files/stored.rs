//! What is kept of a file, beside its bytes.

use std::fmt;

use landline_protocol::{FileId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::FILE_GRACE;
use crate::store::View;

/// A file as its sender describes it. Nothing of it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewFile {
    /// What it is called.
    pub name: Option<String>,
    /// Of which type it is.
    pub content_type: Option<String>,
}

/// A file of a conversation. It is kept in the facts of the conversation, on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its id.
    pub id: FileId,
    /// What it is called: one clean name, never a path.
    pub name: String,
    /// The type that it is served as.
    #[serde(rename = "type")]
    pub content_type: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The hash of these.
    #[serde(rename = "sha256")]
    pub digest: FileDigest,
    /// A small picture of it, where its sender gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<StoredView>,
    /// When its time is over; `None`: with the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What is kept of one view of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredView {
    /// The type that it is served as.
    #[serde(rename = "type")]
    pub content_type: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The hash of these.
    #[serde(rename = "sha256")]
    pub digest: FileDigest,
}

impl StoredFile {
    /// What is kept of a view; `None` where the file has no such view.
    pub fn view(&self, view: View) -> Option<StoredView> {
        match view {
            View::Original => Some(StoredView {
                content_type: self.content_type.clone(),
                bytes: self.bytes,
                digest: self.digest,
            }),
            View::Thumbnail => self.thumbnail.clone(),
        }
    }

    /// How many bytes all its views have.
    pub fn all_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.thumbnail.as_ref().map_or(0, |view| view.bytes))
    }

    /// Whether its time is over: nobody new gets it.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether its time is over for so long that its bytes may go: whoever looked just before the end has begun to read.
    pub(crate) fn may_go(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until.plus(FILE_GRACE) <= now)
    }
}

/// A SHA-256. Written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileDigest([u8; 32]);

impl FileDigest {
    /// The hash whose bytes these are.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileDigest({self})")
    }
}

impl From<FileDigest> for String {
    fn from(digest: FileDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for FileDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "a SHA-256 is 64 hexadecimal digits";
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(WRONG);
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |at: u8| char::from(at).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (high, low) = (digit(pair[0]).ok_or(WRONG)?, digit(pair[1]).ok_or(WRONG)?);
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_everybody_writes_it() {
        let digest = FileDigest::new(std::array::from_fn(|n| u8::try_from(n * 8).unwrap()));
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(text, "\"0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8\"");
        assert_eq!(serde_json::from_str::<FileDigest>(&text).unwrap(), digest);
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"é".repeat(32), &"+0".repeat(32)] {
            assert!(FileDigest::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }

    /// It is on disk: whoever changes how it is written makes links of yesterday fail.
    #[test]
    fn entries_on_disk_keep_their_meaning() {
        let zeros = "0".repeat(64);
        let text = format!(
            r#"{{"id":"f","name":"a.png","type":"image/png","bytes":7,"sha256":"{zeros}","thumbnail":{{"type":"image/gif","bytes":3,"sha256":"{zeros}"}},"until":9}}"#
        );
        let file: StoredFile = serde_json::from_str(&text).unwrap();
        assert_eq!((file.bytes, file.all_bytes(), file.until), (7, 10, Some(Timestamp::from_millis(9))));
        assert_eq!(serde_json::to_string(&file).unwrap(), text);
        let least = StoredFile { thumbnail: None, until: None, ..file };
        let text = serde_json::to_string(&least).unwrap();
        assert!(!text.contains("thumbnail") && !text.contains("until"), "{text}");
        assert_eq!(serde_json::from_str::<StoredFile>(&text).unwrap(), least);
    }
}
