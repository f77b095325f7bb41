//! Uploads as clients send them.

use hyper::Method;
use landline_testkit::in_process::{Call, Person, TestServer};
use serde_json::Value;

/// The boundary of every form here, as browsers make theirs.
pub(crate) const BOUNDARY: &str = "----WebKitFormBoundaryABCDEFGHIJKLMNOP";

/// The first bytes of a PNG, and some more.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";

/// A `multipart/form-data` body, part by part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(Vec<u8>);

impl Form {
    /// One more part with this head.
    pub(crate) fn part(mut self, head: &str, content: &[u8]) -> Self {
        self.0.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// As the stock client sends a file.
    pub(crate) fn file(self, name: &str, kind: &str, content: &[u8]) -> Self {
        let name = name.replace('"', "%22");
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}"
        );
        self.part(&head, content)
    }

    /// As the stock client sends the activity.
    pub(crate) fn activity(self, activity: &Value) -> Self {
        self.part(
            "Content-Disposition: form-data; name=\"activity\"; filename=\"blob\"\r\n\
             Content-Type: application/vnd.microsoft.activity",
            activity.to_string().as_bytes(),
        )
    }

    /// The body, closed.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }
}

/// `POST upload` of this body; not sent yet.
pub(crate) fn upload(person: &Person, kind: &str, body: impl Into<bytes::Bytes>) -> Call {
    person.call(Method::POST, "/upload").header("content-type", kind).body(body)
}

/// The same with a form.
pub(crate) fn upload_form(person: &Person, form: Form) -> Call {
    upload(person, &format!("multipart/form-data; boundary={BOUNDARY}"), form.bytes())
}

/// The path and query of a link.
#[track_caller]
pub(crate) fn path_of(link: &Value) -> String {
    let link = link.as_str().expect("a link");
    let (_, rest) = link.split_once("://").expect("an absolute link");
    format!("/{}", rest.split_once('/').expect("a path").1)
}

/// Uploads one file; gives the path and query of its link.
pub(crate) async fn uploaded(person: &Person, name: &str, kind: &str, content: &[u8]) -> String {
    upload_form(person, Form::default().file(name, kind, content)).send().await.expect(200);
    let newest = person.history().await.pop().expect("an activity");
    path_of(&newest["attachments"][0]["contentUrl"])
}

/// Asserts that nothing is kept of what was refused: waits until the bytes are gone.
pub(crate) async fn nothing_is_left(server: &TestServer, person: &Person) {
    let begun = tokio::time::Instant::now();
    while !server.blobs.all().await.is_empty() {
        assert!(begun.elapsed().as_secs() < 10, "{:?}", server.blobs.all().await);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(person.history().await, Vec::<Value>::new());
}
