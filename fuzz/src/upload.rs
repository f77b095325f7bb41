//! Uploads: a file as the body, or several in parts, in frames of any size.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::iter;
use http::{Method, Request};
use landline_server::http::Peer;

use crate::Target;
use crate::input::{halves, split};
use crate::server::{Server, check_answer, run as run_server};

pub(crate) const TARGET: Target = Target {
    name: "upload",
    longest: 32 * 1024,
    share: 3,
    claim: "an upload is taken whole or not at all: one more activity whose files are all there, or nothing, and then no byte \
            of it is kept; the same bytes in other frames come to the same",
    run,
};

fn run(data: &[u8]) {
    let (cut, data) = split(data);
    let one = run_server(upload(data, usize::from(cut)));
    let other = run_server(upload(data, 0));
    assert_eq!(one, other, "in other frames");
}

/// Gives the status, and how many files came of it.
async fn upload(data: &[u8], cut: usize) -> (u16, usize) {
    let (kind, rest) = halves(data);
    let (disposition, body) = halves(rest);
    let kind = if kind.is_empty() { b"multipart/form-data; boundary=b" } else { kind };
    let server = Server::start().await;
    let anna = server.person("anna").await;

    let piece = if cut == 0 { body.len().max(1) } else { cut };
    let frames: Vec<_> =
        body.chunks(piece).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri(anna.path("/upload"))
        .header("host", "bots.example.org")
        .header("authorization", format!("Bearer {}", anna.token))
        .header("content-type", kind);
    let request =
        if disposition.is_empty() { request } else { request.header("content-disposition", disposition) };
    let Ok(mut request) = request.body(Body::from_stream(iter(frames))) else { return (0, 0) };
    request.extensions_mut().insert(Peer(([192, 0, 2, 1], 50_000).into()));
    let answer = server.send(request).await;
    let status = answer.status.as_u16();
    check_answer(status, &answer.headers, &answer.body);

    let history = server.history(&anna).await.expect("a history");
    if status != 200 {
        assert!(history.is_empty(), "refused with {status}, and logged");
        assert_eq!(server.blobs_left().await, 0, "refused with {status}, and its bytes are kept");
        return (status, 0);
    }
    // Typing and the like is not logged.
    let Some(activity) = history.first() else { return (status, 0) };
    assert_eq!(activity["id"], answer.text("id"));
    let links = activity["attachments"].as_array().cloned().unwrap_or_default();
    let ours: Vec<_> = links
        .iter()
        .filter_map(|file| file["contentUrl"].as_str()?.strip_prefix("http://bots.example.org"))
        .filter(|path| path.contains(&anna.conversation))
        .collect();
    for path in &ours {
        let file = server.get(path, &anna.token).await;
        assert_eq!(file.status, 200, "a file that an activity names is there");
        assert_eq!(file.headers["x-content-type-options"], "nosniff");
    }
    (status, ours.len())
}
