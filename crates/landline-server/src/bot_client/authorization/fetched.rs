//! Tokens that are fetched with a bot's own credentials (OAuth 2.0 client credentials), for bots that trust somebody
//! else's keys only.
//!
//! Invariants: one request for a token of a bot is under way at a time, and whoever needs one meanwhile waits for it; a
//! token endpoint that fails is left alone for [`TOKEN_FAILURE_PAUSE`]; a bot that refuses every token does not cause a
//! request for each activity.
//!
//! Source: RFC 6749, 4.4; Bot Framework Emulator, which reaches bots in this way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use landline_protocol::BotName;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::bearer;
use crate::directory::OutgoingCredentials;
use crate::limits::{
    FETCHED_TOKEN_BYTES, TOKEN_EARLY, TOKEN_FAILURE_PAUSE, TOKEN_FETCH_TIME, TOKEN_LIFE_MAX,
    TOKEN_LIFE_UNKNOWN,
};
use crate::outbound::{Outbound, OutboundAnswer, OutboundError};

/// One for each bot that has such credentials and was called.
pub(super) struct FetchedTokens {
    outbound: Outbound,
    /// A plain lock: held for a look-up, never across an `await`.
    slots: Mutex<HashMap<BotName, Arc<Slot>>>,
}

/// The token of one bot.
struct Slot {
    app_id: Arc<str>,
    outgoing: Arc<OutgoingCredentials>,
    /// Held while a token is fetched.
    fetching: tokio::sync::Mutex<()>,
    /// A plain lock: held for a look-up, never across an `await`.
    last: Mutex<Last>,
}

/// What the last request for a token came to.
#[derive(Default)]
struct Last {
    outcome: Outcome,
    /// The bot refused a token, and has taken none since.
    refused: bool,
}

#[derive(Default)]
enum Outcome {
    #[default]
    None,
    Token {
        header: HeaderValue,
        until: Instant,
    },
    Failed {
        why: String,
        until: Instant,
    },
}

/// Source: RFC 6749, 5.1. Entra ID's older endpoint writes `expires_in` as a text.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

impl FetchedTokens {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self { outbound, slots: Mutex::default() }
    }

    pub(super) async fn header(
        &self,
        bot: &BotName,
        app_id: &Arc<str>,
        outgoing: &Arc<OutgoingCredentials>,
        deadline: Instant,
    ) -> Result<HeaderValue, String> {
        let slot = self.slot(bot, app_id, outgoing);
        if let Some(known) = slot.known(Instant::now()) {
            return known;
        }
        let Ok(_one_at_a_time) = timeout_at(deadline, slot.fetching.lock()).await else {
            return Err("its token was not there in time".into());
        };
        if let Some(known) = slot.known(Instant::now()) {
            return known;
        }
        self.fetch(&slot, deadline).await
    }

    async fn fetch(&self, slot: &Slot, deadline: Instant) -> Result<HeaderValue, String> {
        let give_up = deadline.min(Instant::now() + TOKEN_FETCH_TIME);
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &*slot.app_id),
            ("client_secret", slot.outgoing.client_secret.expose()),
            ("scope", &slot.outgoing.scope),
        ];
        let answer = self.outbound.post_form(&slot.outgoing.token_url, &fields, give_up).await;
        let now = Instant::now();
        // It ran out of the caller's time, not of its own: that says nothing to the next caller.
        let cut_short = now >= deadline;
        let fetched = match answer {
            Ok(answer) => token(&answer),
            Err(error) => Err(words(&error)),
        };
        match fetched {
            Ok((header, life)) => {
                slot.lock().outcome = Outcome::Token { header: header.clone(), until: now + life };
                Ok(header)
            }
            Err(why) => {
                if !cut_short {
                    let failed = Outcome::Failed { why: why.clone(), until: now + TOKEN_FAILURE_PAUSE };
                    slot.lock().outcome = failed;
                }
                Err(why)
            }
        }
    }

    /// A bot that refuses its token gets a new one, once until it takes one: the old one may have been revoked, or its
    /// keys rotated.
    pub(super) fn answered(&self, bot: &BotName, shown: &HeaderValue, status: u16) {
        let Some(slot) = self.lock().get(bot).map(Arc::clone) else { return };
        let mut last = slot.lock();
        let is_the_last = matches!(&last.outcome, Outcome::Token { header, .. } if header == shown);
        match status {
            401 | 403 if is_the_last && !last.refused => {
                *last = Last { outcome: Outcome::None, refused: true };
            }
            200..300 if is_the_last => last.refused = false,
            _ => {}
        }
    }

    pub(super) fn keep(&self, is_there: impl Fn(&BotName) -> bool) {
        self.lock().retain(|bot, _| is_there(bot));
    }

    /// The slot for these credentials; what was kept for others of the same bot is forgotten.
    fn slot(&self, bot: &BotName, app_id: &Arc<str>, outgoing: &Arc<OutgoingCredentials>) -> Arc<Slot> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(bot)
            && slot.app_id == *app_id
            && (Arc::ptr_eq(&slot.outgoing, outgoing) || slot.outgoing == *outgoing)
        {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot {
            app_id: Arc::clone(app_id),
            outgoing: Arc::clone(outgoing),
            fetching: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        });
        slots.insert(bot.clone(), Arc::clone(&slot));
        slot
    }

    /// A panic elsewhere leaves a whole map.
    fn lock(&self) -> MutexGuard<'_, HashMap<BotName, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The token, or why there is none for now; `None` where it has to be fetched.
    fn known(&self, now: Instant) -> Option<Result<HeaderValue, String>> {
        match &self.lock().outcome {
            Outcome::Token { header, until } if now < *until => Some(Ok(header.clone())),
            Outcome::Failed { why, until } if now < *until => Some(Err(why.clone())),
            Outcome::None | Outcome::Token { .. } | Outcome::Failed { .. } => None,
        }
    }

    /// A panic elsewhere leaves a whole outcome: it is only ever swapped.
    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token, and for how long it is shown.
fn token(answer: &OutboundAnswer) -> Result<(HeaderValue, Duration), String> {
    let answer: TokenAnswer = answer.json().map_err(|error| words(&error))?;
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("its token endpoint gave a token of another type than Bearer".into());
    }
    if answer.access_token.is_empty() || answer.access_token.len() > FETCHED_TOKEN_BYTES {
        let bytes = answer.access_token.len();
        return Err(format!("its token endpoint gave a token of {bytes} bytes"));
    }
    let seconds = answer.expires_in.and_then(|said| said.as_u64().or_else(|| said.as_str()?.parse().ok()));
    let life = seconds.map_or(TOKEN_LIFE_UNKNOWN, Duration::from_secs).min(TOKEN_LIFE_MAX);
    Ok((bearer(&answer.access_token)?, life - TOKEN_EARLY.min(life / 2)))
}

fn words(error: &OutboundError) -> String {
    let hint = match error {
        OutboundError::Status(400 | 401 | 403) => "; look at the app id, the secret and the scope",
        _ => "",
    };
    format!("no token for it: the token endpoint: {error}{hint}")
}
