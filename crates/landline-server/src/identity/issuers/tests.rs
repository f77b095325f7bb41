//! When keys are fetched, on a clock that stands still unless it is moved.

use std::collections::HashMap;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use landline_auth::{IdentityKeys, RsaKey};
use landline_protocol::Timestamp;
use landline_testkit::in_process::keys::key;
use tokio::sync::Notify;
use tokio::time::advance;

use super::*;

const KEYS_URL: &str = "https://issuer.example/keys";
const METADATA_URL: &str = "https://issuer.example/.well-known/openid-configuration";

/// Answers what it was told to, and counts.
#[derive(Default)]
struct Source {
    answers: StdMutex<HashMap<String, Bytes>>,
    asked: AtomicUsize,
    /// Where there is one, every answer waits for it.
    gate: StdMutex<Option<Arc<Notify>>>,
}

impl Source {
    fn answer(&self, url: &str, body: impl Into<Bytes>) {
        self.answers.lock().unwrap().insert(url.to_owned(), body.into());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl KeySource for Source {
    fn get<'a>(&'a self, url: &'a Url, _: Option<&'a Authorities>, _: Instant) -> KeySourceFuture<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let gate = self.gate.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.notified().await;
            }
            let answer = self.answers.lock().unwrap().get(url.as_str()).cloned();
            answer.ok_or(OutboundError::Status(404))
        })
    }
}

fn jwks(keys: &[RsaKey]) -> String {
    let now = Timestamp::from_millis(0);
    let all = |key: &RsaKey| {
        let ring = IdentityKeys::new(key.clone(), now).unwrap();
        serde_json::to_value(ring.jwks(now)).unwrap()["keys"][0].clone()
    };
    serde_json::json!({"keys": keys.iter().map(all).collect::<Vec<_>>()}).to_string()
}

fn issuers(keys: KeysAt) -> (Arc<ExternalIssuers>, Arc<Source>) {
    let source = Arc::new(Source::default());
    let trusted = TrustedIssuer {
        name: "entra".into(),
        issuers: vec!["https://sts.example/".into()],
        keys,
        bots: None,
        ca_certificates: None,
    };
    let all = ExternalIssuers::new(
        vec![trusted],
        Arc::<Source>::clone(&source),
        TaskTracker::new(),
        Arc::new(Metrics::new()),
    );
    (Arc::new(all), source)
}

fn with_keys() -> (Arc<ExternalIssuers>, Arc<Source>) {
    let (issuers, source) = issuers(KeysAt::Keys(KEYS_URL.parse().unwrap()));
    source.answer(KEYS_URL, jwks(&[key(0)]));
    (issuers, source)
}

/// A token with an unknown key came: whether there are other keys now.
async fn unknown_key(issuers: &ExternalIssuers) -> bool {
    let seen = Arc::clone(&issuers.known()[0].keys);
    issuers.fetched_for_unknown_key(0, &seen).await
}

fn count(issuers: &ExternalIssuers) -> usize {
    issuers.known()[0].keys.len()
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_when_they_are_needed_first() {
    let (issuers, source) = with_keys();
    assert_eq!((source.asked(), count(&issuers)), (0, 0));
    assert!(unknown_key(&issuers).await);
    assert_eq!((source.asked(), count(&issuers)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_cause_one_fetch_in_five_minutes() {
    let (issuers, source) = with_keys();
    assert!(unknown_key(&issuers).await);
    for _ in 0..1000 {
        assert!(!unknown_key(&issuers).await);
    }
    assert_eq!(source.asked(), 1);
    advance(ISSUER_KEYS_UNKNOWN - Duration::from_millis(1)).await;
    assert!(!unknown_key(&issuers).await);
    assert_eq!(source.asked(), 1);
    advance(Duration::from_millis(1)).await;
    source.answer(KEYS_URL, jwks(&[key(0), key(1)]));
    assert!(unknown_key(&issuers).await);
    assert_eq!((source.asked(), count(&issuers)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn all_who_need_keys_wait_for_one_fetch() {
    let (issuers, source) = with_keys();
    let gate = Arc::new(Notify::new());
    *source.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let tasks = TaskTracker::new();
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let issuers = Arc::clone(&issuers);
            tasks.spawn(async move { unknown_key(&issuers).await })
        })
        .collect();
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(source.asked(), 1);

    gate.notify_one();

    for waiter in waiting {
        assert!(waiter.await.unwrap());
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_cancels_no_fetch() {
    let (issuers, source) = with_keys();
    let gate = Arc::new(Notify::new());
    *source.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let impatient = tokio::time::timeout(Duration::from_millis(10), unknown_key(&issuers)).await;
    assert!(impatient.is_err());
    gate.notify_one();
    assert!(unknown_key(&issuers).await, "the fetch that was begun is waited for");
    assert_eq!((source.asked(), count(&issuers)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_came_meanwhile_is_looked_at() {
    let (issuers, source) = with_keys();
    let seen = Arc::clone(&issuers.known()[0].keys);
    assert!(unknown_key(&issuers).await);
    // This one was judged by the keys of before.
    assert!(issuers.fetched_for_unknown_key(0, &seen).await);
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_fails_leaves_what_was_known() {
    let (issuers, source) = with_keys();
    assert!(unknown_key(&issuers).await);
    for nonsense in ["", "{}", "{\"keys\":[]}", "<html>"] {
        advance(ISSUER_KEYS_UNKNOWN).await;
        source.answer(KEYS_URL, nonsense);
        assert!(!unknown_key(&issuers).await, "{nonsense}");
        assert_eq!(count(&issuers), 1, "{nonsense}");
    }
    // And is not repeated at once either.
    assert!(!unknown_key(&issuers).await);
    assert_eq!(source.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_it_is_tried_again_sooner() {
    let (issuers, source) = with_keys();
    source.answer(KEYS_URL, "");
    assert!(!unknown_key(&issuers).await);
    assert!(!unknown_key(&issuers).await);
    assert_eq!(source.asked(), 1);
    source.answer(KEYS_URL, jwks(&[key(0)]));
    advance(ISSUER_KEYS_RETRY).await;
    assert!(unknown_key(&issuers).await);
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_given_up() {
    let (issuers, source) = with_keys();
    *source.gate.lock().unwrap() = Some(Arc::new(Notify::new()));
    let began = Instant::now();
    assert!(!unknown_key(&issuers).await);
    assert!(began.elapsed() < ISSUER_KEYS_TIMEOUT + Duration::from_secs(1));
    *source.gate.lock().unwrap() = None;
    advance(ISSUER_KEYS_RETRY).await;
    assert!(unknown_key(&issuers).await);
}

#[tokio::test(start_paused = true)]
async fn old_keys_are_fetched_again_behind_what_they_are_used_for() {
    let (issuers, source) = with_keys();
    assert!(unknown_key(&issuers).await);
    source.answer(KEYS_URL, jwks(&[key(0), key(1)]));
    advance(ISSUER_KEYS_KEPT - Duration::from_millis(1)).await;
    issuers.refresh_if_old("https://sts.example/");
    tokio::time::sleep(Duration::ZERO).await;
    assert_eq!(source.asked(), 1);

    advance(Duration::from_millis(1)).await;
    issuers.refresh_if_old("https://another.example/");
    issuers.refresh_if_old("https://sts.example/");
    issuers.refresh_if_old("https://sts.example/");
    tokio::time::sleep(Duration::from_millis(1)).await;

    assert_eq!((source.asked(), count(&issuers)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn keys_are_found_by_the_metadata() {
    let (issuers, source) = issuers(KeysAt::Metadata(METADATA_URL.parse().unwrap()));
    source.answer(METADATA_URL, format!(r#"{{"issuer":"x","jwks_uri":"{KEYS_URL}"}}"#));
    source.answer(KEYS_URL, jwks(&[key(0)]));
    assert!(unknown_key(&issuers).await);
    assert_eq!((source.asked(), count(&issuers)), (2, 1));
    for metadata in [
        "{}",
        "[]",
        r#"{"jwks_uri":"/keys"}"#,
        r#"{"jwks_uri":7}"#,
        r#"{"jwks_uri":"http://issuer.example/keys"}"#,
        r#"{"jwks_uri":"file:///etc/passwd"}"#,
    ] {
        advance(ISSUER_KEYS_UNKNOWN).await;
        let asked = source.asked();
        source.answer(METADATA_URL, metadata);
        assert!(!unknown_key(&issuers).await, "{metadata}");
        assert_eq!((source.asked() - asked, count(&issuers)), (1, 1), "{metadata}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_not_there_has_no_keys() {
    let (issuers, source) = with_keys();
    let seen = Arc::default();
    assert!(!issuers.fetched_for_unknown_key(1, &seen).await);
    assert_eq!(source.asked(), 0);
    assert_eq!(format!("{issuers:?}"), "[\"entra\"]");
}
