//! The OpenAPI documents are served, and say what is so.
//!
//! The kit holds every answer of every test against them; here each operation is asked once for an answer of success, so
//! that none is described without ever having been seen.

use std::path::Path;

use hyper::Method;
use landline_auth::BotCredential;
use landline_server::openapi::Document;
use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::{Call, TestServer, message, openapi, start};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

/// What the WebSocket's handshake answers is no answer with a body.
const NOT_BY_A_CALL: [&str; 1] = ["directline.openStream"];

#[tokio::test]
async fn every_operation_answers_as_its_document_says() {
    let server = TestServer::start().await;
    page(&server).await;
    clients(&server).await;
    bots(&server).await;
    operator(&server).await;

    let shown = openapi::shown();
    let mut missing: Vec<String> =
        openapi::operations().into_iter().filter(|operation| !shown.contains(operation)).collect();
    missing.retain(|operation| !NOT_BY_A_CALL.contains(&operation.as_str()));
    assert!(missing.is_empty(), "described and never seen: {missing:?}");
}

/// What a page in a browser asks.
async fn page(server: &TestServer) {
    let origin = "https://www.example.org";
    let token = server.operator().token(&json!({"trustedOrigins": [origin]})).await;
    let id = server.get("/v3/directline/session/getsessionid").bearer(&token).origin(origin);
    id.send().await.expect(200);
}

async fn clients(server: &TestServer) {
    let token = server.operator().token(&json!({})).await;
    start(server.address, &token).send().await.expect(201);
    start(server.address, &token).send().await.expect(200);
    server.post("/v3/directline/tokens/refresh").bearer(&token).send().await.expect(200);

    let ann = server.person("ann").await;
    ann.reconnect("").await.expect(200);
    ann.say("hello").await;
    let picture = ann.call(Method::POST, "/upload?userId=ann").header("content-type", "image/png");
    let picture = picture.header("content-disposition", "name=\"file\"; filename=\"a.png\"");
    picture.body("\u{89}PNG").send().await.expect(200);
    let page = ann.poll("").await.expect(200).json();
    let link = page["activities"][1]["attachments"][0]["contentUrl"].as_str().expect("a link").to_owned();
    let path = link.splitn(4, '/').nth(3).expect("a path");
    server.get(&format!("/{path}")).send().await.expect(200);
    server.get(&format!("/{path}")).header("range", "bytes=0-1").send().await.expect(206);

    server.bot.then([Behaviour::Answer(500, String::new())]);
    ann.send(&message("ann", "not taken")).send().await.expect(502);
}

async fn bots(server: &TestServer) {
    let ann = server.person("ann").await;
    let bot = server.bot_actor();
    let of = |method, rest: &str| bot.at(method, &bot.path(&ann.conversation, rest));
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);

    let said = bot.say(&ann.conversation, "hello").await;
    bot.reply(&ann.conversation, &said, &json!({"type": "message"})).send().await.expect(200);
    bot.retext(&ann.conversation, &said, "changed").send().await.expect(200);
    of(get.clone(), &format!("/activities/{}/members", said.replace('|', "%7C"))).send().await.expect(200);
    bot.delete(&ann.conversation, &said).send().await.expect(200);
    let transcript = json!({"activities": [{"type": "message", "from": {"id": "ann"}, "text": "before"}]});
    of(post.clone(), "/activities/history").json(&transcript).send().await.expect(200);
    for path in ["/members", "/members/ann", "/pagedmembers?pageSize=1"] {
        of(get.clone(), path).send().await.expect(200);
    }
    let kept =
        of(post.clone(), "/attachments").json(&json!({"originalBase64": "AQID"})).send().await.expect(200);
    let kept = format!("v3/attachments/{}", kept.text("id"));
    let base = server.service_url.splitn(4, '/').nth(3).expect("a path").to_owned();
    for path in [kept.clone(), format!("{kept}/views/original"), "v3/conversations".to_owned()] {
        bot.at(get.clone(), &format!("/{base}{path}")).send().await.expect(200);
    }
    let begun = json!({"members": [{"id": "bob"}], "activity": {"type": "message", "text": "hi"}});
    bot.at(post, &format!("/{base}v3/conversations")).json(&begun).send().await.expect(201);
    of(delete, "/members/ann").send().await.expect(200);

    for path in [
        "/v1/.well-known/openidconfiguration",
        "/v1/.well-known/keys",
        "/botframework.com/discovery/v2.0/keys",
        "/botframework.com/v2.0/.well-known/openid-configuration",
        "/botframework.com/.well-known/openid-configuration",
    ] {
        server.get(path).send().await.expect(200);
    }
    let server = signed().await;
    let credential = BotCredential::from_random(&[1; 32]).expose().to_owned();
    let msi = "/msi/token?api-version=2019-08-01&resource=https://api.botframework.com&client_id=its-app";
    server.get(msi).header("x-identity-header", &credential).send().await.expect(200);
    let form = format!(
        "grant_type=client_credentials&client_id=its-app&client_secret={credential}\
         &scope=https://api.botframework.com/.default"
    );
    let oauth = server.post("/botframework.com/oauth2/v2.0/token").header("content-type", FORM);
    oauth.body(form).send().await.expect(200);
}

/// A server whose bot has an app id.
async fn signed() -> TestServer {
    let configured = TestServer::builder().configure(|config| {
        config.bots[0].app_id = Some("its-app".into());
        config.bots[0].credential = Some(BotCredential::from_random(&[1; 32]));
    });
    configured.start().await
}

async fn operator(server: &TestServer) {
    let call = |method: Method, path: &str, body: Value| {
        let call: Call = server.admin(method, path);
        if body.is_null() { call } else { call.json(&body) }
    };
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let bot = json!({
        "name": "new", "endpoint": "http://127.0.0.1:9/api/messages", "appId": true, "credential": true,
        "outgoing": {"clientSecret": "theirs", "tokenUrl": "http://127.0.0.1:9/token"},
    });
    let ann = server.person("ann").await;
    let conversation = format!("/conversations/{}", ann.conversation);
    let plain = json!({"name": "plain", "endpoint": "http://127.0.0.1:9/api/messages"});
    for (method, path, body, status) in [
        (&post, "/bots", bot, 201),
        (&post, "/bots", plain, 201),
        (&get, "/bots", Value::Null, 200),
        (&get, "/bots/new", Value::Null, 200),
        (&patch, "/bots/new", json!({"delivery": "queued"}), 200),
        (&post, "/bots/new/credentials", Value::Null, 201),
        (&delete, "/bots/new/credentials/1", Value::Null, 204),
        (&post, "/bots/plain/capability", Value::Null, 200),
        (&post, "/sites", json!({"name": "new", "bot": "new", "files": "conversation"}), 201),
        (&get, "/sites", Value::Null, 200),
        (&get, "/sites/new", Value::Null, 200),
        (&patch, "/sites/new", json!({"retention": "1d"}), 200),
        (&post, "/sites/new/secrets", Value::Null, 201),
        (&delete, "/sites/new/secrets/1", Value::Null, 204),
        (&delete, "/sites/new", Value::Null, 204),
        (&delete, "/bots/new", Value::Null, 204),
        (&get, "/conversations", Value::Null, 200),
        (&get, &conversation, Value::Null, 200),
        (&delete, &conversation, Value::Null, 204),
        (&post, "/purge", Value::Null, 204),
        (&get, "/keys", Value::Null, 200),
        (&post, "/keys/identity", Value::Null, 200),
        (&post, "/keys/tokens", Value::Null, 200),
        (&get, "/outbox", Value::Null, 200),
        (&post, "/outbox/retry", json!({"bot": "main", "state": "parked"}), 200),
        (&post, "/outbox/drop", json!({"bot": "main", "state": "parked"}), 200),
    ] {
        call(method.clone(), path, body).send().await.expect(status);
    }
}

#[tokio::test]
async fn the_documents_are_served_and_lie_in_the_repository() {
    let server = TestServer::start().await;
    for document in Document::ALL {
        let path = format!("/openapi/{}.json", document.name());
        let listeners = match document {
            Document::Admin => (server.admin, server.address),
            Document::Directline | Document::Connector => (server.address, server.admin),
        };
        let served = Call::new(listeners.0, Method::GET, &path).send().await.expect(200).json();
        Call::new(listeners.1, Method::GET, &path).send().await.expect(404);

        let text = document.to_json().expect("a text");
        assert_eq!(served, serde_json::from_str::<Value>(&text).expect("JSON"));
        assert!(served["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{served}");

        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(&path[1..]);
        let committed = std::fs::read_to_string(committed).unwrap_or_default();
        assert!(
            committed.trim_end() == text.trim_end(),
            "docs{path} is not what the code says; write it again: landline openapi {} > docs{path}",
            document.name()
        );
    }
}

/// A document that generators stumble over is no use.
#[test]
fn operations_have_names_of_their_own_and_every_parameter_in_a_path_is_described() {
    for document in Document::ALL {
        let api: Value = serde_json::from_str(&document.to_json().expect("a text")).expect("JSON");
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in api["paths"].as_object().expect("paths") {
            for operation in item.as_object().expect("operations").values().filter(|value| value.is_object())
            {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{id}");
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
                assert_eq!(in_path, path.matches('{').count(), "{id}");
            }
        }
        // Every reference leads somewhere.
        let text = api.to_string();
        for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(api["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
