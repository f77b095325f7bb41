//! The trust between this server and bots: the keys that bots know it by, the tokens that it issues to them, and
//! the check of what they show.
//!
//! Where to look: the keys and their rotation (`keys`), what bots fetch (`documents`), how a bot gets a token
//! (`managed_identity`, `client_credentials`, and what both ask in `issue`), whose tokens are trusted beside our own
//! (`issuers`).
//!
//! Not here: what a token says and what a signature is (`landline_auth`), which routes ask for one
//! (`connector_api::credentials`), who rotates (`admin_api`).

mod client_credentials;
mod documents;
mod issue;
mod issuers;
mod keys;
mod managed_identity;

use std::sync::Arc;

use axum::Router;
use landline_auth::{BotIdentity, BotTokenError, TrustedIssuer, verify_bot_token};
use landline_protocol::{BotName, Timestamp};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use issuers::KnownIssuer;
pub use issuers::{ExternalIssuers, KeySource, KeySourceFuture};
pub use keys::{IdentityHolder, MakeIdentityKey, RotateError};

use crate::state::App;

/// Everything that this server knows about who is who among bots.
#[derive(Debug)]
pub struct Identity {
    /// The keys that sign.
    pub keys: Arc<IdentityHolder>,
    /// The URL by which bots reach this server, without a slash at its end.
    base: Arc<str>,
    /// Who else vouches for bots.
    issuers: ExternalIssuers,
}

impl Identity {
    /// Of a server that bots reach at `base`, a URL without a slash at its end.
    pub fn new(keys: Arc<IdentityHolder>, base: &str, issuers: ExternalIssuers) -> Self {
        Self { keys, base: base.into(), issuers }
    }

    /// The URL by which bots reach this server, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whom this token of a bot speaks for. Where it names a key that its issuer is not known to publish, the keys are
    /// fetched, unless they were a short while ago.
    ///
    /// # Errors
    /// [`BotTokenError`]; whether a bot of that app id is configured is the caller's to find out.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<BotIdentity, BotTokenError> {
        let known = self.issuers.known();
        match self.verify_with(&known, token, now) {
            Err(unknown @ BotTokenError::UnknownKey { issuer }) => {
                // The first is this server, whose keys are all known.
                let external = issuer.checked_sub(1).and_then(|which| Some((which, known.get(which)?)));
                let Some((which, seen)) = external else { return Err(unknown) };
                if self.issuers.fetched_for_unknown_key(which, &seen.keys).await {
                    self.verify_with(&self.issuers.known(), token, now)
                } else {
                    Err(unknown)
                }
            }
            Ok(identity) => {
                self.issuers.refresh_if_old(&identity.issuer);
                Ok(identity)
            }
            refused => refused,
        }
    }

    /// Whether the issuer of a token that was verified may speak for this bot.
    pub fn vouches_for(&self, identity: &BotIdentity, bot: &BotName) -> bool {
        self.issuers.vouch_for(&identity.issuer, bot)
    }

    fn verify_with(
        &self,
        external: &[KnownIssuer<'_>],
        token: &str,
        now: Timestamp,
    ) -> Result<BotIdentity, BotTokenError> {
        let ours = self.keys.current().verifying(now);
        let ours = TrustedIssuer::Ours { base: &self.base, keys: &ours };
        let external = external
            .iter()
            .map(|known| TrustedIssuer::External { issuers: known.issuers, keys: &known.keys });
        let trusted: Vec<_> = [ours].into_iter().chain(external).collect();
        verify_bot_token(token, &trusted, now)
    }
}

/// What bots ask of the identity of this server, on the public listener.
///
/// The paths with `{tenant}` have more segments behind it that nothing else has, so they shadow no other route.
pub fn routes() -> Router<App> {
    documented().into()
}

/// The same with their document.
pub(crate) fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(documents::channel))
        .routes(routes!(documents::keys))
        .routes(routes!(documents::keys_of_tenant))
        .routes(routes!(documents::tenant))
        .routes(routes!(documents::tenant_of_adfs))
        .routes(routes!(managed_identity::token))
        .routes(routes!(client_credentials::token))
}
