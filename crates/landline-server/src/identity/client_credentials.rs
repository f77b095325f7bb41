//! Tokens for bots that ask by OAuth 2, as they would ask Entra ID.
//!
//! Sources: RFC 6749, 2.3.1 (how a client shows its secret), 4.4 (client credentials), 5.2 (errors).

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use landline_auth::SignError;
use serde::Serialize;
use url::form_urlencoded;

use super::issue::{Issued, bot_with_credential, is_connector};
use crate::directory::DEFAULT_TENANT;
use crate::error::ApiError;
use crate::http::{ClientAddress, read_body};
use crate::limits::TOKEN_REQUEST_BYTES;
use crate::openapi::shapes;
use crate::state::App;
use crate::telemetry::TokenWay;

#[derive(Serialize)]
struct Answer {
    token_type: &'static str,
    /// In seconds from now.
    expires_in: i64,
    ext_expires_in: i64,
    access_token: String,
}

/// Why no token was issued, in the words of RFC 6749.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    InvalidRequest(&'static str),
    /// `basic`: the client showed its secret in the header, and is told so.
    InvalidClient {
        basic: bool,
    },
    UnsupportedGrantType,
    InvalidScope,
    /// A bug of ours.
    Failed(SignError),
}

#[derive(Serialize)]
struct Error {
    error: &'static str,
    error_description: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, error_description) = match self {
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::InvalidClient { .. } => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "no bot with this client_id has this client_secret; see the settings of the bot",
            ),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "grant_type must be client_credentials")
            }
            Self::InvalidScope => (
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "scope must be https://api.botframework.com/.default",
            ),
            Self::Failed(error) => return ApiError::service_error(error.to_string()).into_response(),
        };
        let mut response = (status, Json(Error { error, error_description })).into_response();
        if self == (Self::InvalidClient { basic: true }) {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        }
        response
    }
}

/// Who asks, and what they show for it.
struct Client {
    id: String,
    secret: String,
    basic: bool,
}

/// `POST /{tenant}/oauth2/v2.0/token`, with a form.
#[utoipa::path(
    post, path = "/{tenant}/oauth2/v2.0/token", tag = "Identity", operation_id = "getAccessToken",
    summary = "A token for a bot, by OAuth 2.0 client credentials",
    request_body(content = shapes::ClientCredentials, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token.", body = shapes::AccessToken),
        (status = 400, description = "Something is missing or out of range.", body = shapes::TokenRefusal),
        (status = 401, description = "No bot of this app id has this secret.", body = shapes::OAuthError)
    ),
    security(())
)]
pub(super) async fn token(State(app): State<App>, Path(tenant): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let client = parts.extensions.get().map(|client: &ClientAddress| Extension(*client));
    let form = match form(&app, &parts.headers, body).await {
        Ok(form) => form,
        Err(refused) => return *refused,
    };
    match answer(&app, &tenant, &parts.headers, &form) {
        Ok(answer) => {
            app.metrics.token_issued(TokenWay::ClientCredentials);
            Json(answer).into_response()
        }
        Err(refusal) => {
            app.metrics.token_refused(TokenWay::ClientCredentials);
            let throttled = match refusal {
                Refusal::InvalidClient { .. } => app.wrong_credential(client).await,
                _ => None,
            };
            throttled.unwrap_or_else(|| refusal.into_response())
        }
    }
}

/// The parameters; each may be there once.
async fn form(app: &App, headers: &HeaderMap, body: Body) -> Result<HashMap<String, String>, Box<Response>> {
    let read = read_body(headers, body, TOKEN_REQUEST_BYTES, app.body_timeout, &app.overload.memory).await;
    let bytes = read.map_err(|error| Box::new(error.into_response()))?;
    let bad = |why| Box::new(Refusal::InvalidRequest(why).into_response());
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(bad("send the parameters as content-type: application/x-www-form-urlencoded"));
    }
    let mut form = HashMap::new();
    for (name, value) in form_urlencoded::parse(&bytes) {
        // RFC 6749, 3.2: one without a value counts as left out, and none may be there twice.
        if !value.is_empty() && form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(bad("a parameter is there twice"));
        }
    }
    Ok(form)
}

fn answer(
    app: &App,
    tenant: &str,
    headers: &HeaderMap,
    form: &HashMap<String, String>,
) -> Result<Answer, Refusal> {
    let parameter = |name: &str| form.get(name).map(String::as_str);
    match parameter("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(Refusal::UnsupportedGrantType),
        None => return Err(Refusal::InvalidRequest("the parameter grant_type is required")),
    }
    let client = client(headers, form)?;
    let refused = Refusal::InvalidClient { basic: client.basic };
    let directory = app.directory.snapshot();
    let Some(bot) = bot_with_credential(&directory, Some(&client.id), &client.secret) else {
        // Anybody can ask, so this may not fill the log; the metrics count it.
        tracing::debug!("Refused a token: no bot of this app id has the secret that was shown");
        return Err(refused);
    };
    if tenant != &*bot.tenant && tenant != DEFAULT_TENANT {
        return Err(Refusal::InvalidRequest("the bot is of another tenant than the one in the path"));
    }
    if !parameter("scope").is_some_and(is_connector) {
        return Err(Refusal::InvalidScope);
    }
    let now = app.now();
    let Issued { access_token, expires } =
        app.identity.issue(bot, now).map_err(Refusal::Failed)?.ok_or(refused)?;
    tracing::debug!(bot = %bot.name, "Issued a token to {}", bot.name);
    let expires_in = expires.as_seconds() - now.as_seconds();
    Ok(Answer { token_type: "Bearer", expires_in, ext_expires_in: expires_in, access_token })
}

/// The client, as it is named in the header or in the form, but not in both.
fn client(headers: &HeaderMap, form: &HashMap<String, String>) -> Result<Client, Refusal> {
    let mut authorization = headers.get_all(AUTHORIZATION).iter();
    let basic = authorization.next();
    let (id, secret) = (form.get("client_id"), form.get("client_secret"));
    match (basic, id, secret) {
        (Some(header), id, None) if authorization.next().is_none() => {
            let refused = Refusal::InvalidClient { basic: true };
            let client = header.to_str().ok().and_then(from_basic).ok_or(refused)?;
            if id.is_some_and(|id| *id != client.id) {
                return Err(Refusal::InvalidRequest("two clients are named"));
            }
            Ok(client)
        }
        (Some(_), ..) => Err(Refusal::InvalidRequest("show the client_secret once")),
        (None, Some(id), Some(secret)) => Ok(Client { id: id.clone(), secret: secret.clone(), basic: false }),
        (None, ..) => Err(Refusal::InvalidRequest("the parameters client_id and client_secret are required")),
    }
}

/// RFC 6749, 2.3.1: both are encoded as in a form, joined by a colon, and put into base64.
fn from_basic(header: &str) -> Option<Client> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(Client { id: decoded(id)?, secret: decoded(secret)?, basic: true })
}

/// One value of a form.
fn decoded(text: &str) -> Option<String> {
    let whole = !text.contains(['&', '=']);
    let encoded = format!("v={text}");
    let value = form_urlencoded::parse(encoded.as_bytes()).next().map(|(_, value)| value.into_owned());
    value.filter(|_| whole)
}
