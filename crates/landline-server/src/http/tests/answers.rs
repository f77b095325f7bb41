//! What stands on every answer, and what is said of it in the log and the metrics.

use std::io;
use std::sync::Mutex;

use axum::routing::{get, post};
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::error::ApiError;

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/things/{id}", post(|| async { "made" }).get(|| async { "got" }))
        .route("/panics", get(panics))
        .route("/v3/directline/session/getsessionid", get(|| async { "{}" }))
        .route("/error/{which}", get(error))
}

async fn panics() -> &'static str {
    panic!("canary")
}

async fn error(axum::extract::Path(which): axum::extract::Path<String>) -> ApiError {
    match &*which {
        "401" => ApiError::unauthorized("send a token"),
        "413" => ApiError::too_big("too big"),
        "415" => ApiError::media_type_not_supported("json only"),
        "429" => ApiError::throttled("slow down", Duration::from_millis(1200)),
        "500" => ApiError::service_error("the cause"),
        "502" => ApiError::bot_failed("the bot answered 418", Some(418)),
        "503" => ApiError::unavailable("draining", Duration::ZERO),
        "504" => ApiError::bot_timed_out("the bot did not answer"),
        other => ApiError::not_found(other),
    }
}

fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    body["error"]["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_answer_carries_what_every_answer_carries() {
    let server = Server::start(router()).await;
    let mut seen = std::collections::HashSet::new();
    for (request, status) in [
        ("GET / HTTP/1.1", 200),
        ("GET /nothing/here HTTP/1.1", 404),
        ("DELETE / HTTP/1.1", 405),
        ("GET /panics HTTP/1.1", 500),
        ("GET /error/401 HTTP/1.1", 401),
        ("GET /error/413 HTTP/1.1", 413),
        ("GET /error/415 HTTP/1.1", 415),
        ("GET /error/429 HTTP/1.1", 429),
        ("GET /error/500 HTTP/1.1", 500),
        ("GET /error/502 HTTP/1.1", 502),
        ("GET /error/503 HTTP/1.1", 503),
        ("GET /error/504 HTTP/1.1", 504),
        ("OPTIONS /things/1 HTTP/1.1\r\naccess-control-request-method: POST", 200),
        ("OPTIONS /nothing/here HTTP/1.1\r\naccess-control-request-method: POST", 200),
    ] {
        for origin in ["", "\r\norigin: https://site.example.org"] {
            let answer = server.ask(&format!("{request}{origin}\r\nhost: x\r\n\r\n")).await;
            assert_eq!(answer.status, status, "{request}");
            let allowed = if origin.is_empty() { "*" } else { "https://site.example.org" };
            assert_eq!(answer.header("access-control-allow-origin"), Some(allowed), "{request}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{request}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{request}");
            assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")), "{request}");
            let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{request}: no id"));
            assert!(seen.insert(id.to_owned()), "{id} comes twice");
            assert_eq!(id.len(), 16);
            if status >= 400 {
                assert_eq!(
                    answer.header("content-type"),
                    Some("application/json; charset=utf-8"),
                    "{request}"
                );
                code(&answer);
            }
        }
    }
}

#[tokio::test]
async fn a_preflight_names_the_headers_that_clients_send() {
    let server = Server::start(router()).await;
    let answer = server
        .ask(
            "OPTIONS /things/1 HTTP/1.1\r\nhost: x\r\norigin: https://site.example.org\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: authorization,x-ms-bot-agent\r\n\r\n",
        )
        .await;
    assert_eq!(answer.status, 200);
    let allowed: Vec<_> = answer.header("access-control-allow-headers").unwrap().split(',').collect();
    for name in ["authorization", "content-type", "x-ms-bot-agent", "x-requested-with", "idempotency-key"] {
        assert!(allowed.contains(&name), "{name} is not in {allowed:?}");
    }
    assert!(!allowed.contains(&"*"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    assert_eq!(answer.header("access-control-max-age"), Some("3600"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);

    let answer = server.ask("GET / HTTP/1.1\r\nhost: x\r\norigin: https://site.example.org\r\n\r\n").await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");
}

#[tokio::test]
async fn only_a_preflight_is_allowed_credentials_without_asking_whose_page_it_is() {
    let server = Server::start(router()).await;
    for (method, path, allowed) in [
        ("OPTIONS", "/v3/directline/session/getsessionid", Some("true")),
        ("GET", "/v3/directline/session/getsessionid", None),
        ("OPTIONS", "/v3/directline/session/getsessionid/", None),
        ("OPTIONS", "/", None),
        ("GET", "/", None),
    ] {
        let head = "host: x\r\norigin: https://s.example.org\r\naccess-control-request-method: GET\r\n\r\n";
        let answer = server.ask(&format!("{method} {path} HTTP/1.1\r\n{head}")).await;
        assert_eq!(answer.header("access-control-allow-credentials"), allowed, "{method} {path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://s.example.org"));
    }
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist() {
    let server = Server::start(router()).await;
    assert_eq!(code(&server.ask("GET /nope HTTP/1.1\r\nhost: x\r\n\r\n").await), "ResourceNotFound");
    let answer = server.ask("DELETE /things/1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((answer.status, &*code(&answer)), (405, "NotSupported"));
    assert_eq!(answer.header("allow"), Some("POST,GET,HEAD"));
}

#[tokio::test]
async fn headers_that_go_with_an_error() {
    let server = Server::start(router()).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/error/401").await.header("www-authenticate"), Some("Bearer"));
    assert_eq!(client.get("/error/404").await.header("www-authenticate"), None);
    assert_eq!(client.get("/error/429").await.header("retry-after"), Some("2"), "rounded up");
    assert_eq!(client.get("/error/503").await.header("retry-after"), Some("1"), "never zero");
    assert!(client.get("/error/502").await.body.contains("\"httpStatusCode\":418"));
}

#[tokio::test]
async fn an_error_of_ours_names_the_request_and_keeps_its_cause_to_itself() {
    let server = Server::start(router()).await;
    let mut client = server.connect().await;
    for path in ["/error/500", "/error/502", "/error/503", "/error/504", "/panics"] {
        let answer = client.get(path).await;
        let id = answer.header("x-request-id").unwrap();
        assert!(answer.body.contains(id), "{path}: {}", answer.body);
        assert!(
            !answer.body.contains("the cause") && !answer.body.contains("canary"),
            "{path}: {}",
            answer.body
        );
    }
    assert_eq!(code(&client.get("/panics").await), "ServiceError");
    let fault_of_the_client = client.get("/error/401").await;
    assert!(!fault_of_the_client.body.contains(fault_of_the_client.header("x-request-id").unwrap()));
}

#[tokio::test]
async fn requests_are_counted_by_route_not_by_path() {
    let server = Server::start(router()).await;
    let mut client = server.connect().await;
    client.get("/things/secret-1").await;
    client.get("/things/secret-2").await;
    client.get("/secret-3").await;
    let page = server.metrics.render().unwrap();
    assert!(page.contains("landline_requests_total{route=\"/things/{id}\",status=\"200\"} 2"), "{page}");
    assert!(page.contains("landline_requests_total{route=\"unmatched\",status=\"404\"} 1"), "{page}");
    assert!(!page.contains("secret-"), "{page}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_tells_of_each_request_and_repeats_no_secret() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start(router()).await;
    let mut client = server.connect().await;

    client
        .send("GET /things/canary-1?t=canary-2 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer canary-3\r\n\r\n")
        .await;
    let answer = client.answer().await;
    client.get("/canary-4/canary-5?canary-6").await;
    client.get("/error/500?canary-7").await;

    let id = answer.header("x-request-id").unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.lines().any(|line| line.contains(id) && line.contains("/things/{id}") && line.contains("200")),
        "{text}"
    );
    assert!(text.lines().any(|line| line.contains("ERROR") && line.contains("the cause")), "{text}");
    assert!(!text.contains("canary"), "{text}");
}
