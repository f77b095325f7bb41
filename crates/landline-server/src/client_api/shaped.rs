//! The doors of the client API: who comes too often waits outside, before anything of the request is read.
//!
//! What waits holds its connection and nothing else. Of its body, only what the connection has read with the head is
//! taken, so that it is noticed when the client hangs up: HTTP does not look for that in front of a body that nobody reads.
//!
//! Not here: which limits there are (`overload`).

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use http::header::EXPECT;
use http::request::Parts;
use http_body_util::BodyExt;

use super::credentials::{Caller, conversation_in_path};
use crate::error::ApiError;
use crate::http::{ClientAddress, discard_body};
use crate::overload::{Door, Passed};
use crate::state::App;

/// Before every handler of the client API. What has no door here goes on: what is bound otherwise (`poll`, `stream`), or
/// shows no credentials (`download`).
pub(super) async fn at_the_door(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(door) = path.and_then(|path| door(request.method(), path)) else {
        return Ok(next.run(request).await);
    };
    // On the heap, and gone when the request goes on: what waits here is large, and would lie below every handler.
    let request = Box::pin(let_in(app, door, request)).await?;
    Ok(next.run(request).await)
}

/// The door of a route, by its template.
fn door(method: &Method, path: &str) -> Option<Door> {
    let path = path.strip_prefix("/v3/directline")?;
    match (method, path) {
        (&Method::POST, "/tokens/generate" | "/tokens/refresh") => Some(Door::Token),
        (&Method::POST, "/conversations") => Some(Door::Start),
        (&Method::GET | &Method::HEAD, "/conversations/{conversation}") => Some(Door::Reconnect),
        (&Method::POST, "/conversations/{conversation}/activities") => Some(Door::Send),
        (&Method::POST, "/conversations/{conversation}/upload") => Some(Door::Upload),
        _ => None,
    }
}

/// The request, when it may go on.
async fn let_in(app: App, door: Door, request: Request) -> Result<Request, ApiError> {
    let (mut parts, mut body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    let conversation = match &caller.token {
        Some(token) => Some(token.conversation.clone()),
        None => conversation_in_path(&mut parts, &app).await.ok(),
    };
    let who = caller.who(conversation.as_ref(), ClientAddress::of(&parts.extensions));
    let passed = {
        let mut pass = std::pin::pin!(app.overload.pass(door, &who));
        tokio::select! {
            biased;
            passed = pass.as_mut() => passed,
            // Polled only where it is not let through at once.
            begin = beginning(&parts, &mut body) => {
                let begin = begin?.map(|begin| app.overload.memory.hold_bytes(begin));
                body = with_beginning(begin, body);
                pass.await
            }
        }
    };
    match passed {
        // Who waited may have lost what they showed, so it is looked at again.
        Ok(Passed::Late) => {}
        Ok(Passed::AtOnce) => caller.vouch_for(&mut parts),
        Err(refused) => {
            discard_body(&parts.headers, body).await;
            return Err(refused);
        }
    }
    Ok(Request::from_parts(parts, body))
}

/// The first bytes of a body, `None` where there are none. Never comes where they are not to be asked for.
async fn beginning(parts: &Parts, body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    // Who waits to be asked for the body has not sent it, and will when somebody reads.
    if parts.headers.contains_key(EXPECT) {
        std::future::pending::<()>().await;
    }
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(ApiError::malformed_data("the body broke off before its end")),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_) => continue, // trailers
            },
        }
    }
}

fn with_beginning(beginning: Option<Bytes>, rest: Body) -> Body {
    match beginning {
        None => Body::empty(),
        Some(beginning) => Body::from_stream(stream::iter([Ok(beginning)]).chain(rest.into_data_stream())),
    }
}
