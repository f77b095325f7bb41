//! Tokens that this server signs, kept for half their life: a signature takes about a millisecond.
//!
//! Invariant: a token is shown only to the bot, app id, issuer and `serviceUrl` that it was made for, and only while the
//! key that signed it is the one that signs. One is kept for each bot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use landline_auth::{CHANNEL_TOKEN_LIFE, ChannelToken, IdentityKeys};
use landline_protocol::{BotName, Timestamp};

use super::bearer;
use crate::directory::Bot;

/// One for each bot that was called.
#[derive(Default)]
pub(super) struct SignedTokens {
    /// A plain lock: held for a look-up, never across an `await`.
    kept: Mutex<HashMap<BotName, Kept>>,
}

struct Kept {
    made_for: MadeFor,
    header: HeaderValue,
    made: Timestamp,
}

#[derive(PartialEq, Eq)]
struct MadeFor {
    app_id: Arc<str>,
    issuer: Arc<str>,
    service_url: Arc<str>,
    key_id: String,
}

impl SignedTokens {
    pub(super) fn header(
        &self,
        bot: &Bot,
        app_id: &Arc<str>,
        service_url: &Arc<str>,
        keys: &IdentityKeys,
        now: Timestamp,
    ) -> Result<HeaderValue, String> {
        let made_for = MadeFor {
            app_id: Arc::clone(app_id),
            issuer: Arc::clone(&bot.issuer),
            service_url: Arc::clone(service_url),
            key_id: keys.signing(now).id().to_owned(),
        };
        if let Some(kept) = self.lock().get(&bot.name).filter(|kept| kept.is_of_use(&made_for, now)) {
            return Ok(kept.header.clone());
        }
        let token = ChannelToken { issuer: &bot.issuer, app_id, service_url };
        let (text, _) = token.sign(keys, now).map_err(|error| error.to_string())?;
        let header = bearer(&text)?;
        self.lock().insert(bot.name.clone(), Kept { made_for, header: header.clone(), made: now });
        Ok(header)
    }

    pub(super) fn keep(&self, is_there: impl Fn(&BotName) -> bool) {
        self.lock().retain(|bot, _| is_there(bot));
    }

    /// A panic elsewhere leaves a whole map.
    fn lock(&self) -> MutexGuard<'_, HashMap<BotName, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Not beyond half its life, and not where the clock was set back to before it was made.
    fn is_of_use(&self, made_for: &MadeFor, now: Timestamp) -> bool {
        self.made_for == *made_for && self.made <= now && now < self.made.plus(CHANNEL_TOKEN_LIFE / 2)
    }
}
