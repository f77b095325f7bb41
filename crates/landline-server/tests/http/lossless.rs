//! What one side sends, the other side gets, byte for byte: unknown properties, order, the spelling of numbers.

use landline_testkit::bot::{Bot, Mode};
use landline_testkit::in_process::{Person, TestServer};

/// Everything that a careless server would change. The server's own properties come first, so that they have a place.
const BODY: &str = r#""text":"\u00fc\n\u0000 \"q\" \\ / \/","n":[1.0,1.50,1e3,-0,-0.0,1E+2,12345678901234567890123,0.1e-7,100000000000000000000.000],"z":1,"a":{"b":{"y":2,"x":[ ],"w":{ }}, "c" :null},"emoji":"😀\ud83d\ude00","empty":"","":"nameless","ключ":"значение","channelData":{"clientTimestamp":"2026-01-01T00:00:00.000+02:00","big":9007199254740993,"nested":[[[[[1]]]]]},"entities":[{"type":"x","p":0.10}],"attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{"$schema":"http://a","version":"1.5","body":[{"type":"TextBlock","text":"hi","size":1.00}]}}],"suggestedActions":{"actions":[{"type":"imBack","title":"a","value":1.0}]},"value":{"b":1,"a":2},"true":true"#;

/// The text between what the server may write at the beginning and at the end.
#[track_caller]
fn assert_kept(json: &str) {
    assert!(json.contains(BODY), "what was sent is not in {json}");
}

async fn raw_history(ann: &Person) -> String {
    String::from_utf8(ann.poll("").await.expect(200).body.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn from_a_client_to_clients_and_to_the_bot_and_from_the_bot_to_clients() {
    let bot = RawBot::start().await;
    let server = TestServer::builder().http_bot(&bot.endpoint).start().await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    let sent = format!(r#"{{"type":"message",{BODY},"from":{{"id":"ann","x":1.0}}}}"#);

    ann.call(hyper::Method::POST, "/activities").json_text(sent.clone()).send().await.expect(200);

    assert_kept(&raw_history(&ann).await);
    let landline_testkit::in_process::Frame::Set(_, frame) = stream.next().await else { panic!("no set") };
    assert_kept(&frame);
    let at_the_bot = bot.bodies().into_iter().find(|body| body.contains("nameless")).expect("the bot got it");
    assert_kept(&at_the_bot);
    assert!(at_the_bot.contains(r#""from":{"id":"ann","x":1.0,"role":"user"}"#), "{at_the_bot}");

    // The bot sends back the very bytes that it got.
    let path = server.bot_actor().path(&ann.conversation, "/activities");
    server.post(&path).json_text(at_the_bot).send().await.expect(200);
    let landline_testkit::in_process::Frame::Set(_, frame) = stream.next().await else { panic!("no set") };
    assert_kept(&frame);
    assert_eq!(raw_history(&ann).await.matches(BODY).count(), 2);
}

#[tokio::test]
async fn from_the_answer_of_the_bot() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let answer = format!(r#"{{"activities":[{{"type":"message",{BODY}}}]}}"#);
    server.bot.then([landline_testkit::domain::Behaviour::Answer(200, answer)]);
    let question = r#"{"type":"message","text":"q","deliveryMode":"expectReplies"}"#;
    ann.call(hyper::Method::POST, "/activities").json_text(question).send().await.expect(200);
    assert_kept(&raw_history(&ann).await);
}

#[tokio::test]
async fn through_the_embedded_store() {
    let server = TestServer::builder().embedded().start().await;
    let ann = server.person("ann").await;
    // Pushes the one looked at out of memory.
    ann.call(hyper::Method::POST, "/activities")
        .json_text(format!(r#"{{"type":"message",{BODY}}}"#))
        .send()
        .await
        .expect(200);
    for _ in 0..70 {
        server.bot_actor().say(&ann.conversation, &"x".repeat(2000)).await;
    }
    assert_kept(&raw_history(&ann).await);
}

#[tokio::test]
async fn an_echo_bot_over_http() {
    let bot = Bot::start(Mode::Echo).await.expect("a bot");
    let server = TestServer::builder().http_bot(&bot.endpoint()).start().await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    let id = ann.say("hello").await;
    let texts = stream.texts(2).await;
    assert_eq!(texts[0], "hello");
    assert!(texts[1].ends_with("of hello"), "{texts:?}");
    assert_eq!(ann.history().await[1]["replyToId"], id.as_str());
}

/// A bot that keeps the bytes of what it got.
struct RawBot {
    endpoint: String,
    bodies: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl RawBot {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}/api/messages", listener.local_addr().expect("an address"));
        let bodies = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let kept = bodies.clone();
        let router = axum::Router::new().route(
            "/api/messages",
            axum::routing::post(async move |body: String| kept.lock().expect("no panic").push(body)),
        );
        #[expect(clippy::disallowed_methods, reason = "a bot of a test ends with it")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, bodies }
    }

    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("no panic").clone()
    }
}
