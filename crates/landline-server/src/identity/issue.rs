//! What both ways to a token have in common: who may have one, for what, and what it is.
//!
//! Not here: how a request and its answer are spelled (`managed_identity`, `client_credentials`).

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use landline_auth::{AccessToken, BotCredential, CONNECTOR_AUDIENCE, DatedSecrets, SignError};
use landline_protocol::Timestamp;

use super::Identity;
use crate::directory::{Bot, Snapshot};
use crate::http::ClientAddress;
use crate::state::App;

/// A token for a bot.
pub(super) struct Issued {
    pub(super) access_token: String,
    /// From this moment on it is refused. Whole seconds.
    pub(super) expires: Timestamp,
}

/// The bot with this app id that has this credential; without an app id, whichever bot has it.
///
/// Nobody learns whether it was the app id or the credential that is not known here, neither by the answer nor by
/// the time that it takes.
pub(super) fn bot_with_credential<'a>(
    directory: &'a Snapshot,
    app_id: Option<&str>,
    credential: &str,
) -> Option<&'a Arc<Bot>> {
    let Some(app_id) = app_id else {
        let digest = BotCredential::from_text(credential).ok()?.digest();
        return directory.bots.values().find(|bot| bot.app_id.is_some() && bot.credentials.holds(&digest));
    };
    let bot = directory.bot_by_app_id(app_id);
    let none = DatedSecrets::default();
    let accepted = bot.map_or(&none, |bot| &bot.credentials).accepts(credential);
    bot.filter(|_| accepted)
}

/// Whether this names the Connector API, which is all that tokens are issued for. SDKs spell it as a resource or as a
/// scope, with and without a slash at its end.
pub(super) fn is_connector(resource_or_scope: &str) -> bool {
    let resource = resource_or_scope.strip_suffix("/.default").unwrap_or(resource_or_scope);
    resource.strip_suffix('/').unwrap_or(resource) == CONNECTOR_AUDIENCE
}

impl App {
    /// Of a bot that has shown a wrong credential: held back where too many come; then gives what is answered instead.
    pub(super) async fn wrong_credential(
        &self,
        client: Option<Extension<ClientAddress>>,
    ) -> Option<Response> {
        let wrong = self.overload.wrong_secret(client.map(|Extension(client)| client)).await;
        wrong.err().map(IntoResponse::into_response)
    }
}

impl Identity {
    /// A token for this bot; `None` for one without an app id, which has no use for a token.
    pub(super) fn issue(&self, bot: &Bot, now: Timestamp) -> Result<Option<Issued>, SignError> {
        let Some(app_id) = &bot.app_id else { return Ok(None) };
        let token = AccessToken { base: &self.base, tenant: &bot.tenant, app_id };
        let (access_token, expires) = token.sign(&self.keys.current(), now)?;
        Ok(Some(Issued { access_token, expires }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_connector() {
        for good in ["", "/", "/.default", "//.default"] {
            assert!(is_connector(&format!("https://api.botframework.com{good}")), "{good}");
        }
        for bad in [
            "",
            "/",
            "/.default",
            "https://api.botframework.com.evil",
            "https://api.botframework.com/x",
            "https://api.botframework.com/.default/.default",
            "https://api.botframework.com///",
            "http://api.botframework.com",
            "HTTPS://API.BOTFRAMEWORK.COM",
            " https://api.botframework.com",
            "https://api.botframework.com/.default https://api.botframework.com/.default",
            "https://graph.microsoft.com/.default",
        ] {
            assert!(!is_connector(bad), "{bad}");
        }
    }
}
