//! What the operator's tools ask and change, on a listener of its own.
//!
//! `/healthz`, `/readyz` and `/metrics` are open to whoever reaches the listener. Everything below `/admin/v1` needs the
//! admin token, and changes bots, sites, secrets and keys of the running server.
//!
//! Invariants: a change that was begun is made, also when the caller goes away; no answer and no log holds a secret, but
//! for the one answer that hands out what was made just now.
//!
//! Where to look: who is let in (`auth`), what a body may hold (`fields`), the routes (`bots`, `sites`, `conversations`, `keys`, `outbox`), the
//! statuses (`errors`).
//!
//! Not here: the changes themselves (`directory::Editor`, `token_keys`, `identity`), what is counted (`telemetry::metrics`).

mod auth;
mod bots;
mod conversations;
mod errors;
mod fields;
mod keys;
mod outbox;
mod sites;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use landline_auth::{DatedDigest, DatedSecrets, SiteSecret, Slot};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::{Audit, in_the_same_call, note_change};
use crate::directory::Editor;
use crate::error::ApiError;
use crate::http::{Observed, with_fallbacks, with_inner_layers};
use crate::state::App;
use crate::telemetry::{AdminChange, Metrics};

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
struct Probes {
    readiness: ReadinessState,
    metrics: Arc<Metrics>,
}

/// What the handlers below `/admin/v1` are given.
#[derive(Clone, Debug)]
pub struct Admin {
    app: App,
    editor: Editor,
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn probes(readiness: ReadinessState, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(page_of_metrics))
        .with_state(Probes { readiness, metrics })
}

/// Everything below `/admin/v1`, for whoever shows the token.
pub fn routes(app: App, editor: Editor, token: &SiteSecret, audit: Audit) -> Router {
    let routes = Router::from(documented());
    let (entropy, metrics) = (Arc::clone(&app.entropy), Arc::clone(&app.metrics));
    let guard = from_fn_with_state(auth::Guard::new(token, app.clone(), audit.clone()), auth::check);
    let admin = Admin { app, editor };
    let routes = with_fallbacks(routes.with_state(admin)).layer(guard);
    let routes = with_inner_layers(routes, Observed { entropy, metrics, audit });
    Router::new().nest("/admin/v1", routes)
}

/// The routes below `/admin/v1`, with their document.
pub(crate) fn documented() -> OpenApiRouter<Admin> {
    OpenApiRouter::default()
        .routes(routes!(bots::list, bots::add))
        .routes(routes!(bots::get, bots::patch, bots::remove))
        .routes(routes!(bots::add_credential))
        .routes(routes!(bots::remove_credential))
        .routes(routes!(bots::new_capability))
        .routes(routes!(sites::list, sites::add))
        .routes(routes!(sites::get, sites::patch, sites::remove))
        .routes(routes!(sites::add_secret))
        .routes(routes!(sites::remove_secret))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::get, conversations::delete))
        .routes(routes!(conversations::purge))
        .routes(routes!(keys::list))
        .routes(routes!(keys::rotate_identity))
        .routes(routes!(keys::rotate_tokens))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::retry))
        .routes(routes!(outbox::drop))
}

/// 200 for as long as the process can answer at all: whoever restarts dead processes asks here.
async fn healthz() -> &'static str {
    "alive\n"
}

/// 200 when requests are answered, 503 while starting and while draining: whoever spreads load asks here.
async fn readyz(State(admin): State<Probes>) -> (StatusCode, &'static str) {
    match admin.readiness.get() {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn page_of_metrics(State(admin): State<Probes>) -> Response {
    match admin.metrics.render() {
        Ok(page) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], page).into_response()
        }
        Err(error) => ApiError::service_error(format!("cannot write the metrics: {error}")).into_response(),
    }
}

impl Admin {
    /// Does something to its end, also when the caller goes away meanwhile.
    async fn to_its_end<T, E>(
        &self,
        change: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        match self.app.tasks.spawn(in_the_same_call(change)).await {
            Ok(done) => done.map_err(E::into),
            Err(error) => Err(ApiError::service_error(format!("a change did not come to its end: {error}"))),
        }
    }

    /// Says in the log and in the metrics what was changed; what the editor changes, it says itself.
    fn report(&self, change: AdminChange, what: &dyn fmt::Display) {
        self.app.metrics.admin_changed(change);
        note_change(change, what);
        tracing::info!(change = ?change, "Changed by the admin API: {change:?} {what}");
    }
}

/// What cannot be a name names nothing.
fn name_in_path<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("there is nothing of that name; look at the list"))
}

fn slot_in_path(text: &str) -> Result<Slot, ApiError> {
    match text {
        "1" => Ok(Slot::First),
        "2" => Ok(Slot::Second),
        _ => Err(ApiError::not_found("there are the slots 1 and 2")),
    }
}

fn show_secrets(secrets: &DatedSecrets) -> Vec<Value> {
    let show = |(slot, secret): (Slot, &DatedDigest)| {
        let mut shown = json!({ "slot": slot.number() });
        if let Some(created) = secret.created {
            shown["created"] = created.to_string().into();
        }
        shown
    };
    secrets.iter().map(show).collect()
}
