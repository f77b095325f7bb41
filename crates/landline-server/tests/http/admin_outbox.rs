//! The admin API: what waits for a bot is listed, tried again, and taken away.

use std::time::Duration;

use hyper::Method;
use landline_core::DeliveryMode;
use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::{BOT, Person, SOON, TestServer};
use serde_json::{Value, json};

use crate::admin::refused;

/// A server whose first bot is in queued mode and gone, and two who have said something to it.
async fn parked() -> (TestServer, [Person; 2]) {
    let server = TestServer::builder()
        .configure(|config| config.bots[0].delivery = DeliveryMode::Queued)
        .start()
        .await;
    let people = [server.person("ann").await, server.person("bob").await];
    // The conversationUpdates are taken; from then on the bot is gone.
    until(async || server.bot.taken().len() >= 2).await;
    server.bot.then([Behaviour::Answer(410, String::new()), Behaviour::Answer(410, String::new())]);
    for person in &people {
        person.say("lost?").await;
    }
    until(async || entries(&server, "?state=parked").await.len() == 2).await;
    (server, people)
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let all = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, all).await.expect("in time");
}

async fn entries(server: &TestServer, query: &str) -> Vec<Value> {
    let page = server.admin(Method::GET, &format!("/outbox{query}")).send().await.expect(200).json();
    assert!(page.get("continuationToken").is_none());
    page["entries"].as_array().expect("an array").clone()
}

async fn act(server: &TestServer, what: &str, body: Value) -> u64 {
    let reply = server.admin(Method::POST, &format!("/outbox/{what}")).json(&body).send().await.expect(200);
    reply.json()["count"].as_u64().expect("a count")
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_tried_again() {
    let (server, [ann, _]) = parked().await;
    let listed = entries(&server, "").await;
    let entry =
        listed.iter().find(|entry| entry["conversationId"] == ann.conversation.as_str()).expect("ann's");
    let expected = json!({
        "activityId": format!("{}|0000002", ann.conversation), "conversationId": ann.conversation, "bot": BOT,
        "state": "parked", "attempts": 1, "since": entry["since"], "lastStatus": 410,
    });
    assert_eq!(*entry, expected);
    assert_eq!(entries(&server, "?bot=main").await.len(), 2);
    assert!(entries(&server, "?bot=second").await.is_empty());
    assert!(entries(&server, "?state=queued").await.is_empty());

    assert_eq!(act(&server, "retry", json!({"activityId": entry["activityId"]})).await, 1);
    until(async || entries(&server, "").await.len() == 1).await;
    assert_eq!(server.bot.texts().len(), 3, "both were refused, one is there now");
    assert_eq!(act(&server, "retry", json!({"activityId": entry["activityId"]})).await, 0, "it is there");
    assert_eq!(act(&server, "retry", json!({"bot": BOT, "state": "parked"})).await, 1);
    until(async || entries(&server, "").await.is_empty()).await;
    assert_eq!(server.bot.texts().len(), 4);
}

#[tokio::test]
async fn what_is_taken_away_is_never_delivered_and_stays_in_its_conversation() {
    let (server, [ann, bob]) = parked().await;
    let id = format!("{}|0000002", ann.conversation);
    assert_eq!(act(&server, "drop", json!({"activityId": id})).await, 1);
    assert_eq!(act(&server, "drop", json!({"activityId": id})).await, 0);
    assert_eq!(act(&server, "drop", json!({"bot": "second", "state": "parked"})).await, 0);
    assert_eq!(act(&server, "drop", json!({"activityId": "neverWas0123456789abcd|0000002"})).await, 0);
    assert_eq!(act(&server, "drop", json!({"bot": BOT, "state": "parked"})).await, 1);
    assert!(entries(&server, "").await.is_empty());
    for person in [&ann, &bob] {
        assert_eq!(person.texts().await, ["lost?"]);
        person.say("next").await;
    }
    until(async || server.bot.texts().len() == 4).await;
    assert_eq!(server.bot.texts()[2..], ["next", "next"]);
}

#[tokio::test]
async fn what_names_nothing_or_too_much_is_refused() {
    let server = TestServer::start().await;
    for query in ["?bot=a%20b", "?state=lost", "?continuationToken=x", "?limit=1", "?bot=a&bot=b"] {
        let reply = server.admin(Method::GET, &format!("/outbox{query}")).send().await;
        refused(&reply, 400, "BadArgument", "");
    }
    assert!(entries(&server, "?bot=&state=&continuationToken=").await.is_empty());
    for what in ["retry", "drop"] {
        for body in [
            json!({}),
            json!({"bot": BOT}),
            json!({"state": "parked"}),
            json!({"bot": BOT, "state": "queued"}),
            json!({"bot": BOT, "state": "parked", "activityId": "a|0000001"}),
            json!({"activityId": "a"}),
            json!({"activityId": 7}),
            json!({"all": true}),
        ] {
            let reply = server.admin(Method::POST, &format!("/outbox/{what}")).json(&body).send().await;
            refused(&reply, 400, "BadArgument", "");
        }
    }
}
