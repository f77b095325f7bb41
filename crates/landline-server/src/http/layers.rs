//! What happens to every request and stands on every answer: its id, CORS, what guards it in browsers, a line in the log, a count in
//! the metrics, and a 500 instead of a dropped line where a handler panics.
//!
//! Invariant: neither a query string nor a path is logged: both may hold a ticket or a secret. The log names the
//! route's template.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, Entry, HeaderName, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use landline_core::Entropy;
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::cors::{self, REQUEST_ID};
use super::{ClientAddress, fallback, guards};
use crate::audit::{Audit, Audited, Denied, KnownSite, Word};
use crate::error::ApiError;
use crate::telemetry::Metrics;

/// Where a bot that asks as an App Service does shows its credential.
static IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// The name of one request, in its answer and in the log. An extension of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        Self(format!("{:016x}", u64::from_be_bytes(bytes)).into())
    }

    /// Sixteen hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the layers tell of each request, and to whom.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it holds a trait object")]
pub struct Observed {
    /// Makes ids of requests.
    pub entropy: Arc<dyn Entropy>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Takes refusals.
    pub audit: Audit,
}

#[derive(Clone)]
struct Observer {
    observed: Observed,
    /// Whether browsers may read the answers, whatever page asks.
    for_browsers: bool,
}

/// Puts the fallbacks below and the layers around a router that is complete otherwise.
///
/// The last thing that is done to a router: what is added to it later has none of this.
pub fn with_layers(router: Router, observed: Observed) -> Router {
    let observer = Observer { observed, for_browsers: true };
    with_fallbacks(router)
        .layer(from_fn(catch_panic))
        .layer(from_fn(refuse))
        .layer(cors::layer())
        .layer(from_fn_with_state(observer, observe))
}

/// The same, without CORS, for routes that no page of another origin may use. The fallbacks are put in before, so that
/// a guard can stand before them.
pub(crate) fn with_inner_layers(router: Router, observed: Observed) -> Router {
    let observer = Observer { observed, for_browsers: false };
    router.layer(from_fn(catch_panic)).layer(from_fn(refuse)).layer(from_fn_with_state(observer, observe))
}

/// Makes a listener answer what is no request, and what no route is for, like any other refusal, with what guards it in browsers.
///
/// Not here: what [`with_inner_layers`] does for those of its routes that want an id, a count and a record.
pub(crate) fn with_refusals(router: Router) -> Router {
    with_fallbacks(router).layer(from_fn(refuse)).layer(map_response(guards::guarded))
}

/// Answers what no handler is for.
pub(crate) fn with_fallbacks(router: Router) -> Router {
    router.fallback(fallback::no_such_path).method_not_allowed_fallback(fallback::no_such_method)
}

/// What a request is refused with that was none. An extension of the one that stands in for it.
#[derive(Clone, Debug)]
pub(super) struct Refused(pub(super) ApiError);

async fn refuse(mut request: Request, next: Next) -> Response {
    match request.extensions_mut().remove::<Refused>() {
        Some(Refused(error)) => error.into_response(),
        None => next.run(request).await,
    }
}

async fn catch_panic(request: Request, next: Next) -> Response {
    // Sound: what the handler shared with others is behind locks that recover, or in the log.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => ApiError::service_error("a handler panicked").into_response(),
    }
}

async fn observe(State(observer): State<Observer>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let Observed { entropy, metrics, audit } = &observer.observed;
    let id = RequestId::random(&**entropy);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let site = KnownSite::default();
    let address = ClientAddress::of(request.extensions()).map(|client| client.0);
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(site.clone());
    hide_credentials(request.headers_mut());

    let mut response = next.run(request).await;
    if response.status().is_server_error()
        && let Some(error) = response.extensions_mut().remove::<ApiError>()
    {
        response = name_request(error, &id, response);
    }

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    guards::put(headers);
    if observer.for_browsers {
        cors::mark_unasked(headers);
    }

    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    if is_denial(&response) {
        audit.denied(Denied {
            request: id.to_string(),
            listener: if observer.for_browsers { "public" } else { "admin" },
            method: Word::method(&method),
            route: route.to_owned(),
            status: response.status().as_u16(),
            code: response.extensions().get::<ApiError>().map(|error| error.code),
            address,
            site: site.get(),
        });
    }
    report(metrics, &id, &method, route, response.status().as_u16(), began.elapsed());
    response
}

/// Whether somebody was turned away, and nobody else makes a record of it.
fn is_denial(response: &Response) -> bool {
    let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    turned_away.contains(&response.status()) && response.extensions().get::<Audited>().is_none()
}

/// Whoever writes the headers of a request into a log, a library perhaps, does not write these.
fn hide_credentials(headers: &mut HeaderMap) {
    for name in [&AUTHORIZATION, &PROXY_AUTHORIZATION, &COOKIE, &IDENTITY_HEADER] {
        if let Entry::Occupied(mut values) = headers.entry(name) {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

/// The same answer with the id of the request in its message, so that a user can tell the operator.
fn name_request(mut error: ApiError, id: &RequestId, old: Response) -> Response {
    let ApiError { status, message, .. } = &error;
    let cause = error.cause.as_deref().unwrap_or("-");
    if status.as_u16() == 500 {
        error!(request.id = %id, cause, "Answered 500 to request {id}: {cause}");
    } else {
        warn!(request.id = %id, status = status.as_u16(), cause, "Answered {status} to request {id}: {message}");
    }
    error.message = format!("{message} (request {id})");
    let mut new = error.into_response();
    // What the inner layers put on the old answer (CORS) goes over to the new one; its length does not.
    let own = new.headers().clone();
    for (name, value) in old.headers() {
        if name != CONTENT_LENGTH && !own.contains_key(name) {
            new.headers_mut().append(name, value.clone());
        }
    }
    new
}

fn report(metrics: &Metrics, id: &RequestId, method: &Method, route: &str, status: u16, latency: Duration) {
    metrics.request_finished(route, status, latency);
    debug!(
        request.id = %id,
        http.method = %method,
        http.route = route,
        http.status = status,
        latency_ms = latency.as_secs_f64() * 1000.0,
        "{method} {route} answered {status}"
    );
}
