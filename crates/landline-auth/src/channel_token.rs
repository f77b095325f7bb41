//! The token by which a bot knows that it is this server that calls.
//!
//! Invariant: it never holds `appid`, `azp` or `ver`. With them, SDKs take the caller for another bot; and because
//! tokens of bots must have `appid` or `azp` (`bot_token.rs`), no bot can show this one back to the Connector API
//! or to another server as its own.
//!
//! Source: Bot Framework, "Authenticate requests from the Bot Connector service to your bot".

use landline_protocol::Timestamp;
use serde::Serialize;

use crate::identity_keys::IdentityKeys;
use crate::jwt::SignError;
use crate::limits::CHANNEL_TOKEN_LIFE;
use crate::rs256;

/// What a bot is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelToken<'a> {
    /// Who the bot believes to be called by; a bot accepts one issuer.
    pub issuer: &'a str,
    /// The bot's app id.
    pub app_id: &'a str,
    /// Byte for byte the `serviceUrl` of the activity: SDKs compare.
    pub service_url: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    serviceurl: &'a str,
    nbf: i64,
    exp: i64,
}

impl ChannelToken<'_> {
    /// The token as text, and the moment from which on it is refused ([`CHANNEL_TOKEN_LIFE`] from now, in whole
    /// seconds). A signature takes about a millisecond, so the caller keeps it and asks for the next one in time.
    ///
    /// # Errors
    /// [`SignError::Failed`] when the library cannot sign.
    pub fn sign(&self, keys: &IdentityKeys, now: Timestamp) -> Result<(String, Timestamp), SignError> {
        let expires = now.plus(CHANNEL_TOKEN_LIFE).as_seconds();
        let claims = Claims {
            iss: self.issuer,
            aud: self.app_id,
            serviceurl: self.service_url,
            nbf: now.as_seconds(),
            exp: expires,
        };
        let text = rs256::sign(keys.signing(now).key(), &claims)?;
        Ok((text, Timestamp::from_millis(expires.saturating_mul(1000))))
    }
}
