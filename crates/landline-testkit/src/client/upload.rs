//! Uploads: whole, or cut off in the middle; and downloads by link.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{CallError, Client, ResourceResponse, read_answer};
use crate::file::{Multipart, TestFile};
use crate::line::Answer;

/// The body of an upload, and what its head says of it.
#[derive(Debug, Clone)]
pub struct UploadBody {
    content_type: String,
    /// Only where the body is the file itself.
    disposition: Option<String>,
    pub bytes: Bytes,
    /// Whoever sends fewer bytes has not sent all.
    pub needed: usize,
}

impl UploadBody {
    /// The body is the file.
    pub fn raw(file: &TestFile) -> Self {
        Self {
            content_type: file.content_type.clone(),
            disposition: Some(format!("name=\"file\"; filename=\"{}\"", file.name)),
            bytes: file.bytes.clone(),
            needed: file.bytes.len(),
        }
    }
}

impl From<Multipart> for UploadBody {
    fn from(parts: Multipart) -> Self {
        let Multipart { content_type, body, closed_at } = parts;
        Self { content_type, disposition: None, bytes: body, needed: closed_at }
    }
}

impl Client {
    /// `POST upload?userId=`. Gives the id of the activity.
    pub async fn upload(
        &mut self,
        bearer: &str,
        conversation: &str,
        user: &str,
        body: &UploadBody,
    ) -> Result<String, CallError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path(conversation, user))
            .header(HOST, self.line.address().to_string())
            .header(AUTHORIZATION, format!("Bearer {bearer}"))
            .header(CONTENT_TYPE, &body.content_type);
        if let Some(disposition) = &body.disposition {
            request = request.header(CONTENT_DISPOSITION, disposition);
        }
        let request = request
            .body(Full::new(body.bytes.clone()))
            .map_err(|error| CallError::NotSent(error.to_string()))?;
        let answer = self.line.exchange(request).await?;
        Ok(read_answer::<ResourceResponse>(&answer)?.id)
    }

    /// Sends the head and the first `count` bytes of the body over a line of its own, lingers, and cuts it: by a reset, or by
    /// closing it in the usual way. Whether the server noticed anything nobody knows.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of them say how it is cut, and nobody else has use for them"
    )]
    pub async fn upload_cut(
        &self,
        bearer: &str,
        conversation: &str,
        user: &str,
        body: &UploadBody,
        count: usize,
        linger: Duration,
        reset: bool,
    ) {
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {bearer}\r\ncontent-type: {}\r\n\
             content-length: {}\r\n",
            path(conversation, user),
            self.line.address(),
            body.content_type,
            body.bytes.len()
        );
        if let Some(disposition) = &body.disposition {
            head += &format!("content-disposition: {disposition}\r\n");
        }
        head += "\r\n";
        let sent = async {
            let mut stream = TcpStream::connect(self.line.address()).await?;
            stream.set_nodelay(true)?;
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body.bytes[..count.min(body.bytes.len())]).await?;
            sleep(linger).await;
            if reset { stream.set_zero_linger() } else { stream.shutdown().await }
        };
        // It was to be cut; a server that was killed before has cut it for us.
        let _: std::io::Result<()> = sent.await;
    }

    /// `GET` of a link that stood in an activity.
    ///
    /// # Errors
    /// [`CallError::Malformed`] for a link to somewhere else. What the server answers is an answer, whatever the status.
    pub async fn download(&mut self, link: &str) -> Result<Answer, CallError> {
        let uri: Uri = link.parse().map_err(|_| CallError::Malformed(format!("no link: {link:?}")))?;
        let here = self.line.address().to_string();
        match (uri.authority(), uri.path_and_query()) {
            (Some(authority), Some(path)) if authority.as_str() == here => {
                Ok(self.line.request(Method::GET, path.as_str(), None, None).await?)
            }
            _ => Err(CallError::Malformed(format!("a link to elsewhere: {link:?}"))),
        }
    }
}

/// What an answer to [`Client::download`] brought: its status, and the bytes when they are those of the file.
pub fn downloaded(answer: &Answer) -> (u16, Option<&Bytes>) {
    (answer.status.as_u16(), (answer.status == StatusCode::OK).then_some(&answer.body))
}

/// The id of the file that a link leads to: `…/conversations/{c}/files/{file}/{view}/{name}?…`.
pub fn file_of_link(link: &str) -> Option<&str> {
    let (_, rest) = link.split_once("/v3/directline/conversations/")?;
    let mut parts = rest.split('/');
    let (_conversation, files) = (parts.next()?, parts.next()?);
    (files == "files").then(|| parts.next())?
}

fn path(conversation: &str, user: &str) -> String {
    format!("/v3/directline/conversations/{conversation}/upload?userId={user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_links() {
        check("http://h:1/v3/directline/conversations/c/files/f/original/n.txt?e=1&s=x", Some("f"));
        check("http://h:1/base/v3/directline/conversations/c/files/f/original/n.txt", Some("f"));
        check("http://h:1/v3/directline/conversations/c/activities/f", None);
        check("https://elsewhere.example/n.txt", None);
    }

    #[track_caller]
    fn check(link: &str, expected: Option<&str>) {
        assert_eq!(file_of_link(link), expected, "{link}");
    }
}
