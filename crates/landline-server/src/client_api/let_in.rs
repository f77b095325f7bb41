//! Which sends a server that is about to stop still takes: those that were there before.

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::error::ApiError;
use crate::state::App;

/// Held until the send is answered: the server does not close before.
#[derive(Debug)]
pub(super) struct LetIn(pub(super) TaskTrackerToken);

impl FromRequestParts<App> for LetIn {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // Counted first and looked at second; a stop does it the other way round, so that none slips through.
        let token = app.sends.token();
        if app.draining.is_cancelled() {
            return Err(ApiError::draining());
        }
        Ok(Self(token))
    }
}
