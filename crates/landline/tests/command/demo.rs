//! `landline demo`, without a browser: the page, and a chat with its bot.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::{PATIENCE, Running, ask, get, json as parse, landline, pause, send};

fn demo(arguments: &[&str]) -> (Running, SocketAddr) {
    let mut running = Running::start(landline(&[&["demo", "--listen", "127.0.0.1:0"], arguments].concat()));
    running.wait_for("Pull the plug");
    let address = running.address_behind("Open this");
    (running, address)
}

struct Chat {
    address: SocketAddr,
    conversation: String,
    user: String,
    token: String,
}

impl Chat {
    /// As the page does it.
    fn open(address: SocketAddr, before: &Value) -> Self {
        let (status, token) = ask(address, "POST", "/demo/token", "", &before.to_string());
        assert_eq!(status, 200, "{token}");
        let token = parse(&token);
        let text = |name: &str| token[name].as_str().unwrap().to_owned();
        Self { address, conversation: text("conversationId"), user: text("userId"), token: text("token") }
    }

    fn start(address: SocketAddr) -> Self {
        let chat = Self::open(address, &json!({}));
        let (status, body) =
            ask(address, "POST", "/v3/directline/conversations", &chat.token, "{\"user\":{}}");
        assert_eq!(status, 201, "{body}");
        chat
    }

    fn path(&self) -> String {
        format!("/v3/directline/conversations/{}/activities", self.conversation)
    }

    fn send(&self, activity: &Value) {
        let (status, body) = ask(self.address, "POST", &self.path(), &self.token, &activity.to_string());
        assert_eq!(status, 200, "{body}");
    }

    fn say(&self, text: &str) {
        self.send(&json!({"type": "message", "text": text, "from": {"id": self.user}}));
    }

    fn activities(&self) -> Vec<Value> {
        let (status, body) = ask(self.address, "GET", &self.path(), &self.token, "");
        assert_eq!(status, 200, "{body}");
        parse(&body)["activities"].as_array().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        self.activities().iter().filter_map(|a| a["text"].as_str()).map(str::to_owned).collect()
    }

    #[track_caller]
    fn wait_for(&self, words: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.texts().iter().any(|text| text.contains(words)) {
            assert!(Instant::now() < end, "{words:?} is not in {:?}", self.texts());
            pause();
        }
    }
}

#[test]
fn the_bot_welcomes_echoes_and_shows_a_card() {
    let (_running, address) = demo(&[]);
    let chat = Chat::start(address);
    chat.wait_for("Hello, this is a bot");
    chat.say("one");
    chat.say("two");
    chat.say("card");
    chat.send(&json!({"type": "message", "value": {"name": "Ada"}, "from": {"id": chat.user}}));

    let texts = chat.texts();
    let echoes: Vec<_> = texts.iter().filter(|text| text.starts_with("You said")).collect();
    assert_eq!(echoes, ["You said: one", "You said: two"]);
    assert!(texts.iter().any(|text| text.contains("Ada")), "{texts:?}");
    let card = "application/vnd.microsoft.card.adaptive";
    assert!(chat.activities().iter().any(|a| a["attachments"][0]["contentType"] == card));
}

#[test]
fn a_killed_demo_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let (running, address) = demo(&["--data", &data]);
    let chat = Chat::start(address);
    chat.say("before");
    let texts = chat.texts();
    running.signal(Signal::KILL);
    drop(running);

    let (_running, address) = demo(&["--data", &data]);

    let known = json!({"conversationId": chat.conversation, "userId": chat.user});
    let again = Chat::open(address, &known);
    assert_eq!((&again.conversation, &again.user), (&chat.conversation, &chat.user));
    assert_eq!(again.texts(), texts);
    again.say("after");
    assert_eq!(again.texts().last().unwrap(), "You said: after");
    let gone = json!({"conversationId": "AAAAAAAAAAAAAAAAAAAAAA", "userId": "dl_1"});
    assert_eq!(ask(address, "POST", "/demo/token", "", &gone.to_string()).0, 404);
}

#[test]
fn the_page_asks_nobody_else_for_anything() {
    let (_running, address) = demo(&[]);
    let (status, page) = get(address, "/");
    assert_eq!(status, 200);
    for path in ["/demo/page.css", "/demo/page.js"] {
        let (status, text) = get(address, path);
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another place");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    // The bundle is there if npm has brought it; if not, the page says what to run.
    let (status, _) = get(address, "/demo/webchat.js");
    assert!(status == 200 || page.contains("cargo xtask demo"), "{page}");
}

/// S36.
#[test]
fn nobody_puts_a_frame_around_the_page() {
    let (_running, address) = demo(&[]);
    for path in ["/", "/demo/page.js"] {
        let mut stream = TcpStream::connect(address).unwrap();
        send(&mut stream, "GET", path, "", "");
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).unwrap();
        let policy = answer.lines().find(|line| line.starts_with("content-security-policy: "));
        assert!(policy.is_some_and(|policy| policy.contains("frame-ancestors 'none'")), "{answer}");
    }
}

#[test]
fn the_bot_answers_to_this_server_alone() {
    let (_running, address) = demo(&[]);
    let outside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    outside.set_nonblocking(true).unwrap();
    let forged = json!({
        "type": "message", "text": "hello", "id": "c|0000001", "conversation": {"id": "c"},
        "serviceUrl": format!("http://{}/connector/x/", outside.local_addr().unwrap())
    });
    assert_eq!(ask(address, "POST", "/demo/bot/messages", "", &forged.to_string()).0, 403);
    assert!(outside.accept().is_err(), "it was called");
}

#[test]
fn temporary_data_is_gone_afterwards_and_kept_data_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = landline(&["demo", "--listen", "127.0.0.1:0"]);
    command.env("TMPDIR", folder.path());
    let mut running = Running::start(command);
    running.wait_for("Pull the plug");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    running.signal(Signal::TERM);
    assert_eq!(running.ended().code, Some(0));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
