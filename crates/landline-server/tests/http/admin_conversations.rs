//! What an operator sees of conversations, and what is left of one that they delete.

use hyper::Method;
use landline_testkit::in_process::{Call, OTHER_BOT, TestServer};
use serde_json::{Value, json};

use crate::looks_like_a_refusal;

const NEVER: &str = "NeverWas0123456789abcd";

async fn ids(server: &TestServer, query: &str) -> Vec<String> {
    let listed = server.admin(Method::GET, &format!("/conversations{query}")).send().await.expect(200).json();
    assert!(listed.get("continuationToken").is_none(), "{listed}");
    let id = |one: &Value| one["id"].as_str().expect("an id").to_owned();
    listed["conversations"].as_array().expect("a list").iter().map(id).collect()
}

#[tokio::test]
async fn conversations_are_shown_without_what_was_said() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    ann.say("canary").await;
    let bot = server.bot_actor();
    bot.say(&ann.conversation, "canary").await;
    let file =
        json!({"name": "a.txt", "type": "text/plain", "originalBase64": "AQID", "thumbnailBase64": "BA=="});
    bot.at(Method::POST, &bot.path(&ann.conversation, "/attachments")).json(&file).send().await.expect(200);

    let reply = server.admin(Method::GET, &format!("/conversations/{}", ann.conversation)).send().await;

    let shown = reply.expect(200).json()["conversation"].clone();
    let expected = json!({
        "id": ann.conversation, "site": "default", "bot": "main", "created": shown["created"],
        "lastActivity": shown["lastActivity"], "members": 2, "activities": shown["activities"],
        "files": [{
            "id": shown["files"][0]["id"], "name": "a.txt", "type": "text/plain", "size": 3, "thumbnailSize": 1,
            "until": shown["files"][0]["until"],
        }],
        "filesSize": 4,
    });
    assert_eq!(shown, expected);
    assert!(shown["created"].as_str() <= shown["lastActivity"].as_str(), "{shown}");
    assert!(shown["activities"].as_u64() >= Some(2), "{shown}");
    let listed = server.admin(Method::GET, "/conversations").send().await.expect(200).json();
    let mut short = expected;
    short["files"] = 1.into();
    assert_eq!(listed["conversations"], json!([short]));
    assert!(!shown.to_string().contains("canary"));
}

#[tokio::test]
async fn the_list_can_be_of_a_bot_or_a_site() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let new = json!({"name": "new", "bot": OTHER_BOT});
    let secret = server.admin(Method::POST, "/sites").json(&new).send().await.expect(201).text("secret");
    let other = server.operator_with(&secret).person("carl").await.conversation;
    let mut both = [ann.conversation.clone(), other.clone()];
    both.sort_unstable();

    assert_eq!(ids(&server, "").await, both);
    assert_eq!(ids(&server, "?site=new").await, std::slice::from_ref(&other));
    assert_eq!(ids(&server, &format!("?bot={OTHER_BOT}&site=")).await, [other]);
    assert_eq!(ids(&server, "?bot=main&site=default").await, std::slice::from_ref(&ann.conversation));
    assert_eq!(ids(&server, "?bot=main&site=new").await, [""; 0]);
    assert_eq!(ids(&server, &format!("?continuationToken={}", both[0])).await, [both[1].clone()]);
    for (query, named) in [
        ("?bot=a%20b", "bot"),
        ("?site=/", "site"),
        ("?continuationToken=%00", "continuationToken"),
        ("?x=1", "x"),
    ] {
        let reply = server.admin(Method::GET, &format!("/conversations{query}")).send().await;
        let reply = reply.refused(400, "BadArgument");
        assert!(
            reply.json()["error"]["message"].as_str().is_some_and(|text| text.starts_with(named)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_conversation_that_is_deleted_is_gone_for_everybody() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    ann.say("q").await;
    let bot = server.bot_actor();
    let path = format!("/conversations/{}", ann.conversation);

    server.admin(Method::DELETE, &path).send().await.expect(204);

    for method in [Method::GET, Method::DELETE] {
        server.admin(method, &path).send().await.refused(404, "ResourceNotFound");
    }
    assert_eq!(ids(&server, "").await, std::slice::from_ref(&bob.conversation));
    let members = bot.at(Method::GET, &bot.path(&ann.conversation, "/members")).send().await;
    looks_like_a_refusal(&members, 404, "ResourceNotFound");
    let poll = server.get(&format!("/v3/directline/conversations/{}/activities", ann.conversation));
    looks_like_a_refusal(&poll.bearer(&ann.token).send().await, 404, "ResourceNotFound");
    bob.say("still here").await;
    assert_eq!(bob.texts().await, ["still here"]);
    let page = Call::new(server.admin, Method::GET, "/metrics").send().await.expect(200);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains(r#"landline_admin_changes_total{change="ConversationDeleted"} 1"#), "{page}");
}

#[tokio::test]
async fn a_purge_is_asked_for_by_the_operator_and_told() {
    let server = TestServer::start().await;
    server.admin(Method::POST, "/purge").send().await.expect(204);
    server.admin(Method::POST, "/purge").json(&json!({"x": 1})).send().await.refused(400, "BadArgument");
    let page = Call::new(server.admin, Method::GET, "/metrics").send().await.expect(200);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains(r#"landline_admin_changes_total{change="Purged"} 1"#), "{page}");
}

#[tokio::test]
async fn what_never_was_is_not_found() {
    let server = TestServer::start().await;
    for id in [NEVER, "a%20b", "..%2f"] {
        for method in [Method::GET, Method::DELETE] {
            let reply = server.admin(method, &format!("/conversations/{id}")).send().await;
            reply.refused(404, "ResourceNotFound");
        }
    }
    let reply = server.admin(Method::PUT, &format!("/conversations/{NEVER}")).send().await;
    reply.refused(405, "NotSupported");
}
