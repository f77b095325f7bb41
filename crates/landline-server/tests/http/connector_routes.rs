//! Every route of the Connector API: on both bases, however the slashes stand, and for nobody else.

use hyper::Method;
use landline_auth::{AccessToken, IdentityKeys};
use landline_core::Clock;
use landline_testkit::in_process::keys::key;
use landline_testkit::in_process::{BotActor, Call, Person, Reply, TestServer, raw};
use serde_json::{Value, json};

use super::connector_tokens::{APP, OTHER_APP, signed_bots};
use crate::looks_like_a_refusal;

/// Every row, with what it takes; `{own}` is an activity of the bot, `{file}` a file.
fn table() -> Vec<(Method, &'static str, Option<Value>, u16)> {
    let said = json!({"type": "message", "text": "x", "from": null, "conversation": null});
    vec![
        (Method::POST, "/conversations/{c}/activities", Some(said.clone()), 200),
        (Method::POST, "/conversations/{c}/activities/{own}", Some(said.clone()), 200),
        (Method::PUT, "/conversations/{c}/activities/{own}", Some(said.clone()), 200),
        (Method::POST, "/conversations/{c}/activities/history", Some(json!({"activities": [said]})), 200),
        (Method::GET, "/conversations/{c}/members", None, 200),
        (Method::GET, "/conversations/{c}/members/ann", None, 200),
        (Method::GET, "/conversations/{c}/pagedmembers", None, 200),
        (Method::GET, "/conversations/{c}/activities/{own}/members", None, 200),
        (Method::DELETE, "/conversations/{c}/members/ann", None, 200),
        (Method::DELETE, "/conversations/{c}/activities/{own}", None, 200),
        (Method::POST, "/conversations", Some(json!({"members": null, "activity": null})), 201),
        (Method::GET, "/conversations", None, 200),
        (
            Method::POST,
            "/conversations/{c}/attachments",
            Some(json!({"type": null, "name": null, "originalBase64": "AQID", "thumbnailBase64": null})),
            200,
        ),
        (Method::GET, "/attachments/{file}", None, 200),
        (Method::GET, "/attachments/{file}/views/original", None, 200),
        (Method::HEAD, "/attachments/{file}/views/original", None, 200),
    ]
}

fn call(bot: &BotActor, base: &str, row: &(Method, &str, Option<Value>, u16), c: &str, own: &Own) -> Call {
    let rest = row.1.replace("{c}", c).replace("{own}", &own.activity).replace("{file}", &own.file);
    let call = bot.at(row.0.clone(), &format!("{base}v3{rest}"));
    match &row.2 {
        Some(body) => call.json(body),
        None => call,
    }
}

/// A token as the server issues it to a bot.
fn token_for(server: &TestServer, app_id: &str) -> String {
    let now = server.clock.now();
    let keys = IdentityKeys::new(key(0), now).expect("keys");
    let base = format!("http://{}", server.address);
    let token = AccessToken { base: &base, tenant: "botframework.com", app_id };
    token.sign(&keys, now).expect("a token").0
}

/// Its path, with a slash at the end, and with one too many behind the base.
fn bases(service_url: &str) -> [String; 2] {
    let path = format!("/{}", service_url.splitn(4, '/').nth(3).expect("a path"));
    [path.clone(), format!("{path}/")]
}

/// What a bot has in a conversation.
struct Own {
    activity: String,
    file: String,
}

impl Own {
    /// The same in another conversation, where it never was.
    fn elsewhere(&self, from: &str, to: &str) -> Self {
        Self { activity: self.activity.replace(from, to), file: self.file.replace(from, to) }
    }
}

async fn with_own(server: &TestServer, bot: &BotActor, name: &str) -> (Person, Own) {
    let person = server.person(name).await;
    let activity = bot.say(&person.conversation, "mine").await;
    let file = json!({"type": "text/plain", "name": "mine.txt", "originalBase64": "AQID"});
    let kept = bot.at(Method::POST, &bot.path(&person.conversation, "/attachments")).json(&file).send().await;
    (person, Own { activity, file: kept.expect(200).text("id") })
}

#[tokio::test]
async fn every_row_works_on_both_bases() {
    let open = TestServer::start().await;
    let closed = signed_bots().start().await;
    let token = token_for(&closed, APP);
    for (server, bot) in [(&open, open.bot_actor()), (&closed, closed.bot_actor().with_token(&token))] {
        for base in bases(&server.service_url) {
            let (ann, own) = with_own(server, &bot, "ann").await;
            for row in table() {
                let reply = call(&bot, &base, &row, &ann.conversation, &own).send().await;
                assert_eq!(reply.status, row.3, "{} {}: {reply:?}", row.0, row.1);
                crate::marked(&reply);
            }
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_is_understood_and_a_bar_may_be_raw() {
    let server = TestServer::start().await;
    let bot = server.bot_actor();
    let (ann, own) = with_own(&server, &bot, "ann").await;
    // The line does not say that an answer to a HEAD has no body.
    for (method, rest, body, status) in table().into_iter().filter(|row| row.0 != Method::HEAD) {
        let rest = rest.replace("{c}", &ann.conversation).replace("{own}", &own.activity);
        let path = format!("{}v3{}/", bases(&server.service_url)[0], rest.replace("{file}", &own.file));
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let mut bytes = raw::request(method.as_str(), path.as_bytes(), &headers);
        bytes.extend_from_slice(body.as_bytes());
        let reply = raw::exchange(server.address, &bytes).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
    }
}

/// What an answer to a `HEAD` does not say is not looked for.
#[track_caller]
fn refused(method: &Method, reply: &Reply, status: u16, code: &str) {
    if *method == Method::HEAD {
        assert_eq!(reply.status, status, "{reply:?}");
    } else {
        looks_like_a_refusal(reply, status, code);
    }
}

/// What tells two answers apart: all of it but the names of the requests.
fn told(reply: &Reply) -> (u16, Vec<u8>, Vec<String>) {
    let mut names: Vec<_> = reply.headers.keys().map(|name| name.to_string()).collect();
    names.sort_unstable();
    (reply.status, reply.body.to_vec(), names)
}

#[tokio::test]
async fn a_conversation_of_another_bot_is_one_that_never_was() {
    let open = TestServer::start().await;
    let closed = signed_bots().start().await;
    let token = token_for(&closed, APP);
    for (server, owner, other) in [
        (&open, open.bot_actor(), open.other_bot_actor()),
        (
            &closed,
            closed.bot_actor().with_token(&token),
            closed.other_bot_actor().with_token(&token_for(&closed, OTHER_APP)),
        ),
    ] {
        let (ann, own) = with_own(server, &owner, "ann").await;
        let never = "NeverWas0123456789abcd";
        let base = &bases(&server.other_service_url)[0];
        let before = (ann.history().await, server.bot.taken().len());
        for row in table().into_iter().filter(|row| row.1.contains('{')) {
            let foreign = call(&other, base, &row, &ann.conversation, &own).send().await;
            let unknown =
                call(&other, base, &row, never, &own.elsewhere(&ann.conversation, never)).send().await;
            refused(&row.0, &foreign, 404, "ResourceNotFound");
            assert_eq!(told(&foreign), told(&unknown), "{} {}", row.0, row.1);
        }
        assert_eq!((ann.history().await, server.bot.taken().len()), before);
        let members = owner.at(Method::GET, &owner.path(&ann.conversation, "/members")).send().await;
        assert_eq!(members.expect(200).json().as_array().map(Vec::len), Some(2));
    }
}

#[tokio::test]
async fn nothing_is_told_or_done_without_credentials() {
    let server = signed_bots().start().await;
    let bot = server.bot_actor();
    let token = token_for(&server, APP);
    let (ann, own) = with_own(&server, &bot.clone().with_token(&token), "ann").await;
    let before = ann.history().await;
    let wrong = bot.clone().with_token("e30.e30.e30");
    let stranger = bot.clone().with_token(&token_for(&server, "another app"));
    for row in table() {
        for (caller, status, code) in
            [(&bot, 401, "Unauthorized"), (&wrong, 401, "Unauthorized"), (&stranger, 403, "BadArgument")]
        {
            for c in [ann.conversation.as_str(), "NeverWas0123456789abcd"] {
                let reply = call(caller, &bases(&server.service_url)[0], &row, c, &own).send().await;
                refused(&row.0, &reply, status, code);
            }
        }
        // Nor by guessing a capability, where no bot has one.
        let reply = call(&bot, "/connector/guess/", &row, &ann.conversation, &own).send().await;
        refused(&row.0, &reply, 404, "ResourceNotFound");
    }
    assert_eq!(ann.history().await, before);
}

#[tokio::test]
async fn what_is_not_here_says_so() {
    let server = TestServer::start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let c = &ann.conversation;
    let root = bases(&server.service_url)[0].clone();
    for path in [
        format!("{root}v3/attachments/1/x"),
        format!("{root}v3/attachments/1/views"),
        format!("{root}v3/attachments/1/views/original/x"),
        format!("{root}api/usertoken/GetToken"),
        "/api/usertoken/GetToken".into(),
        "/api/botsignin/GetSignInUrl".into(),
        format!("{root}v3/conversations/{c}"),
        format!("{root}v3/conversations/{c}/x"),
        format!("{root}v3/conversations/{c}/members/ann/x"),
        format!("{root}v3/x"),
        format!("{root}v4/conversations"),
    ] {
        for method in [Method::GET, Method::POST] {
            looks_like_a_refusal(&bot.at(method, &path).send().await, 404, "ResourceNotFound");
        }
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/activities", "POST"),
        (Method::GET, "/activities/x", "POST,PUT,DELETE"),
        (Method::PUT, "/activities/history", "POST"),
        (Method::POST, "/members", "GET,HEAD"),
        (Method::POST, "/members/ann", "GET,HEAD,DELETE"),
        (Method::DELETE, "/pagedmembers", "GET,HEAD"),
        (Method::POST, "/activities/x/members", "GET,HEAD"),
        (Method::GET, "/attachments", "POST"),
        (Method::POST, "/../../attachments/x", "GET,HEAD"),
        (Method::DELETE, "/../../attachments/x/views/original", "GET,HEAD"),
    ] {
        let path = match path.strip_prefix("/../..") {
            Some(rest) => format!("{root}v3{rest}"),
            None => bot.path(c, path),
        };
        let reply = bot.at(method, &path).send().await;
        looks_like_a_refusal(&reply, 405, "NotSupported");
        let sorted = |list: &str| {
            let mut list: Vec<_> = list.split(',').map(str::to_owned).collect();
            list.sort_unstable();
            list
        };
        assert_eq!(sorted(reply.header("allow")), sorted(allowed), "{path}");
    }
}
