//! The ticket in a stream URL: opens one socket on one conversation, at a fixed place, within a minute.
//!
//! It is not the token, because URLs end up in logs and histories: all that it is good for is opening a
//! stream, and that not for long. The place travels in it, so that nothing falls between the request that
//! handed out the URL and the socket.
//!
//! Not here: that a ticket is used once (`landline-server`, by [`StreamTicket::id`]).

use landline_protocol::{ConversationId, Position, SiteName, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::jwt::{self, Kind, Life, SignError, TokenError};
use crate::key_ring::KeyRing;

const KIND: Kind = Kind { typ: "landline-ticket+jwt", audience: "landline-stream" };

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTicket {
    /// The site that the conversation belongs to.
    pub site: SiteName,
    /// The one conversation that it opens.
    pub conversation: ConversationId,
    /// The stream begins right behind this.
    pub start: Position,
    /// The origins whose pages may use it; empty means any. See [`crate::origin_allowed`].
    pub trusted_origins: Vec<String>,
    /// The user of the token that it was made for.
    pub user: Option<UserId>,
    /// From this moment on it is refused: [`crate::STREAM_TICKET_TTL`] after it is made. Whole seconds; signing rounds up.
    pub expires: Timestamp,
    /// Unique to this ticket (`jti`).
    pub id: String,
}

/// The claims, in the order in which they are written.
#[derive(Serialize, Deserialize)]
struct Claims {
    site: SiteName,
    conv: ConversationId,
    start: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
    #[serde(flatten)]
    life: Life,
    jti: String,
}

impl StreamTicket {
    /// The ticket as text that can stand in a URL as it is.
    ///
    /// # Errors
    /// [`SignError`] when it would be too long for a URL, or would have expired already.
    pub fn sign(&self, ring: &KeyRing, now: Timestamp) -> Result<String, SignError> {
        let claims = Claims {
            site: self.site.clone(),
            conv: self.conversation.clone(),
            start: self.start,
            user: self.user.clone(),
            origins: self.trusted_origins.clone(),
            life: Life::new(now, self.expires)?,
            jti: self.id.clone(),
        };
        jwt::sign(&KIND, &claims, ring)
    }

    /// Reads a ticket that a key of the ring has signed and whose time has come and is not over.
    ///
    /// # Errors
    /// [`TokenError`]; `Expired` only when everything else is right.
    pub fn verify(text: &str, ring: &KeyRing, now: Timestamp) -> Result<Self, TokenError> {
        let claims: Claims = jwt::verify(&KIND, text, ring)?;
        let expires = claims.life.check(now)?;
        Ok(Self {
            site: claims.site,
            conversation: claims.conv,
            start: claims.start,
            trusted_origins: claims.origins,
            user: claims.user,
            expires,
            id: claims.jti,
        })
    }
}
