//! The token that a bot shows at the Connector API: issued by us, or by an issuer that the operator trusts.
//!
//! Why was the token of my bot refused? [`verify_bot_token`] says it, in this order: no token that can be read
//! ([`BotTokenError::Malformed`], with a reason for the log), an issuer that nobody trusts, a key that the issuer
//! does not publish, a wrong signature, expired, not valid yet, another audience, a user instead of an application, no app id.
//!
//! Invariant: of what nobody has vouched for yet, `kid` and `iss` alone are looked at, to find the key; all else is
//! judged after the signature.
//!
//! Not here: fetching keys, and whether a bot of this app id is configured (`landline-server`).

use std::sync::Arc;

use landline_protocol::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::access_token::CONNECTOR_AUDIENCE;
use crate::jwks::JwkSet;
use crate::limits::BOT_TOKEN_LEEWAY;
use crate::rs256::Unverified;

/// Whose tokens are accepted, and by which keys they are told.
#[derive(Clone, Copy, Debug)]
pub enum TrustedIssuer<'a> {
    /// This server.
    Ours {
        /// Its URL, without a slash at its end; `iss` is that of one of its tenants.
        base: &'a str,
        /// Its published keys.
        keys: &'a JwkSet,
    },
    /// One that the operator trusts, such as Entra ID.
    External {
        /// What `iss` may be, exactly.
        issuers: &'a [Arc<str>],
        /// Its published keys, as fetched last.
        keys: &'a JwkSet,
    },
}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotIdentity {
    /// The app id, as the issuer spells it.
    pub app_id: String,
    /// Who vouches for that.
    pub issuer: String,
}

/// Why a bot's token is not accepted. None quotes the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BotTokenError {
    /// Not a token that any issuer of bots writes.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// Of an issuer that is not trusted here.
    #[error("the token is of an issuer that is not trusted here")]
    WrongIssuer,
    /// The issuer is trusted and publishes no such key, as far as is known: fetching its keys may help.
    #[error("the token is signed with a key that its issuer is not known to publish")]
    UnknownKey {
        /// Which of the trusted issuers, as they were handed in.
        issuer: usize,
    },
    /// The key of this id has not signed it.
    #[error("the signature of the token is wrong")]
    BadSignature,
    /// Its time is over. The bot has to get a new one.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come: the clocks of the issuer and of this machine lie apart.
    #[error("the token is not valid yet; check the clocks")]
    NotYetValid,
    /// It was issued for another service.
    #[error("the token is not for the audience https://api.botframework.com")]
    WrongAudience,
}

/// What is read before the signature.
#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// What is read after it.
#[derive(Deserialize)]
struct Claims {
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    appid: Option<String>,
    azp: Option<String>,
    /// What a user allowed the application to do in their name; a token of the application alone has none.
    ///
    /// Source: Microsoft identity platform, "Access token claims reference".
    scp: Option<IgnoredAny>,
}

/// Source: RFC 7519, 4.1.3: one, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Reads a token of a bot.
///
/// Ours is for [`CONNECTOR_AUDIENCE`]; one of another issuer may also be for the bot's own app id.
///
/// # Errors
/// [`BotTokenError`]; all but `Malformed`, `WrongIssuer`, `UnknownKey` and `BadSignature` are said only of what one
/// of the issuers has signed.
pub fn verify_bot_token(
    text: &str,
    trusted: &[TrustedIssuer<'_>],
    now: Timestamp,
) -> Result<BotIdentity, BotTokenError> {
    let token = Unverified::parse(text).map_err(BotTokenError::Malformed)?;
    let no_claims = |_| BotTokenError::Malformed("it has no claims that can be read");
    let Issuer { iss } = serde_json::from_str(&token.claims).map_err(no_claims)?;
    let issues = |issuer: &&TrustedIssuer<'_>| issuer.issues(&iss);
    let mut issuers = trusted.iter().enumerate().filter(|(_, issuer)| issues(issuer)).peekable();
    let (first, _) = *issuers.peek().ok_or(BotTokenError::WrongIssuer)?;
    // Two entries may name one issuer, each with keys of its own.
    let known = issuers.find_map(|(_, issuer)| Some((issuer, issuer.keys().get(&token.kid)?)));
    let (issuer, key) = known.ok_or(BotTokenError::UnknownKey { issuer: first })?;
    if !token.is_signed_by(key) {
        return Err(BotTokenError::BadSignature);
    }
    let claims: Claims = serde_json::from_str(&token.claims).map_err(no_claims)?;
    claims.check_time(now)?;
    let app_id = claims.app_id()?;
    let for_itself = matches!(issuer, TrustedIssuer::External { .. }) && claims.aud.is(app_id);
    if !claims.aud.is(CONNECTOR_AUDIENCE) && !for_itself {
        return Err(BotTokenError::WrongAudience);
    }
    Ok(BotIdentity { app_id: app_id.to_owned(), issuer: iss })
}

impl TrustedIssuer<'_> {
    fn keys(&self) -> &JwkSet {
        match self {
            Self::Ours { keys, .. } | Self::External { keys, .. } => keys,
        }
    }

    fn issues(&self, iss: &str) -> bool {
        match self {
            Self::Ours { base, .. } => {
                let tenant = iss.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
                let tenant = tenant.and_then(|rest| rest.strip_suffix("/v2.0"));
                tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
            }
            Self::External { issuers, .. } => issuers.iter().any(|known| **known == *iss),
        }
    }
}

impl Claims {
    fn check_time(&self, now: Timestamp) -> Result<(), BotTokenError> {
        let moment = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
        if now >= moment(self.exp).plus(BOT_TOKEN_LEEWAY) {
            return Err(BotTokenError::Expired);
        }
        if self.nbf.is_some_and(|begin| now.plus(BOT_TOKEN_LEEWAY) < moment(begin)) {
            return Err(BotTokenError::NotYetValid);
        }
        Ok(())
    }

    /// The application that the token was issued to; where both spellings are there, they must agree.
    ///
    /// A user who signs in to a page that shares the bot's app id holds a token for that application, too. It speaks
    /// for the user, and is not the bot.
    fn app_id(&self) -> Result<&str, BotTokenError> {
        if self.scp.is_some() {
            return Err(BotTokenError::Malformed("it speaks for a user of the application"));
        }
        match (self.appid.as_deref(), self.azp.as_deref()) {
            (Some(one), Some(two)) if one != two => {
                Err(BotTokenError::Malformed("it names two applications"))
            }
            (Some(id), _) | (None, Some(id)) if !id.is_empty() => Ok(id),
            _ => Err(BotTokenError::Malformed("it names no application")),
        }
    }
}

impl Audience {
    fn is(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}
