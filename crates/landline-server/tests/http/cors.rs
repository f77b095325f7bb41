//! What a page on another origin gets to see: on every route, every answer, every preflight.

use hyper::Method;
use landline_testkit::in_process::{Reply, SECRET, TestServer};
use serde_json::json;

use crate::marked;

const PAGE: &str = "https://page.example";

/// What stock clients send beside the headers that every page may.
const NAMED: [&str; 5] =
    ["authorization", "content-type", "x-ms-bot-agent", "x-requested-with", "idempotency-key"];

#[tokio::test]
async fn every_route_answers_a_preflight() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let connector = server.bot_actor().path(&ann.conversation, "/activities");
    let paths = [
        "/v3/directline/tokens/generate".to_owned(),
        "/v3/directline/tokens/refresh".into(),
        "/v3/directline/conversations".into(),
        ann.path(""),
        ann.path("/activities"),
        ann.path("/stream"),
        ann.path("/upload"),
        "/v3/directline/session/getsessionid".into(),
        connector,
        "/no/such/path".into(),
        "/".into(),
    ];
    for path in paths {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let reply = preflight(&server, &path, method).await;
            assert!(matches!(reply.status, 200 | 204), "{path}: {reply:?}");
            assert_eq!(reply.header("access-control-allow-origin"), PAGE, "{path}");
            let headers = reply.header("access-control-allow-headers").to_ascii_lowercase();
            for name in NAMED {
                assert!(headers.split(',').any(|h| h.trim() == name), "{path}: {name} is not in {headers}");
            }
            assert!(!headers.contains('*'), "a star does not cover authorization");
            assert!(reply.header("access-control-allow-methods").contains(method), "{path}: {reply:?}");
            assert!(!reply.header("access-control-max-age").is_empty());
            assert_eq!(reply.header("x-request-id").len(), 16);
            let session = path.ends_with("getsessionid");
            assert_eq!(reply.header("access-control-allow-credentials") == "true", session, "{path}");
        }
    }
}

async fn preflight(server: &TestServer, path: &str, method: &str) -> Reply {
    let call =
        server.call(Method::OPTIONS, path).origin(PAGE).header("access-control-request-method", method);
    call.header("access-control-request-headers", "authorization,content-type,x-ms-bot-agent").send().await
}

#[tokio::test]
async fn every_answer_lets_a_page_read_it() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let message = json!({"type": "message", "text": "hello"});
    let bearer = |method, path: &str| server.call(method, path).bearer(SECRET);
    let calls = [
        bearer(Method::POST, "/v3/directline/tokens/generate"),
        server.post("/v3/directline/tokens/refresh").bearer(&ann.token),
        bearer(Method::POST, "/v3/directline/conversations"),
        ann.call(Method::GET, ""),
        ann.call(Method::GET, "/activities"),
        ann.call(Method::HEAD, "/activities"),
        ann.send(&message),
        server.bot_actor().send(&ann.conversation, &message),
        server.get(&ann.path("/stream")),
        server.get("/no/such/path"),
        bearer(Method::PATCH, "/v3/directline/conversations"),
    ];
    for call in calls {
        let what = format!("{call:?}");
        let reply = call.origin(PAGE).send().await;
        marked(&reply);
        assert_eq!(reply.header("access-control-allow-origin"), PAGE, "{what}");
        assert!(reply.header("vary").to_ascii_lowercase().contains("origin"), "{what}");
        let exposed = reply.header("access-control-expose-headers").to_ascii_lowercase();
        assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{what}: {exposed}");
    }
}

#[tokio::test]
async fn an_answer_to_a_program_can_be_shown_to_any_page() {
    let server = TestServer::start().await;
    let reply = server.post("/v3/directline/conversations").send().await;
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}
