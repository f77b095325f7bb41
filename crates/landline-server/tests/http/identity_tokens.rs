//! How a bot gets the token that it shows: as in an App Service, and by OAuth 2.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landline_auth::{BotCredential, SiteSecret};
use landline_core::Clock;
use landline_testkit::in_process::{Builder, Call, Reply, TestServer};
use serde_json::{Value, json};

use crate::marked;

const APP: &str = "00000000-0000-0000-0000-00000000000a";
const OTHER_APP: &str = "00000000-0000-0000-0000-00000000000b";
const RESOURCE: &str = "https://api.botframework.com";
const FORM: &str = "application/x-www-form-urlencoded";

/// A credential as the admin API makes one.
fn credential(seed: u8) -> String {
    BotCredential::from_random(&[seed; 32]).expose().to_owned()
}

/// Both bots have app ids; the first has two credentials.
fn signed() -> Builder {
    TestServer::builder().configure(|config| {
        let secret = |seed| Some(BotCredential::from_random(&[seed; 32]));
        config.bots[0].app_id = Some(APP.into());
        config.bots[0].tenant = "its-tenant".into();
        config.bots[0].credential = secret(1);
        config.bots[0].second_credential = secret(2);
        config.bots[1].app_id = Some(OTHER_APP.into());
        config.bots[1].credential = secret(3);
    })
}

fn msi(server: &TestServer, query: &str, credential: &str) -> Call {
    server.get(&format!("/msi/token?{query}")).header("x-identity-header", credential)
}

fn query(resource: &str, client_id: &str) -> String {
    format!("api-version=2019-08-01&resource={resource}&client_id={client_id}")
}

fn oauth(server: &TestServer, tenant: &str, form: &str) -> Call {
    server.post(&format!("/{tenant}/oauth2/v2.0/token")).header("content-type", FORM).body(form.to_owned())
}

fn form(client_id: &str, secret: &str) -> String {
    format!(
        "grant_type=client_credentials&client_id={client_id}&client_secret={secret}&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
    )
}

/// Whether a token opens the conversations of the first bot.
async fn opens(server: &TestServer, token: &str) -> bool {
    let ann = server.person("ann").await;
    let path = format!("/connector/v3/conversations/{}/activities", ann.conversation);
    let said = server.post(&path).bearer(token).json(&json!({"type": "message", "text": "a"})).send().await;
    assert_eq!(ann.texts().await.len(), usize::from(said.status == 200), "{said:?}");
    said.status == 200
}

#[tokio::test]
async fn a_bot_asks_as_in_an_app_service() {
    let server = signed().start().await;
    for seed in [1, 2] {
        let reply = msi(&server, &query(RESOURCE, APP), &credential(seed)).send().await.expect(200);
        marked(&reply);
        let token = reply.text("access_token");
        let expires = server.clock.now().plus(Duration::from_secs(3600)).as_seconds().to_string();
        assert_eq!(
            reply.json(),
            json!({
                "access_token": token, "expires_on": expires, "resource": RESOURCE,
                "token_type": "Bearer", "client_id": APP,
            })
        );
        assert!(opens(&server, &token).await);
    }
}

/// The spellings of the SDKs: with and without a slash, as a scope, escaped; without `client_id` where the identity is
/// that of the system.
#[tokio::test]
async fn how_sdks_spell_it() {
    let server = signed().start().await;
    for resource in [
        "https%3A%2F%2Fapi.botframework.com",
        "https://api.botframework.com/",
        "https://api.botframework.com/.default",
    ] {
        let reply = msi(&server, &query(resource, APP), &credential(1)).send().await.expect(200);
        assert!(opens(&server, &reply.text("access_token")).await, "{resource}");
    }
    let capitals =
        msi(&server, &query(RESOURCE, &APP.to_uppercase()), &credential(1)).send().await.expect(200);
    assert!(opens(&server, &capitals.text("access_token")).await);
    let whoever = format!("resource={RESOURCE}&api-version=2019-08-01");
    let reply = msi(&server, &whoever, &credential(2)).send().await.expect(200);
    assert_eq!(reply.text("client_id"), APP);
    let reply = msi(&server, &whoever, &credential(3)).header("metadata", "true").send().await.expect(200);
    assert_eq!(reply.text("client_id"), OTHER_APP);
    assert!(!opens(&server, &reply.text("access_token")).await, "the other bot's token");
}

#[tokio::test]
async fn who_gets_no_token_in_an_app_service() {
    let server = signed().start().await;
    let good = query(RESOURCE, APP);
    let mut last = credential(1);
    last.pop();
    for (query, credential, status) in [
        (good.clone(), String::new(), 401),
        (good.clone(), "x".to_owned(), 401),
        (good.clone(), last, 401),
        (good.clone(), format!("{}x", credential(1)), 401),
        (good.clone(), credential(3), 401), // that of the other bot
        (good.clone(), SiteSecret::from_random(&[1; 32]).expose().to_owned(), 401),
        (good.clone(), BotCredential::from_random(&[1; 32]).digest().to_string(), 401),
        (query(RESOURCE, "nobody"), credential(1), 401),
        (query(RESOURCE, ""), "x".to_owned(), 401),
        (query("https://graph.microsoft.com", APP), credential(1), 400),
        (query("", APP), credential(1), 400),
        (format!("client_id={APP}&api-version=2019-08-01"), credential(1), 400),
        (format!("resource={RESOURCE}&client_id={APP}"), credential(1), 400),
        (format!("resource={RESOURCE}&client_id={APP}&api-version=2017-09-01"), credential(1), 400),
        (format!("{good}&client_id={OTHER_APP}"), credential(1), 400),
        (String::new(), credential(1), 400),
    ] {
        let reply = msi(&server, &query, &credential).send().await;
        refused_as_in_an_app_service(&reply, status, &query);
    }
    let without = server.get(&format!("/msi/token?{good}")).send().await;
    refused_as_in_an_app_service(&without, 401, "no header");
    let twice = msi(&server, &good, &credential(1)).header("x-identity-header", &credential(1)).send().await;
    refused_as_in_an_app_service(&twice, 401, "two headers");
    let binary =
        server.get(&format!("/msi/token?{good}")).raw_header("x-identity-header", b"\xff").send().await;
    refused_as_in_an_app_service(&binary, 401, "no text");
}

/// As MSAL reads it.
#[track_caller]
fn refused_as_in_an_app_service(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {:?}", reply.body);
    let json = reply.json();
    assert_eq!(json["statusCode"], status, "{what}");
    assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {json}");
    assert!(json.get("access_token").is_none(), "{what}");
    marked(reply);
}

#[tokio::test]
async fn a_bot_asks_by_oauth() {
    let server = signed().start().await;
    for (tenant, seed) in [("its-tenant", 1), ("its-tenant", 2), ("botframework.com", 1)] {
        let reply = oauth(&server, tenant, &form(APP, &credential(seed))).send().await.expect(200);
        marked(&reply);
        let token = reply.text("access_token");
        assert_eq!(
            reply.json(),
            json!({"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": token})
        );
        assert!(opens(&server, &token).await, "{tenant}");
    }
    let in_header = STANDARD.encode(format!("{APP}:{}", credential(1)));
    let rest = "grant_type=client_credentials&scope=https://api.botframework.com/.default";
    for form in [rest.to_owned(), format!("{rest}&client_id={APP}")] {
        let call = oauth(&server, "its-tenant", &form).header("authorization", &format!("Basic {in_header}"));
        let reply = call.send().await.expect(200);
        assert!(opens(&server, &reply.text("access_token")).await);
    }
}

#[tokio::test]
async fn who_gets_no_token_by_oauth() {
    let server = signed().start().await;
    let good = form(APP, &credential(1));
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    for (tenant, form, status, error) in [
        ("its-tenant", form(APP, "x"), 401, "invalid_client"),
        ("its-tenant", form(APP, &credential(3)), 401, "invalid_client"),
        ("its-tenant", form("nobody", &credential(1)), 401, "invalid_client"),
        ("its-tenant", form(OTHER_APP, &credential(1)), 401, "invalid_client"),
        ("its-tenant", form(APP, ""), 400, "invalid_request"),
        ("its-tenant", form("", &credential(1)), 400, "invalid_request"),
        ("its-tenant", String::new(), 400, "invalid_request"),
        ("its-tenant", "{}".to_owned(), 400, "invalid_request"),
        ("its-tenant", format!("{good}&client_id={APP}"), 400, "invalid_request"),
        (
            "its-tenant",
            replaced("grant_type=client_credentials", "grant_type=password"),
            400,
            "unsupported_grant_type",
        ),
        ("its-tenant", replaced("grant_type=client_credentials", "a=b"), 400, "invalid_request"),
        ("its-tenant", replaced("api.botframework.com", "graph.microsoft.com"), 400, "invalid_scope"),
        ("its-tenant", replaced("&scope=", "&scopes="), 400, "invalid_scope"),
        ("another", good.clone(), 400, "invalid_request"),
        ("%20", good.clone(), 400, "invalid_request"),
    ] {
        let reply = oauth(&server, tenant, &form).send().await;
        refused_by_oauth(&reply, status, error, &form);
        assert!(!reply.headers.contains_key("www-authenticate"), "{form}");
    }
    let json = server.post("/its-tenant/oauth2/v2.0/token").json_text(good.clone()).send().await;
    refused_by_oauth(&json, 400, "invalid_request", "JSON");

    let rest = "grant_type=client_credentials&scope=https://api.botframework.com/.default";
    let encode = |text: String| format!("Basic {}", STANDARD.encode(text));
    for (header, form, status, error) in [
        (encode(format!("{APP}:x")), rest.to_owned(), 401, "invalid_client"),
        (encode(APP.to_owned()), rest.to_owned(), 401, "invalid_client"),
        ("Basic !".to_owned(), rest.to_owned(), 401, "invalid_client"),
        ("Basic".to_owned(), rest.to_owned(), 401, "invalid_client"),
        (format!("Bearer {}", credential(1)), rest.to_owned(), 401, "invalid_client"),
        (encode(format!("{APP}:{}", credential(1))), good.clone(), 400, "invalid_request"),
        (encode(format!("{APP}:{}", credential(1))), format!("{rest}&client_id=b"), 400, "invalid_request"),
    ] {
        let reply = oauth(&server, "its-tenant", &form).header("authorization", &header).send().await;
        refused_by_oauth(&reply, status, error, &header);
        let challenge = if status == 401 { "Basic" } else { "" };
        assert_eq!(reply.header("www-authenticate"), challenge);
    }
}

#[track_caller]
fn refused_by_oauth(reply: &Reply, status: u16, error: &str, what: &str) {
    let json = reply.json();
    assert_eq!(reply.status, status, "{what}: {json}");
    assert_eq!(json["error"], error, "{what}");
    assert!(json["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {json}");
    assert!(json.get("access_token").is_none(), "{what}");
    marked(reply);
}

#[tokio::test]
async fn a_request_for_a_token_is_bounded() {
    let server = signed().start().await;
    let long = format!("{}&more={}", form(APP, &credential(1)), "x".repeat(8 * 1024));
    oauth(&server, "its-tenant", &long).send().await.refused(413, "MessageSizeTooBig");
    let long = format!("{}&more={}", query(RESOURCE, APP), "x".repeat(30 * 1024));
    let reply = msi(&server, &long, &credential(1)).send().await;
    assert!([200, 431, 414].contains(&reply.status), "{}", reply.status);
}

#[tokio::test]
async fn a_bot_without_an_app_id_gets_no_token() {
    // The configuration refuses this; what the registry holds may be older than a bot's app id.
    let server = TestServer::builder()
        .configure(|config| config.bots[0].credential = Some(BotCredential::from_random(&[1; 32])))
        .start()
        .await;
    for query in [query(RESOURCE, "main"), format!("api-version=2019-08-01&resource={RESOURCE}")] {
        let reply = msi(&server, &query, &credential(1)).send().await;
        refused_as_in_an_app_service(&reply, 401, &query);
    }
    let reply = oauth(&server, "botframework.com", &form("main", &credential(1))).send().await;
    refused_by_oauth(&reply, 401, "invalid_client", "no app id");
}

#[tokio::test]
async fn a_token_is_good_for_an_hour_and_the_clocks() {
    let server = signed().start().await;
    let reply = msi(&server, &query(RESOURCE, APP), &credential(1)).send().await.expect(200);
    let token = reply.text("access_token");
    server.clock.advance(Duration::from_secs(3600 + 299));
    assert!(opens(&server, &token).await);
    server.clock.advance(Duration::from_secs(1));
    assert!(!opens(&server, &token).await);
}

#[tokio::test]
async fn what_was_issued_opens_no_other_api() {
    let server = signed().start().await;
    let reply = msi(&server, &query(RESOURCE, APP), &credential(1)).send().await.expect(200);
    let token = reply.text("access_token");
    for path in ["/v3/directline/conversations", "/v3/directline/tokens/generate"] {
        let reply = server.post(path).bearer(&token).json(&Value::Null).send().await;
        reply.refused(403, "BadArgument");
    }
}
