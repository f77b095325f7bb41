//! Records, as they are read; and that nobody waits for them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Request, StatusCode};
use landline_core::SystemClock;
use landline_protocol::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::*;
use crate::SystemEntropy;
use crate::error::ApiError;
use crate::http::{Observed, with_layers};
use crate::telemetry::AdminChange;

/// An audit log in a file, and what ends it.
fn in_a_file() -> (Audit, WriterEnd, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let place = Place::File { path: path.clone(), bytes: 1024 * 1024, files: 1 };
    let (audit, writer) = Audit::open(place, Arc::new(SystemClock), Arc::default()).unwrap();
    let stop = CancellationToken::new();
    let task = TaskTracker::new().spawn(writer.run(stop.clone()));
    (audit, WriterEnd { stop, task }, path, folder)
}

async fn written(end: WriterEnd, path: &std::path::Path) -> Vec<Value> {
    end.finish(Duration::from_secs(10)).await;
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_record_is_one_line_whatever_is_in_it() {
    let why = "\"\n\r\u{1b}[31m\0";
    let state = why.to_owned();
    let line = Event::Sandbox { state }.line(Timestamp::from_millis(1_790_000_000_120));
    let expected = "{\"time\":\"2026-09-21T14:13:20.120Z\",\"event\":\"sandbox\",\"state\":\"\\\"\\n\\r\\u001b[31m\\u0000\"}";
    assert_eq!(line, expected);
    assert!(!line.bytes().any(|byte| byte < 0x20));
}

#[tokio::test]
async fn s81_who_is_throttled_is_told_once_and_counted() {
    let (audit, end, path, _folder) = in_a_file();
    let metrics: Arc<Metrics> = Arc::default();
    let refuse = || async { ApiError::throttled("slower", Duration::from_secs(3)) };
    let router = Router::new().route("/slow/{name}", get(refuse));
    let observed = Observed { entropy: Arc::new(SystemEntropy), metrics: Arc::clone(&metrics), audit };
    let request = Request::get("/slow/secret?t=secret").body(axum::body::Body::empty()).unwrap();
    let answer = with_layers(router, observed).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);

    let records = written(end, &path).await;

    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(record["status"], 429);
    assert_eq!(record["code"], "ThrottledRequests");
    assert_eq!(record["route"], "/slow/{name}");
    assert_eq!(record["request"], answer.headers()["x-request-id"].to_str().unwrap());
    assert!(!record.to_string().contains("secret"), "{record}");
    let page = metrics.render().unwrap();
    assert!(page.contains("landline_requests_total{route=\"/slow/{name}\",status=\"429\"} 1\n"), "{page}");
}

#[tokio::test]
async fn what_an_operator_began_is_told_when_it_is_done_though_the_caller_went_away() {
    let (audit, end, path, _folder) = in_a_file();
    let request = Request::post("/admin/v1/x").body(axum::body::Body::empty()).unwrap();
    let call = OperatorCall::begin(audit, &request);
    let (go_on, wait) = oneshot::channel::<()>();
    let tasks = TaskTracker::new();
    let handler = call.scope(async {
        let change = async move {
            wait.await.unwrap();
            note_change(AdminChange::BotAdded, &"echo");
        };
        drop(tasks.spawn(in_the_same_call(change)));
    });
    handler.await;
    // The caller goes away: nobody answers it.
    drop(call);
    go_on.send(()).unwrap();
    tasks.close();
    tasks.wait().await;

    let records = written(end, &path).await;

    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["changes"][0]["what"], "echo");
    assert_eq!(records[0].get("status"), None);
}

#[tokio::test]
async fn what_does_not_fit_is_lost_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let place = Place::File { path: path.clone(), bytes: 64 * 1024 * 1024, files: 1 };
    let metrics: Arc<Metrics> = Arc::default();
    let (audit, writer) = Audit::open(place, Arc::new(SystemClock), Arc::clone(&metrics)).unwrap();
    // Nobody writes yet, as with a disk that hangs.
    for _ in 0..AUDIT_QUEUE + 10 {
        audit.record(Event::Sandbox { state: "x".into() });
    }
    let stop = CancellationToken::new();
    let task = TaskTracker::new().spawn(writer.run(stop.clone()));
    let records = written(WriterEnd { stop, task }, &path).await;
    assert_eq!(records.iter().filter(|record| record["event"] == "sandbox").count(), AUDIT_QUEUE);
    let lost: Vec<_> = records.iter().filter(|record| record["event"] == "lost").collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["records"], 10);
    assert!(metrics.render().unwrap().contains("landline_audit_lost_total 10\n"));
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_counted_and_said_when_it_does() {
    let (audit, end, path, folder) = in_a_file();
    audit.record(Event::Sandbox { state: "one".into() });
    // A folder stands under the name: neither that file nor another one can be written.
    let wait = async || {
        while !std::fs::read_to_string(&path).is_ok_and(|text| text.contains("one")) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait()).await.unwrap();
    std::fs::rename(&path, folder.path().join("moved")).unwrap();
    std::fs::create_dir(&path).unwrap();
    audit.record(Event::Sandbox { state: "two".into() });
    let lost = async || {
        while !audit.0.metrics.render().unwrap().contains("landline_audit_lost_total 1\n") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), lost()).await.unwrap();
    std::fs::remove_dir(&path).unwrap();
    audit.record(Event::Sandbox { state: "three".into() });
    let records = written(end, &path).await;
    assert_eq!(records[0]["state"], "three");
    assert_eq!((&records[1]["event"], &records[1]["records"]), (&"lost".into(), &1.into()));
}
