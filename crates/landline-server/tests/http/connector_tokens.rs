//! Who may call the Connector API: bots with an app id, by the tokens that they show.

use landline_auth::{AccessToken, IdentityKeys};
use landline_core::Clock;
use landline_testkit::in_process::keys::key;
use landline_testkit::in_process::{Builder, Call, Person, TestServer, message};
use serde_json::json;

use crate::looks_like_a_refusal;

const APP: &str = "00000000-0000-0000-0000-00000000000a";
const OTHER_APP: &str = "00000000-0000-0000-0000-00000000000b";

/// Both bots have app ids.
fn signed() -> Builder {
    TestServer::builder().configure(|config| {
        config.bots[0].app_id = Some(APP.into());
        config.bots[1].app_id = Some(OTHER_APP.into());
    })
}

fn base(server: &TestServer) -> String {
    format!("http://{}", server.address)
}

/// A token as the server issues it to a bot.
fn token_for(server: &TestServer, app_id: &str) -> String {
    let now = server.clock.now();
    let keys = IdentityKeys::new(key(0), now).expect("keys");
    let token = AccessToken { base: &base(server), tenant: "botframework.com", app_id };
    token.sign(&keys, now).expect("a token").0
}

fn send(server: &TestServer, ann: &Person) -> Call {
    let path = format!("/connector/v3/conversations/{}/activities", ann.conversation);
    server.post(&path).json(&json!({"type": "message", "text": "from the bot"}))
}

#[tokio::test]
async fn a_bot_with_an_app_id_shows_a_token() {
    let server = signed().start().await;
    let ann = server.person("ann").await;
    let question = ann.say("q").await;
    assert_eq!(server.service_url, format!("{}/connector/", base(&server)));

    let token = token_for(&server, APP);
    send(&server, &ann).bearer(&token).send().await.expect(200);
    let reply = format!("/connector/v3/conversations/{}/activities/{question}", ann.conversation);
    server.post(&reply).json(&message("x", "a reply")).bearer(&token).send().await.expect(200);

    assert_eq!(ann.texts().await, ["q", "from the bot", "a reply"]);
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let server = signed().start().await;
    let ann = server.person("ann").await;
    ann.say("q").await;
    let nothing = send(&server, &ann).send().await;
    looks_like_a_refusal(&nothing, 401, "Unauthorized");
    let no_token = send(&server, &ann).bearer("abc").send().await;
    looks_like_a_refusal(&no_token, 401, "Unauthorized");
    let unknown = send(&server, &ann).bearer(&token_for(&server, "another app")).send().await;
    looks_like_a_refusal(&unknown, 403, "BadArgument");
    let other = send(&server, &ann).bearer(&token_for(&server, OTHER_APP)).send().await;
    looks_like_a_refusal(&other, 404, "ResourceNotFound");
    assert_eq!(ann.texts().await, ["q"]);
}
