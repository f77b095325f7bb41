//! Bodies that are large, slow, cut or late.

use axum::extract::Request;
use axum::routing::post;

use super::*;
use crate::error::ApiError;
use crate::overload::Memory;

const LIMIT: usize = 256 * 1024;

fn router() -> Router {
    Router::new().route(
        "/",
        post(|request: Request| async move {
            let (head, body) = request.into_parts();
            let read = read_body(&head.headers, body, LIMIT, A_WHILE * 2, &Memory::without_cap()).await?;
            Ok::<_, ApiError>(read.len().to_string())
        }),
    )
}

fn head(headers: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n")
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_read_whichever_way_it_comes() {
    let server = Server::start(router()).await;
    for length in [0, 1, LIMIT] {
        let body = "x".repeat(length);
        let plain = server.ask(&(head(&format!("content-length: {length}")) + &body)).await;
        assert_eq!((plain.status, &*plain.body), (200, &*length.to_string()));
        let chunk = if length == 0 { String::new() } else { format!("{length:x}\r\n{body}\r\n") };
        let chunked = server.ask(&(head("transfer-encoding: chunked") + &chunk + "0\r\n\r\n")).await;
        assert_eq!((chunked.status, &*chunked.body), (200, &*length.to_string()));
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_which_the_sender_gets_to_see() {
    let server = Server::start(router()).await;
    // So large that it does not fit into the kernel's buffers: who answers without reading would reset the line.
    let body = "x".repeat(12 * 1024 * 1024);
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let just_over = "x".repeat(LIMIT + 1);
    for request in [
        head(&format!("content-length: {}", body.len())) + &body,
        head("transfer-encoding: chunked") + &chunked,
        head(&format!("content-length: {}", LIMIT + 1)) + &just_over,
    ] {
        let answer = server.ask(&request).await;
        assert_eq!(answer.status, 413);
        assert!(
            answer.body.contains("MessageSizeTooBig") && answer.body.contains("262144"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn who_asks_first_is_told_at_once() {
    let server = Server::start(router()).await;
    let mut client = server.connect().await;
    client.send(&head("content-length: 12000000\r\nexpect: 100-continue")).await;
    assert_eq!(client.answer().await.status, 413, "and not 100");

    let mut client = server.connect().await;
    client.send(&head("content-length: 2\r\nexpect: 100-continue")).await;
    let mut said = [0; 21];
    timeout(PATIENCE, client.stream.read_exact(&mut said)).await.unwrap().unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let server = Server::start(router()).await;
    let mut client = server.connect().await;
    client.send(&head("transfer-encoding: chunked")).await;
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let began = tokio::time::Instant::now();
    while client.stream.write_all(chunk.as_bytes()).await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "it is read for ever");
    }
}

#[tokio::test]
async fn a_body_that_drips_or_stops_is_400_in_time() {
    let server = Server::start(router()).await;
    for headers in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut client = server.connect().await;
        client.send(&(head(headers) + "5\r\nab")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.body.contains("MalformedData") && answer.body.contains("did not arrive"),
            "{}",
            answer.body
        );
        assert!(client.is_closed_within(PATIENCE).await, "the rest of it is not taken for a request");
    }
}

#[tokio::test]
async fn a_body_with_bad_chunks_is_400() {
    let server = Server::start(router()).await;
    let answer = server.ask(&(head("transfer-encoding: chunked") + "xyz\r\nabc\r\n")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("broke off"), "{}", answer.body);
}
