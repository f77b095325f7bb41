//! The admin API: what its changes do at once to clients and bots that are there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hyper::Method;
use landline_testkit::in_process::{Call, Frame, SECRET, Socket, TestServer, start};
use serde_json::{Value, json};
use tokio::sync::RwLock;

use crate::admin::{ENDPOINT, refused};

async fn add_bot(server: &TestServer, name: &str) {
    let body = json!({"name": name, "endpoint": ENDPOINT});
    server.admin(Method::POST, "/bots").json(&body).send().await.expect(201);
}

async fn add_site(server: &TestServer, name: &str, bot: &str) -> String {
    let body = json!({"name": name, "bot": bot});
    server.admin(Method::POST, "/sites").json(&body).send().await.expect(201).text("secret")
}

/// What a bot without app id is told, as a path.
fn connector(server: &TestServer, bot: &str) -> String {
    let snapshot = server.directory.snapshot();
    let url = snapshot.bots[&bot.parse().expect("a name")].service_url.expose().to_string();
    format!("/{}", url.splitn(4, '/').nth(3).expect("a path"))
}

fn reply(server: &TestServer, connector: &str, conversation: &str) -> Call {
    server
        .post(&format!("{connector}v3/conversations/{conversation}/activities"))
        .json(&json!({"type": "message", "text": "from the bot"}))
}

#[tokio::test]
async fn fifty_bots_and_sites_are_usable_as_soon_as_they_are_there() {
    let server = TestServer::start().await;
    let server = &server;
    let used = (0..50).map(|number| async move {
        let name = format!("n{number}");
        add_bot(server, &name).await;
        let secret = add_site(server, &name, &name).await;
        let person = server.operator_with(&secret).person(&format!("user{number}")).await;
        person.say(&name).await;
        reply(server, &connector(server, &name), &person.conversation).send().await.expect(200);
        assert_eq!(person.texts().await, [name.as_str(), "from the bot"]);
        person
    });
    let people = join_all(used).await;

    let mut heard = server.bot.texts();
    heard.sort();
    let mut names: Vec<_> = (0..50).map(|number| format!("n{number}")).collect();
    names.sort();
    assert_eq!(heard, names, "every bot got its own, once");
    for activity in server.bot.taken().iter().filter(|activity| activity["type"] == "message") {
        assert_eq!(activity["recipient"]["id"], activity["text"], "the bot of the site");
    }
    // What belongs to one opens nothing of another.
    reply(server, &connector(server, "n1"), &people[2].conversation)
        .send()
        .await
        .refused(404, "ResourceNotFound");
    let metrics = Call::new(server.admin, Method::GET, "/metrics").send().await.expect(200);
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    for line in
        ["landline_bots 52", "landline_sites 52", "landline_admin_changes_total{change=\"BotAdded\"} 50"]
    {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing");
    }
}

/// Clients of a site work while its secrets and the keys of its tokens are exchanged under them, again and again, each
/// secret being taken away when nobody uses it any more.
#[tokio::test]
async fn no_send_fails_while_secrets_and_keys_are_exchanged() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 6; // fewer than the ring of token keys holds
    let server = Arc::new(TestServer::start().await);
    add_bot(&server, "live").await;
    let first = add_site(&server, "live", "live").await;
    let oldest = server.operator_with(&first).person("oldest").await;
    // What services use just now. Whoever holds it for reading is in the middle of a call.
    let secret = Arc::new(RwLock::new(first));
    let done = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (server, secret) = (Arc::clone(&server), Arc::clone(&secret));
            let (done, sent, oldest) = (Arc::clone(&done), Arc::clone(&sent), oldest.clone());
            async move {
                let mut said = 0;
                while !done.load(Ordering::Relaxed) {
                    let person = {
                        let secret = secret.read().await;
                        server.operator_with(&secret).person(&format!("client{number}")).await
                    };
                    person.say("with a new token").await;
                    person.stream("").await;
                    let refresh = server.post("/v3/directline/tokens/refresh").bearer(&person.token);
                    let token = refresh.send().await.expect(200).text("token");
                    person.beside(&person.name, &token).say("with a refreshed one").await;
                    oldest.say("with the oldest").await;
                    said += 3;
                    sent.fetch_add(3, Ordering::Relaxed);
                }
                said
            }
        })
        .collect();
    let operator = async {
        for round in 0..ROUNDS {
            let before = sent.load(Ordering::Relaxed);
            server.clock.advance(Duration::from_secs(1));
            let added = server.admin(Method::POST, "/sites/live/secrets").send().await.expect(201);
            let old_slot = 3 - added.json()["slot"].as_u64().expect("a slot");
            server.admin(Method::POST, "/keys/tokens").send().await.expect(200);
            let old = std::mem::replace(&mut *secret.write().await, added.text("secret"));
            server.admin(Method::DELETE, &format!("/sites/live/secrets/{old_slot}")).send().await.expect(204);
            let refused = server.operator_with(&old).generate(&json!({})).send().await;
            refused.refused(403, "BadArgument");
            let goes_on = async {
                while sent.load(Ordering::Relaxed) < before + CLIENTS as u64 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), goes_on)
                .await
                .unwrap_or_else(|_| panic!("round {round}"));
        }
        done.store(true, Ordering::Relaxed);
    };

    let (said, ()) = tokio::join!(join_all(clients), operator);

    let said: u64 = said.into_iter().sum();
    assert!(said >= (ROUNDS * CLIENTS) as u64);
    assert_eq!(server.bot.texts().len() as u64, said, "each send reached the bot once");
}

#[tokio::test]
async fn of_two_who_change_the_same_at_once_one_comes_first() {
    let server = TestServer::start().await;
    let bot = json!({"name": "same", "endpoint": ENDPOINT, "appId": true});
    let site = json!({"name": "same", "bot": "main"});
    for (path, body) in [("/bots", &bot), ("/sites", &site)] {
        let calls = (0..8).map(|_| server.admin(Method::POST, path).json(body).send());
        let replies = join_all(calls).await;
        let added = replies.iter().filter(|reply| reply.status == 201).count();
        assert_eq!(added, 1, "{path}");
        for reply in replies.iter().filter(|reply| reply.status != 201) {
            refused(reply, 409, "Conflict", "already");
        }
    }
    // Eight new secrets one after another: the two newest are left, and every answer was true when it was given.
    let secrets = join_all((0..8).map(|_| server.admin(Method::POST, "/sites/same/secrets").send())).await;
    let secrets: Vec<_> = secrets.into_iter().map(|reply| reply.expect(201).text("secret")).collect();
    let snapshot = server.directory.snapshot();
    let good = secrets.iter().filter(|secret| snapshot.site_by_secret(secret).is_some()).count();
    assert_eq!(good, 2);
    // Different settings of one bot: none is lost.
    let changes = [json!({"tenant": "t1"}), json!({"issuer": "https://i"}), json!({"delivery": "queued"})];
    let patched = changes.iter().map(|change| server.admin(Method::PATCH, "/bots/same").json(change).send());
    for reply in join_all(patched).await {
        reply.expect(200);
    }
    let same = server.admin(Method::GET, "/bots/same").send().await.expect(200).json()["bot"].clone();
    assert_eq!(
        json!([same["tenant"], same["issuer"], same["delivery"]]),
        json!(["t1", "https://i", "queued"])
    );
    // Adding a site for a bot while the bot goes: never a site without a bot.
    for round in 0..8 {
        add_bot(&server, "brief").await;
        let site = json!({"name": format!("brief{round}"), "bot": "brief"});
        let (added, removed) = tokio::join!(
            server.admin(Method::POST, "/sites").json(&site).send(),
            server.admin(Method::DELETE, "/bots/brief").send(),
        );
        match (added.status, removed.status) {
            (201, 409) => {
                server.admin(Method::DELETE, &format!("/sites/brief{round}")).send().await.expect(204);
                server.admin(Method::DELETE, "/bots/brief").send().await.expect(204);
            }
            (400, 204) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_removed_site_opens_nothing_any_more() {
    let server = TestServer::builder()
        .configure(|config| config.limits.server.stream_idle = Duration::from_millis(200))
        .start()
        .await;
    let secret = add_site(&server, "brief", "main").await;
    let ann = server.operator_with(&secret).person("ann").await;
    let mut silent = server.operator_with(&secret).person("bob").await.stream("").await;
    ann.say("before").await;
    let mut stream = ann.stream("?watermark=").await;
    stream.texts(1).await;

    server.admin(Method::DELETE, "/sites/brief").send().await.expect(204);

    server.operator_with(&secret).generate(&json!({})).send().await.refused(403, "BadArgument");
    ann.poll("").await.refused(403, "BadArgument");
    let said = ann.send(&json!({"type": "message", "from": {"id": "ann"}, "text": "after"}));
    said.send().await.refused(403, "BadArgument");
    server.post("/v3/directline/tokens/refresh").bearer(&ann.token).send().await.refused(403, "BadArgument");
    start(server.address, &ann.token).send().await.refused(403, "BadArgument");
    let ticket = ann.stream_url.splitn(4, '/').nth(3).expect("a path").to_owned();
    server.get(&format!("/{ticket}")).send().await.refused(403, "BadArgument");
    assert_eq!(server.bot.texts(), ["before"]);
    // The bot finds its conversation, the open stream ends and shows nothing of it, and other sites have lost nothing.
    server.bot_actor().say(&ann.conversation, "still heard").await;
    let (end, texts) = stream.until_end().await;
    assert_eq!(texts, [""; 0]);
    assert_eq!(end, Frame::Closed(1008, "the site was removed".to_owned()));
    assert!(matches!(silent.until_end().await, (Frame::Closed(1008, _), texts) if texts.is_empty()));
    server.operator_with(SECRET).person("bob").await.say("hello").await;
}

#[tokio::test]
async fn a_site_that_is_added_again_does_not_take_its_old_tokens_back() {
    let server = TestServer::builder()
        .configure(|config| config.limits.server.stream_idle = Duration::from_millis(200))
        .start()
        .await;
    let secret = add_site(&server, "brief", "main").await;
    let ann = server.operator_with(&secret).person("ann").await;
    ann.say("before").await;
    let mut silent = ann.stream("?watermark=").await;
    silent.texts(1).await;
    // At once, in the same second: the clock of the test stands still.
    server.admin(Method::DELETE, "/sites/brief").send().await.expect(204);
    let secret = add_site(&server, "brief", "main").await;

    ann.poll("").await.refused(403, "BadArgument");
    server.post("/v3/directline/tokens/refresh").bearer(&ann.token).send().await.refused(403, "BadArgument");
    let ticket = ann.stream_url.splitn(4, '/').nth(3).expect("a path").to_owned();
    server.get(&format!("/{ticket}")).send().await.refused(403, "BadArgument");
    assert!(matches!(silent.until_end().await, (Frame::Closed(1008, _), texts) if texts.is_empty()));

    // What it issues itself works at once, for new conversations and for those that were there, and after a change.
    let operator = server.operator_with(&secret);
    let bob = operator.person("bob").await;
    bob.say("hello").await;
    Socket::open(&bob.stream_url).await.texts(1).await;
    let body = json!({"conversationId": ann.conversation, "user": {"id": "ann"}});
    let token = operator.token(&body).await;
    assert_eq!(ann.beside("ann", &token).texts().await, ["before"]);
    let change = json!({"tokenLifetime": "5m"});
    server.admin(Method::PATCH, "/sites/brief").json(&change).send().await.expect(200);
    let refresh = server.post("/v3/directline/tokens/refresh").bearer(&bob.token).send().await.expect(200);
    let server = server.restarted().await;
    server.post("/v3/directline/tokens/refresh").bearer(&refresh.text("token")).send().await.expect(200);
    server.post("/v3/directline/tokens/refresh").bearer(&ann.token).send().await.refused(403, "BadArgument");
}

#[tokio::test]
async fn a_conversation_stays_with_the_bot_it_was_started_with() {
    let server = TestServer::start().await;
    add_bot(&server, "old").await;
    add_bot(&server, "new").await;
    let secret = add_site(&server, "moving", "old").await;
    let operator = server.operator_with(&secret);
    let ann = operator.person("ann").await;
    ann.say("one").await;
    let unused = operator.token(&json!({"user": {"id": "bob"}})).await;

    let change = json!({"bot": "new"});
    server.admin(Method::PATCH, "/sites/moving").json(&change).send().await.expect(200);

    ann.say("two").await;
    let refresh = server.post("/v3/directline/tokens/refresh").bearer(&ann.token);
    let fresh = ann.beside("ann", &refresh.send().await.expect(200).text("token"));
    fresh.say("three").await;
    Socket::open(&ann.stream_url).await.texts(3).await;
    reply(&server, &connector(&server, "old"), &ann.conversation).send().await.expect(200);
    reply(&server, &connector(&server, "new"), &ann.conversation)
        .send()
        .await
        .refused(404, "ResourceNotFound");
    // What begins now begins with the new bot, also with a token from before.
    let begun = start(server.address, &unused).send().await.expect(201);
    reply(&server, &connector(&server, "new"), &begun.text("conversationId")).send().await.expect(200);
    operator.person("cid").await.say("four").await;
    let to: Vec<Value> = server
        .bot
        .taken()
        .iter()
        .filter(|activity| activity["type"] == "message")
        .map(|activity| json!([activity["text"], activity["recipient"]["id"]]))
        .collect();
    assert_eq!(
        to,
        [json!(["one", "old"]), json!(["two", "old"]), json!(["three", "old"]), json!(["four", "new"])]
    );

    // Now nobody uses the old bot. Its conversation stays, and nobody answers in it.
    server.admin(Method::DELETE, "/bots/old").send().await.expect(204);
    let sent = ann.send(&json!({"type": "message", "from": {"id": "ann"}, "text": "five"})).send().await;
    sent.refused(502, "BotError");
    assert_eq!(ann.texts().await.last().map(String::as_str), Some("five"), "it is kept");
}

#[tokio::test]
async fn a_new_capability_takes_the_place_of_the_old_one() {
    let server = TestServer::start().await;
    add_bot(&server, "plain").await;
    let secret = add_site(&server, "plain", "plain").await;
    let ann = server.operator_with(&secret).person("ann").await;
    let old = connector(&server, "plain");
    reply(&server, &old, &ann.conversation).send().await.expect(200);

    server.admin(Method::POST, "/bots/plain/capability").send().await.expect(200);

    reply(&server, &old, &ann.conversation).send().await.refused(404, "ResourceNotFound");
    let new = connector(&server, "plain");
    reply(&server, &new, &ann.conversation).send().await.expect(200);
    ann.say("where?").await;
    let told = server.bot.taken().last().expect("one")["serviceUrl"].as_str().expect("a URL").to_owned();
    assert!(told.ends_with(&new), "the bot is told with the next activity");
    // That of a bot of the file does not stand in the file.
    let file = connector(&server, "main");
    server.admin(Method::POST, "/bots/main/capability").send().await.expect(200);
    assert_ne!(connector(&server, "main"), file);
    assert_eq!(server.admin(Method::GET, "/bots/main").send().await.json()["bot"]["managedBy"], "file");
    let again = server.restarted().await;
    let capability = |path: &str| path.split('/').nth(2).map(str::to_owned);
    assert_eq!(capability(&connector(&again, "plain")), capability(&new));

    // With an app id there is none; what comes afterwards is another one.
    let with_app_id = json!({"appId": "app"});
    server.admin(Method::PATCH, "/bots/plain").json(&with_app_id).send().await.expect(200);
    reply(&server, &new, &ann.conversation).send().await.refused(404, "ResourceNotFound");
    server.admin(Method::PATCH, "/bots/plain").json(&json!({"appId": null})).send().await.expect(200);
    assert_ne!(connector(&server, "plain"), new);
    reply(&server, &connector(&server, "plain"), &ann.conversation).send().await.expect(200);
}
