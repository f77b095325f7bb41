//! The key `files`: where files are kept.
//!
//! Not here: how a bucket is reached, and whether it can be (the engines; `app`).

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::ConfigError;

/// The folder below the data folder, unless it is said otherwise.
const DEFAULT: &str = "files";

/// What a bucket's URL may begin with.
const SCHEMES: [&str; 3] = ["s3", "az", "gs"];

/// Where files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesAt {
    /// A folder, of this server alone.
    Folder(PathBuf),
    /// `s3://bucket/prefix`, `az://container/prefix` or `gs://bucket/prefix`; the prefix may be absent. Holds no
    /// credentials.
    Bucket(Url),
}

impl fmt::Display for FilesAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket(url) => url.fmt(f),
        }
    }
}

impl FilesAt {
    /// As the key says it; a folder counts from the given one.
    ///
    /// # Errors
    /// Where it is neither a folder nor the URL of a bucket.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        resolve(text, folder)
    }

    /// Where files are when the key is absent.
    pub fn default_in(data: &Path) -> Self {
        default(data)
    }
}

/// Where they are when nothing is said.
pub(super) fn default(data: &Path) -> FilesAt {
    FilesAt::Folder(data.join(DEFAULT))
}

/// A folder counts from that of the configuration file.
pub(super) fn resolve(text: &str, folder: &Path) -> Result<FilesAt, ConfigError> {
    // Without the text: some write credentials into a URL.
    let bad = |problem: &str| Err(ConfigError::new("files", problem));
    let Some((scheme, _)) = text.split_once("://") else {
        if text.trim().is_empty() {
            return bad("write a folder, or where a bucket is, such as \"s3://bucket/prefix\"");
        }
        return Ok(FilesAt::Folder(folder.join(text)));
    };
    if !SCHEMES.contains(&scheme) {
        return bad("write s3://bucket/prefix, az://container/prefix, gs://bucket/prefix, or a folder");
    }
    let Ok(url) = text.parse::<Url>() else {
        return bad("this is no URL; write one such as \"s3://bucket/prefix\"");
    };
    let plain = url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain {
        return bad(
            "write the bucket and where needed a prefix, and nothing else; credentials, region and endpoint come from \
             the environment",
        );
    }
    Ok(FilesAt::Bucket(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets() {
        let folder = Path::new("/etc/landline");
        for (text, path) in [
            ("./files", "/etc/landline/./files"),
            ("/srv/files", "/srv/files"),
            ("s3:x", "/etc/landline/s3:x"),
        ] {
            assert_eq!(resolve(text, folder), Ok(FilesAt::Folder(path.into())), "{text}");
        }
        for text in ["s3://bucket", "s3://bucket/prefix", "az://container/a/b", "gs://bucket.example/x"] {
            let bucket = resolve(text, folder).unwrap();
            assert!(matches!(bucket, FilesAt::Bucket(_)), "{text}");
            assert_eq!(bucket.to_string().trim_end_matches('/'), text);
        }
    }

    #[test]
    fn what_is_neither_is_refused_and_not_quoted() {
        for bad in [
            "",
            " ",
            "http://canary/",
            "s3://",
            "S3://canary",
            "file:///canary",
            "s3://canary:canary@bucket/x",
            "s3://canary@bucket/x",
            "s3://bucket:9000/canary",
            "s3://bucket/x?canary=1",
            "s3://bucket/x#canary",
            "s3://can ary/x",
        ] {
            let error = resolve(bad, Path::new("")).unwrap_err().to_string();
            assert!(error.starts_with("files: ") && !error.contains("canary"), "{bad}: {error}");
        }
    }
}
