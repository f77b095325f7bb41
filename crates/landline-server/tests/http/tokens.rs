//! Tokens: who gets one, what it opens, for how long, from which pages.

use std::time::Duration;

use hyper::Method;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{OTHER_SECRET, SECOND_SECRET, SECRET, Socket, TestServer, message, start};
use serde_json::{Value, json};

const GENERATE: &str = "/v3/directline/tokens/generate";
const REFRESH: &str = "/v3/directline/tokens/refresh";
const HOME: &str = "https://home.example";

/// What the stock client reads out of a token, without a key.
fn payload(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).expect("a JWT has three parts");
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64url"))
        .expect("JSON")
}

#[tokio::test]
async fn a_token_opens_a_conversation_that_is_not_started_by_it() {
    let server = TestServer::start().await;

    let reply =
        server.operator().generate(&json!({"user": {"id": "dl_1", "name": "Ann"}})).send().await.expect(200);

    let json = reply.json();
    let conversation = reply.text("conversationId");
    assert_eq!(json["expires_in"], 3600);
    assert!(
        conversation.len() == 22 && conversation.bytes().all(|b| b.is_ascii_alphanumeric()),
        "{conversation}"
    );
    let claims = payload(&reply.text("token"));
    assert_eq!(claims["user"], "dl_1");
    assert_eq!(claims["conv"], conversation.as_str());
    for claim in ["bot", "site", "nbf", "exp", "iss", "aud", "jti", "oat"] {
        assert!(!claims[claim].is_null(), "{claim} is not in {claims}");
    }
    let poll = server.get(&format!("/v3/directline/conversations/{conversation}/activities"));
    poll.bearer(&reply.text("token")).send().await.refused(404, "ResourceNotFound");
    assert!(server.bot.taken().is_empty(), "the bot hears nothing of a token");
}

#[tokio::test]
async fn bodies_of_generate() {
    let server = TestServer::start().await;
    let check = async |body: &str, user: Value| {
        let call = server.post(GENERATE).bearer(SECRET).json_text(body.to_owned());
        let reply = call.send().await.expect(200);
        assert_eq!(payload(&reply.text("token"))["user"], user, "{body}");
    };
    check("", Value::Null).await;
    check("{}", Value::Null).await;
    check("null", Value::Null).await;
    check(r#"{"user":null}"#, Value::Null).await;
    check(r#"{"User":{"Id":"dl_1"}}"#, json!("dl_1")).await;
    check(r#"{"USER":{"ID":"dl_1","NAME":"x"},"ETAG":"*","eTag2":7}"#, json!("dl_1")).await;
    check(r#"{"user":{"id":"Ünï|cødé"},"unknown":[1,2]}"#, json!("Ünï|cødé")).await;
    for (body, status, code) in [
        (r#"{"user":{}}"#, 400, "MissingProperty"),
        (r#"{"user":{"id":""}}"#, 400, "MissingProperty"),
        (r#"{"user":"ann"}"#, 400, "BadArgument"),
        (r#"{"user":{"id":7}}"#, 400, "BadArgument"),
        (r#"{"user":{"id":"a\u0000b"}}"#, 400, "BadArgument"),
        (r#"{"trustedOrigins":"https://a.example"}"#, 400, "BadArgument"),
        (r#"{"trustedOrigins":["a.example"]}"#, 400, "BadArgument"),
        (r#"{"trustedOrigins":["https://a.example/chat"]}"#, 400, "BadArgument"),
        (r#"{"conversationId":"../x"}"#, 400, "BadArgument"),
        (r#"{"conversationId":7}"#, 400, "BadArgument"),
        ("[]", 400, "MalformedData"),
        ("{", 400, "MalformedData"),
        ("\"x\"", 400, "MalformedData"),
    ] {
        let reply = server.post(GENERATE).bearer(SECRET).json_text(body).send().await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{body}: {:?}", reply.body);
    }
    let many: Vec<String> = (0..32).map(|n| format!("https://{}.example{n:02}", "o".repeat(230))).collect();
    let reply = server.operator().generate(&json!({"trustedOrigins": many})).send().await;
    reply.refused(400, "BadArgument");
}

#[tokio::test]
async fn both_secrets_of_a_site_are_good_and_a_token_is_not_one() {
    let server = TestServer::start().await;
    for secret in [SECRET, SECOND_SECRET] {
        server.post(GENERATE).bearer(secret).send().await.expect(200);
        start(server.address, secret).send().await.expect(201);
    }
    for wrong in [&SECRET[1..], &format!("{SECRET}x"), &SECRET.to_uppercase()] {
        server.post(GENERATE).bearer(wrong).send().await.refused(403, "BadArgument");
    }
    let token = server.operator().token(&json!({})).await;
    server.post(GENERATE).bearer(&token).send().await.refused(403, "BadArgument");
}

#[tokio::test]
async fn a_token_for_a_conversation_that_exists() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    ann.say("before").await;

    let body = json!({"conversationId": ann.conversation, "user": {"id": "bob"}});
    let reply = server.operator().generate(&body).send().await.expect(200);

    assert_eq!(reply.text("conversationId"), ann.conversation);
    let bob = reply.text("token");
    let again = start(server.address, &bob).send().await.expect(200);
    assert_eq!(again.text("conversationId"), ann.conversation);
    let sent =
        server.post(&ann.path("/activities")).bearer(&bob).json(&message("ann", "me too")).send().await;
    sent.expect(200);
    let history = ann.history().await;
    assert_eq!(history[0]["from"]["id"], "ann");
    assert_eq!(history[1]["from"]["id"], "bob", "the user in the token wins");

    let never = json!({"conversationId": "neverWas0123456789abcd"});
    server.operator().generate(&never).send().await.refused(404, "ResourceNotFound");
    server.other_operator().generate(&body).send().await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn refresh_keeps_everything_but_the_time() {
    let server = TestServer::start().await;
    let body = json!({"user": {"id": "dl_1", "name": "Ann"}, "trustedOrigins": [HOME]});
    let first = server.operator().generate(&body).send().await.expect(200);
    let mut token = first.text("token");
    for _ in 0..3 {
        server.clock.advance(Duration::from_secs(3000));
        let reply = server.post(REFRESH).bearer(&token).send().await.expect(200);
        assert_eq!(reply.text("conversationId"), first.text("conversationId"));
        assert_eq!(reply.json()["expires_in"], 3600);
        let (old, new) = (payload(&token), payload(&reply.text("token")));
        for same in ["user", "name", "origins", "conv", "site", "bot", "oat"] {
            assert_eq!(old[same], new[same], "{same}");
        }
        assert_ne!(old["jti"], new["jti"]);
        assert!(new["exp"].as_i64() > old["exp"].as_i64());
        token = reply.text("token");
    }
    let elsewhere = server.post(REFRESH).bearer(&token).origin("https://evil.example").send().await;
    elsewhere.refused(403, "BadArgument");
}

#[tokio::test]
async fn an_expired_token_is_403_everywhere_and_a_secret_is_not_refreshed() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    server.post(REFRESH).bearer(SECRET).send().await.refused(403, "BadArgument");

    server.clock.advance(Duration::from_secs(3600));

    let calls = [
        server.post(REFRESH).bearer(&ann.token),
        server.post(GENERATE).bearer(&ann.token),
        start(server.address, &ann.token),
        ann.call(Method::GET, ""),
        ann.call(Method::GET, "/activities"),
        ann.send(&message("ann", "late")),
    ];
    for call in calls {
        call.send().await.refused(403, "TokenExpired");
    }
}

#[tokio::test]
async fn the_life_of_a_token_is_the_site_s_choice() {
    let server = TestServer::builder()
        .configure(|config| config.sites[0].token_lifetime = Duration::from_secs(60))
        .start()
        .await;
    let ann = server.person("ann").await;
    assert_eq!(ann.call(Method::GET, "").send().await.expect(200).json()["expires_in"], 60);
    server.clock.advance(Duration::from_secs(59));
    ann.say("in time").await;
    server.clock.advance(Duration::from_secs(1));
    ann.poll("").await.refused(403, "TokenExpired");
}

#[tokio::test]
async fn trusted_origins_hold_on_every_call_and_on_the_socket() {
    let server = TestServer::start().await;
    let body = json!({"user": {"id": "ann"}, "trustedOrigins": [HOME, "https://second.example"]});
    let token = server.operator().token(&body).await;
    let started = start(server.address, &token).origin(HOME).send().await.expect(201);
    let (token, conversation) = (started.text("token"), started.text("conversationId"));
    let path = |rest: &str| format!("/v3/directline/conversations/{conversation}{rest}");
    let check = async |origin: Option<&str>, allowed: bool| {
        let calls = [
            server.post(REFRESH),
            server.post("/v3/directline/conversations"),
            server.get(&path("")),
            server.get(&path("/activities")),
            server.post(&path("/activities")).json(&json!({"type": "event", "name": "x"})),
        ];
        for call in calls {
            let call = call.bearer(&token);
            let reply = match origin {
                Some(origin) => call.origin(origin).send().await,
                None => call.send().await,
            };
            match allowed {
                true => drop(reply.expect(200)),
                false => drop(reply.refused(403, "BadArgument")),
            }
        }
        let url = server.get(&path("")).bearer(&token).send().await.expect(200).text("streamUrl");
        let opening =
            origin.map_or_else(Opening::default, |origin| Opening::default().header("origin", origin));
        match opening.open(&url).await {
            Ok(_) => assert!(allowed, "{origin:?} opened a socket"),
            Err(reply) => {
                assert!(!allowed, "{origin:?}: {reply:?}");
                assert_eq!(reply.refusal(), (403, "BadArgument".to_owned()));
            }
        }
    };
    check(Some(HOME), true).await;
    check(Some("https://second.example"), true).await;
    check(None, true).await;
    for evil in ["https://evil.example", "http://home.example", "https://home.example.evil", "null", ""] {
        check(Some(evil), false).await;
    }
}

#[tokio::test]
async fn origins_named_at_the_start_are_in_the_token_that_comes_back() {
    let server = TestServer::start().await;
    let body = json!({"user": {"id": "ann"}, "TrustedOrigins": [HOME]});
    let started = start(server.address, SECRET).json(&body).send().await.expect(201);
    let token = started.text("token");
    let refresh = |origin: &'static str| server.post(REFRESH).bearer(&token).origin(origin).send();
    refresh(HOME).await.expect(200);
    refresh("https://evil.example").await.refused(403, "BadArgument");
    let url = started.text("streamUrl");
    assert!(Opening::default().header("origin", "https://evil.example").open(&url).await.is_err());
}

#[tokio::test]
async fn a_token_opens_one_conversation_and_a_secret_one_site() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    ann.say("private").await;
    for rest in ["", "/activities"] {
        let as_bob = server.get(&ann.path(rest)).bearer(&bob.token).send().await;
        as_bob.refused(403, "BadArgument");
        server.get(&ann.path(rest)).bearer(SECRET).send().await.expect(200);
        server.get(&ann.path(rest)).bearer(OTHER_SECRET).send().await.refused(404, "ResourceNotFound");
    }
    let send = |credential: &str| {
        server.post(&ann.path("/activities")).bearer(credential).json(&message("x", "in")).send()
    };
    send(&bob.token).await.refused(403, "BadArgument");
    send(OTHER_SECRET).await.refused(404, "ResourceNotFound");
    assert_eq!(ann.texts().await, ["private"]);
}

#[tokio::test]
async fn the_user_of_the_token_wins_and_without_one_the_client_is_asked() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    ann.send(&json!({"type": "message", "text": "1", "from": {"id": "eve", "name": "Eve", "x": 1}}))
        .send()
        .await
        .expect(200);
    ann.send(&json!({"type": "message", "text": "2"})).send().await.expect(200);
    let history = ann.history().await;
    assert_eq!(history[0]["from"], json!({"id": "ann", "name": "Eve", "x": 1, "role": "user"}));
    assert_eq!(history[1]["from"], json!({"id": "ann", "role": "user"}));
    let at_the_bot = server.bot.taken();
    let first = at_the_bot.iter().find(|a| a["text"] == "1").expect("the bot got it");
    assert_eq!(first["from"]["id"], "ann");

    let nobody = start(server.address, &server.operator().token(&json!({})).await).send().await.expect(201);
    let path = format!("/v3/directline/conversations/{}/activities", nobody.text("conversationId"));
    let send = |body: Value| server.post(&path).bearer(&nobody.text("token")).json(&body).send();
    send(json!({"type": "message", "text": "?"})).await.refused(400, "MissingProperty");
    send(json!({"type": "message", "from": {"id": ""}})).await.refused(400, "MissingProperty");
    send(json!({"type": "message", "from": {"id": "main"}})).await.refused(400, "BadArgument");
    send(message("carl", "hello")).await.expect(200);
}

#[tokio::test]
async fn a_token_of_one_kind_is_never_good_as_another() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let ticket = ann.stream_url.split("t=").nth(1).expect("a ticket").to_owned();
    server.post(REFRESH).bearer(&ticket).send().await.refused(403, "BadArgument");
    server.get(&ann.path("/activities")).bearer(&ticket).send().await.refused(403, "BadArgument");
    let as_ticket = ann.stream_url.replace(&ticket, &ann.token);
    let refused = Opening::default().open(&as_ticket).await.expect_err("a token opens no socket");
    assert_eq!(refused.refusal(), (403, "BadArgument".to_owned()));
    let _ = Socket::open(&ann.stream_url).await;
}
