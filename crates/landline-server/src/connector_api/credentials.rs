//! Which bot calls. Handlers take [`CallingBot`] as an argument, so that no check can be forgotten.
//!
//! A bot without an app id proves itself by the unguessable segment of the path: where the route has `{capability}`.
//! A bot with an app id shows a token: where the route has none. Neither way works for the other kind.
//!
//! Invariant: whoever has shown nothing gets to know nothing: a wrong capability answers as a conversation that is not
//! there, and a token is judged before anything in the path is.
//!
//! Not here: whether the conversation in the path is one of the bot's (`landline_core`), what a token must say
//! (`landline_auth::verify_bot_token`).

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use http::header::AUTHORIZATION;
use http::request::Parts;
use landline_auth::{BotTokenError, bearer};

use crate::directory::Bot;
use crate::error::ApiError;
use crate::http::ClientAddress;
use crate::state::App;
use crate::telemetry::BotRefused;

/// The name of the path's segment that is a bot's credential.
const CAPABILITY: &str = "capability";

/// A bot that has proved who it is.
#[derive(Clone, Debug)]
pub(crate) struct CallingBot(pub(crate) Arc<Bot>);

impl FromRequestParts<App> for CallingBot {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, app).await;
        let params = params.map_err(|_| ApiError::conversation_not_found())?;
        let capability = params.iter().find(|(name, _)| *name == CAPABILITY).map(|(_, value)| value);
        let bot = match capability {
            Some(presented) => by_capability(app, presented),
            None => by_token(app, parts).await,
        };
        match bot {
            Ok(bot) => {
                Box::pin(app.overload.pass_bot(&bot.name)).await?;
                Ok(Self(bot))
            }
            Err((why, error)) => {
                app.metrics.bot_refused(why);
                tracing::debug!(reason = ?why, "Refused a call of a bot: {}", error.message);
                if let BotRefused::Capability = why {
                    Box::pin(app.overload.wrong_secret(ClientAddress::of(&parts.extensions))).await?;
                }
                Err(error)
            }
        }
    }
}

type Refusal = (BotRefused, ApiError);

fn by_capability(app: &App, presented: &str) -> Result<Arc<Bot>, Refusal> {
    let directory = app.directory.snapshot();
    // The same answer as for a conversation that is not there: the address is the credential.
    let unknown = || (BotRefused::Capability, ApiError::conversation_not_found());
    directory.bot_by_capability(presented).cloned().ok_or_else(unknown)
}

async fn by_token(app: &App, parts: &Parts) -> Result<Arc<Bot>, Refusal> {
    let presented = presented(parts)?;
    let identity = app.identity.verify(presented, app.now()).await.map_err(refused)?;
    let directory = app.directory.snapshot();
    let bot = directory.bot_by_app_id(&identity.app_id).cloned().ok_or_else(|| {
        let message = "the token is valid, and no bot with its app id is configured here";
        (BotRefused::UnknownBot, ApiError::forbidden(message))
    })?;
    if app.identity.vouches_for(&identity, &bot.name) {
        Ok(bot)
    } else {
        Err(refused(BotTokenError::WrongIssuer))
    }
}

/// The text behind `Bearer`.
fn presented(parts: &Parts) -> Result<&str, Refusal> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let malformed = |message: String| (BotRefused::Malformed, ApiError::unauthorized(message));
    let header = match headers.next().map(|header| header.to_str()) {
        None => {
            let message = "the header \"authorization: Bearer TOKEN\" is required; a bot without an app id calls the \
                           serviceUrl that it was given, as it is";
            return Err((BotRefused::Absent, ApiError::unauthorized(message)));
        }
        Some(Ok(header)) if headers.next().is_none() => header,
        Some(_) => return Err(malformed("send one authorization header: Bearer and a token".to_owned())),
    };
    bearer(Some(header)).map_err(|error| malformed(error.to_string()))
}

/// 401 throughout: with another token, the same call may work.
fn refused(error: BotTokenError) -> Refusal {
    let why = match error {
        BotTokenError::Malformed(_) => BotRefused::Malformed,
        BotTokenError::WrongIssuer => BotRefused::Issuer,
        BotTokenError::UnknownKey { .. } => BotRefused::UnknownKey,
        BotTokenError::BadSignature => BotRefused::Signature,
        BotTokenError::Expired => BotRefused::Expired,
        BotTokenError::NotYetValid => BotRefused::NotYetValid,
        BotTokenError::WrongAudience => BotRefused::Audience,
    };
    (why, ApiError::unauthorized(error.to_string()))
}
