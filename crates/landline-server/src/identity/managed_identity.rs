//! Tokens for bots that believe to run in an Azure App Service: all SDKs ask for one this way, unmodified and over plain
//! HTTP, where the environment holds `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
//!
//! Source: Azure App Service, "REST endpoint reference" of managed identities, version 2019-08-01, for request, answer
//! and errors; clients read `statusCode` and `message` of the latter.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::issue::{Issued, bot_with_credential, is_connector};
use crate::error::ApiError;
use crate::http::ClientAddress;
use crate::openapi::shapes;
use crate::state::App;
use crate::telemetry::TokenWay;

/// The header that holds the bot's credential. That a URL alone gets no token, is what it is for.
const IDENTITY_HEADER: &str = "x-identity-header";

/// The one version that is spoken here; the one before it is deprecated.
const API_VERSION: &str = "2019-08-01";

#[derive(Deserialize)]
pub(super) struct Asked {
    resource: Option<String>,
    client_id: Option<String>,
    #[serde(rename = "api-version")]
    api_version: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    access_token: String,
    /// Seconds since the epoch, as text.
    expires_on: String,
    resource: String,
    token_type: &'static str,
    client_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    status_code: u16,
    message: &'static str,
}

fn refuse(status: StatusCode, message: &'static str) -> Response {
    (status, Json(Refusal { status_code: status.as_u16(), message })).into_response()
}

/// `GET /msi/token?resource=…&client_id=…&api-version=2019-08-01`, with the credential in `X-IDENTITY-HEADER`.
#[utoipa::path(
    get, path = "/msi/token", tag = "Identity", operation_id = "getManagedIdentityToken",
    summary = "A token for a bot, as of a managed identity",
    params(
        ("api-version" = String, Query, description = "`2019-08-01`."),
        ("resource" = String, Query, description = "`https://api.botframework.com`."),
        ("client_id" = Option<String>, Query, description = "The app id."),
        ("x-identity-header" = String, Header, description = "The bot's credential.")
    ),
    responses(
        (status = 200, description = "The token.", body = shapes::ManagedIdentityToken),
        (status = 400, description = "Something is missing or out of range.", body = shapes::ManagedIdentityRefusal),
        (status = 401, description = "No bot of this app id has this credential.", body = shapes::ManagedIdentityRefusal)
    ),
    security(())
)]
pub(super) async fn token(
    State(app): State<App>,
    client: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let answer = answer(&app, &headers, asked.ok().map(|Query(asked)| asked));
    match &answer {
        Ok(_) => app.metrics.token_issued(TokenWay::ManagedIdentity),
        Err(_) => app.metrics.token_refused(TokenWay::ManagedIdentity),
    }
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(refused) if refused.status() == StatusCode::UNAUTHORIZED => {
            app.wrong_credential(client).await.unwrap_or(*refused)
        }
        Err(refused) => *refused,
    }
}

fn answer(app: &App, headers: &HeaderMap, asked: Option<Asked>) -> Result<Answer, Box<Response>> {
    let bad = |message| Box::new(refuse(StatusCode::BAD_REQUEST, message));
    let asked = asked.ok_or_else(|| bad("the query cannot be read; each parameter stands in it once"))?;
    if asked.api_version.as_deref() != Some(API_VERSION) {
        return Err(bad("the parameter api-version=2019-08-01 is required"));
    }
    let resource = asked.resource.filter(|resource| is_connector(resource));
    let resource =
        resource.ok_or_else(|| bad("the parameter resource must be https://api.botframework.com"))?;
    let client_id = asked.client_id.as_deref().filter(|id| !id.is_empty());

    let mut presented = headers.get_all(IDENTITY_HEADER).iter();
    let credential = presented.next().filter(|_| presented.next().is_none());
    let credential = credential.and_then(|value| value.to_str().ok());
    let unauthorized = || {
        let message = "the header X-IDENTITY-HEADER is not the credential of a bot with this client_id; see the settings \
                       of the bot";
        Box::new(refuse(StatusCode::UNAUTHORIZED, message))
    };
    let directory = app.directory.snapshot();
    let bot = bot_with_credential(&directory, client_id, credential.unwrap_or_default());
    let bot = bot.ok_or_else(|| {
        // Anybody can ask, so this may not fill the log; the metrics count it.
        tracing::debug!("Refused a token: no bot of this app id has the credential that was shown");
        unauthorized()
    })?;
    let failed = |error| Box::new(ApiError::service_error(format!("{error}")).into_response());
    let issued = app.identity.issue(bot, app.now()).map_err(failed)?;
    let Issued { access_token, expires } = issued.ok_or_else(unauthorized)?;
    tracing::debug!(bot = %bot.name, "Issued a token to {}", bot.name);
    Ok(Answer {
        access_token,
        expires_on: expires.as_seconds().to_string(),
        resource,
        token_type: "Bearer",
        client_id: bot.app_id.as_deref().unwrap_or_default().to_owned(),
    })
}
