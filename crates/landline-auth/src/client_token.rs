//! The token of a client: opens one conversation of one site, for one user or for nobody in particular.
//!
//! Why was my token refused? [`ClientToken::verify`] says it, in this order: too long, not signed by us
//! ([`TokenError::Invalid`], with a reason for the log), not valid yet, expired.
//!
//! Not here: whether the conversation still is, and whether the token is one of the site and the
//! conversation in the path; the caller compares [`ClientToken::site`] and [`ClientToken::conversation`].

use std::fmt;

use landline_protocol::{BotName, ConversationId, SiteName, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::jwt::{self, Kind, Life, SignError, TokenError};
use crate::key_ring::KeyRing;

const KIND: Kind = Kind { typ: "landline-token+jwt", audience: "landline-client-api" };

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientToken {
    /// The site whose secret it was issued for.
    pub site: SiteName,
    /// The bot of that site.
    pub bot: BotName,
    /// The one conversation that it opens.
    pub conversation: ConversationId,
    /// The user that it speaks for; wins over what the client writes.
    pub user: Option<TokenUser>,
    /// The origins whose pages may use it; empty means any. See [`crate::origin_allowed`].
    pub trusted_origins: Vec<String>,
    /// When the first token of this line was issued; a refresh keeps it. Whole seconds.
    pub issued_at: Timestamp,
    /// From this moment on it is refused. Whole seconds; signing rounds up.
    pub expires: Timestamp,
    /// Unique to this token (`jti`).
    pub id: String,
}

/// The user of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenUser {
    /// Who.
    pub id: UserId,
    /// What to call them.
    pub name: Option<String>,
}

/// Users are people: neither id nor name appears in debug output.
impl fmt::Debug for TokenUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenUser").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The claims, in the order in which they are written.
///
/// `user` is a string because the stock client decodes the payload and takes it for the user's id.
/// Source: Direct Line 3.0, "Generate a token"; the claims of the hosted service's tokens.
#[derive(Serialize, Deserialize)]
struct Claims {
    bot: BotName,
    site: SiteName,
    conv: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
    #[serde(flatten)]
    life: Life,
    jti: String,
    oat: i64,
}

impl ClientToken {
    /// The token as text, signed with the newest key, valid from `now` on.
    ///
    /// # Errors
    /// [`SignError`] when it would be too long to be sent, or would have expired already.
    pub fn sign(&self, ring: &KeyRing, now: Timestamp) -> Result<String, SignError> {
        let claims = Claims {
            bot: self.bot.clone(),
            site: self.site.clone(),
            conv: self.conversation.clone(),
            user: self.user.as_ref().map(|user| user.id.clone()),
            name: self.user.as_ref().and_then(|user| user.name.clone()),
            origins: self.trusted_origins.clone(),
            life: Life::new(now, self.expires)?,
            jti: self.id.clone(),
            oat: self.issued_at.as_seconds(),
        };
        jwt::sign(&KIND, &claims, ring)
    }

    /// Reads a token that a key of the ring has signed and whose time has come and is not over.
    ///
    /// # Errors
    /// [`TokenError`]; `Expired` only when everything else is right.
    pub fn verify(text: &str, ring: &KeyRing, now: Timestamp) -> Result<Self, TokenError> {
        let claims: Claims = jwt::verify(&KIND, text, ring)?;
        let issued_at = jwt::from_seconds(claims.oat)?;
        let expires = claims.life.check(now)?;
        let user = match (claims.user, claims.name) {
            (Some(id), name) => Some(TokenUser { id, name }),
            (None, None) => None,
            (None, Some(_)) => return Err(TokenError::Invalid("a name without a user")),
        };
        Ok(Self {
            site: claims.site,
            bot: claims.bot,
            conversation: claims.conv,
            user,
            trusted_origins: claims.origins,
            issued_at,
            expires,
            id: claims.jti,
        })
    }

    /// The token that follows this one: the same rights and the same first issue, with a life of its own.
    pub fn refreshed(&self, expires: Timestamp, jti: String) -> Self {
        Self { expires, id: jti, ..self.clone() }
    }
}
