//! What a client says of itself and of what only the server says (S21 to S23), and text that means something elsewhere
//! (S54, S55).

use hyper::Method;
use landline_testkit::in_process::{Person, SECRET, TestServer, message};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::World;
use super::raw::Ask;

/// Sends a body as it is; gives what the conversation and the bot have of it.
async fn said(server: &TestServer, ann: &Person, body: &str) -> (Value, Value) {
    let ask = Ask::post(ann.path("/activities")).bearer(&ann.token).json(body);
    let sent = ask.send(server.address).await;
    assert_eq!(sent.status, 200, "{body}: {}", sent.text());
    let id = sent.json()["id"].clone();
    let kept = ann.history().await.into_iter().find(|said| said["id"] == id);
    let at_the_bot = server.bot.taken().into_iter().find(|said| said["id"] == id);
    (kept.expect("it is kept"), at_the_bot.expect("the bot has it"))
}

/// As a reader that ignores case and takes the last of several: the SDKs for .NET.
fn careless(object: &Value, name: &str) -> Value {
    let object = object.as_object().expect("an object");
    object
        .iter()
        .filter(|(known, _)| known.to_lowercase() == name.to_lowercase())
        .map(|(_, value)| value.clone())
        .next_back()
        .unwrap_or_default()
}

/// What only the server says, whoever reads it.
#[track_caller]
fn says_what_the_server_says(seen: &Value, ann: &Person, from: &str, by_bot: bool, body: &str) {
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let id = text(careless(seen, "id"));
    assert_eq!(id, seen["id"], "{body}");
    assert!(id.starts_with(&format!("{}|", ann.conversation)), "{body}: {seen}");
    assert!(text(careless(seen, "timestamp")).starts_with("2026-09-21T"), "{body}: {seen}");
    assert_eq!(careless(seen, "channelId"), "directline", "{body}");
    assert_eq!(careless(&careless(seen, "conversation"), "id"), ann.conversation.as_str(), "{body}");
    let speaker = careless(seen, "from");
    assert_eq!(careless(&speaker, "id"), from, "{body}: {seen}");
    assert_eq!(careless(&speaker, "role"), "user", "{body}: {seen}");
    if by_bot {
        assert_eq!(
            careless(seen, "recipient"),
            json!({"id": "main", "name": "main", "role": "bot"}),
            "{body}"
        );
        assert!(text(careless(seen, "serviceUrl")).starts_with("http://127.0.0.1:"), "{body}: {seen}");
    } else {
        assert_eq!(careless(seen, "serviceUrl"), Value::Null, "{body}: {seen}");
    }
}

/// A name in some case of its letters.
fn spelled(name: &'static str) -> impl Strategy<Value = String> {
    let cases = proptest::collection::vec(any::<bool>(), name.len());
    let any_case = cases.prop_map(move |cases| {
        let letters = name.chars().zip(cases);
        letters.map(|(letter, up)| if up { letter.to_ascii_uppercase() } else { letter }).collect()
    });
    prop_oneof![Just(name.to_owned()), any_case]
}

/// What somebody may claim of it.
fn claim(name: &'static str) -> BoxedStrategy<Value> {
    match name {
        "from" | "recipient" | "conversation" => {
            let within = (spelled("id"), spelled("role"), spelled("name"), any::<bool>());
            let text = prop_oneof![Just("eve"), Just("main"), Just(""), Just("system")];
            (within, text)
                .prop_map(|((id, role, name, both), text)| {
                    let mut object = json!({});
                    object[&id] = text.into();
                    object[&role] = "bot".into();
                    object[&name] = "Eve".into();
                    if both {
                        object["id"] = "eve".into();
                    }
                    object
                })
                .boxed()
        }
        _ => prop_oneof![
            Just(json!("evil")),
            Just(json!("http://evil.example/")),
            Just(json!("1970-01-01T00:00:00Z")),
            Just(json!("")),
            Just(Value::Null)
        ]
        .boxed(),
    }
}

/// An activity that claims some of it, in some order, as JSON text: an object of serde would hold each name once.
fn forgery() -> impl Strategy<Value = String> {
    const NAMES: [&str; 8] =
        ["id", "timestamp", "channelId", "serviceUrl", "conversation", "from", "recipient", "replyToId"];
    let one = proptest::sample::select(&NAMES[..]).prop_flat_map(|name| (spelled(name), claim(name)));
    proptest::collection::vec(one, 1..10).prop_map(|claims| {
        let mut text = String::from(r#"{"type":"message","text":"x""#);
        let mut names = std::collections::HashSet::new();
        for (name, value) in claims {
            // Twice in the same spelling is refused.
            if names.insert(name.clone()) {
                text.push_str(&format!(",{}:{value}", json!(name)));
            }
        }
        text + "}"
    })
}

#[tokio::test]
async fn s21_what_only_the_server_says_no_client_says() {
    let world = World::start().await;
    // Always the same ones.
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[21; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut bodies: Vec<String> =
        (0..300).map(|_| forgery().new_tree(&mut runner).expect("a body").current()).collect();
    bodies.push(
        r#"{"type":"message","from":{"id":"ann","Id":"eve","\u0049D":"eve"},"FROM":{"id":"eve"}}"#.to_owned(),
    );
    bodies.push(
        r#"{"type":"message","serviceURL":"http://evil.example/","\u0053erviceUrl":"http://evil.example/"}"#
            .to_owned(),
    );
    for body in &bodies {
        let (kept, at_the_bot) = said(&world.server, &world.ann, body).await;
        says_what_the_server_says(&kept, &world.ann, "ann", false, body);
        says_what_the_server_says(&at_the_bot, &world.ann, "ann", true, body);
    }
}

#[tokio::test]
async fn s22_the_user_of_the_token_speaks_whoever_the_body_names() {
    let world = World::start().await;
    let forged = [
        json!({"id": "eve"}),
        json!({"id": "eve", "name": "Eve", "role": "user", "aadObjectId": "0"}),
        json!({"Id": "eve"}),
        json!({"id": "ANN"}),
        json!({"id": "ann "}),
        json!({"id": ""}),
        json!({}),
        Value::Null,
    ];
    for from in forged {
        let body = json!({"type": "message", "text": "x", "from": from}).to_string();
        let (kept, at_the_bot) = said(&world.server, &world.ann, &body).await;
        says_what_the_server_says(&kept, &world.ann, "ann", false, &body);
        says_what_the_server_says(&at_the_bot, &world.ann, "ann", true, &body);
    }
    // Nor by the query of an upload, nor in its activity.
    let upload = world.ann.call(Method::POST, "/upload?userId=eve").header("content-type", "text/plain");
    let id = upload.body("file").send().await.expect(200).text("id");
    let newest = world.ann.history().await.pop().expect("an activity");
    assert_eq!((&newest["id"], &newest["from"]["id"]), (&json!(id), &json!("ann")));
}

#[tokio::test]
async fn s23_no_client_speaks_as_the_bot_or_for_the_service() {
    let world = World::start().await;
    let (server, ann) = (&world.server, &world.ann);
    // Whoever holds the secret says who speaks, but not that the bot does.
    let send = |body: Value| {
        let ask = Ask::post(ann.path("/activities")).bearer(SECRET).json(body.to_string());
        async move { ask.send(server.address).await }
    };
    for id in ["main", "MAIN", "Main", " main", "main "] {
        let answer = send(json!({"type": "message", "from": {"id": id}, "text": "x"})).await;
        if answer.status == 200 {
            // Another name is somebody else, and no bot.
            let newest = ann.history().await.pop().expect("an activity");
            assert_ne!(newest["from"]["id"], "main");
            assert_eq!(newest["from"]["role"], "user", "{id:?}");
        } else {
            answer.refused(400, "BadArgument");
        }
    }
    assert_eq!(send(message("main", "x")).await.refusal(), (400, "BadArgument".to_owned()));
    for role in ["bot", "BOT", "system", "agent", "skill", ""] {
        let body = json!({"type": "message", "from": {"id": "ann", "role": role, "Role": role}});
        let (kept, at_the_bot) = said(server, ann, &body.to_string()).await;
        for seen in [kept, at_the_bot] {
            assert_eq!(careless(&careless(&seen, "from"), "role"), "user", "{role:?}: {seen}");
        }
    }
    // What the service alone says, in every spelling that a bot might take for it.
    for kind in [
        "conversationUpdate",
        "ConversationUpdate",
        "CONVERSATIONUPDATE",
        &format!("conversationUpdate/{}", "x".repeat(10_000)),
        "contactRelationUpdate",
        "ContactRelationUpdate",
    ] {
        let ask = Ask::post(ann.path("/activities")).bearer(&ann.token);
        let body = json!({"type": kind, "membersAdded": [{"id": "eve"}]}).to_string();
        let refused = ask.json(body).send(server.address).await.refused(400, "BadArgument");
        assert!(refused.body.len() < 1000, "the answer is no echo: {} bytes", refused.body.len());
    }
    let body = r#"{"type":"message","Type":"conversationUpdate","TYPE":"invoke","text":"x"}"#;
    let (kept, at_the_bot) = said(server, ann, body).await;
    for seen in [kept, at_the_bot] {
        assert_eq!(careless(&seen, "type"), "message", "{seen}");
    }
    // Nor does a token speak for the bot.
    let of_bot = server.operator().generate(&json!({"user": {"id": "main"}})).send().await;
    if of_bot.status == 200 {
        let ask = Ask::post("/v3/directline/conversations").bearer(&of_bot.text("token"));
        let started = ask.send(server.address).await;
        if started.status == 201 {
            let path = format!(
                "/v3/directline/conversations/{}/activities",
                started.json()["conversationId"].as_str().unwrap_or_default()
            );
            let ask = Ask::post(path).bearer(&of_bot.text("token")).json(r#"{"type":"message","text":"x"}"#);
            ask.send(server.address).await.refused(400, "BadArgument");
        }
    }
}

#[tokio::test]
async fn s54_odd_characters_are_kept_and_come_back_as_they_were() {
    let world = World::start().await;
    let bell_and_more: String =
        (1..32_u32).filter_map(char::from_u32).chain(['\u{7f}', '\u{85}', '\u{9b}']).collect();
    for text in [
        "\n2026-01-01T00:00:00Z ERROR forged\r\n\x1b[31mred\x1b[0m",
        "\u{202e}txt.exe\u{2066}\u{2069}\u{200f}\u{feff}",
        "\u{0}",
        &bell_and_more,
        "zalgo \u{0301}\u{0301}\u{0301}\u{0301}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{10ffff} \u{fffe}",
        "\u{2028}\u{2029}</script>",
    ] {
        let (kept, at_the_bot) = said(&world.server, &world.ann, &message("ann", text).to_string()).await;
        assert_eq!((&kept["text"], &at_the_bot["text"]), (&json!(text), &json!(text)));
    }
    // A name of a megabyte is no name; one that is long is cut off at the door.
    let huge = json!({"user": {"id": "x".repeat(200_000)}}).to_string();
    let generate = |body: String| Ask::post("/v3/directline/tokens/generate").bearer(SECRET).json(body);
    generate(huge).send(world.server.address).await.refused(400, "BadArgument");
    let megabyte = json!({"user": {"id": "x", "name": "x".repeat(1_000_000)}}).to_string();
    generate(megabyte).send(world.server.address).await.refused(413, "MessageSizeTooBig");
    for name in ["a\nb", "a\u{1b}[31m", "a\u{0}"] {
        let body = json!({"user": {"id": name}}).to_string();
        generate(body).send(world.server.address).await.refused(400, "BadArgument");
    }
}

#[tokio::test]
async fn s55_names_of_prototypes_and_html_are_text_and_nothing_more() {
    let world = World::start().await;
    let body = r#"{"type":"message","text":"<script>alert(1)</script><img src=x onerror=alert(1)>","__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"channelData":{"__proto__":[1.50],"toString":"x"},"hasOwnProperty":1}"#;
    let ask = Ask::post(world.ann.path("/activities")).bearer(&world.ann.token).json(body);
    ask.send(world.server.address).await.expect(200);
    let poll = Ask::get(world.ann.path("/activities")).bearer(&world.ann.token);
    let answer = poll.send(world.server.address).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    for part in [
        r#""__proto__":{"admin":true},"constructor":{"prototype":{"x":1}}"#,
        r#""channelData":{"__proto__":[1.50],"toString":"x"},"hasOwnProperty":1"#,
        r#""text":"<script>alert(1)</script><img src=x onerror=alert(1)>""#,
    ] {
        assert!(answer.text().contains(part), "{part} is not in {}", answer.text());
    }
    let taken = world.server.bot.taken();
    assert!(taken.iter().any(|said| said["__proto__"] == json!({"admin": true})), "{taken:?}");
    // What is refused does not come back as a page either.
    for path in ["/<script>alert(1)</script>", "/v3/directline/conversations/%3Cscript%3E/activities"] {
        let answer = Ask::get(path).bearer("<script>").send(world.server.address).await;
        assert!(matches!(answer.status, 400..=404), "{answer:?}");
        assert!(!answer.text().contains("script>"), "{}", answer.text());
        assert!(
            answer.header("content-type").is_none_or(|kind| kind.starts_with("application/json")),
            "{answer:?}"
        );
    }
}
