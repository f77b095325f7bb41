//! A file made up for a test: its bytes come from its name, so that no two have the same, and it is known by its
//! SHA-256.

use bytes::{BufMut, Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::history::SentFile;

/// A file that somebody gives the server.
#[derive(Debug, Clone)]
pub struct TestFile {
    pub name: String,
    pub content_type: String,
    pub bytes: Bytes,
}

impl TestFile {
    /// A file of bytes that no program would open.
    pub fn named(name: impl Into<String>, bytes: usize) -> Self {
        let name = name.into();
        let mut filled = BytesMut::zeroed(bytes);
        StdRng::from_seed(Sha256::digest(&name).into()).fill_bytes(&mut filled);
        Self { name, content_type: "application/octet-stream".to_owned(), bytes: filled.freeze() }
    }

    /// How it goes into a history.
    pub fn sent(&self) -> SentFile {
        let (name, bytes) = (self.name.clone(), self.bytes.len() as u64);
        SentFile { name, bytes, digest: digest(&self.bytes) }
    }
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One part of a `multipart/form-data` body.
#[derive(Debug)]
pub struct Part<'p> {
    pub content_type: &'p str,
    /// `name` and, for files, `filename`.
    pub disposition: String,
    pub bytes: &'p [u8],
}

impl<'p> Part<'p> {
    /// The activity that the files go with.
    ///
    /// Source: Direct Line 3.0, "Send an activity with attachments": a part of this type.
    pub fn activity(json: &'p [u8]) -> Self {
        let content_type = "application/vnd.microsoft.activity";
        Self { content_type, disposition: "form-data; name=\"activity\"".to_owned(), bytes: json }
    }

    pub fn file(file: &'p TestFile) -> Self {
        let disposition = format!("form-data; name=\"file\"; filename=\"{}\"", file.name);
        Self { content_type: &file.content_type, disposition, bytes: &file.bytes }
    }
}

/// A body of parts.
#[derive(Debug, Clone)]
pub struct Multipart {
    /// Value of `content-type`, with the boundary.
    pub content_type: String,
    pub body: Bytes,
    /// Where the delimiter begins that closes the body: whoever sends less has not sent all.
    pub closed_at: usize,
}

impl Multipart {
    pub fn new(parts: &[Part<'_>]) -> Self {
        // 32 random bytes would do; no file of a test holds this text.
        let boundary = "----------------boundary-of-the-testkit";
        let mut body = BytesMut::new();
        for part in parts {
            body.put_slice(format!("--{boundary}\r\ncontent-type: {}\r\n", part.content_type).as_bytes());
            body.put_slice(format!("content-disposition: {}\r\n\r\n", part.disposition).as_bytes());
            body.put_slice(part.bytes);
            body.put_slice(b"\r\n");
        }
        let closed_at = body.len().saturating_sub(2);
        body.put_slice(format!("--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        Self { content_type, body: body.freeze(), closed_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_same_bytes_again_and_another_name_others() {
        let (one, again, other) =
            (TestFile::named("a", 100), TestFile::named("a", 100), TestFile::named("b", 100));

        assert_eq!(one.sent(), again.sent());
        assert_ne!(one.sent().digest, other.sent().digest);
        assert_eq!(one.sent().bytes, 100);
        assert_eq!(
            TestFile::named("empty", 0).sent().digest,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn parts_stand_between_boundaries() {
        let file = TestFile { name: "a.txt".into(), content_type: "text/plain".into(), bytes: "hi".into() };

        let multipart = Multipart::new(&[Part::activity(b"{}"), Part::file(&file)]);

        let boundary = multipart.content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = format!(
            "--{boundary}\r\ncontent-type: application/vnd.microsoft.activity\r\n\
             content-disposition: form-data; name=\"activity\"\r\n\r\n{{}}\r\n\
             --{boundary}\r\ncontent-type: text/plain\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhi\r\n\
             --{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&multipart.body), expected);
        assert!(multipart.body[multipart.closed_at..].starts_with(b"\r\n--"));
    }
}
