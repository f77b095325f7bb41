//! The bot side: the Bot Framework Connector API.
//!
//! Every route hangs on two bases: `/connector`, where a bot shows a token, and `/connector/{capability}`, where the
//! address itself is what only the bot knows. Which bot calls is found out in `credentials`; bots put one slash more
//! behind their base, or one at the end of a path, and are understood.
//!
//! A conversation of another bot is one that never was: the same answer, for the same work.
//!
//! Source: Bot Framework REST reference, "Connector", "Conversation operations",
//! "Attachment operations".

mod activities;
pub(crate) mod attachments;
mod conversations;
mod credentials;
mod elsewhere;
mod members;
mod named;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

/// What a path of the Connector API begins with.
const BASES: [&str; 4] = ["/connector", "/connector/", "/connector/{capability}", "/connector/{capability}/"];

/// The routes of the Connector API.
pub fn routes() -> Router<App> {
    documented().0.merge(elsewhere::routes())
}

/// The same with their document, whose paths lie below a base.
pub(crate) fn documented() -> (Router<App>, OpenApi) {
    let table = [
        routes!(conversations::list, conversations::create),
        routes!(activities::send),
        routes!(activities::reply, activities::update, activities::delete),
        routes!(activities::upload_history),
        routes!(members::of_activity),
        routes!(members::all),
        routes!(members::one, members::remove),
        routes!(members::page),
        routes!(attachments::upload),
        routes!(attachments::info),
        routes!(attachments::view),
    ];
    let mut router = Router::new();
    let mut documents = OpenApiRouter::default();
    for (schemas, paths, to) in table {
        for path in paths.paths.keys() {
            for base in BASES {
                for end in ["", "/"] {
                    router = router.route(&format!("{base}{path}{end}"), to.clone());
                }
            }
        }
        documents = documents.routes((schemas, paths, to));
    }
    (router, documents.into_openapi())
}
