//! Who is in a conversation, as its bot gets to hear it.

use hyper::Method;
use landline_testkit::in_process::{SECRET, TestServer, message};
use serde_json::{Value, json};

use crate::looks_like_a_refusal;

fn ids(members: &Value) -> Vec<&str> {
    members.as_array().expect("an array").iter().map(|member| member["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn members_are_told_one_by_one_all_at_once_and_in_pages() {
    let server = TestServer::start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let activity = ann.say("one").await;
    for n in 0..130 {
        let said = json!({"type": "message", "text": "x", "from": {"id": format!("u {n:03}/é"), "name": format!("N{n}")}});
        server.post(&ann.path("/activities")).bearer(SECRET).json(&said).send().await.expect(200);
    }
    let get = |rest: &str| bot.at(Method::GET, &bot.path(&ann.conversation, rest)).send();

    let all = get("/members").await.expect(200).json();
    assert_eq!(all[0], json!({"id": "main", "name": "main", "role": "bot"}));
    assert_eq!(all[1], json!({"id": "ann", "role": "user"}), "never a null");
    assert_eq!(all[2], json!({"id": "u 000/é", "name": "N0", "role": "user"}));
    assert_eq!(ids(&all).len(), 132);
    assert_eq!(get(&format!("/activities/{activity}/members")).await.expect(200).json(), all);
    for (path, expected) in [("ann", 1), ("u%20000%2F%C3%A9", 2), ("main", 0)] {
        assert_eq!(get(&format!("/members/{path}")).await.expect(200).json(), all[expected], "{path}");
    }
    for unknown in ["nobody", "ANN", "%00", "u%20000", &"x".repeat(300)] {
        looks_like_a_refusal(&get(&format!("/members/{unknown}")).await, 404, "ResourceNotFound");
    }
    for unknown in ["made-up".to_owned(), format!("{}|0009999", ann.conversation)] {
        let refused = get(&format!("/activities/{unknown}/members")).await;
        looks_like_a_refusal(&refused, 404, "ResourceNotFound");
    }
    for (size, pages) in [("", 2), ("pageSize=1000", 2), ("pageSize=50", 3), ("pageSize=1", 132)] {
        let (mut paged, mut token, mut count) = (Vec::new(), String::new(), 0);
        loop {
            let encoded: String = url_encoded(&token);
            let page =
                get(&format!("/pagedmembers?{size}&continuationToken={encoded}")).await.expect(200).json();
            paged.extend(ids(&page["members"]).into_iter().map(str::to_owned));
            count += 1;
            match page.get("continuationToken") {
                Some(next) => token = next.as_str().expect("a text").to_owned(),
                None => break,
            }
        }
        let mut expected = ids(&all);
        expected.sort_unstable();
        assert_eq!((paged, count), (expected.into_iter().map(str::to_owned).collect(), pages), "{size}");
    }
    for bad in ["0", "-1", "x", "1.5", "99999999999999999999999"] {
        let refused = get(&format!("/pagedmembers?pageSize={bad}")).await;
        looks_like_a_refusal(&refused, 400, "BadArgument");
    }
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
async fn who_is_removed_is_gone_until_they_speak() {
    let server = TestServer::builder().embedded().start().await;
    let (ann, bot) = (server.person("ann").await, server.bot_actor());
    let bob = message("bob", "hello");
    server.post(&ann.path("/activities")).bearer(SECRET).json(&bob).send().await.expect(200);
    let remove =
        |who: &str| bot.at(Method::DELETE, &bot.path(&ann.conversation, &format!("/members/{who}"))).send();

    assert!(remove("bob").await.expect(200).body.is_empty());

    for server in [&server, &server.restarted().await] {
        let bot = server.bot_actor();
        let members =
            bot.at(Method::GET, &bot.path(&ann.conversation, "/members")).send().await.expect(200).json();
        assert_eq!(ids(&members), ["main", "ann"]);
    }
    looks_like_a_refusal(&remove("bob").await, 404, "ResourceNotFound");
    looks_like_a_refusal(&remove("main").await, 400, "BadArgument");
    server.post(&ann.path("/activities")).bearer(SECRET).json(&bob).send().await.expect(200);
    let changes: Vec<_> = server
        .bot
        .taken()
        .iter()
        .filter(|a| a["type"] == "conversationUpdate" && a["membersAdded"][0]["id"] != "main")
        .map(|a| (a["membersAdded"][0]["id"].clone(), a["membersRemoved"][0]["id"].clone()))
        .collect();
    assert_eq!(
        changes,
        [(json!("bob"), json!(null)), (json!(null), json!("bob")), (json!("bob"), json!(null))]
    );
    assert_eq!(ann.texts().await, ["hello", "hello"], "clients see none of it");
}
