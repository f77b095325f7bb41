//! A bot begins conversations, and lists those that it has.

use hyper::Method;
use landline_testkit::in_process::{OTHER_SECRET, SECRET, SITE, TestServer, message, start};
use serde_json::{Value, json};

use crate::looks_like_a_refusal;

fn ids(listed: &Value) -> Vec<String> {
    let conversations = listed["conversations"].as_array().expect("an array");
    conversations.iter().map(|c| c["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_bot_begins_a_conversation_and_a_user_comes_to_it() {
    let server = TestServer::builder().embedded().start().await;
    let bot = server.bot_actor();
    let wanted = json!({
        "isGroup": false, "bot": {"id": "main"}, "topicName": null, "tenantId": "t",
        "members": [{"id": "ann", "name": "Ann", "aadObjectId": null}],
        "activity": {"type": "message", "text": "good morning", "recipient": null},
        "channelData": null
    });

    let created = bot.call(Method::POST, "").json(&wanted).send().await.expect(201);

    let conversation = created.text("id");
    let expected = json!({"id": conversation, "activityId": format!("{conversation}|0000001"), "serviceUrl": server.service_url});
    assert_eq!(created.json(), expected);
    let server = server.restarted().await;
    let bot = server.bot_actor();
    let token =
        server.operator().token(&json!({"conversationId": conversation, "user": {"id": "ann"}})).await;
    let started = start(server.address, &token).send().await.expect(200);
    assert_eq!(started.text("conversationId"), conversation);
    let path = format!("/v3/directline/conversations/{conversation}/activities");
    server.post(&path).bearer(&token).json(&message("ann", "hi")).send().await.expect(200);
    bot.say(&conversation, "how are you").await;
    assert_eq!(server.get(&path).bearer(&token).send().await.texts(), ["good morning", "hi", "how are you"]);
    let members = bot.call(Method::GET, &format!("/{conversation}/members")).send().await.expect(200).json();
    assert_eq!(members[1], json!({"id": "ann", "name": "Ann", "role": "user"}));
    let updates = server.bot.taken().iter().filter(|a| a["type"] == "conversationUpdate").count();
    assert_eq!(updates, 0, "the bot named them itself");
    // The other site's secret opens nothing.
    let other = server.other_operator().generate(&json!({"conversationId": conversation})).send().await;
    looks_like_a_refusal(&other, 404, "ResourceNotFound");
}

#[tokio::test]
async fn which_site_a_conversation_is_for() {
    let server = TestServer::builder()
        .configure(|config| {
            let second = landline_server::config::SiteConfig {
                name: "second".parse().unwrap(),
                ..config.sites[0].clone()
            };
            config.sites.push(second);
        })
        .start()
        .await;
    let create = |bot: &landline_testkit::in_process::BotActor, body: Value| {
        bot.call(Method::POST, "").json(&body).send()
    };
    let (bot, other) = (server.bot_actor(), server.other_bot_actor());

    let refused = create(&bot, json!({})).await;
    looks_like_a_refusal(&refused, 400, "BadArgument");
    assert!(refused.json()["error"]["message"].as_str().expect("a text").contains("channelData.site"));
    for site in ["second", SITE] {
        create(&bot, json!({"channelData": {"site": site}})).await.expect(201);
    }
    for not_theirs in ["never", landline_testkit::in_process::OTHER_SITE] {
        let refused = create(&bot, json!({"channelData": {"site": not_theirs}})).await;
        looks_like_a_refusal(&refused, 400, "BadArgument");
    }
    let only = create(&other, json!({})).await.expect(201).text("id");
    let body = json!({"conversationId": only});
    let generate =
        |secret: &str| server.post("/v3/directline/tokens/generate").bearer(secret).json(&body).send();
    generate(OTHER_SECRET).await.expect(200);
    looks_like_a_refusal(&generate(SECRET).await, 404, "ResourceNotFound");
}

#[tokio::test]
async fn a_bot_without_a_site_has_nobody_to_talk_to() {
    let server = TestServer::builder().configure(|config| config.sites.truncate(1)).start().await;
    let refused = server.other_bot_actor().call(Method::POST, "").json(&json!({})).send().await;
    looks_like_a_refusal(&refused, 400, "BadArgument");
    let told = refused.json()["error"]["message"].as_str().expect("a text").to_owned();
    assert!(told.contains("landline site add"), "{told}");
}

#[tokio::test]
async fn conversations_that_are_not_begun() {
    let server = TestServer::start().await;
    let bot = server.bot_actor();
    let post = || bot.call(Method::POST, "");
    let many: Vec<_> = (0..257).map(|n| json!({"id": format!("u{n}")})).collect();
    for (call, status, code) in [
        (post().json(&json!({"members": [{}]})), 400, "BadArgument"),
        (post().json(&json!({"members": "ann"})), 400, "BadArgument"),
        (post().json(&json!({"members": many})), 400, "BadArgument"),
        (post().json(&json!({"activity": {"text": "x"}})), 400, "MissingProperty"),
        (post().json(&json!({"activity": {"type": 7}})), 400, "BadArgument"),
        (post().json(&json!({"activity": "x"})), 400, "BadArgument"),
        (post().json_text("[]"), 400, "MalformedData"),
        (post().json_text("{"), 400, "MalformedData"),
        (post().json(&json!({"x": "x".repeat(300_000)})), 413, "MessageSizeTooBig"),
        (post().header("content-type", "text/plain").body("{}"), 415, "NotSupported"),
        (bot.call(Method::PUT, ""), 405, "NotSupported"),
    ] {
        looks_like_a_refusal(&call.send().await, status, code);
    }
    let listed = bot.call(Method::GET, "").send().await.expect(200);
    assert_eq!(listed.json(), json!({"conversations": []}));
    // An empty body asks for a conversation with nobody in it.
    let created = post().send().await.expect(201).json();
    assert!(created.get("activityId").is_none());
}

#[tokio::test]
async fn a_bot_lists_its_own_conversations_and_no_others() {
    let server = TestServer::builder().embedded().start().await;
    let (bot, other) = (server.bot_actor(), server.other_bot_actor());
    let mut expected = Vec::new();
    for n in 0..105 {
        expected.push(bot.call(Method::POST, "").json(&json!({})).send().await.expect(201).text("id"));
        if n % 5 == 0 {
            other.call(Method::POST, "").json(&json!({})).send().await.expect(201);
        }
    }
    expected.push(server.person("ann").await.conversation);
    expected.sort_unstable();

    let first = bot.call(Method::GET, "").send().await.expect(200).json();
    let token = first["continuationToken"].as_str().expect("it goes on").to_owned();
    let last = ids(&first).pop().expect("one");
    assert!(!token.contains(&last) && ids(&first).len() == 100);
    let next = |bot: &landline_testkit::in_process::BotActor, token: &str| {
        bot.call(Method::GET, &format!("?continuationToken={token}")).send()
    };
    let second = next(&bot, &token).await.expect(200).json();
    assert_eq!([ids(&first), ids(&second)].concat(), expected);
    assert!(second.get("continuationToken").is_none());
    let anns =
        first["conversations"].as_array().into_iter().chain(second["conversations"].as_array()).flatten();
    let with_ann = anns.filter(|c| c["members"][1] == json!({"id": "ann", "role": "user"})).count();
    assert_eq!(with_ann, 1);
    assert_eq!(ids(&next(&other, "").await.expect(200).json()).len(), 21);
    // One bot's place in its list is nothing to another one, and nobody makes one up.
    for (bot, token) in
        [(&other, token.as_str()), (&bot, "x"), (&bot, &token[1..]), (&bot, &"A".repeat(5000))]
    {
        looks_like_a_refusal(&next(bot, token).await, 400, "BadArgument");
    }
}
