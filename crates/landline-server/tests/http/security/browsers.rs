//! What a page in somebody's browser may try that is not one of the site's (S31 to S34, S36 to S38).
//!
//! What browsers make of it is in `e2e/tests/origins.test.mjs`.

use landline_server::directory::Enhanced;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{ADMIN_TOKEN, Person, SECRET, TestServer, start};
use serde_json::json;

use super::World;
use super::credentials::doors;
use super::raw::{Answer, Ask};
use crate::enhanced::enhanced;

const HOME: &str = "https://www.example.org";
const EVIL: &str = "https://evil.example";
const SESSION: &str = "/v3/directline/session/getsessionid";

/// A cookie as a browser may have it.
const COOKIE: &str = "__Host-landline-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Origins that are not [`HOME`], some of which want to look like it.
const LOOK_ALIKES: [&str; 28] = [
    EVIL,
    "null",
    "NULL",
    "",
    "*",
    "http://www.example.org",
    "https://example.org",
    "https://evil.www.example.org",
    "https://www.example.org.evil.example",
    "https://www.example.orgevil",
    "https://evilwww.example.org",
    "https://www.example.org:444",
    "https://www.example.org:80",
    "https://www.example.org:",
    "https://www.example.org:65979", // 443 + 65536
    "https://www.example.org/",
    "https://www.example.org/.evil.example",
    "https://www.example.org?evil.example",
    "https://www.example.org#evil.example",
    "https://www.example.org@evil.example",
    "https://evil.example@www.example.org",
    "https://www.example.org.",
    "https://www.example.org, https://evil.example",
    "https://www.example.org https://evil.example",
    "https://xn--www-qoa.example.org",
    "https://[::1]",
    "wss://www.example.org",
    "file://",
];

/// A site with enhanced authentication, and a token that names its origins itself; with somebody in each.
async fn both_ways() -> [(TestServer, Person); 2] {
    let by_site = enhanced().await;
    let ann = by_site.operator().person("dl_ann").await;
    let by_token = TestServer::start().await;
    let body = json!({"user": {"id": "dl_ann"}, "trustedOrigins": [HOME]});
    let token = by_token.operator().token(&body).await;
    let started = start(by_token.address, &token).send().await.expect(201);
    let mut bob = by_token.operator().person("dl_ann").await.beside("dl_ann", &token);
    bob.conversation = started.text("conversationId");
    [(by_site, ann), (by_token, bob)]
}

#[tokio::test]
async fn s31_an_origin_is_trusted_whole_or_not_at_all() {
    for (server, ann) in both_ways().await {
        let ask = || Ask::get(ann.path("/activities")).bearer(&ann.token);
        for origin in [HOME, "https://www.example.org:443", "HTTPS://WWW.EXAMPLE.ORG"] {
            ask().header("origin", origin).send(server.address).await.expect(200);
        }
        for origin in LOOK_ALIKES {
            let refused = ask().header("origin", origin).send(server.address).await;
            let refused = refused.refused(403, "BadArgument");
            // The page may read why: nothing is in it that it did not know, and the status would be hidden from it else.
            assert_eq!(refused.header("access-control-allow-origin"), Some(origin), "{origin:?}");
            assert_eq!(refused.header("access-control-allow-credentials"), None, "{origin:?}");
        }
        // Two of them, the trusted one first or last; and one that is no text.
        for (first, second) in [(HOME, EVIL), (EVIL, HOME), (HOME, HOME)] {
            let two = ask().header("origin", first).header("Origin", second);
            two.send(server.address).await.refused(403, "BadArgument");
        }
        let no_text = ask().header("origin", b"https://\xff");
        no_text.send(server.address).await.refused(403, "BadArgument");
    }
}

#[tokio::test]
async fn s31_every_door_looks_at_the_origin() {
    let [(by_site, ann), (by_token, bob)] = both_ways().await;
    for (server, person, credentials) in
        [(&by_site, &ann, vec![ann.token.as_str(), SECRET]), (&by_token, &bob, vec![bob.token.as_str()])]
    {
        for (method, path) in doors(&person.conversation) {
            for credential in &credentials {
                let ask = Ask::new(method, &path).bearer(credential).header("origin", EVIL);
                let ask = ask.json(r#"{"user":{"id":"dl_ann"},"type":"message","from":{"id":"dl_ann"}}"#);
                ask.send(server.address).await.refused(403, "BadArgument");
            }
        }
        assert!(person.history().await.is_empty());
        assert!(server.bot.texts().is_empty());
    }
}

#[tokio::test]
async fn s32_no_page_but_a_trusted_one_opens_a_socket() {
    for (_server, ann) in both_ways().await {
        let url = || async { ann.reconnect("").await.expect(200).text("streamUrl") };
        for origin in LOOK_ALIKES {
            let refused = Opening::default().header("origin", origin).open(&url().await).await;
            let refused = refused.expect_err("it is not trusted");
            assert_eq!(refused.refusal(), (403, "BadArgument".to_owned()), "{origin:?}");
        }
        // What the browser adds by itself is no ticket.
        let without = url().await.split("&t=").next().expect("an address").to_owned();
        for origin in [HOME, EVIL] {
            let opening = Opening::default().header("origin", origin).header("cookie", COOKIE);
            let refused = opening.open(&without).await.expect_err("there is no ticket");
            assert_eq!(refused.refusal(), (401, "Unauthorized".to_owned()));
        }
        Opening::default().header("origin", HOME).open(&url().await).await.expect("a socket");
    }
}

/// The value of the cookie, seen to be bound as tightly as can be.
#[track_caller]
fn cookie_of(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap_or_default();
    let (pair, attributes) = set.split_once("; ").unwrap_or_default();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=None", "{set}");
    let value = pair.strip_prefix("__Host-landline-session=").unwrap_or_default();
    assert_eq!(value.len(), 43, "{set}");
    assert!(!answer.text().contains(value), "what the page gets is not the cookie");
    value.to_owned()
}

#[tokio::test]
async fn s33_the_session_is_for_trusted_pages_alone() {
    for (server, ann) in both_ways().await {
        let ask = || Ask::get(SESSION).bearer(&ann.token);
        let answer = ask().header("origin", HOME).send(server.address).await.expect(200);
        let (cookie, id) = (cookie_of(&answer), answer.json()["sessionId"].clone());
        assert_eq!(answer.json().as_object().map(serde_json::Map::len), Some(1));
        assert_eq!(answer.header("access-control-allow-origin"), Some(HOME), "never a star");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));

        // The browser that has the cookie is the same; one that has not, or has made one up, is another.
        let with = |cookie: &str| {
            let cookies = format!("a=b; __Host-landline-session={cookie}");
            ask().header("origin", HOME).header("cookie", cookies)
        };
        let again = with(&cookie).send(server.address).await.expect(200);
        assert_eq!((again.json()["sessionId"].clone(), again.header("set-cookie")), (id.clone(), None));
        for other in ["", "x", &cookie[1..], &format!("{cookie}; __Host-landline-session={cookie}")] {
            let answer = with(other).send(server.address).await.expect(200);
            assert_ne!(answer.json()["sessionId"], id, "{other:?}");
            assert_ne!(cookie_of(&answer), cookie);
        }

        let nobody = Ask::get(SESSION).header("origin", HOME);
        let refusals = [(nobody, 401, "Unauthorized"), (ask(), 400, "BadArgument")];
        let untrusted = LOOK_ALIKES.map(|origin| (ask().header("origin", origin), 403, "BadArgument"));
        for (ask, status, code) in refusals.into_iter().chain(untrusted) {
            let ask = ask.header("cookie", format!("__Host-landline-session={cookie}"));
            let refused = ask.send(server.address).await.refused(status, code);
            assert_eq!(refused.header("set-cookie"), None);
            assert_eq!(refused.header("access-control-allow-credentials"), None);
            assert!(!refused.text().contains(id.as_str().unwrap_or("sessionId")));
        }
    }
}

#[tokio::test]
async fn s33_without_trusted_origins_there_is_no_session() {
    let world = World::start().await;
    for credential in [&world.ann.token, SECRET] {
        let ask = Ask::get(SESSION).bearer(credential).header("origin", HOME);
        let refused = ask.send(world.server.address).await.refused(403, "BadArgument");
        assert_eq!(refused.header("set-cookie"), None);
        assert_eq!(refused.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn s33_two_sites_do_not_see_that_it_is_the_same_browser() {
    let switch = Enhanced { on: true, trusted_origins: vec![HOME.to_owned()] };
    let server = TestServer::builder().configure(|config| {
        for site in &mut config.sites {
            site.enhanced = switch.clone();
        }
    });
    let server = server.start().await;
    let mut ids = Vec::new();
    for operator in [server.operator(), server.other_operator()] {
        let token = operator.token(&json!({"user": {"id": "dl_ann"}})).await;
        let ask = Ask::get(SESSION).bearer(&token).header("origin", HOME).header("cookie", COOKIE);
        ids.push(ask.send(server.address).await.expect(200).json()["sessionId"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn s34_nothing_is_let_in_by_what_a_browser_adds_by_itself() {
    let server = enhanced().await;
    let ann = server.operator().person("dl_ann").await;
    let session = Ask::get(SESSION).bearer(&ann.token).header("origin", HOME).send(server.address).await;
    let cookie = format!("__Host-landline-session={}", cookie_of(&session));
    let message = r#"{"type":"message","text":"forged","from":{"id":"dl_ann"}}"#;
    let part =
        format!("--b\r\ncontent-type: application/vnd.microsoft.activity\r\n\r\n{message}\r\n--b--\r\n");
    // What a form or a simple request may send, from a page that is trusted and from one that is not.
    let bodies = [
        ("text/plain", message),
        ("text/plain;charset=UTF-8", message),
        ("application/x-www-form-urlencoded", "type=message&text=forged"),
        ("multipart/form-data; boundary=b", &part),
    ];
    for origin in [Some(HOME), Some(EVIL), Some("null"), None] {
        for (kind, body) in bodies {
            for (method, path) in doors(&ann.conversation) {
                let ask = Ask::new(method, &path).header("cookie", &cookie).header("content-type", kind);
                let ask = origin.iter().fold(ask, |ask, origin| ask.header("origin", origin));
                ask.body(body).send(server.address).await.refused(401, "Unauthorized");
            }
        }
    }
    // Even with a credential, such a body is not read as JSON.
    for (kind, body) in bodies {
        let ask = Ask::post(ann.path("/activities")).bearer(&ann.token).header("content-type", kind);
        ask.body(body).send(server.address).await.refused(415, "NotSupported");
    }
    assert!(ann.history().await.is_empty());
    assert!(server.bot.texts().is_empty());
}

/// Whatever the answer is, a browser does nothing with it but what it was asked for.
#[track_caller]
fn guarded(answer: &Answer, what: &str) {
    let header = |name| answer.header(name).unwrap_or_default();
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{what}: {answer:?}");
    assert!(header("content-security-policy").contains("default-src 'none'"), "{what}: {answer:?}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header("referrer-policy"), "no-referrer", "{what}");
    assert!(!header("content-type").contains("html"), "{what}: {answer:?}");
}

/// S36 (framing), S37 (caches) and S38 (JSON as script), on every kind of answer.
#[tokio::test]
async fn s36_s37_s38_every_answer_is_guarded_in_browsers() {
    let world = World::start().await;
    let (server, ann) = (&world.server, &world.ann);
    let (public, admin) = (server.address, server.admin);
    let connector = server.bot_actor().path(&ann.conversation, "");
    let bearer = |method: &str, path: &str| Ask::new(method, path).bearer(&ann.token);
    let asks = [
        (public, bearer("GET", &ann.path("")), 200),
        (public, bearer("GET", &ann.path("/activities")), 200),
        (public, bearer("HEAD", &ann.path("/activities")), 200),
        (public, bearer("POST", &ann.path("/activities")).json(r#"{"type":"message","text":"1"}"#), 200),
        (public, bearer("POST", &ann.path("/activities")).json("{"), 400),
        (public, bearer("POST", "/v3/directline/tokens/refresh"), 200),
        (public, Ask::post("/v3/directline/tokens/generate").bearer(SECRET), 200),
        (public, Ask::post("/v3/directline/conversations").bearer(SECRET), 201),
        (public, Ask::get(SESSION).bearer(&ann.token), 400),
        (public, bearer("GET", &world.eve.path("/activities")), 403),
        (public, Ask::get(ann.path("/activities")), 401),
        (public, Ask::get(ann.path("/stream")), 401),
        (public, Ask::get(ann.path("/files/a/b/c")), 403),
        (public, Ask::get("/no/such/path"), 404),
        (public, Ask::get("/"), 404),
        (public, Ask::new("PATCH", "/v3/directline/conversations"), 405),
        (public, Ask::get("/v1/.well-known/openidconfiguration"), 200),
        (public, Ask::get("/v1/.well-known/keys"), 200),
        (public, Ask::get(format!("{connector}/members")), 200),
        (public, Ask::get("/connector/unknown/v3/conversations"), 404),
        (admin, Ask::get("/admin/v1/sites").bearer(ADMIN_TOKEN), 200),
        (admin, Ask::get("/admin/v1/sites"), 401),
        (admin, Ask::get("/healthz"), 200),
        (admin, Ask::get("/metrics"), 200),
    ];
    for (address, ask, status) in asks {
        let what = String::from_utf8_lossy(&ask.bytes()).lines().next().unwrap_or_default().to_owned();
        let answer = ask.send(address).await.expect(status);
        guarded(&answer, &what);
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{what}");
        let kind = answer.header("content-type").unwrap_or_default();
        let is_text = what.contains("/metrics") || what.contains("/healthz");
        assert!(is_text || kind == "application/json; charset=utf-8", "{what}: {kind}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        let is_array = answer.body.first() == Some(&b'[');
        assert_eq!(
            is_array,
            what.ends_with("/members HTTP/1.1"),
            "the protocol of bots has an array: {what}"
        );
    }
}

#[tokio::test]
async fn s36_a_file_is_not_framed_and_pages_may_show_it() {
    let world = World::start().await;
    let (server, ann) = (&world.server, &world.ann);
    let upload = Ask::post(ann.path("/upload")).bearer(&ann.token).header("content-type", "text/html");
    let upload = upload.header("content-disposition", "name=\"file\"; filename=\"a.json\"");
    upload.body("<script>alert(1)</script>").send(server.address).await.expect(200);
    let link = ann.history().await[0]["attachments"][0]["contentUrl"].as_str().expect("a link").to_owned();
    let path = link.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("a path");
    let whole = Ask::get(&path).send(server.address).await.expect(200);
    let etag = whole.header("etag").expect("a tag").to_owned();
    // A browser takes over the headers of a 304 for what it has kept.
    let same = Ask::get(&path).header("if-none-match", etag).send(server.address).await.expect(304);
    let part = Ask::get(&path).header("range", "bytes=0-3").send(server.address).await.expect(206);
    for answer in [whole, same, part] {
        guarded(&answer, "a file");
        assert!(
            answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("sandbox;"))
        );
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
    }
}
