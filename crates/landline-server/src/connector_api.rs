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
use axum::routing::{MethodRouter, delete, get, post, put};

use crate::state::App;

/// What a path of the Connector API begins with.
const BASES: [&str; 4] = ["/connector", "/connector/", "/connector/{capability}", "/connector/{capability}/"];

/// The routes of the Connector API.
pub fn routes() -> Router<App> {
    let table: [(&str, MethodRouter<App>); 9] = [
        ("", get(conversations::list).post(conversations::create)),
        ("/{conversation}/activities", post(activities::send)),
        (
            "/{conversation}/activities/{activity}",
            post(activities::reply).merge(put(activities::update)).merge(delete(activities::delete)),
        ),
        ("/{conversation}/activities/history", post(activities::upload_history)),
        ("/{conversation}/activities/{activity}/members", get(members::of_activity)),
        ("/{conversation}/members", get(members::all)),
        ("/{conversation}/members/{member}", get(members::one).delete(members::remove)),
        ("/{conversation}/pagedmembers", get(members::page)),
        ("/{conversation}/attachments", post(attachments::upload)),
    ];
    let files: [(&str, MethodRouter<App>); 2] =
        [("/{attachment}", get(attachments::info)), ("/{attachment}/views/{view}", get(attachments::view))];
    let mut router = Router::new();
    for (path, to) in table {
        for base in BASES {
            for end in ["", "/"] {
                router = router.route(&format!("{base}/v3/conversations{path}{end}"), to.clone());
            }
        }
    }
    for (path, to) in files {
        for base in BASES {
            for end in ["", "/"] {
                router = router.route(&format!("{base}/v3/attachments{path}{end}"), to.clone());
            }
        }
    }
    router.merge(elsewhere::routes())
}
