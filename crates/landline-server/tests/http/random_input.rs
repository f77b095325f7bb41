//! Whatever is sent: never a 5xx, never a panic, and what is refused changes nothing.

use std::cell::RefCell;

use hyper::Method;
use landline_testkit::in_process::{Call, Person, Reply, SECRET, TestServer};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

/// One server for all cases of a property.
struct Target {
    runtime: Runtime,
    server: TestServer,
    ann: Person,
    seen: RefCell<Vec<serde_json::Value>>,
}

impl Target {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (server, ann) = runtime.block_on(async {
            let server = TestServer::start().await;
            let ann = server.person("ann").await;
            (server, ann)
        });
        Self { runtime, server, ann, seen: RefCell::default() }
    }

    /// Each call that takes a body.
    fn call(&self, which: usize) -> Call {
        let (bot, c) = (self.server.bot_actor(), &self.ann.conversation);
        match which {
            0 => self.ann.call(Method::POST, "/activities"),
            1 => bot.at(Method::POST, &bot.path(c, "/activities")),
            2 => self.server.post("/v3/directline/tokens/generate").bearer(SECRET),
            3 => self.server.post("/v3/directline/conversations").bearer(SECRET),
            4 => bot.at(Method::POST, &bot.path(c, "/activities/history")),
            5 => bot.call(Method::POST, ""),
            // Of what is not there: what is there may change by it.
            _ => bot.at(Method::PUT, &bot.path(c, &format!("/activities/{c}|0000001"))),
        }
    }

    /// Sends it. A refusal must be one of the table, and must have changed nothing.
    fn check(&self, call: Call) -> Result<(), TestCaseError> {
        self.runtime.block_on(async {
            let shown = format!("{call:?}");
            let Ok(reply) = call.try_send().await else {
                return Ok(()); // what the HTTP client itself refuses to send
            };
            prop_assert!(reply.status < 500, "{shown}: {reply:?}");
            let history = self.ann.history().await;
            if reply.status >= 400 {
                prop_assert!(is_of_the_table(&reply), "{shown}: {reply:?}");
                prop_assert_eq!(&history, &*self.seen.borrow(), "{} changed the conversation", shown);
            }
            prop_assert!(history.starts_with(&self.seen.borrow()), "{} changed what was there", shown);
            *self.seen.borrow_mut() = history;
            Ok(())
        })
    }
}

fn is_of_the_table(reply: &Reply) -> bool {
    let (status, code) = reply.refusal();
    let known: &[&str] = match status {
        400 => &["MissingProperty", "MalformedData", "BadArgument"],
        401 => &["Unauthorized"],
        403 => &["TokenExpired", "BadArgument"],
        404 => &["ResourceNotFound"],
        405 | 415 | 426 => &["NotSupported"],
        413 => &["MessageSizeTooBig"],
        _ => &[],
    };
    known.contains(&code.as_str()) && reply.header("x-request-id").len() == 16
}

fn runner() -> TestRunner {
    // Failing cases are printed; no file is written for them.
    TestRunner::new(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })
}

/// JSON of any shape, with the names that are read here among others.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,20}".prop_map(Into::into),
        Just("message".into()),
        Just("typing".into()),
        Just("invoke".into()),
        Just("expectReplies".into()),
    ];
    let name = prop_oneof![
        Just("type"),
        Just("from"),
        Just("id"),
        Just("text"),
        Just("user"),
        Just("name"),
        Just("channelData"),
        Just("clientActivityID"),
        Just("conversation"),
        Just("recipient"),
        Just("deliveryMode"),
        Just("replyToId"),
        Just("trustedOrigins"),
        Just("conversationId"),
        Just("locale"),
        Just("entities"),
        Just("activities"),
        Just("activity"),
        Just("members"),
        Just("streamId"),
        Just("streamSequence"),
        Just("attachments"),
        Just("x"),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|pairs| {
                serde_json::Value::Object(
                    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                )
            }),
        ]
    })
}

#[test]
fn any_bytes_as_a_body() {
    let target = Target::start();
    runner()
        .run(&(prop::collection::vec(any::<u8>(), 0..200), 0..7_usize), |(body, to)| {
            target.check(target.call(to).json_text(body))
        })
        .unwrap();
}

#[test]
fn any_json_as_a_body() {
    let target = Target::start();
    runner().run(&(json(), 0..7_usize), |(body, to)| target.check(target.call(to).json(&body))).unwrap();
}

#[test]
fn any_path() {
    let target = Target::start();
    let id = target.ann.conversation.clone();
    let piece = prop_oneof![
        Just("/v3/directline".to_owned()),
        Just("/conversations".to_owned()),
        Just("/activities".to_owned()),
        Just("/stream".to_owned()),
        Just("/connector".to_owned()),
        Just("/v3/conversations".to_owned()),
        Just("/pagedmembers".to_owned()),
        Just("/members".to_owned()),
        Just("/tokens/generate".to_owned()),
        Just(format!("/{id}")),
        "[/%a-z0-9.;|]{0,12}",
        "%[0-9a-fA-F]{2}",
    ];
    let method = prop_oneof![Just(Method::GET), Just(Method::PUT), Just(Method::DELETE), Just(Method::HEAD)];
    runner()
        .run(&(prop::collection::vec(piece, 0..6), method), |(pieces, method)| {
            let path = format!("/{}", pieces.concat());
            if Call::is_path(&path) {
                // HEAD has no body to look at.
                let method = if method == Method::HEAD { Method::GET } else { method };
                target.check(target.server.call(method, &path).bearer(SECRET))?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_query() {
    let target = Target::start();
    let ticket = target.ann.stream_url.split("t=").nth(1).expect("a ticket").to_owned();
    let pair = prop_oneof![
        "(watermark|wait|t|x)=[0-9a-z%+.-]{0,24}",
        "watermark=[0-9]{1,21}",
        "wait=-?[0-9]{2,21}",
        Just(format!("t={ticket}")),
        "[!-~&&[^#<>\"`{}\\\\^|]]{0,20}",
    ];
    runner()
        .run(&(prop::collection::vec(pair, 0..4), 0..3_usize), |(pairs, to)| {
            let rest = ["", "/activities", "/stream"][to];
            let path = format!("{rest}?{}", pairs.join("&"));
            // A wait that is accepted would only cost time here.
            let waits = path.split(['?', '&']).any(|p| p.starts_with("wait=") && p.len() <= 7);
            if Call::is_path(&target.ann.path(&path)) && !waits {
                target.check(target.ann.call(Method::GET, &path))?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_headers() {
    let target = Target::start();
    let name = prop_oneof![
        Just("authorization"),
        Just("content-type"),
        Just("origin"),
        Just("idempotency-key"),
        Just("x-ms-bot-agent"),
        Just("forwarded"),
        Just("x-forwarded-host"),
        Just("x-forwarded-proto"),
        Just("upgrade"),
        Just("accept"),
        Just("sec-websocket-key"),
        Just("access-control-request-method"),
        Just("cookie"),
        Just("accept-encoding"),
    ];
    let value =
        prop_oneof!["[ -~]{0,40}".prop_map(String::into_bytes), prop::collection::vec(0x80..=0xff_u8, 0..20)];
    runner()
        .run(&(prop::collection::vec((name, value), 0..6), 0..3_usize), |(headers, to)| {
            let mut call = match to {
                0 => target.ann.call(Method::POST, "/activities").body(r#"{"type":"message"}"#),
                1 => target.ann.call(Method::GET, ""),
                _ => target
                    .server
                    .get(target.ann.stream_url.split_once("127.0.0.1").map_or("/", |(_, rest)| &rest[6..])),
            };
            for (name, value) in headers {
                call = call.raw_header(name, &value);
            }
            target.check(call)
        })
        .unwrap();
}
