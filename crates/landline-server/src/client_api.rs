//! The client side: Direct Line 3.0 below `/v3/directline`.
//!
//! Source of every protocol fact here: Microsoft's Direct Line API 3.0 reference; where the hosted service or the
//! stock client does something else, the place says so.

mod activities;
mod conversations;
mod credentials;
mod download;
mod let_in;
pub(crate) mod query;
mod session;
mod stream;
mod tokens;
mod upload;
mod used_tickets;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use self::upload::Places;
pub(crate) use self::used_tickets::UsedTickets;
use crate::state::App;

/// The routes of the client API.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v3/directline/tokens/generate", post(tokens::generate))
        .route("/v3/directline/tokens/refresh", post(tokens::refresh))
        .route("/v3/directline/session/getsessionid", get(session::id))
        .route("/v3/directline/conversations", post(conversations::start))
        .route("/v3/directline/conversations/{conversation}", get(conversations::reconnect))
        .route(
            "/v3/directline/conversations/{conversation}/activities",
            get(activities::poll).post(activities::send),
        )
        .route("/v3/directline/conversations/{conversation}/stream", get(stream::open))
        .route("/v3/directline/conversations/{conversation}/upload", post(upload::upload))
        .route(
            "/v3/directline/conversations/{conversation}/files/{file}/{view}/{name}",
            get(download::download),
        )
}
