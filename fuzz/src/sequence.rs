//! Sequences of calls by clients and bots, also over restarts and while time goes on, against a model of a few lines.

use arbitrary::{Arbitrary, Unstructured};
use axum::body::Body;
use http::{Method, StatusCode};
use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::BOT;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

use crate::Target;
use crate::server::{Person, Server, check_answer, run as run_server};

pub(crate) const TARGET: Target = Target {
    name: "sequence",
    longest: 1024,
    share: 4,
    claim: "whatever clients and bots do, in whatever order, and however often the server is started again: a reader that \
            comes from any of its watermarks gets what the model says, in its order, each once; a repeat of a send is the same \
            send; what is deleted is gone; nobody gets into another's conversation; a token ends in its time",
    run,
};

const MOST_CALLS: usize = 40;
const MOST_PEOPLE: usize = 3;
/// Of a token. Source: docs/protocol.md.
const TOKEN_LIFE: i64 = 3600;

#[derive(Arbitrary, Debug)]
enum Call {
    Start,
    /// Sends a text, maybe under a name that was used before.
    Send {
        by: u8,
        key: Option<u8>,
    },
    Typing {
        by: u8,
    },
    Upload {
        by: u8,
        files: u8,
    },
    /// Reads on from one of the watermarks that this person holds.
    Poll {
        by: u8,
        from: u8,
    },
    Reconnect {
        by: u8,
    },
    Refresh {
        by: u8,
    },
    /// With the token of somebody else.
    Intrude {
        by: u8,
        into: u8,
    },
    BotSay {
        to: u8,
        reply: bool,
    },
    BotUpdate {
        to: u8,
        which: u8,
    },
    BotDelete {
        to: u8,
        which: u8,
    },
    /// Whether the bot takes what it gets.
    BotIsWell(bool),
    Restart,
    Pass {
        minutes: u8,
    },
}

/// A conversation and its one client, as they should be.
struct Model {
    person: Person,
    log: Vec<Entry>,
    /// What a client may go on from: the watermark, and how much of the log lies before it.
    watermarks: Vec<(String, usize)>,
    sent: HashMap<u8, usize>,
    expires: i64,
}

enum Entry {
    Said {
        id: String,
        text: String,
        by_bot: bool,
    },
    /// Replaces what stands there; `None` is a deletion.
    Change {
        root: usize,
        text: Option<String>,
    },
}

struct World {
    server: Server,
    people: Vec<Model>,
    said: u32,
    seconds: i64,
    bot_is_well: bool,
}

fn run(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let mut calls = Vec::new();
    while calls.len() < MOST_CALLS && !from.is_empty() {
        let Ok(call) = Call::arbitrary(&mut from) else { break };
        calls.push(call);
    }
    run_server(async {
        let server = Server::start().await;
        let mut world = World { server, people: Vec::new(), said: 0, seconds: 0, bot_is_well: true };
        world.start().await;
        for call in calls {
            world = world.step(call).await;
        }
        world.read_all().await;
    });
}

impl World {
    fn at(&self, by: u8) -> usize {
        usize::from(by) % self.people.len()
    }

    fn new_text(&mut self) -> String {
        self.said += 1;
        format!("text {}", self.said)
    }

    async fn start(&mut self) {
        if self.people.len() < MOST_PEOPLE {
            let person = self.server.person(&format!("user{}", self.people.len())).await;
            let watermarks = vec![("0".to_owned(), 0), ("-".to_owned(), 0)];
            let expires = self.seconds + TOKEN_LIFE;
            self.people.push(Model { person, log: Vec::new(), watermarks, sent: HashMap::new(), expires });
        }
    }

    async fn step(mut self, call: Call) -> Self {
        match call {
            Call::Start => self.start().await,
            Call::Send { by, key } => self.send(by, key).await,
            Call::Typing { by } => {
                let who = &self.people[self.at(by)];
                let typing = json!({"type": "typing", "from": {"id": who.person.user}});
                let path = who.person.path("/activities");
                let answer = self.server.json(Method::POST, &path, Some(&who.person.token), &typing).await;
                self.expect_of(by, &answer, &[200, 502, 504]);
            }
            Call::Upload { by, files } => self.upload(by, usize::from(files % 3)).await,
            Call::Poll { by, from } => self.poll(by, from).await,
            Call::Reconnect { by } => self.reconnect(by).await,
            Call::Refresh { by } => self.refresh(by).await,
            Call::Intrude { by, into } => self.intrude(by, into).await,
            Call::BotSay { to, reply } => self.bot_say(to, reply).await,
            Call::BotUpdate { to, which } => self.bot_change(to, which, true).await,
            Call::BotDelete { to, which } => self.bot_change(to, which, false).await,
            Call::BotIsWell(well) => {
                self.bot_is_well = well;
                let status = if well { 200 } else { 500 };
                self.server.bot.always(BOT, Behaviour::Answer(status, String::new()));
            }
            Call::Restart => self.server = self.server.restarted().await,
            Call::Pass { minutes } => {
                let minutes = i64::from(minutes % 16);
                self.seconds += 60 * minutes;
                self.server.clock.advance(Duration::from_secs(60 * minutes.unsigned_abs()));
            }
        }
        self
    }

    /// One of these, or, once the token's time is over, that.
    fn expect_of(&self, by: u8, answer: &crate::server::Answer, allowed: &[u16]) -> bool {
        check_answer(answer.status.as_u16(), &answer.headers, &answer.body);
        let who = &self.people[self.at(by)];
        if self.seconds >= who.expires {
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert_eq!(answer.json()["error"]["code"], "TokenExpired");
            return false;
        }
        assert!(allowed.contains(&answer.status.as_u16()), "{answer:?}");
        true
    }

    async fn send(&mut self, by: u8, key: Option<u8>) {
        let key = key.map(|key| key % 8);
        let (which, text) = (self.at(by), self.new_text());
        let who = &self.people[which];
        let mut message = json!({"type": "message", "from": {"id": who.person.user}, "text": text});
        if let Some(key) = key {
            message["channelData"] = json!({"clientActivityID": format!("key{key}")});
        }
        let path = who.person.path("/activities");
        let answer = self.server.json(Method::POST, &path, Some(&who.person.token), &message).await;
        if !self.expect_of(by, &answer, &[200, 502]) {
            return;
        }
        let who = &mut self.people[which];
        if let Some(before) = key.and_then(|key| who.sent.get(&key)) {
            // The same send: it is told how that went, or that it is there.
            if answer.status == StatusCode::OK {
                let Entry::Said { id, .. } = &who.log[*before] else { panic!("a send") };
                assert_eq!(*id, answer.text("id"));
            }
            return;
        }
        assert_eq!(answer.status == StatusCode::OK, self.bot_is_well, "{answer:?}");
        who.sent.extend(key.map(|key| (key, who.log.len())));
        self.log(which, text, false, answer.text("id")).await;
    }

    /// Notes what was said; where the sender was not told its id, it is what is shown last.
    async fn log(&mut self, which: usize, text: String, by_bot: bool, mut id: String) {
        if id.is_empty() {
            let shown = self.server.history(&self.people[which].person).await.unwrap_or_default();
            let ours = shown.iter().filter(|activity| activity["text"] == *text).next_back();
            id = ours.expect("a message that a bot refuses is logged")["id"]
                .as_str()
                .expect("an id")
                .to_owned();
        }
        let log = &mut self.people[which].log;
        let known = |entry: &Entry| matches!(entry, Entry::Said { id: other, .. } if *other == id);
        assert!(!log.iter().any(known), "an id that was given before");
        log.push(Entry::Said { id, text, by_bot });
    }

    async fn upload(&mut self, by: u8, files: usize) {
        let (which, text) = (self.at(by), self.new_text());
        let who = &self.people[which];
        let activity = json!({"type": "message", "from": {"id": who.person.user}, "text": text});
        let mut form =
            format!("--b\r\ncontent-type: application/vnd.microsoft.activity\r\n\r\n{activity}\r\n");
        for file in 0..files {
            form += &format!(
                "--b\r\ncontent-disposition: form-data; name=file; filename={file}.txt\r\n\r\n{text}\r\n"
            );
        }
        form += "--b--\r\n";
        let (path, kind) = (who.person.path("/upload"), "multipart/form-data; boundary=b");
        let answer =
            self.server.call(Method::POST, &path, Some(&who.person.token), Body::from(form), kind).await;
        if self.expect_of(by, &answer, &[200, 502]) {
            assert_eq!(answer.status == StatusCode::OK, self.bot_is_well, "{answer:?}");
            self.log(which, text, false, answer.text("id")).await;
        }
    }

    async fn poll(&mut self, by: u8, from: u8) {
        let which = self.at(by);
        let who = &self.people[which];
        let (watermark, seen) = who.watermarks[usize::from(from) % who.watermarks.len()].clone();
        let path = who.person.path(&format!("/activities?watermark={watermark}"));
        let answer = self.server.get(&path, &who.person.token).await;
        if self.expect_of(by, &answer, &[200]) {
            let who = &mut self.people[which];
            assert_eq!(shown(&answer.json()), who.expected(seen), "behind {watermark}");
            who.watermarks.push((answer.text("watermark"), who.log.len()));
        }
    }

    async fn reconnect(&mut self, by: u8) {
        let which = self.at(by);
        let who = &self.people[which];
        let answer = self.server.get(&who.person.path("?watermark=0"), &who.person.token).await;
        if self.expect_of(by, &answer, &[200]) {
            assert_eq!(answer.text("conversationId"), who.person.conversation);
            self.people[which].person.token = answer.text("token");
            self.people[which].expires = self.seconds + TOKEN_LIFE;
        }
    }

    async fn refresh(&mut self, by: u8) {
        let which = self.at(by);
        let path = "/v3/directline/tokens/refresh";
        let token = self.people[which].person.token.clone();
        let answer = self.server.call(Method::POST, path, Some(&token), Body::empty(), "").await;
        if self.expect_of(by, &answer, &[200]) {
            self.people[which].person.token = answer.text("token");
            self.people[which].expires = self.seconds + TOKEN_LIFE;
        }
    }

    async fn intrude(&mut self, by: u8, into: u8) {
        let (who, whose) = (self.at(by), self.at(into));
        if who != whose {
            let path = self.people[whose].person.path("/activities?watermark=0");
            let answer = self.server.get(&path, &self.people[who].person.token).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
        }
    }

    async fn bot_say(&mut self, to: u8, reply: bool) {
        let (which, text) = (self.at(to), self.new_text());
        let who = &self.people[which];
        let message = json!({"type": "message", "text": text});
        let to_what = who.log.iter().rev().find_map(|entry| match entry {
            Entry::Said { id, .. } if reply => Some(format!("/{}", id.replace('|', "%7C"))),
            _ => None,
        });
        let path = self.bot_path(which, &format!("/activities{}", to_what.unwrap_or_default()));
        let answer = self.server.json(Method::POST, &path, None, &message).await;
        check_answer(answer.status.as_u16(), &answer.headers, &answer.body);
        assert!(answer.status.is_success(), "{answer:?}");
        self.log(which, text, true, answer.text("id")).await;
    }

    fn bot_path(&self, which: usize, rest: &str) -> String {
        format!("{}v3/conversations/{}{rest}", self.server.bot_path, self.people[which].person.conversation)
    }

    /// Changes what the bot itself said, and nothing else.
    async fn bot_change(&mut self, to: u8, what: u8, update: bool) {
        let (which, text) = (self.at(to), self.new_text());
        let who = &self.people[which];
        let said: Vec<_> =
            (0..who.log.len()).filter(|at| matches!(who.log[*at], Entry::Said { .. })).collect();
        let Some(&root) = said.get(usize::from(what) % said.len().max(1)) else { return };
        let Entry::Said { id, by_bot, .. } = &who.log[root] else { return };
        let path = self.bot_path(which, &format!("/activities/{}", id.replace('|', "%7C")));
        let answer = if update {
            self.server.json(Method::PUT, &path, None, &json!({"type": "message", "text": text})).await
        } else {
            self.server.call(Method::DELETE, &path, None, Body::empty(), "").await
        };
        check_answer(answer.status.as_u16(), &answer.headers, &answer.body);
        let gone = who.newest(root).is_none();
        let expected = match (by_bot, gone, update) {
            (false, ..) => answer.status.is_client_error(),
            (true, true, true) => answer.status == StatusCode::NOT_FOUND,
            _ => answer.status.is_success(),
        };
        assert!(expected, "{answer:?}");
        // Deleting what is deleted changes nothing.
        if *by_bot && !gone {
            self.people[which].log.push(Entry::Change { root, text: update.then_some(text) });
        }
    }

    async fn read_all(mut self) {
        for by in 0..self.people.len() {
            let by = u8::try_from(by).expect("a few");
            for from in 0..self.people[usize::from(by)].watermarks.len().min(250) {
                self.poll(by, u8::try_from(from).expect("not many")).await;
            }
        }
    }
}

impl Model {
    /// The text of what was said there, as it is now.
    fn newest(&self, root: usize) -> Option<&str> {
        let mut newest = match &self.log[root] {
            Entry::Said { text, .. } => Some(text.as_str()),
            Entry::Change { .. } => None,
        };
        for entry in &self.log {
            if let Entry::Change { root: of, text } = entry
                && *of == root
            {
                newest = text.as_deref();
            }
        }
        newest
    }

    /// What a reader gets that has come so far: `None` is the news that something is gone.
    fn expected(&self, seen: usize) -> Vec<(String, Option<String>)> {
        let last_change = |root: usize| {
            self.log.iter().rposition(|entry| matches!(entry, Entry::Change { root: of, .. } if *of == root))
        };
        let mut shown = Vec::new();
        for (at, entry) in self.log.iter().enumerate().skip(seen) {
            match entry {
                Entry::Said { id, .. } => {
                    shown.extend(self.newest(at).map(|text| (id.clone(), Some(text.to_owned()))));
                }
                // Who came by what it changes has it from there.
                Entry::Change { root, text } if *root < seen && last_change(*root) == Some(at) => {
                    let Entry::Said { id, .. } = &self.log[*root] else { continue };
                    shown.push((id.clone(), text.clone()));
                }
                Entry::Change { .. } => {}
            }
        }
        shown
    }
}

fn shown(page: &Value) -> Vec<(String, Option<String>)> {
    let text = |activity: &Value, name: &str| activity[name].as_str().unwrap_or_default().to_owned();
    let activities = page["activities"].as_array().expect("a list").iter();
    activities
        .map(|activity| {
            let gone = activity["type"] == "messageDelete";
            (text(activity, "id"), (!gone).then(|| text(activity, "text")))
        })
        .collect()
}
