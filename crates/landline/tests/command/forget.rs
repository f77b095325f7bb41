//! `landline conversation` against a running server, and what is left on its disk of a conversation that was deleted.

use std::path::Path;

use serde_json::Value;

use crate::manage::{Server, word};
use crate::process::{ask, json};

// Not to be compressed, so each stands in the files as it is.
const SAID: &str = "M3tXk9VwRc5BhNy7QjZp0LsDf2GuTe8A";
const IN_FILE: &str = "q7Zr0LxYbC4vTn2KpWm8JdGs6HfUa1Eo";
const USER: &str = "Zp4Hq1WsXe7RdCt5VgBy8NhUj2MkIo0L";
const KEPT: &str = "a7Kf3PqZ9xWm2LsVt6YbRc1NdGh8UeJ5";

/// A site with a conversation of its own for each user.
struct Site {
    server: Server,
    secret: String,
}

impl Site {
    fn start() -> Self {
        let server = Server::start();
        // Who sends does not wait for this bot, which is not there.
        server.works("bot add echo --endpoint http://127.0.0.1:9/api/messages --delivery queued");
        let secret = word(&server.works("site add shop --bot echo --files conversation"), "lls_");
        Self { server, secret }
    }

    fn post(&self, path: &str, body: &str) -> Value {
        let path = format!("/v3/directline/conversations{path}");
        let (status, answer) = ask(self.server.public(), "POST", &path, &self.secret, body);
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        json(&answer)
    }

    /// A conversation in which a user has said something and sent a file; its id.
    fn conversation(&self, user: &str, said: &str, file: &str) -> String {
        let started = self.post("", &format!(r#"{{"user":{{"id":"{user}","name":"{user}"}}}}"#));
        let id = started["conversationId"].as_str().unwrap().to_owned();
        let message = format!(r#"{{"type":"message","from":{{"id":"{user}"}},"text":"{said}"}}"#);
        self.post(&format!("/{id}/activities"), &message);
        self.post(&format!("/{id}/upload?userId={user}"), file);
        id
    }

    /// The files of the data folder in which a text stands, or in the name of which.
    fn holding(&self, text: &str) -> Vec<String> {
        holding(Path::new(&self.server.data), text.as_bytes())
    }
}

fn holding(folder: &Path, text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().as_encoded_bytes().windows(text.len()).any(|window| window == text) {
            found.push(path.display().to_string());
        }
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn nothing_of_a_deleted_conversation_is_left_on_the_disk() {
    let site = Site::start();
    let gone = site.conversation(USER, SAID, IN_FILE);
    let kept = site.conversation("bob", KEPT, KEPT);
    for text in [SAID, IN_FILE, USER] {
        assert!(!site.holding(text).is_empty(), "{text} is not to be found anyway");
    }

    site.server.works(&format!("conversation delete {gone}"));

    assert_eq!(site.holding(IN_FILE), [""; 0], "files go at once");
    let said = site.server.works("conversation purge");
    assert!(said.contains("in no file of the data folder"), "{said}");
    for text in [SAID, IN_FILE, USER] {
        assert_eq!(site.holding(text), [""; 0]);
    }
    assert!(site.holding(&gone).is_empty(), "nor its name");
    assert!(site.holding(KEPT).len() >= 2, "others are not touched");
    let polled = format!("/v3/directline/conversations/{kept}/activities");
    let (_, history) = ask(site.server.public(), "GET", &polled, &site.secret, "");
    assert!(history.contains(KEPT), "{history}");
}

#[test]
fn conversations_are_listed_shown_and_deleted_without_what_was_said() {
    let site = Site::start();
    let id = site.conversation("ann", SAID, IN_FILE);

    let (list, shown) = (
        site.server.works("conversation list --site shop"),
        site.server.works(&format!("conversation show {id}")),
    );

    assert!(list.contains(&id) && list.contains("shop"), "{list}");
    assert!(shown.contains("members        2") && shown.contains("(32 bytes, "), "{shown}");
    assert!(shown.contains("until the conversation ends"), "{shown}");
    assert!(!list.contains(SAID) && !shown.contains(SAID));
    let listed = json(&site.server.works("conversation list --json --bot echo"));
    assert_eq!(listed["conversations"][0]["id"], id.as_str());
    assert_eq!(listed["conversations"][0]["files"], 1);
    assert_eq!(
        json(&site.server.works(&format!("conversation show {id} --json")))["conversation"]["files"][0]["size"],
        32
    );

    let said = site.server.works(&format!("conversation delete {id} --purge"));
    assert!(said.contains(&format!("Deleted conversation {id}")) && said.contains("Purged"), "{said}");
    for command in ["show", "delete"] {
        let said = site.server.fails(&format!("conversation {command} {id}"), 1);
        assert!(said.contains("no such conversation") && said.contains("conversation list"), "{said}");
    }
    assert_eq!(site.server.works("conversation list"), "There is none\n");
}
