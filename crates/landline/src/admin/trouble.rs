//! What went wrong between this command and a server, in words that say what to do next.

use anyhow::anyhow;
use http::StatusCode;
use serde::Deserialize;

use super::target::{Found, TOKEN_VARIABLE, Target, no_server};
use crate::exit::WrongConfiguration;
use crate::http_client::CallError;

/// This program's, named where the other side may be of another one.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `{"error":{"code","message"}}`, as every error of Landline.
#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorWords,
}

#[derive(Deserialize)]
struct ErrorWords {
    message: String,
}

/// There was no answer.
pub(super) fn without_answer(error: &CallError, target: &Target) -> anyhow::Error {
    let url = &target.url;
    match (error, &target.found) {
        (CallError::NotReached(why), Found::Folder(folder)) => anyhow!(
            "nothing answers at {url}, which admin.json in it names ({why}): the server that wrote it did not end in order"
        )
        .context(no_server(folder).to_string()),
        (CallError::NotReached(why), Found::Address) => {
            anyhow!("cannot reach {url}: {why}; is the server up, and is this its admin address?")
        }
        (CallError::Unsendable, Found::Folder(folder)) => {
            anyhow!("admin.json in {} holds what is no address or no token; restart the server", folder.display())
        }
        (CallError::Unsendable, Found::Address) => {
            let problem =
                format!("{url}, or the token in {TOKEN_VARIABLE}, holds what cannot be sent; copy them again");
            WrongConfiguration(problem).into()
        }
        (CallError::TooSlow(_) | CallError::Broken(_) | CallError::Cut(_), _) => {
            anyhow!("{url}: {error}; it may or may not be done: list it, and try again if it is not")
        }
    }
}

/// The answer was not a success.
pub(super) fn refused(status: StatusCode, body: &[u8], target: &Target, path: &str) -> anyhow::Error {
    let message = serde_json::from_slice::<ErrorAnswer>(body).ok().map(|answer| answer.error.message);
    match (status, message) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => wrong_token(target),
        (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, Some(message)) => {
            WrongConfiguration(message).into()
        }
        (StatusCode::NOT_FOUND, Some(message)) => match where_to_look(path) {
            Some(list) => anyhow!("{message} ({})", target.command(list)),
            None => anyhow!("{message}"),
        },
        (_, Some(message)) if status.is_server_error() => {
            anyhow!("the server could not do it: {message}; its log says more")
        }
        (_, Some(message)) => anyhow!("{message}"),
        (_, None) => anyhow!(
            "{} answers {status} and not as a landline server does; is this the admin address of a server of this version \
             ({VERSION})?",
            target.url
        ),
    }
}

fn wrong_token(target: &Target) -> anyhow::Error {
    let url = &target.url;
    match &target.found {
        Found::Folder(folder) => anyhow!(
            "the server at {url} does not take the token of {}: another server listens there now, or this one was started \
             anew just now; try again, and if that does not help, name the folder of the other server with --data",
            folder.join("admin.json").display()
        ),
        Found::Address => anyhow!(
            "the server at {url} does not take the token in {TOKEN_VARIABLE}: a new one is made at every start, unless \
             admin_token is configured; it is `token` in admin.json in the data folder of the server"
        ),
    }
}

/// The answer was a success, and yet cannot be read.
pub(super) fn strange(error: &serde_json::Error) -> anyhow::Error {
    // Of the error only the place: its words may quote a secret.
    let (line, column) = (error.line(), error.column());
    anyhow!(
        "the server's answer is not what this version ({VERSION}) knows (line {line}, column {column}); use the `landline` \
         that the server was started with"
    )
}

/// The command that lists what a path is about.
fn where_to_look(path: &str) -> Option<&'static str> {
    let lists = [
        ("/bots", "bot list"),
        ("/sites", "site list"),
        ("/conversations", "conversation list"),
        ("/outbox", "outbox list"),
    ];
    lists.into_iter().find_map(|(begin, list)| path.starts_with(begin).then_some(list))
}
