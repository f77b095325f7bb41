//! What a bot is shown, so that it believes who calls: nothing, a token that this server signs, or one that was fetched
//! with the bot's own credentials, as the Bot Framework Emulator does.
//!
//! Invariants: the scheme is spelled `Bearer`, as stock bots compare it; no error and no debug output holds a token.
//!
//! Not here: what a signed token says (`landline_auth::ChannelToken`), which keys sign (`identity`).

mod fetched;
mod signed;

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use landline_auth::IdentityKeys;
use landline_core::Clock;
use tokio::time::Instant;

use crate::directory::{Bot, Snapshot};
use crate::outbound::Outbound;
use fetched::FetchedTokens;
use signed::SignedTokens;

/// The keys that sign just now.
pub type CurrentKeys = Arc<dyn Fn() -> Arc<IdentityKeys> + Send + Sync>;

/// Makes them, and keeps them as long as they are of use.
pub(super) struct Authorization {
    clock: Arc<dyn Clock>,
    keys: CurrentKeys,
    signed: SignedTokens,
    fetched: FetchedTokens,
}

impl Authorization {
    pub(super) fn new(clock: Arc<dyn Clock>, keys: CurrentKeys, outbound: Outbound) -> Self {
        Self { clock, keys, signed: SignedTokens::default(), fetched: FetchedTokens::new(outbound) }
    }

    /// The value of `Authorization` for an activity with this `serviceUrl`; `None` for a bot without app id.
    ///
    /// # Errors
    /// Why there is none, in words that hold no secret.
    pub(super) async fn header(
        &self,
        bot: &Bot,
        service_url: &Arc<str>,
        deadline: Instant,
    ) -> Result<Option<HeaderValue>, String> {
        let Some(app_id) = &bot.app_id else { return Ok(None) };
        let header = match &bot.outgoing {
            Some(outgoing) => self.fetched.header(&bot.name, app_id, outgoing, deadline).await?,
            None => self.signed.header(bot, app_id, service_url, &(self.keys)(), self.clock.now())?,
        };
        Ok(Some(header))
    }

    /// The bot answered with this status to what it was shown.
    pub(super) fn answered(&self, bot: &Bot, shown: Option<&HeaderValue>, status: u16) {
        if let (Some(shown), Some(_)) = (shown, &bot.outgoing) {
            self.fetched.answered(&bot.name, shown, status);
        }
    }

    /// Forgets what was kept for bots that are not in the directory any more, or have no such credentials any more.
    pub(super) fn keep(&self, snapshot: &Snapshot) {
        self.signed.keep(|bot| snapshot.bots.contains_key(bot));
        self.fetched.keep(|bot| snapshot.bots.get(bot).is_some_and(|bot| bot.outgoing.is_some()));
    }
}

/// `Bearer` and a token, marked as something that is not printed.
fn bearer(token: &str) -> Result<HeaderValue, String> {
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "its token cannot stand in a header".to_owned())?;
    header.set_sensitive(true);
    Ok(header)
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").finish_non_exhaustive()
    }
}
