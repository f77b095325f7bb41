//! Who may call the Connector API: bots with an app id, by the tokens that they show, and nobody else.
//!
//! Every operation is tried with every wrong token that we could think of. Each refusal has the status that it should
//! have, looks as refusals do, and leaves every log as it was.

use hyper::Method;
use landline_auth::{AccessToken, BotCredential, ChannelToken, IdentityKeys};
use landline_core::Clock;
use landline_core::store::LogStore;
use landline_testkit::in_process::keys::{FOREIGN, key};
use landline_testkit::in_process::{BOT, Builder, Call, OTHER_BOT, Person, Reply, SECRET, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::forge::{hmac_signed, public_spellings, signed, unsigned, with};
use crate::looks_like_a_refusal;

pub(crate) const APP: &str = "00000000-0000-0000-0000-00000000000a";
pub(crate) const OTHER_APP: &str = "00000000-0000-0000-0000-00000000000b";

/// One operation of the Connector API. In its path, `{c}` is the conversation, `{a}` an activity of the
/// bot in it, and `{f}` a file.
struct Operation {
    name: &'static str,
    method: Method,
    path: &'static str,
    /// Whether it names a conversation, so that another bot gets to see a 404.
    in_conversation: bool,
}

const OPERATIONS: [Operation; 16] = [
    Operation {
        name: "send",
        method: Method::POST,
        path: "/conversations/{c}/activities",
        in_conversation: true,
    },
    Operation {
        name: "reply",
        method: Method::POST,
        path: "/conversations/{c}/activities/{a}",
        in_conversation: true,
    },
    Operation {
        name: "update",
        method: Method::PUT,
        path: "/conversations/{c}/activities/{a}",
        in_conversation: true,
    },
    Operation {
        name: "delete",
        method: Method::DELETE,
        path: "/conversations/{c}/activities/{a}",
        in_conversation: true,
    },
    Operation {
        name: "history",
        method: Method::POST,
        path: "/conversations/{c}/activities/history",
        in_conversation: true,
    },
    Operation {
        name: "members",
        method: Method::GET,
        path: "/conversations/{c}/members",
        in_conversation: true,
    },
    Operation {
        name: "member",
        method: Method::GET,
        path: "/conversations/{c}/members/ann",
        in_conversation: true,
    },
    Operation {
        name: "page",
        method: Method::GET,
        path: "/conversations/{c}/pagedmembers",
        in_conversation: true,
    },
    Operation {
        name: "seen by",
        method: Method::GET,
        path: "/conversations/{c}/activities/{a}/members",
        in_conversation: true,
    },
    Operation {
        name: "remove",
        method: Method::DELETE,
        path: "/conversations/{c}/members/ann",
        in_conversation: true,
    },
    Operation { name: "create", method: Method::POST, path: "/conversations", in_conversation: false },
    Operation { name: "list", method: Method::GET, path: "/conversations", in_conversation: false },
    Operation {
        name: "keep a file",
        method: Method::POST,
        path: "/conversations/{c}/attachments",
        in_conversation: true,
    },
    Operation { name: "a file", method: Method::GET, path: "/attachments/{f}", in_conversation: true },
    Operation {
        name: "its bytes",
        method: Method::GET,
        path: "/attachments/{f}/views/original",
        in_conversation: true,
    },
    Operation {
        name: "its thumbnail",
        method: Method::GET,
        path: "/attachments/{f}/views/thumbnail",
        in_conversation: true,
    },
];

/// A server whose bots have app ids, and a conversation with something of the bot in it.
struct Stage {
    server: TestServer,
    ann: Person,
    /// An activity of the bot.
    activity: String,
    /// A file of the bot.
    file: String,
}

/// Both bots have app ids.
pub(crate) fn signed_bots() -> Builder {
    TestServer::builder().configure(|config| {
        config.bots[0].app_id = Some(APP.into());
        config.bots[0].credential = Some(credential());
        config.bots[1].app_id = Some(OTHER_APP.into());
    })
}

pub(crate) fn credential() -> BotCredential {
    BotCredential::from_random(&[9; 32])
}

impl Stage {
    async fn set() -> Self {
        let server = signed_bots().start().await;
        let ann = server.person("ann").await;
        ann.say("q").await;
        let mut stage = Self { server, ann, activity: String::new(), file: String::new() };
        let said = stage.call(&OPERATIONS[0]).bearer(&stage.token(APP)).send().await;
        stage.activity = said.expect(200).text("id");
        let keep = OPERATIONS.iter().find(|operation| operation.name == "keep a file").expect("one");
        let kept = stage.call(keep).bearer(&stage.token(APP)).send().await;
        stage.file = kept.expect(200).text("id");
        stage
    }

    fn base(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The keys of the server: those that the testkit gave it.
    fn keys(&self) -> IdentityKeys {
        IdentityKeys::new(key(0), self.server.clock.now()).expect("keys")
    }

    /// A token as the server issues it to a bot.
    fn token(&self, app_id: &str) -> String {
        let token = AccessToken { base: &self.base(), tenant: "botframework.com", app_id };
        token.sign(&self.keys(), self.server.clock.now()).expect("a token").0
    }

    /// Header and claims of [`Stage::token`].
    fn parts(&self) -> (Value, Value) {
        let now = self.server.clock.now().as_seconds();
        let claims = json!({
            "iss": format!("{}/botframework.com/v2.0", self.base()), "aud": "https://api.botframework.com",
            "iat": now, "nbf": now, "exp": now + 3600, "appid": APP, "azp": APP,
        });
        (crate::forge::header(0), claims)
    }

    /// An operation as the bot would call it, without any credential.
    fn call(&self, operation: &Operation) -> Call {
        self.call_in("/connector", operation, &self.ann)
    }

    fn call_in(&self, base: &str, operation: &Operation, person: &Person) -> Call {
        let activity = self.activity.replace('|', "%7C");
        let file = self.file.replace(&self.ann.conversation, &person.conversation);
        let path = operation.path.replace("{c}", &person.conversation).replace("{a}", &activity);
        let path = path.replace("{f}", &file);
        let call = self.server.call(operation.method.clone(), &format!("{base}/v3{path}"));
        let bodiless = [Method::GET, Method::DELETE].contains(&operation.method);
        let said = json!({"type": "message", "text": "from the bot"});
        // An activity, a transcript, parameters and a file in one.
        let body = json!({
            "type": "message", "text": "from the bot", "activities": [said], "originalBase64": "AQID",
            "thumbnailBase64": "BA==",
        });
        if bodiless { call } else { call.json(&body) }
    }

    /// Every log there is and how long it is, and every file and how large it is: whatever is written changes this.
    async fn logs(&self) -> Vec<(String, u64)> {
        let disk = &self.server.disk;
        let mut logs = Vec::new();
        for id in disk.conversations(None, 1000).await.expect("a list") {
            let head = disk.head(&id).await.expect("a log");
            logs.push((id.to_string(), head.tail.get()));
        }
        logs.extend(
            self.server.blobs.all().await.into_iter().map(|blob| (format!("{:?}", blob.key), blob.bytes)),
        );
        logs
    }

    /// Every way of being nobody: what it is, and the whole `Authorization` header.
    async fn wrong_headers(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let good = self.token(APP);
        for (what, header) in [
            ("empty", String::new()),
            ("an empty token", "Bearer ".to_owned()),
            ("no token", "Bearer".to_owned()),
            ("no scheme", good.clone()),
            ("another scheme", format!("Basic {good}")),
            ("the scheme of the client API", format!("BotConnector {good}")),
            ("two tokens", format!("Bearer {good} {good}")),
            ("a list", format!("Bearer {good}, Bearer {good}")),
            ("no JWT", "Bearer abc".to_owned()),
            ("dots", "Bearer ..".to_owned()),
            ("an empty JWT", "Bearer e30.e30.e30".to_owned()),
            ("half of it", format!("Bearer {}", &good[..good.len() / 2])),
            ("one letter less", format!("Bearer {}", &good[..good.len() - 1])),
            ("one letter more", format!("Bearer {good}A")),
            ("too long", format!("Bearer {}", "a".repeat(9000))),
        ] {
            wrong.push((what.to_owned(), header));
        }
        for (what, token) in self.wrong_tokens().await {
            wrong.push((what, format!("Bearer {token}")));
        }
        wrong
    }

    async fn wrong_tokens(&self) -> Vec<(String, String)> {
        let (header, claims) = self.parts();
        let now = self.server.clock.now().as_seconds();
        let mut wrong = Vec::new();
        let mut add = |what: &str, token: String| wrong.push((what.to_owned(), token));

        let times = |nbf: i64, exp: i64| with(&with(&claims, "nbf", json!(nbf)), "exp", json!(exp));
        add("expired", signed(&header, &times(now - 7200, now - 300), 0));
        add("not yet valid", signed(&header, &times(now + 301, now + 3600), 0));
        add("for ever and never", signed(&header, &with(&claims, "exp", Value::Null), 0));
        for alg in ["none", "None", "NONE", ""] {
            let header = with(&header, "alg", json!(alg));
            add(&format!("alg {alg:?} unsigned"), unsigned(&header, &claims));
            add(&format!("alg {alg:?} signed"), signed(&header, &claims, 0));
        }
        add("unsigned", unsigned(&header, &claims));
        for alg in ["HS256", "RS256"] {
            let header = with(&header, "alg", json!(alg));
            for (number, secret) in public_spellings(0).into_iter().enumerate() {
                add(&format!("{alg} with public text {number}"), hmac_signed(&header, &claims, &secret));
            }
        }
        add("ES256", signed(&with(&header, "alg", json!("ES256")), &claims, 0));
        add("RS512", signed(&with(&header, "alg", json!("RS512")), &claims, 0));
        add("a foreign key under our id", signed(&header, &claims, FOREIGN));
        add("an unknown key", signed(&crate::forge::header(FOREIGN), &claims, FOREIGN));
        let brought = with(&header, "jwk", crate::forge::jwk(FOREIGN));
        add("a key that it brings along", signed(&brought, &claims, FOREIGN));
        add("no key named", signed(&with(&header, "kid", Value::Null), &claims, 0));
        for iss in ["https://api.botframework.com", "https://sts.windows.net/x/", &self.base(), ""] {
            add(&format!("issuer {iss:?}"), signed(&header, &with(&claims, "iss", json!(iss)), 0));
        }
        for aud in
            [json!(APP), json!("https://graph.microsoft.com"), json!(""), json!([]), json!(self.base())]
        {
            add(&format!("audience {aud}"), signed(&header, &with(&claims, "aud", aud), 0));
        }
        let nobody = with(&with(&claims, "appid", Value::Null), "azp", Value::Null);
        add("of nobody", signed(&header, &nobody, 0));
        add("of two", signed(&header, &with(&claims, "azp", json!(OTHER_APP)), 0));

        // What we gave to others, or to the bot for another use.
        let now = self.server.clock.now();
        for issuer in ["https://api.botframework.com", &format!("{}/botframework.com/v2.0", self.base())] {
            let shown = ChannelToken { issuer, app_id: APP, service_url: &self.server.service_url };
            let shown = shown.sign(&self.keys(), now).expect("a token").0;
            add(&format!("what we show to the bot as {issuer}"), shown);
        }
        add("a client's token", self.ann.token.clone());
        add("a site's secret", SECRET.to_owned());
        let ticket = self.ann.stream_url.split_once("t=").map(|(_, ticket)| ticket.to_owned());
        add("a stream ticket", ticket.expect("a ticket"));
        add("the bot's credential", credential().expose().to_owned());
        wrong
    }
}

#[tokio::test]
async fn a_bot_with_an_app_id_shows_a_token() {
    let stage = Stage::set().await;
    assert_eq!(stage.server.service_url, format!("{}/connector/", stage.base()));
    let reply = stage.call(&OPERATIONS[1]).bearer(&stage.token(APP)).send().await.expect(200);
    assert_eq!(reply.text("id").split('|').next(), Some(&*stage.ann.conversation));
    assert_eq!(stage.ann.texts().await, ["q", "from the bot", "from the bot"]);
    // The forgeries below differ from this one in what they are called after, and in nothing else.
    let (header, claims) = stage.parts();
    stage.call(&OPERATIONS[0]).bearer(&signed(&header, &claims, 0)).send().await.expect(200);
}

#[tokio::test]
async fn nobody_gets_in_with_a_wrong_token() {
    let stage = Stage::set().await;
    let wrong = stage.wrong_headers().await;
    assert!(wrong.len() > 60, "{}", wrong.len());
    let before = stage.logs().await;
    for operation in &OPERATIONS {
        let reply = stage.call(operation).send().await;
        refused(&reply, 401, operation, "no header");
        for (what, header) in &wrong {
            let reply = stage.call(operation).header("authorization", header).send().await;
            refused(&reply, 401, operation, what);
        }
        let good = stage.token(APP);
        let twice = stage.call(operation).bearer(&good).bearer(&good).send().await;
        refused(&twice, 401, operation, "two headers");
        let binary = stage.call(operation).raw_header("authorization", b"Bearer \xff").send().await;
        refused(&binary, 401, operation, "no text");
        let in_query = format!("/connector/v3/conversations?access_token={good}");
        refused(&stage.server.post(&in_query).send().await, 401, operation, "in the query");
    }
    assert_eq!(stage.logs().await, before);
}

#[tokio::test]
async fn a_valid_token_opens_the_conversations_of_its_bot_alone() {
    let stage = Stage::set().await;
    let before = stage.logs().await;
    // Only the case of an app id does not matter.
    let unknown = ["nobody", &APP.replace('a', "c"), BOT, OTHER_BOT, &format!("{APP} "), "*"];
    let mut nowhere = stage.ann.clone();
    nowhere.conversation = "0123456789ABCDEFGHIJKL".to_owned();
    for operation in &OPERATIONS {
        for app_id in unknown {
            let reply = stage.call(operation).bearer(&stage.token(app_id)).send().await;
            refused(&reply, 403, operation, app_id);
        }
        if operation.in_conversation {
            let token = stage.token(OTHER_APP);
            let other = stage.call(operation).bearer(&token).send().await;
            refused(&other, 404, operation, "the other bot");
            let never = stage.call_in("/connector", operation, &nowhere).bearer(&token).send().await;
            assert_eq!(never.json(), other.json(), "{}", operation.name);
        }
    }
    assert_eq!(stage.logs().await, before);
}

/// What opened the conversations of a bot while it had no app id opens nothing any more once it has one.
#[tokio::test]
async fn a_bot_with_an_app_id_is_not_reached_by_a_capability() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let capability = server.service_url.split('/').nth(4).expect("a capability").to_owned();
    let said = server.bot_actor().say(&ann.conversation, "by capability").await;
    let server = server.restarted_as(|config| config.bots[0].app_id = Some(APP.into())).await;
    let stage = Stage { ann: ann.at(server.address), server, activity: said, file: "x.y".to_owned() };
    let before = stage.logs().await;
    for operation in &OPERATIONS {
        for base in [&*capability, APP, BOT, OTHER_BOT, "main/", "%00"] {
            let call = stage.call_in(&format!("/connector/{base}"), operation, &stage.ann);
            let reply = call.bearer(&stage.token(APP)).send().await;
            refused(&reply, 404, operation, base);
            let reply = stage.call_in(&format!("/connector/{base}"), operation, &stage.ann).send().await;
            refused(&reply, 404, operation, base);
        }
        // And a bot without an app id is not reached without its capability.
        let other = stage.call(operation).bearer(&stage.token(OTHER_BOT)).send().await;
        refused(&other, 403, operation, "the name of a bot without an app id");
    }
    assert_eq!(stage.logs().await, before);
}

#[track_caller]
fn refused(reply: &Reply, status: u16, operation: &Operation, what: &str) {
    assert_eq!(reply.status, status, "{}, {what}: {:?}", operation.name, reply.body);
    let code = match status {
        401 => "Unauthorized",
        403 => "BadArgument",
        _ => "ResourceNotFound",
    };
    looks_like_a_refusal(reply, status, code);
}

/// A bot that tells what it was shown, and takes everything.
async fn eavesdropping_bot() -> (String, UnboundedReceiver<String>, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}/api/messages", listener.local_addr().expect("an address"));
    let (tell, told) = unbounded_channel();
    let bot = async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap_or(b'\n'));
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let shown = head.lines().find_map(|line| line.strip_prefix("authorization: "));
            let _ = tell.send(shown.unwrap_or_default().to_owned());
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
            // Until the body has gone by, or the answer would be lost.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    };
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { stopped.run_until_cancelled(bot).await });
    (endpoint, told, stop.drop_guard())
}

#[tokio::test]
async fn what_a_bot_was_shown_opens_nothing_here() {
    let (endpoint, mut shown, _stop) = eavesdropping_bot().await;
    let server = signed_bots().http_bot(&endpoint).start().await;
    let ann = server.person("ann").await;
    let stage = Stage { ann, server, activity: "x".to_owned(), file: "x.y".to_owned() };
    stage.ann.say("q").await;
    let header = shown.recv().await.expect("a call of the bot");
    assert!(header.starts_with("Bearer ey"), "{header}");
    let before = stage.logs().await;
    for operation in &OPERATIONS {
        let reply = stage.call(operation).header("authorization", &header).send().await;
        refused(&reply, 401, operation, "what the bot was shown");
    }
    assert_eq!(stage.logs().await, before);
}
