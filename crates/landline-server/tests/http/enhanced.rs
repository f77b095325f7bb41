//! Enhanced authentication of a site: who may act, whose pages may, and that a change of it holds at once.

use hyper::Method;
use landline_server::directory::Enhanced;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{
    Frame, Operator, Person, Reply, SECRET, SITE, SOON, Socket, TestServer, message, start,
};
use serde_json::{Value, json};

use crate::admin::refused;
use crate::looks_like_a_refusal;

const HOME: &str = "https://www.example.org";
const EVIL: &str = "https://evil.example";
const REFRESH: &str = "/v3/directline/tokens/refresh";

/// A server whose site [`SITE`] has enhanced authentication, for pages of [`HOME`].
pub(crate) async fn enhanced() -> TestServer {
    let switch = Enhanced { on: true, trusted_origins: vec![HOME.to_owned()] };
    TestServer::builder().configure(|config| config.sites[0].enhanced = switch).start().await
}

/// A server with one more site that can be changed while it runs, and whoever holds its secret.
async fn changeable(server: &TestServer) -> Operator<'_> {
    let site = json!({"name": "shop", "bot": "main"});
    let secret = server.admin(Method::POST, "/sites").json(&site).send().await.expect(201).text("secret");
    server.operator_with(&secret)
}

async fn change(server: &TestServer, change: Value) -> Value {
    server.admin(Method::PATCH, "/sites/shop").json(&change).send().await.expect(200).json()["site"].clone()
}

async fn switch_on(server: &TestServer, origins: &[&str]) {
    change(server, json!({"enhancedAuthentication": true, "trustedOrigins": origins})).await;
}

/// A poll of a page.
async fn poll_from(person: &Person, origin: &str) -> u16 {
    person.call(Method::GET, "/activities").origin(origin).send().await.status
}

#[track_caller]
fn says(reply: &Reply, code: &str, words: &str) {
    looks_like_a_refusal(reply, 400, code);
    let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains(words), "{message:?} does not say {words:?}");
}

#[tokio::test]
async fn ids_of_users_begin_with_the_prefix() {
    let server = enhanced().await;
    let operator = server.operator();
    for id in ["ann", "DL_ann", " dl_ann", "dl-ann"] {
        let user = json!({"user": {"id": id}});
        says(&operator.generate(&user).send().await, "BadArgument", "dl_");
        says(&start(server.address, SECRET).json(&user).send().await, "BadArgument", "dl_");
    }
    let ann = operator.person("dl_ann").await;
    ann.say("hello").await;
    assert_eq!(ann.history().await[0]["from"]["id"], "dl_ann");
    // Another site of the server has other customs.
    server.other_operator().person("ann").await.say("hello").await;
}

#[tokio::test]
async fn a_token_without_a_user_may_not_act() {
    let server = enhanced().await;
    let ann = server.operator().person("dl_ann").await;
    // It can be had; the hosted service issues it, too.
    let nobodys = server.operator().token(&json!({})).await;
    says(&start(server.address, &nobodys).send().await, "MissingProperty", "names no user");
    // What a client claims about itself does not count.
    let claim = json!({"user": {"id": "dl_ann"}});
    says(&start(server.address, &nobodys).json(&claim).send().await, "MissingProperty", "names no user");
    assert!(server.bot.taken().iter().all(|activity| activity["conversation"]["id"] == ann.conversation));

    let token = server.operator().token(&json!({"conversationId": ann.conversation})).await;
    let nobody = ann.beside("dl_ann", &token);
    for call in [
        nobody.call(Method::GET, ""),
        nobody.call(Method::GET, "/activities"),
        nobody.send(&message("dl_ann", "in")),
        nobody.call(Method::POST, "/upload?userId=dl_ann").body("x"),
        server.post(REFRESH).bearer(&token),
    ] {
        says(&call.send().await, "MissingProperty", "names no user");
    }
    assert!(ann.texts().await.is_empty());
}

#[tokio::test]
async fn a_secret_names_who_acts() {
    let server = enhanced().await;
    says(&start(server.address, SECRET).send().await, "MissingProperty", "\"user\"");
    let body = json!({"user": {"id": "dl_ann", "name": "Ann"}});
    let started = start(server.address, SECRET).json(&body).send().await.expect(201);
    let mut service = server.operator().person("dl_bob").await.beside("", SECRET);
    service.conversation = started.text("conversationId");

    // Reconnecting gives a token for the user of the conversation.
    let again = service.reconnect("").await.expect(200);
    let ann = service.beside("dl_ann", &again.text("token"));
    ann.send(&message("dl_eve", "as eve")).send().await.expect(200);
    service.send(&message("dl_bob", "as bob")).send().await.expect(200);
    for wrong in ["bob", "Dl_bob"] {
        says(&service.send(&message(wrong, "in")).send().await, "BadArgument", "dl_");
        let upload = service.call(Method::POST, &format!("/upload?userId={wrong}")).body("x");
        says(&upload.send().await, "BadArgument", "dl_");
    }
    says(&service.send(&json!({"type": "message"})).send().await, "MissingProperty", "from");
    service.call(Method::POST, "/upload?userId=dl_bob").body("a file").send().await.expect(200);
    let from: Vec<_> = ann.history().await.iter().map(|activity| activity["from"]["id"].clone()).collect();
    assert_eq!(from, ["dl_ann", "dl_bob", "dl_bob"], "the user of a token wins");

    // One that was begun by nobody, or by somebody of before, has no user whom a token could name.
    let server = TestServer::start().await;
    let operator = changeable(&server).await;
    let nobodys = operator.token(&json!({})).await;
    let nobodys = start(server.address, &nobodys).send().await.expect(201).text("conversationId");
    let ann = operator.person("ann").await;
    let secret = server.admin(Method::POST, "/sites/shop/secrets").send().await.expect(201).text("secret");
    switch_on(&server, &[HOME]).await;
    let mut service = ann.beside("", &secret);
    says(&service.reconnect("").await, "BadArgument", "dl_");
    service.conversation = nobodys;
    says(&service.reconnect("").await, "MissingProperty", "conversationId");
    let body = json!({"conversationId": service.conversation, "user": {"id": "dl_ann"}});
    let token = operator.token(&body).await;
    service.beside("dl_ann", &token).reconnect("").await.expect(200);
}

#[tokio::test]
async fn the_list_of_the_site_beats_that_of_the_request() {
    let server = enhanced().await;
    let body = json!({"user": {"id": "dl_ann"}, "trustedOrigins": [EVIL]});
    let by_token = server.operator().token(&body).await;
    let by_token = start(server.address, &by_token).origin(HOME).send().await.expect(201);
    let by_secret = start(server.address, SECRET).json(&body).send().await.expect(201);
    for started in [by_token, by_secret] {
        let refresh = |origin| server.post(REFRESH).bearer(&started.text("token")).origin(origin).send();
        refresh(HOME).await.expect(200);
        refresh(EVIL).await.refused(403, "BadArgument");
        let url = started.text("streamUrl");
        let open = |origin| Opening::default().header("origin", origin).open(&url);
        let refused = open(EVIL).await.expect_err("it is not trusted");
        assert_eq!(refused.refusal(), (403, "BadArgument".to_owned()));
        open(HOME).await.expect("a socket");
    }
    let malformed = json!({"user": {"id": "dl_ann"}, "trustedOrigins": ["https://*"]});
    server.operator().generate(&malformed).send().await.refused(400, "BadArgument");
}

#[tokio::test]
async fn switching_it_on_holds_for_what_was_issued_before() {
    let server = TestServer::start().await;
    let operator = changeable(&server).await;
    let ann = operator.person("dl_ann").await;
    let bob = operator.person("bob").await;
    let nobody = operator.token(&json!({})).await;
    let nobody = start(server.address, &nobody).send().await.expect(201);
    let elsewhere = json!({"user": {"id": "dl_carl"}, "trustedOrigins": ["https://second.example"]});
    let elsewhere = operator.token(&elsewhere).await;
    assert_eq!(poll_from(&ann, EVIL).await, 200);
    let open = |origin: Option<&'static str>, url: &str| {
        let (opening, url) = (Opening::default(), url.to_owned());
        let opening = origin.map(|origin| Opening::default().header("origin", origin)).unwrap_or(opening);
        async move { opening.open(&url).await }
    };
    let mut of_home = open(Some(HOME), &ann.stream_url).await.expect("a socket");
    let again = ann.reconnect("").await.expect(200).text("streamUrl");
    let mut of_evil = open(Some(EVIL), &again).await.expect("a socket");
    let mut of_bob = open(Some(HOME), &bob.stream_url).await.expect("a socket");

    let of_ann = ann.reconnect("").await.expect(200).text("streamUrl");
    let of_bobs = bob.reconnect("").await.expect(200).text("streamUrl");
    switch_on(&server, &[HOME, "https://second.example"]).await;

    assert_eq!((poll_from(&ann, HOME).await, poll_from(&ann, EVIL).await), (200, 403));
    says(&bob.poll("").await, "BadArgument", "dl_");
    says(&server.post(REFRESH).bearer(&nobody.text("token")).send().await, "MissingProperty", "no user");
    let narrower = |origin| server.post(REFRESH).bearer(&elsewhere).origin(origin).send();
    narrower("https://second.example").await.expect(200);
    narrower(HOME).await.refused(403, "BadArgument");
    for (origin, url, status) in [
        (Some(EVIL), &of_ann, 403),
        (Some(HOME), &of_bobs, 400),
        (Some(HOME), &nobody.text("streamUrl"), 400),
    ] {
        let refused = open(origin, url).await.expect_err("nobody who is trusted");
        assert_eq!(refused.status, status, "{origin:?}");
    }
    // Nothing that comes from now on is shown to whoever is not let in any more.
    server.bot_actor().say(&ann.conversation, "private").await;
    server.bot_actor().say(&bob.conversation, "private").await;
    assert_eq!(of_home.texts(1).await, ["private"]);
    for socket in [&mut of_evil, &mut of_bob] {
        let (end, texts) = socket.until_end().await;
        assert!(texts.is_empty(), "{texts:?}");
        assert!(matches!(&end, Frame::Closed(1008, reason) if reason.contains("no more")), "{end:?}");
    }
}

#[tokio::test]
async fn an_origin_comes_and_goes_at_once() {
    let server = TestServer::start().await;
    let operator = changeable(&server).await;
    switch_on(&server, &[HOME]).await;
    let ann = operator.person("dl_ann").await;
    assert_eq!(poll_from(&ann, "https://new.example").await, 403);

    let site = change(&server, json!({"trustedOrigins": [HOME, "https://New.example:443/"]})).await;

    assert_eq!(site["trustedOrigins"], json!([HOME, "https://new.example"]), "as browsers spell it");
    assert_eq!(poll_from(&ann, "https://new.example").await, 200, "also for a token from before");
    let url = ann.reconnect("").await.expect(200).text("streamUrl");
    let opening = Opening::default().header("origin", "https://new.example");
    let mut socket = opening.open(&url).await.expect("a socket");

    change(&server, json!({"trustedOrigins": [HOME]})).await;

    assert_eq!(poll_from(&ann, "https://new.example").await, 403);
    assert_eq!(poll_from(&ann, HOME).await, 200);
    server.bot_actor().say(&ann.conversation, "private").await;
    let (_, texts) = socket.until_end().await;
    assert!(texts.is_empty(), "{texts:?}");

    // Off again: as before there was such a thing.
    let site = change(&server, json!({"enhancedAuthentication": false})).await;
    assert_eq!(site["trustedOrigins"], json!([HOME]), "kept for another time");
    assert_eq!(poll_from(&ann, EVIL).await, 200);
    operator.person("bob").await;
}

/// A socket on which nothing happens learns of it, too; and a change that concerns other things closes nothing.
#[tokio::test]
async fn a_silent_socket_of_a_page_that_is_not_trusted_any_more_is_closed() {
    let server = TestServer::builder()
        .configure(|config| config.limits.server.stream_idle = std::time::Duration::from_millis(100))
        .start()
        .await;
    let operator = changeable(&server).await;
    switch_on(&server, &[HOME, EVIL]).await;
    let ann = operator.person("dl_ann").await;
    let open = async |origin| {
        let url = ann.reconnect("").await.expect(200).text("streamUrl");
        Opening::default().header("origin", origin).open(&url).await.expect("a socket")
    };
    let (mut evil, mut home) = (open(EVIL).await, open(HOME).await);
    let mut program = Socket::open(&ann.reconnect("").await.expect(200).text("streamUrl")).await;

    change(&server, json!({"trustedOrigins": [HOME]})).await;

    let ended = tokio::time::timeout(SOON, evil.until_end()).await;
    let (end, _) = ended.expect("signs of life go on for ever");
    assert!(matches!(end, Frame::Closed(1008, _)), "{end:?}");
    server.bot_actor().say(&ann.conversation, "still there").await;
    assert_eq!(home.texts(1).await, ["still there"]);
    assert_eq!(program.texts(1).await, ["still there"]);
}

#[tokio::test]
async fn a_secret_in_a_page_is_good_for_trusted_pages_only() {
    let server = enhanced().await;
    for origin in [EVIL, "null", ""] {
        let call = server.operator().generate(&json!({"user": {"id": "dl_ann"}})).origin(origin);
        call.send().await.refused(403, "BadArgument");
    }
    server.operator().generate(&json!({"user": {"id": "dl_ann"}})).origin(HOME).send().await.expect(200);
}

#[tokio::test]
async fn what_the_admin_api_takes_and_shows() {
    let server = TestServer::start().await;
    let add = |body: Value| server.admin(Method::POST, "/sites").json(&body).send();
    let new = json!({"name": "s", "bot": "main"});
    let with = |more: Value| {
        let mut body = new.clone();
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        body
    };
    for (more, words) in [
        (json!({"enhancedAuthentication": true}), "at least one origin"),
        (json!({"enhancedAuthentication": true, "trustedOrigins": []}), "at least one origin"),
        (json!({"enhancedAuthentication": "yes"}), "true or false"),
        (json!({"trustedOrigins": HOME}), "array of texts"),
        (json!({"trustedOrigins": [HOME, 1]}), "array of texts"),
        (json!({"trustedOrigins": ["*"]}), "\"*\" is no origin"),
        (json!({"trustedOrigins": ["https://a.example/chat"]}), "without a path"),
        (json!({"trustedOrigins": vec![HOME; 33]}), "the limit is 32"),
    ] {
        refused(&add(with(more)).await, 400, "BadArgument", words);
    }
    let site = add(new.clone()).await.expect(201).json()["site"].clone();
    assert_eq!((&site["enhancedAuthentication"], &site["trustedOrigins"]), (&json!(false), &json!([])));

    let patch = |body: Value| server.admin(Method::PATCH, "/sites/s").json(&body).send();
    let on = json!({"enhancedAuthentication": true});
    refused(&patch(on).await, 400, "BadArgument", "at least one origin");
    patch(json!({"enhancedAuthentication": true, "trustedOrigins": [HOME]})).await.expect(200);
    for without in [json!({"trustedOrigins": []}), json!({"trustedOrigins": null})] {
        refused(&patch(without).await, 400, "BadArgument", "at least one origin");
    }
    let shown = server.admin(Method::GET, "/sites/s").send().await.expect(200).json()["site"].clone();
    assert_eq!((&shown["enhancedAuthentication"], &shown["trustedOrigins"]), (&json!(true), &json!([HOME])));

    // It is kept, and so is that of a site of the file, which is changed there.
    let again = server.restarted().await;
    let shown = again.admin(Method::GET, "/sites/s").send().await.expect(200).json()["site"].clone();
    assert_eq!(shown["trustedOrigins"], json!([HOME]));
    let of_file = again.admin(Method::PATCH, &format!("/sites/{SITE}"));
    of_file.json(&json!({"enhancedAuthentication": false})).send().await.refused(409, "Conflict");
}
