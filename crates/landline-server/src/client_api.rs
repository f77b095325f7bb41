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
mod shaped;
mod stream;
mod tokens;
mod upload;
mod used_tickets;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::upload::Places;
#[cfg(feature = "fuzzing")]
pub(crate) use self::upload::sent_file_name;
pub(crate) use self::used_tickets::UsedTickets;
use crate::state::App;

/// The routes of the client API.
pub fn routes(app: &App) -> Router<App> {
    Router::from(documented()).route_layer(from_fn_with_state(app.clone(), shaped::at_the_door))
}

/// The same with their document.
pub(crate) fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(tokens::generate))
        .routes(routes!(tokens::refresh))
        .routes(routes!(session::id))
        .routes(routes!(conversations::start))
        .routes(routes!(conversations::reconnect))
        .routes(routes!(activities::poll, activities::send))
        .routes(routes!(stream::open))
        .routes(routes!(upload::upload))
        .routes(routes!(download::download))
}
