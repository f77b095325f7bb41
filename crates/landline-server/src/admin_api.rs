//! What the operator's tools ask: is it alive, is it ready, how is it doing.
//!
//! On a listener of its own, which the public never reaches: there is no access control here.
//!
//! Not here: what is counted (`telemetry::metrics`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::error::ApiError;
use crate::telemetry::Metrics;

/// How far the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Readiness {
    /// Opening its data; requests are not answered yet.
    Starting = 0,
    /// Taking requests.
    Ready = 1,
    /// Finishing what runs; whoever spreads load should send new requests elsewhere.
    Draining = 2,
}

/// The readiness, shared between the composition root, which sets it, and `/readyz`, which tells it.
#[derive(Clone, Debug)]
pub struct ReadinessState(Arc<AtomicU8>);

impl Default for ReadinessState {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(Readiness::Starting as u8)))
    }
}

impl ReadinessState {
    /// From now on.
    pub fn set(&self, readiness: Readiness) {
        self.0.store(readiness as u8, Ordering::Release);
    }

    /// As it was last set; `Starting` at first.
    pub fn get(&self) -> Readiness {
        match self.0.load(Ordering::Acquire) {
            1 => Readiness::Ready,
            2 => Readiness::Draining,
            _ => Readiness::Starting,
        }
    }
}

#[derive(Clone, Debug)]
struct Admin {
    readiness: ReadinessState,
    metrics: Arc<Metrics>,
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn router(readiness: ReadinessState, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(page_of_metrics))
        .with_state(Admin { readiness, metrics })
}

/// 200 for as long as the process can answer at all: whoever restarts dead processes asks here.
async fn healthz() -> &'static str {
    "alive\n"
}

/// 200 when requests are answered, 503 while starting and while draining: whoever spreads load asks here.
async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match admin.readiness.get() {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn page_of_metrics(State(admin): State<Admin>) -> Response {
    match admin.metrics.render() {
        Ok(page) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], page).into_response()
        }
        Err(error) => ApiError::service_error(format!("cannot write the metrics: {error}")).into_response(),
    }
}
