//! The token that is issued to a bot, to be shown at the Connector API.
//!
//! Not here: who gets one (`landline-server`), and how it is read ([`crate::verify_bot_token`]).

use landline_protocol::Timestamp;
use serde::Serialize;

use crate::identity_keys::IdentityKeys;
use crate::jwt::SignError;
use crate::limits::ACCESS_TOKEN_LIFE;
use crate::rs256;

/// The audience of every token that opens the Connector API.
///
/// Source: Bot Framework, "Authenticate requests from your bot to the Bot Connector service".
pub const CONNECTOR_AUDIENCE: &str = "https://api.botframework.com";

/// A token for a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessToken<'a> {
    /// The URL of this server, without a slash at its end.
    pub base: &'a str,
    /// The tenant of the bot.
    pub tenant: &'a str,
    /// The bot's app id.
    pub app_id: &'a str,
}

/// Both spellings of who it was issued to: `appid` as in version 1 of Entra ID's tokens, `azp` as in version 2.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    appid: &'a str,
    azp: &'a str,
    tid: &'a str,
}

impl AccessToken<'_> {
    /// The token as text, and the moment from which on it is refused ([`ACCESS_TOKEN_LIFE`] from now, in whole seconds).
    ///
    /// # Errors
    /// [`SignError::Failed`] when the library cannot sign.
    pub fn sign(&self, keys: &IdentityKeys, now: Timestamp) -> Result<(String, Timestamp), SignError> {
        let (from, until) = (now.as_seconds(), now.plus(ACCESS_TOKEN_LIFE).as_seconds());
        let claims = Claims {
            iss: &issuer(self.base, self.tenant),
            aud: CONNECTOR_AUDIENCE,
            iat: from,
            nbf: from,
            exp: until,
            appid: self.app_id,
            azp: self.app_id,
            tid: self.tenant,
        };
        let text = rs256::sign(keys.signing(now).key(), &claims)?;
        Ok((text, Timestamp::from_millis(until.saturating_mul(1000))))
    }
}

/// The `iss` of the tokens that this server issues to the bots of a tenant.
pub fn issuer(base: &str, tenant: &str) -> String {
    format!("{base}/{tenant}/v2.0")
}
