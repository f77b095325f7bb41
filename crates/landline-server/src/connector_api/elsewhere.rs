//! What stock bots may ask for and this server does not have: an answer that says so.
//!
//! The user-token service is another service, at another base URL (`OAuthUrl`); bots that sign users in ask for it.

use axum::Router;
use axum::routing::{MethodRouter, any};

use crate::error::ApiError;
use crate::state::App;

/// The routes of what is not here.
pub(super) fn routes() -> Router<App> {
    let mut router = Router::new();
    for path in ["/api/usertoken/{*rest}", "/api/botsignin/{*rest}"] {
        router = router.route(path, user_tokens());
        for base in super::BASES {
            router = router.route(&format!("{base}{path}"), user_tokens());
        }
    }
    router
}

fn user_tokens() -> MethodRouter<App> {
    any(async || {
        ApiError::not_found("this server has no user-token service; bots cannot sign users in with it")
    })
}
