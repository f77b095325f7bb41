//! The admin API: who is let in, what it answers, what it refuses.
//!
//! What its changes do to clients and bots: `admin_live`. Keys and the outbox: `admin_keys`, `admin_outbox`. What is
//! there after a restart: `admin_restart`.

use hyper::Method;
use landline_testkit::in_process::{ADMIN_TOKEN, Call, Reply, SECRET, TestServer};
use serde_json::{Value, json};

pub(crate) const ENDPOINT: &str = "http://127.0.0.1:9/api/messages";

/// A refusal of the admin API: as everywhere, but for CORS.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str, words: &str) {
    assert_eq!(reply.refusal(), (status, code.to_owned()), "{:?}", reply.body);
    let json = reply.json();
    let message = json["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(words), "{message:?} does not say {words:?}");
    assert_eq!(reply.header("x-request-id").len(), 16);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}

/// Every route that there is.
const ROUTES: [(Method, &str); 26] = [
    (Method::GET, "/bots"),
    (Method::POST, "/bots"),
    (Method::GET, "/bots/main"),
    (Method::PATCH, "/bots/main"),
    (Method::DELETE, "/bots/main"),
    (Method::POST, "/bots/main/credentials"),
    (Method::DELETE, "/bots/main/credentials/1"),
    (Method::POST, "/bots/main/capability"),
    (Method::GET, "/sites"),
    (Method::POST, "/sites"),
    (Method::GET, "/sites/default"),
    (Method::PATCH, "/sites/default"),
    (Method::DELETE, "/sites/default"),
    (Method::POST, "/sites/default/secrets"),
    (Method::DELETE, "/sites/default/secrets/1"),
    (Method::GET, "/conversations"),
    (Method::GET, "/conversations/x"),
    (Method::DELETE, "/conversations/x"),
    (Method::POST, "/purge"),
    (Method::GET, "/keys"),
    (Method::POST, "/keys/identity?now=true"),
    (Method::POST, "/keys/tokens"),
    (Method::GET, "/outbox"),
    (Method::POST, "/outbox/retry"),
    (Method::POST, "/outbox/drop"),
    (Method::GET, "/nothing"),
];

#[tokio::test]
async fn nobody_is_let_in_without_the_token() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for (method, path) in ROUTES {
        let call = || Call::new(server.admin, method.clone(), &format!("/admin/v1{path}"));
        let other = format!("{ADMIN_TOKEN}x");
        let calls = [
            call(),
            call().bearer(SECRET),
            call().bearer(&ann.token),
            call().bearer(&other),
            call().bearer(&ADMIN_TOKEN[1..]),
            call().bearer(""),
            call().header("authorization", ADMIN_TOKEN),
            call().header("authorization", &format!("Basic {ADMIN_TOKEN}")),
            call().bearer(ADMIN_TOKEN).bearer(ADMIN_TOKEN),
            call().json(&json!({"admin_token": ADMIN_TOKEN})),
        ];
        for call in calls {
            let reply = call.send().await;
            refused(&reply, 401, "Unauthorized", "the admin token");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        // The public listener does not know these paths at all.
        let public =
            Call::new(server.address, method.clone(), &format!("/admin/v1{path}")).bearer(ADMIN_TOKEN);
        assert_eq!(public.send().await.status, 404, "{path}");
    }
    assert_eq!(ann.texts().await, [""; 0], "nothing was changed");
    for path in ["/healthz", "/readyz", "/metrics"] {
        Call::new(server.admin, Method::GET, path).send().await.expect(200);
    }
    refused(&server.admin(Method::GET, "/nothing").send().await, 404, "ResourceNotFound", "");
    let reply = server.admin(Method::PUT, "/bots").send().await;
    refused(&reply, 405, "NotSupported", "PUT");
    assert_eq!(reply.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn a_bot_from_its_beginning_to_its_end() {
    let server = TestServer::start().await;
    let body = json!({
        "name": "new", "endpoint": ENDPOINT, "appId": true, "tenant": "t.example", "issuer": "https://i.example",
        "delivery": "queued", "credential": true, "outgoing": {"clientSecret": "canary~1"},
    });

    let added = server.admin(Method::POST, "/bots").json(&body).send().await.expect(201);

    let credential = added.text("credential");
    assert!(credential.starts_with("llb_"), "not told from a secret of a site");
    let bot = added.json()["bot"].clone();
    let app_id = bot["appId"].as_str().expect("an app id").to_owned();
    assert_eq!(app_id.len(), 36);
    let base = format!("http://{}", server.address);
    let expected = json!({
        "name": "new", "endpoint": ENDPOINT, "appId": app_id, "tenant": "t.example", "issuer": "https://i.example",
        "delivery": "queued", "credentials": [{"slot": 1, "created": bot["credentials"][0]["created"]}],
        "outgoing": {
            "tokenUrl": "https://login.microsoftonline.com/botframework.com/oauth2/v2.0/token",
            "scope": format!("{app_id}/.default"),
        },
        "serviceUrl": format!("{base}/connector/"), "baseUrl": base, "managedBy": "registry",
    });
    assert_eq!(bot, expected);
    assert!(!String::from_utf8_lossy(&added.body).contains("canary"));
    let get = async || server.admin(Method::GET, "/bots/new").send().await.expect(200).json()["bot"].clone();
    assert_eq!(get().await, expected);
    let listed = server.admin(Method::GET, "/bots").send().await.expect(200).json();
    assert_eq!(listed["bots"].as_array().map(Vec::len), Some(3));
    assert_eq!(listed["bots"][1], expected);

    let change = json!({"endpoint": "http://127.0.0.1:8/", "appId": "other", "tenant": null, "issuer": null, "delivery": null});
    let changed = server.admin(Method::PATCH, "/bots/new").json(&change).send().await.expect(200).json();
    assert_eq!(changed["bot"]["endpoint"], "http://127.0.0.1:8/");
    assert_eq!(changed["bot"]["appId"], "other");
    assert_eq!(changed["bot"]["tenant"], "botframework.com");
    assert_eq!(changed["bot"]["issuer"], "https://api.botframework.com");
    assert_eq!(changed["bot"]["delivery"], "wait");
    assert_eq!(changed["bot"]["outgoing"]["scope"], "other/.default", "it follows the app id");
    assert_eq!(changed["bot"]["credentials"], expected["credentials"], "what is absent stays");
    let change = json!({"outgoing": {"scope": "s"}});
    let changed = server.admin(Method::PATCH, "/bots/new").json(&change).send().await.expect(200).json();
    assert_eq!(changed["bot"]["outgoing"]["scope"], "s", "and the secret stays");
    // It was given for one address, and is not shown to another.
    let change = json!({"outgoing": {"tokenUrl": "http://127.0.0.1:9/"}});
    let reply = server.admin(Method::PATCH, "/bots/new").json(&change).send().await;
    refused(&reply, 400, "BadArgument", "outgoing.clientSecret");
    assert_eq!(get().await, changed["bot"]);
    let change = json!({"outgoing": {"tokenUrl": "http://127.0.0.1:9/", "clientSecret": "canary~2"}});
    let changed = server.admin(Method::PATCH, "/bots/new").json(&change).send().await.expect(200).json();
    assert_eq!(changed["bot"]["outgoing"], json!({"tokenUrl": "http://127.0.0.1:9/", "scope": "s"}));
    let change = json!({"outgoing": {"scope": null}});
    let changed = server.admin(Method::PATCH, "/bots/new").json(&change).send().await.expect(200).json();
    assert_eq!(changed["bot"]["outgoing"]["scope"], "other/.default", "null is the default");

    let second = server.admin(Method::POST, "/bots/new/credentials").send().await.expect(201);
    assert_eq!(second.json()["slot"], 2);
    let snapshot = server.directory.snapshot();
    let credentials = &snapshot.bots[&"new".parse().expect("a name")].credentials;
    assert!(credentials.accepts(&credential) && credentials.accepts(&second.text("credential")));
    server.clock.advance(std::time::Duration::from_secs(1));
    let third = server.admin(Method::POST, "/bots/new/credentials").send().await.expect(201);
    assert_eq!(third.json()["slot"], 1, "the older one goes");
    let snapshot = server.directory.snapshot();
    let credentials = &snapshot.bots[&"new".parse().expect("a name")].credentials;
    assert!(!credentials.accepts(&credential) && credentials.accepts(&third.text("credential")));
    server.admin(Method::DELETE, "/bots/new/credentials/2").send().await.expect(204);
    refused(
        &server.admin(Method::DELETE, "/bots/new/credentials/2").send().await,
        404,
        "ResourceNotFound",
        "no credential 2",
    );

    let null = json!({"appId": null});
    let reply = server.admin(Method::PATCH, "/bots/new").json(&null).send().await;
    refused(&reply, 400, "BadArgument", "landline bot credential remove new --slot 1");
    server.admin(Method::DELETE, "/bots/new/credentials/1").send().await.expect(204);
    let reply = server.admin(Method::PATCH, "/bots/new").json(&null).send().await;
    refused(&reply, 400, "BadArgument", "landline bot set new --anonymous --no-outgoing");
    let null = json!({"appId": null, "outgoing": null});
    let plain = server.admin(Method::PATCH, "/bots/new").json(&null).send().await.expect(200).json();
    assert!(plain["bot"].get("serviceUrl").is_none(), "it holds the capability: {plain}");
    server.admin(Method::DELETE, "/bots/new").send().await.expect(204);
    refused(&server.admin(Method::GET, "/bots/new").send().await, 404, "ResourceNotFound", "no bot new");
    refused(&server.admin(Method::DELETE, "/bots/new").send().await, 404, "ResourceNotFound", "no bot new");
}

#[tokio::test]
async fn a_site_from_its_beginning_to_its_end() {
    let server = TestServer::start().await;
    let body = json!({"name": "new", "bot": "main"});

    let added = server.admin(Method::POST, "/sites").json(&body).send().await.expect(201);

    let secret = added.text("secret");
    let site = added.json()["site"].clone();
    let expected = json!({
        "name": "new", "bot": "main", "tokenLifetime": "1h", "emptyWatermark": "history", "retention": "30d",
        "secrets": [{"slot": 1, "created": site["secrets"][0]["created"]}], "managedBy": "registry",
        "enhancedAuthentication": false, "trustedOrigins": [],
    });
    assert_eq!(site, expected);
    assert!(site["secrets"][0]["created"].as_str().is_some_and(|text| text.ends_with('Z')));
    assert_eq!(server.admin(Method::GET, "/sites/new").send().await.expect(200).json()["site"], expected);
    assert_eq!(server.admin(Method::GET, "/sites").send().await.expect(200).json()["sites"][1], expected);
    server.operator_with(&secret).token(&json!({})).await;

    let change = json!({"bot": "second", "tokenLifetime": "5m", "emptyWatermark": "new", "retention": "90d", "files": "conversation"});
    let changed = server.admin(Method::PATCH, "/sites/new").json(&change).send().await.expect(200).json();
    for (name, value) in change.as_object().expect("an object") {
        assert_eq!(changed["site"][name], *value);
    }
    assert_eq!(server.operator_with(&secret).generate(&json!({})).send().await.json()["expires_in"], 300);
    let change = json!({"tokenLifetime": null, "emptyWatermark": null, "retention": null, "files": null});
    let changed = server.admin(Method::PATCH, "/sites/new").json(&change).send().await.expect(200).json();
    assert!(changed["site"].get("files").is_none(), "the limits say it again");
    let set_back =
        json!({"bot": "second", "tokenLifetime": "1h", "emptyWatermark": "history", "retention": "30d"});
    for (name, value) in set_back.as_object().expect("an object") {
        assert_eq!(changed["site"][name], *value);
    }

    let reply = server.admin(Method::DELETE, "/sites/new/secrets/1").send().await;
    refused(&reply, 409, "Conflict", "last secret");
    server.clock.advance(std::time::Duration::from_secs(1));
    let second = server.admin(Method::POST, "/sites/new/secrets").send().await.expect(201);
    assert_eq!(second.json()["slot"], 2);
    server.operator_with(&second.text("secret")).token(&json!({})).await;
    server.operator_with(&secret).token(&json!({})).await;
    server.admin(Method::DELETE, "/sites/new/secrets/1").send().await.expect(204);
    server.operator_with(&secret).generate(&json!({})).send().await.refused(403, "BadArgument");
    server.operator_with(&second.text("secret")).token(&json!({})).await;

    server.admin(Method::DELETE, "/sites/new").send().await.expect(204);
    refused(&server.admin(Method::GET, "/sites/new").send().await, 404, "ResourceNotFound", "no site new");
}

#[tokio::test]
async fn what_stands_in_the_file_is_changed_there() {
    let server = TestServer::start().await;
    let bot = server.admin(Method::GET, "/bots/main").send().await.expect(200).json()["bot"].clone();
    assert_eq!(bot["managedBy"], "file");
    assert!(bot.get("serviceUrl").is_none() && bot.get("appId").is_none(), "{bot}");
    let site = server.admin(Method::GET, "/sites/default").send().await.expect(200).json()["site"].clone();
    assert_eq!(site["managedBy"], "file");
    assert_eq!(site["secrets"], json!([{"slot": 1}, {"slot": 2}]));
    for (method, path) in [
        (Method::PATCH, "/bots/main"),
        (Method::DELETE, "/bots/main"),
        (Method::POST, "/bots/main/credentials"),
        (Method::DELETE, "/bots/main/credentials/1"),
        (Method::PATCH, "/sites/default"),
        (Method::DELETE, "/sites/default"),
        (Method::POST, "/sites/default/secrets"),
        (Method::DELETE, "/sites/default/secrets/1"),
    ] {
        let reply = server.admin(method, path).send().await;
        refused(&reply, 409, "Conflict", "defined in the configuration file");
    }
    assert_eq!(server.admin(Method::GET, "/bots/main").send().await.json()["bot"], bot);
    assert_eq!(server.admin(Method::GET, "/sites/default").send().await.json()["site"], site);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let server = TestServer::start().await;
    let post = async |path: &str, body: &Value| server.admin(Method::POST, path).json(body).send().await;
    post("/bots", &json!({"name": "taken", "endpoint": ENDPOINT, "appId": "app"})).await.expect(201);
    post("/sites", &json!({"name": "taken", "bot": "taken"})).await.expect(201);
    let before = server.admin(Method::GET, "/bots").send().await.body;
    let sites_before = server.admin(Method::GET, "/sites").send().await.body;
    let bot = |extra: Value| {
        let mut body = json!({"name": "x", "endpoint": ENDPOINT});
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        body
    };

    for (path, body, status, code, words) in [
        ("/bots", json!({}), 400, "MissingProperty", "name"),
        ("/bots", json!({"name": "x"}), 400, "MissingProperty", "endpoint"),
        ("/bots", json!({"name": "a b", "endpoint": ENDPOINT}), 400, "BadArgument", "name"),
        ("/bots", json!({"name": 7, "endpoint": ENDPOINT}), 400, "BadArgument", "name: write a text"),
        ("/bots", bot(json!({"name": "taken"})), 409, "Conflict", "a bot taken already"),
        ("/bots", bot(json!({"name": "main"})), 409, "Conflict", "a bot main already"),
        ("/bots", bot(json!({"appId": "app"})), 409, "Conflict", "the bot taken has that app id"),
        ("/bots", bot(json!({"appId": false})), 400, "BadArgument", "appId: write a text, or true"),
        (
            "/bots",
            bot(json!({"endpoint": "http://169.254.169.254/"})),
            400,
            "BadArgument",
            "endpoint: its address",
        ),
        ("/bots", bot(json!({"endpoint": "ftp://x/"})), 400, "BadArgument", "http://"),
        ("/bots", bot(json!({"tenant": "a/b"})), 400, "BadArgument", "tenant: "),
        ("/bots", bot(json!({"issuer": "x"})), 400, "BadArgument", "issuer: "),
        ("/bots", bot(json!({"delivery": "later"})), 400, "BadArgument", "\"queued\""),
        ("/bots", bot(json!({"credential": true})), 400, "BadArgument", "set appId too"),
        (
            "/bots",
            bot(json!({"appId": "y", "credential": "canary"})),
            400,
            "BadArgument",
            "write true or false",
        ),
        ("/bots", bot(json!({"outgoing": {"clientSecret": "canary"}})), 400, "BadArgument", "set appId too"),
        (
            "/bots",
            bot(json!({"appId": "y", "outgoing": {}})),
            400,
            "BadArgument",
            "outgoing.clientSecret is missing",
        ),
        ("/bots", bot(json!({"appId": "y", "outgoing": 7})), 400, "BadArgument", "write an object"),
        (
            "/bots",
            bot(json!({"appId": "y", "outgoing": {"clientSecret": ["canary"]}})),
            400,
            "BadArgument",
            "outgoing.clientSecret: write a text",
        ),
        (
            "/bots",
            bot(json!({"appId": "y", "outgoing": {"clientSecret": "canary canary"}})),
            400,
            "BadArgument",
            "outgoing.clientSecret: ",
        ),
        (
            "/bots",
            bot(json!({"appId": "y", "outgoing": {"clientSecret": "canary", "url": 1}})),
            400,
            "BadArgument",
            "outgoing.url is not known here; known: tokenUrl, clientSecret, scope",
        ),
        (
            "/bots",
            bot(json!({"appID": "x"})),
            400,
            "BadArgument",
            "appID is not known here; known: name, endpoint",
        ),
        ("/sites", json!({"name": "x"}), 400, "MissingProperty", "bot"),
        ("/sites", json!({"bot": "main"}), 400, "MissingProperty", "name"),
        ("/sites", json!({"name": "x", "bot": "nobody"}), 400, "BadArgument", "no bot nobody"),
        ("/sites", json!({"name": "taken", "bot": "main"}), 409, "Conflict", "a site taken already"),
        ("/sites", json!({"name": "default", "bot": "main"}), 409, "Conflict", "a site default already"),
        (
            "/sites",
            json!({"name": "x", "bot": "main", "secret": "canary"}),
            400,
            "BadArgument",
            "secret is not known",
        ),
        (
            "/sites",
            json!({"name": "x", "bot": "main", "tokenLifetime": "0s"}),
            400,
            "BadArgument",
            "too short",
        ),
        (
            "/sites",
            json!({"name": "x", "bot": "main", "tokenLifetime": 60}),
            400,
            "BadArgument",
            "write a text",
        ),
        ("/sites", json!({"name": "x", "bot": "main", "retention": "1s"}), 400, "BadArgument", "too short"),
        (
            "/sites",
            json!({"name": "x", "bot": "main", "files": "1s"}),
            400,
            "BadArgument",
            "\"conversation\"",
        ),
        (
            "/sites",
            json!({"name": "x", "bot": "main", "emptyWatermark": "no"}),
            400,
            "BadArgument",
            "\"history\"",
        ),
        ("/sites/taken/secrets", json!({"secret": "canary"}), 400, "BadArgument", "known: none"),
        ("/sites/nobody/secrets", json!({}), 404, "ResourceNotFound", "no site nobody"),
        ("/bots/taken/credentials", json!({"credential": "canary"}), 400, "BadArgument", "known: none"),
        ("/bots/nobody/credentials", json!({}), 404, "ResourceNotFound", "no bot nobody"),
        ("/bots/taken/capability", json!({}), 409, "Conflict", "has an app id"),
        ("/bots/nobody/capability", json!({}), 404, "ResourceNotFound", "no bot nobody"),
    ] {
        let reply = post(path, &body).await;
        refused(&reply, status, code, words);
        assert!(!String::from_utf8_lossy(&reply.body).contains("canary"), "{body}");
    }
    let patch = async |path: &str, body: &Value| server.admin(Method::PATCH, path).json(body).send().await;
    for (path, body, status, code, words) in [
        ("/bots/taken", json!({"endpoint": null}), 400, "BadArgument", "endpoint"),
        ("/bots/taken", json!({"name": "other"}), 400, "BadArgument", "name is not known here"),
        ("/bots/taken", json!({"credential": true}), 400, "BadArgument", "credential is not known here"),
        ("/bots/nobody", json!({}), 404, "ResourceNotFound", "no bot nobody"),
        ("/bots/a%20b", json!({}), 404, "ResourceNotFound", ""),
        ("/sites/taken", json!({"bot": null}), 400, "BadArgument", "bot"),
        ("/sites/taken", json!({"bot": "nobody"}), 400, "BadArgument", "no bot nobody"),
        ("/sites/nobody", json!({}), 404, "ResourceNotFound", "no site nobody"),
    ] {
        refused(&patch(path, &body).await, status, code, words);
    }
    for (path, status, code, words) in [
        ("/bots/taken", 409, "Conflict", "is used by site taken"),
        ("/bots/taken/credentials/1", 404, "ResourceNotFound", "no credential 1"),
        ("/bots/taken/credentials/3", 404, "ResourceNotFound", "slots 1 and 2"),
        ("/sites/taken/secrets/2", 404, "ResourceNotFound", "no secret 2"),
        ("/sites/taken/secrets/x", 404, "ResourceNotFound", "slots 1 and 2"),
    ] {
        refused(&server.admin(Method::DELETE, path).send().await, status, code, words);
    }
    let body = |text: &str| server.admin(Method::POST, "/bots").json_text(text.to_owned());
    refused(&body("{").send().await, 400, "MalformedData", "no JSON");
    refused(&body("[]").send().await, 400, "MalformedData", "no object");
    refused(&body("\"canary\"").send().await, 400, "MalformedData", "no object");
    refused(&body(&" ".repeat(16 * 1024 + 1)).send().await, 413, "MessageSizeTooBig", "16384");
    let text = server.admin(Method::POST, "/bots").header("content-type", "text/plain").body("{}");
    refused(&text.send().await, 415, "NotSupported", "application/json");
    assert_eq!(server.admin(Method::GET, "/bots").send().await.body, before);
    assert_eq!(server.admin(Method::GET, "/sites").send().await.body, sites_before);
}
