//! Credentials that are absent, garbled, altered, too old, or of somebody else (S01 to S07, S09 to S12).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use landline_testkit::in_process::keys::FOREIGN;
use landline_testkit::in_process::{OTHER_SECRET, SECOND_SECRET, SECRET, TestServer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::World;
use super::raw::{Answer, Ask, Line};
use crate::forge;

/// Every route of the client API that wants a credential: method and path.
pub(super) fn doors(conversation: &str) -> Vec<(&'static str, String)> {
    let base = format!("/v3/directline/conversations/{conversation}");
    vec![
        ("POST", "/v3/directline/tokens/generate".into()),
        ("POST", "/v3/directline/tokens/refresh".into()),
        ("POST", "/v3/directline/conversations".into()),
        ("GET", base.clone()),
        ("GET", format!("{base}/activities")),
        ("POST", format!("{base}/activities")),
        ("POST", format!("{base}/upload?userId=ann")),
    ]
}

/// Shows a credential at every door; gives the answers.
async fn everywhere(world: &World, credential: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (method, path) in doors(&world.ann.conversation) {
        let ask = Ask::new(method, &path).bearer(credential).json(r#"{"type":"message","text":"in"}"#);
        answers.push(ask.send(world.server.address).await);
    }
    answers
}

#[track_caller]
fn all_refused(answers: &[Answer], status: u16, code: &str, what: &str) {
    for answer in answers {
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn s01_without_a_credential_no_door_opens() {
    let world = World::start().await;
    for (method, path) in doors(&world.ann.conversation) {
        let answer = Ask::new(method, &path).send(world.server.address).await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".into()), "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
    }
    world.nothing_happened().await;
}

#[tokio::test]
async fn s02_what_is_no_bearer_token_opens_no_door() {
    let world = World::start().await;
    let token = &world.ann.token;
    let headers: Vec<Vec<Vec<u8>>> = vec![
        vec![vec![]],
        vec![b"Bearer".to_vec()],
        vec![b"Bearer ".to_vec()],
        vec![b"Bearer\t".to_vec()],
        vec![token.clone().into_bytes()],
        vec![format!("Basic {token}").into_bytes()],
        vec![format!("Basic {}", URL_SAFE_NO_PAD.encode(format!("x:{SECRET}"))).into_bytes()],
        vec![format!("Digest {token}").into_bytes()],
        vec![format!("Bearer:{token}").into_bytes()],
        vec![format!("Bearer={token}").into_bytes()],
        vec![format!("Bearer{token}").into_bytes()],
        vec![format!("Bearer {token} {token}").into_bytes()],
        vec![format!("Bearer {token}, Bearer {token}").into_bytes()],
        vec![[b"Bearer ", token.as_bytes(), b"\xff"].concat()],
        vec![format!("Bearer {token}"), format!("Bearer {token}")].into_iter().map(Into::into).collect(),
        vec![format!("Bearer {token}").into_bytes(), vec![]],
        vec![b"Bearer x".to_vec(), format!("Bearer {SECRET}").into_bytes()],
        vec![format!("Bearer {}", "x".repeat(9000)).into_bytes()],
    ];
    for (method, path) in doors(&world.ann.conversation) {
        for values in &headers {
            let ask =
                values.iter().fold(Ask::new(method, &path), |ask, value| ask.header("authorization", value));
            let answer = ask.send(world.server.address).await;
            assert_eq!(answer.refusal(), (401, "Unauthorized".into()), "{method} {path} {values:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.text().contains(&**token));
        }
        // It does not come as far as a handler.
        let huge = Ask::new(method, &path).bearer(&"x".repeat(64 * 1024)).send(world.server.address).await;
        assert_eq!(huge.status, 431, "{method} {path}");
    }
    world.nothing_happened().await;
}

/// What is unknown and what is forged looks the same, so that neither can be found by looking for the other.
#[tokio::test]
async fn s03_an_unknown_secret_gets_the_answer_of_a_forged_token() {
    let world = World::start().await;
    let token = &world.ann.token;
    let forged = format!("{}{}", &token[..token.len() - 1], if token.ends_with('A') { "B" } else { "A" });
    let expected: Vec<Answer> =
        everywhere(&world, &forged).await.iter().map(Answer::without_its_id).collect();
    all_refused(&expected, 403, "BadArgument", "a forged token");
    for unknown in [
        "x".to_owned(),
        "no-secret-of-anybody-0123456789abcdefgh".to_owned(),
        format!("{SECRET}x"),
        SECRET[1..].to_owned(),
        SECRET.to_uppercase(),
        format!("{SECRET}{SECOND_SECRET}"),
        "lls_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        "e30.e30.e30".to_owned(),
        "s".repeat(8000),
    ] {
        let answers = everywhere(&world, &unknown).await;
        for (answer, expected) in answers.iter().zip(&expected) {
            assert_eq!(&answer.without_its_id(), expected, "{}", &unknown[..unknown.len().min(60)]);
        }
    }
    world.nothing_happened().await;
}

#[tokio::test]
async fn s04_a_token_with_any_bit_changed_opens_nothing() {
    let world = World::start().await;
    let path = world.ann.path("/activities");
    let token = world.ann.token.as_bytes();
    let expected = Ask::get(&path).bearer("unknown").send(world.server.address).await.without_its_id();
    let mut line = Line::open(world.server.address).await;
    let mut tried = 0;
    for bit in 0..token.len() * 8 {
        let mut changed = token.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let letter = changed[bit / 8];
        let ask = Ask::get(&path).header("authorization", [b"Bearer ".as_slice(), &changed].concat());
        if letter.is_ascii_alphanumeric() || b"-_.".contains(&letter) {
            line.write(&ask.bytes()).await;
            assert_eq!(line.answer("GET").await.without_its_id(), expected, "bit {bit}");
            tried += 1;
        } else {
            // It may be no header any more, and end the line.
            let answer = ask.send(world.server.address).await;
            assert!(matches!(answer.status, 400 | 401 | 403), "bit {bit}: {answer:?}");
        }
    }
    assert!(tried > token.len() * 3, "{tried} of {}", token.len() * 8);
}

/// The parts of a token as the server issues it.
fn parts(token: &str) -> (Value, Value) {
    let part = |which: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(which).expect("a part")).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    (part(0), part(1))
}

#[tokio::test]
async fn s05_no_other_algorithm_and_no_other_key_makes_a_token() {
    let world = World::start().await;
    let keys = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys.json", keys.local_addr().expect("an address"));
    let (header, claims) = parts(&world.ann.token);
    let with = |name: &str, value: Value| forge::with(&header, name, value);
    let mut forged = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"] {
        let header = with("alg", json!(alg));
        forged.push(forge::unsigned(&header, &claims));
        forged.push(forge::signed(&header, &claims, 0));
        for public in forge::public_spellings(0) {
            forged.push(forge::hmac_signed(&header, &claims, &public));
        }
        // With the signature of the true one.
        let unsigned = forge::unsigned(&header, &claims);
        if alg != "HS256" {
            let signature = world.ann.token.rsplit('.').next().expect("a signature");
            forged.push(format!("{unsigned}{signature}"));
        }
    }
    let identity = forge::header(0)["kid"].clone();
    for kid in [identity, json!(""), json!("../../../dev/null"), json!("' OR 1=1 --"), json!(0), Value::Null]
    {
        let header = with("kid", kid);
        forged
            .extend([b"".as_slice(), b"\0", b"secret"].map(|key| forge::hmac_signed(&header, &claims, key)));
        forged.push(forge::signed(&with("alg", json!("RS256")), &claims, 0));
    }
    for name in ["jku", "x5u"] {
        let header = with(name, json!(url));
        forged.push(forge::hmac_signed(&header, &claims, b"secret"));
        forged.push(forge::signed(&forge::with(&header, "alg", json!("RS256")), &claims, FOREIGN));
    }
    for (name, value) in [
        ("jwk", forge::jwk(FOREIGN)),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
    ] {
        forged.push(forge::signed(&forge::with(&with("alg", json!("RS256")), name, value), &claims, FOREIGN));
    }
    assert!(forged.len() > 150, "{}", forged.len());
    let path = world.ann.path("/activities");
    let connector = format!("/connector/v3/conversations/{}/activities", world.ann.conversation);
    let mut line = Line::open(world.server.address).await;
    for token in &forged {
        line.write(&Ask::get(&path).bearer(token).bytes()).await;
        line.answer("GET").await.refused(403, "BadArgument");
        line.write(&Ask::post(&connector).bearer(token).json("{}").bytes()).await;
        line.answer("POST").await.refused(401, "Unauthorized");
    }
    let asked = timeout(Duration::from_millis(200), keys.accept()).await;
    assert!(asked.is_err(), "a key was fetched from where a token said");
    world.nothing_happened().await;
}

#[tokio::test]
async fn s06_an_expired_token_is_403_at_every_door() {
    let world = World::start().await;
    world.server.clock.advance(Duration::from_millis(3_599_999));
    world.ann.poll("").await.expect(200);
    world.server.clock.advance(Duration::from_millis(1));
    let answers = everywhere(&world, &world.ann.token).await;
    all_refused(&answers, 403, "TokenExpired", "expired");
    assert!(answers.iter().all(|answer| answer.header("www-authenticate").is_none()));
    // Long ago, too.
    world.server.clock.advance(Duration::from_secs(10 * 365 * 86_400));
    all_refused(&everywhere(&world, &world.ann.token).await, 403, "TokenExpired", "long ago");
    world.nothing_happened().await;
}

#[tokio::test]
async fn s07_a_token_of_the_future_opens_nothing() {
    let world = World::start().await;
    world.server.clock.set_back(Duration::from_secs(60));
    world.ann.poll("").await.expect(200);
    world.server.clock.set_back(Duration::from_secs(1));
    all_refused(&everywhere(&world, &world.ann.token).await, 403, "BadArgument", "not yet valid");
    world.server.clock.set_back(Duration::from_secs(20 * 365 * 86_400));
    all_refused(&everywhere(&world, &world.ann.token).await, 403, "BadArgument", "decades too early");
    world.server.clock.advance(Duration::from_secs(20 * 365 * 86_400 + 61));
    world.nothing_happened().await;
}

#[tokio::test]
async fn s09_a_token_of_another_site_or_another_server_opens_nothing() {
    let world = World::start().await;
    let eve = &world.eve.token;
    for (method, path) in
        doors(&world.ann.conversation).into_iter().filter(|(_, path)| path.contains("/conversations/"))
    {
        let ask = Ask::new(method, &path).bearer(eve).json(r#"{"type":"message","text":"in"}"#);
        ask.send(world.server.address).await.refused(403, "BadArgument");
    }
    // Another server with the same sites and secrets has other keys.
    let other = TestServer::builder().seed(99).start().await;
    let stranger = other.operator().person("ann").await;
    other.operator().token(&json!({})).await;
    let expected = everywhere(&world, "unknown").await;
    for token in [&stranger.token, &other.operator().token(&json!({"user": {"id": "ann"}})).await] {
        for (answer, expected) in everywhere(&world, token).await.iter().zip(&expected) {
            assert_eq!(answer.without_its_id(), expected.without_its_id());
        }
    }
    let ticket = stranger.stream_url.split_once("t=").expect("a ticket").1;
    let path = format!("{}?t={ticket}", world.ann.path("/stream"));
    Ask::upgrade(path).send(world.server.address).await.refused(403, "BadArgument");
    world.nothing_happened().await;
}

#[tokio::test]
async fn s10_an_expired_token_is_not_refreshed() {
    let world = World::start().await;
    let refresh = Ask::post("/v3/directline/tokens/refresh").bearer(&world.ann.token);
    world.server.clock.advance(Duration::from_secs(3599));
    refresh.send(world.server.address).await.expect(200);
    world.server.clock.advance(Duration::from_secs(1));
    refresh.send(world.server.address).await.refused(403, "TokenExpired");
    // Nor by coming back to the conversation.
    Ask::get(world.ann.path(""))
        .bearer(&world.ann.token)
        .send(world.server.address)
        .await
        .refused(403, "TokenExpired");
}

#[tokio::test]
async fn s11_a_refresh_changes_the_time_and_nothing_else() {
    let world = World::start().await;
    let body = json!({"user": {"id": "ann", "name": "Ann"}, "trustedOrigins": ["https://home.example"]});
    let mut token = world.server.operator().token(&body).await;
    let (_, first) = parts(&token);
    // What a client says with the refresh is not listened to.
    let wish = r#"{"user":{"id":"eve"},"trustedOrigins":[],"conversationId":"other","expires_in":999999}"#;
    for round in 1..=5_i64 {
        world.server.clock.advance(Duration::from_secs(1800));
        let refresh = Ask::post("/v3/directline/tokens/refresh").bearer(&token).json(wish);
        let answer = refresh.send(world.server.address).await.expect(200);
        token = answer.json()["token"].as_str().expect("a token").to_owned();
        let (_, mut now) = parts(&token);
        assert_eq!(now["exp"].as_i64(), first["exp"].as_i64().map(|exp| exp + 1800 * round));
        for changes in ["exp", "nbf", "jti"] {
            assert_ne!(now[changes], first[changes], "{changes}");
            now[changes] = first[changes].clone();
        }
        assert_eq!(now, first);
    }
}

/// A token that was stolen is kept alive for as long as the operator allows, and no longer.
#[tokio::test]
async fn s11_no_refresh_goes_beyond_the_age_that_the_operator_sets() {
    let day = Duration::from_secs(86_400);
    let builder = TestServer::builder().configure(|config| {
        config.limits.server.token_max_age = Duration::from_secs(86_400);
        config.sites[0].token_lifetime = Duration::from_secs(40_000);
    });
    let world = World::of(builder.start().await).await;
    let (server, mut token) = (&world.server, world.ann.token.clone());
    let expected = [40_000, 40_000, 40_000, 26_400, 6400];
    for (round, expected) in expected.into_iter().enumerate() {
        // By a refresh, and by coming back.
        let again = match round % 2 {
            0 => Ask::post("/v3/directline/tokens/refresh"),
            _ => Ask::get(world.ann.path("")),
        };
        let answer = again.bearer(&token).send(server.address).await.expect(200).json();
        assert_eq!(answer["expires_in"], expected, "round {round}");
        token = answer["token"].as_str().expect("a token").to_owned();
        let (_, claims) = parts(&token);
        let life = claims["exp"].as_i64().zip(claims["nbf"].as_i64()).map(|(end, begin)| end - begin);
        assert_eq!(life, Some(expected));
        server.clock.advance(Duration::from_secs(20_000));
    }
    // All of them are over; a new one is as good as ever.
    for old in [&world.ann.token, &token] {
        all_refused(&everywhere(&world, old).await, 403, "TokenExpired", "too old");
    }
    let fresh = server.operator().token(&json!({"conversationId": world.ann.conversation})).await;
    Ask::get(world.ann.path("/activities")).bearer(&fresh).send(server.address).await.expect(200);

    // It counts for tokens that were issued before it was set, too.
    let server = server.restarted_as(|config| config.limits.server.token_max_age = day / 2).await;
    server.clock.advance(day / 2);
    let refresh = Ask::post("/v3/directline/tokens/refresh").bearer(&fresh);
    refresh.send(server.address).await.refused(403, "TokenExpired");
}

#[tokio::test]
async fn s12_a_secret_that_was_rotated_away_opens_nothing_at_once_and_the_other_goes_on() {
    let world = World::start().await;
    let server = &world.server;
    let site =
        server.admin(Method::POST, "/sites").json(&json!({"name": "shop", "bot": "main"})).send().await;
    let first = site.expect(201).text("secret");
    let second = server.admin(Method::POST, "/sites/shop/secrets").send().await.expect(201).text("secret");
    let generate = |secret: &str| Ask::post("/v3/directline/tokens/generate").bearer(secret);
    // On a line that is open already, too.
    let mut line = Line::open(server.address).await;
    let mut token = String::new();
    for secret in [&first, &second] {
        line.write(&generate(secret).bytes()).await;
        token = line.answer("POST").await.expect(200).json()["token"].as_str().expect("a token").to_owned();
    }

    server.admin(Method::DELETE, "/sites/shop/secrets/1").send().await.expect(204);

    line.write(&generate(&first).bytes()).await;
    let refused = line.answer("POST").await;
    let unknown = generate("unknown").send(server.address).await;
    assert_eq!(refused.without_its_id(), unknown.without_its_id());
    assert_eq!(refused.refusal(), (403, "BadArgument".to_owned()));
    line.write(&generate(&second).bytes()).await;
    line.answer("POST").await.expect(200);
    // And other sites notice nothing.
    generate(OTHER_SECRET).send(server.address).await.expect(200);
    let refresh = Ask::post("/v3/directline/tokens/refresh").bearer(&token);
    refresh.send(server.address).await.expect(200);
}
