//! Who may use `/admin/v1`: whoever shows the admin token.
//!
//! Not here: where the token is written for the operator's commands (`app`).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use landline_auth::{SecretDigest, SiteSecret, bearer};

use crate::audit::{Audit, Audited, OperatorCall};
use crate::error::ApiError;
use crate::http::ClientAddress;
use crate::state::App;

/// What is kept of the admin token: only what is needed to know it again.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    token: Arc<SecretDigest>,
    app: App,
    audit: Audit,
}

impl Guard {
    pub(super) fn new(token: &SiteSecret, app: App, audit: Audit) -> Self {
        Self { token: Arc::new(token.digest()), app, audit }
    }

    /// Takes the same time whatever is shown.
    fn accepts(&self, presented: &str) -> bool {
        SiteSecret::from_text(presented).is_ok_and(|presented| presented.digest() == *self.token)
    }
}

/// 401 for everything below it without the token, also for paths that do not exist. With it, what is called is audited,
/// whatever it is.
pub(super) async fn check(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let header = headers.next().and_then(|header| header.to_str().ok());
    let presented = if headers.next().is_none() { bearer(header).ok() } else { None };
    if presented.is_some_and(|presented| guard.accepts(presented)) {
        let call = OperatorCall::begin(guard.audit, &request);
        let mut response = call.scope(next.run(request)).await;
        call.answered(response.status());
        response.extensions_mut().insert(Audited);
        return Ok(response);
    }
    if presented.is_some() {
        guard.app.overload.wrong_secret(ClientAddress::of(request.extensions())).await?;
    }
    Err(ApiError::unauthorized(
        "send authorization: Bearer and the admin token, which stands in admin.json in the data folder",
    ))
}
