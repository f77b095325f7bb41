//! What a bot with an app id is shown with each activity, and where it finds the keys for it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_testkit::bad_bot::{BadBot, Way};
use landline_testkit::in_process::TestServer;
use serde_json::{Value, json};

const APP_ID: &str = "11111111-2222-3333-4444-555555555555";

async fn world() -> (TestServer, BadBot) {
    let bot = BadBot::start().await.expect("a bot");
    let server = TestServer::builder()
        .http_bot(&bot.endpoint())
        .configure(|config| config.bots[0].app_id = Some(APP_ID.into()))
        .start()
        .await;
    (server, bot)
}

/// The token of the last request, taken apart, and the activity.
fn last(bot: &BadBot) -> (Value, Value, Value) {
    let request = bot.last_request();
    let (head, body) = request.split_once("\r\n\r\n").expect("a request");
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let token = lines.find_map(|(name, value)| {
        name.eq_ignore_ascii_case("authorization").then(|| value.strip_prefix("Bearer "))?
    });
    let part = |number| {
        let text = token.expect("a token").split('.').nth(number).expect("three parts");
        let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    (part(0), part(1), serde_json::from_str(body).expect("an activity"))
}

#[tokio::test]
async fn a_token_names_the_bot_and_the_service_url_and_its_key_is_published() {
    let (server, bot) = world().await;
    let ann = server.person("ann").await;
    ann.say("hello").await;

    let (head, claims, activity) = last(&bot);

    assert_eq!(claims["aud"], APP_ID);
    assert_eq!(claims["iss"], "https://api.botframework.com");
    assert_eq!(claims["serviceurl"], activity["serviceUrl"], "byte for byte");
    assert_eq!(activity["serviceUrl"], format!("http://{}/connector/", server.address));
    for name in ["appid", "azp", "ver"] {
        assert!(claims.get(name).is_none(), "{name} changes whom the bot takes the caller for");
    }
    let published = server.get("/v1/.well-known/keys").send().await.expect(200).json();
    let keys = published["keys"].as_array().expect("keys");
    assert!(keys.iter().any(|key| key["kid"] == head["kid"]), "{head} is not in {published}");
}

#[tokio::test]
async fn what_the_bot_is_shown_opens_nothing_here() {
    let (server, bot) = world().await;
    let ann = server.person("ann").await;
    ann.say("hello").await;
    let request = bot.last_request();
    let token = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).expect("one");
    let path = format!("/connector/v3/conversations/{}/activities", ann.conversation);
    let hello = json!({"type": "message", "text": "in"});
    assert_eq!(server.post(&path).bearer(token).json(&hello).send().await.status, 401);
    assert_eq!(ann.texts().await, ["hello"]);
}

#[tokio::test]
async fn a_streaming_bot_is_shown_its_token_too() {
    let (server, bot) = world().await;
    let ann = server.person("ann").await;
    bot.set_way(Way::Events(1));
    let question = json!({"type": "message", "text": "q", "from": {"id": "ann"}, "deliveryMode": "stream"});
    ann.send(&question).send().await.expect(200);
    assert_eq!(last(&bot).1["aud"], APP_ID);
    let request = bot.last_request();
    assert!(request.contains("accept: text/event-stream, application/json\r\n"), "{request}");
}
