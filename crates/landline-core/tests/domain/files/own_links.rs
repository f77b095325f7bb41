//! What a bot uploads and then names in what it says.

use std::time::Duration;

use landline_core::{Begin, BotSendError, CreateConversation, Next};
use landline_testkit::domain::{Behaviour, Fault};

use super::*;

/// What the bot is told as its serviceUrl; `unguessable` is the capability.
const BASE: &str = "http://landline.test/connector/unguessable/";

fn address(of: &ConversationId, file: &StoredFile, view: &str) -> String {
    format!("{BASE}v3/attachments/{of}.{}/views/{view}", file.id)
}

fn link(of: &ConversationId, file: &StoredFile, view: &str) -> String {
    format!("landline-file:/{of}/{}/{view}/{}", file.id, file.name)
}

fn showing(url: &str) -> Value {
    json!({"type": "message", "attachments": [{"contentType": "image/png", "contentUrl": url}]})
}

/// The newest thing that clients can see.
async fn newest(world: &World, of: &ConversationId) -> Value {
    world.history(of, 0).await.unwrap().0.pop().unwrap()
}

async fn with_file() -> (World, ConversationId, StoredFile) {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let file = bot_keeps(&world, &c, named("b.png", "image/png"), PNG, Some(PNG)).await.unwrap();
    (world, c, file)
}

#[tokio::test(start_paused = true)]
async fn a_file_of_a_bot_is_kept_with_its_thumbnail() {
    let (world, c, file) = with_file().await;

    assert_eq!(entries(&world, &c).await, std::slice::from_ref(&file));
    assert_eq!(consistent(&world, &[&c]).await, 2);
    assert_eq!(world.conversations.file_of_bot(&bot_name(), &c, &file.id).await.unwrap(), Some(file.clone()));
    let other = world.conversations.file_of_bot(&"other".parse().unwrap(), &c, &file.id).await;
    assert!(matches!(other, Err(landline_core::Unavailable::NotFound)), "{other:?}");
    assert_eq!(world.history(&c, 0).await.unwrap().0, [json!(null); 0], "nothing is shown");
}

#[tokio::test(start_paused = true)]
async fn the_address_that_only_the_bot_can_use_becomes_a_link_wherever_it_stands() {
    let (world, c, file) = with_file().await;
    let [original, thumbnail] = ["original", "thumbnail"].map(|view| address(&c, &file, view));
    let doubled = original.replace("/v3/", "//v3/");
    let card = json!({"body": [{"type": "Image", "url": original, "altText": format!("see {original}")}]});

    let said = json!({
        "type": "message",
        "attachments": [
            {"contentType": "image/png", "contentUrl": doubled, "thumbnailUrl": thumbnail},
            {"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
            {"contentType": "image/png", "contentUrl": "https://elsewhere.test/a.png"},
        ],
        "suggestedActions": {"actions": [{"type": "imBack", "image": original}]},
    });
    world.bot_says(&c, said, None).await.unwrap();

    let seen = newest(&world, &c).await;
    let [original, thumbnail] = ["original", "thumbnail"].map(|view| link(&c, &file, view));
    assert_eq!(seen["attachments"][0]["contentUrl"], original);
    assert_eq!(seen["attachments"][0]["thumbnailUrl"], thumbnail);
    assert_eq!(seen["attachments"][1]["content"]["body"][0]["url"], original);
    assert_eq!(seen["attachments"][2]["contentUrl"], "https://elsewhere.test/a.png");
    assert_eq!(seen["suggestedActions"]["actions"][0]["image"], original);
}

#[tokio::test(start_paused = true)]
async fn the_address_becomes_a_link_at_every_door() {
    let (world, c, file) = with_file().await;
    let (said, expected) = (showing(&address(&c, &file, "original")), link(&c, &file, "original"));
    let activity = || Activity::parse(said.to_string().as_bytes()).unwrap();
    let check = async |door: &str| {
        assert_eq!(newest(&world, &c).await["attachments"][0]["contentUrl"], expected, "{door}");
    };

    world.bot_says(&c, said.clone(), None).await.unwrap();
    check("send").await;

    let id = world.bot_says(&c, json!({"type": "message", "text": "old"}), None).await.unwrap();
    world.conversations.update_from_bot(&bot_name(), &c, &id, activity()).await.unwrap();
    check("update").await;

    world.conversations.upload_history(&bot_name(), &c, vec![activity()]).await.unwrap();
    check("history").await;

    let replies = json!({"activities": [said]}).to_string();
    world.bot.then([Behaviour::Answer(200, replies)]);
    let asked = json!({"type": "message", "from": {"id": "ann"}, "deliveryMode": "expectReplies"});
    world.send(&c, asked).await.unwrap();
    check("expectReplies").await;

    world.bot.then([Behaviour::Stream(vec![(Duration::ZERO, Some(("activity", said.clone())))])]);
    let asked = json!({"type": "message", "from": {"id": "ann"}, "deliveryMode": "stream"});
    world.send(&c, asked).await.unwrap();
    world.settle().await;
    check("stream").await;

    let shown = json!({"card": {"url": address(&c, &file, "original")}}).to_string();
    world.bot.then([Behaviour::Answer(200, shown)]);
    world.send(&c, json!({"type": "invoke", "from": {"id": "ann"}})).await.unwrap();
    assert_eq!(newest(&world, &c).await["value"]["body"]["card"]["url"], expected, "invoke");

    let begun = CreateConversation {
        bot: bot_name(),
        site: "default".parse().unwrap(),
        users: Vec::new(),
        activity: Some(activity()),
    };
    let begun = world.conversations.create_from_bot(begun).await.unwrap();
    let seen = newest(&world, &begun.id).await;
    assert_eq!(seen["attachments"][0]["contentUrl"], expected, "create, with a file of another conversation");
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_while_it_is_written_has_links_too() {
    let (world, c, file) = with_file().await;
    let begin = world.conversations.begin(&c, Begin::Now).await.unwrap();
    let mut follower = world.conversations.follow(&c, begin).await.unwrap();
    let mut chunk = showing(&address(&c, &file, "original"));
    chunk["type"] = "typing".into();
    chunk["text"] = "hel".into();
    chunk["channelData"] = json!({"streamType": "streaming", "streamSequence": 1});

    world.bot_says(&c, chunk, None).await.unwrap();

    let Next::Transient(seen) = follower.next().await.unwrap() else { panic!("a chunk") };
    let seen: Value = serde_json::from_slice(&seen).unwrap();
    assert_eq!(seen["attachments"][0]["contentUrl"], link(&c, &file, "original"));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_leads_nowhere_is_not_shown() {
    let (world, c, file) = with_file().await;
    let d = world.start("d", Some("ann")).await;
    let plain = bot_keeps(&world, &d, named("b.txt", "text/plain"), b"b", None).await.unwrap();
    world.clock.advance(Duration::from_secs(3600));
    let alive = bot_keeps(&world, &d, named("b.txt", "text/plain"), b"b", None).await.unwrap();
    world.clock.advance(Duration::from_secs(24 * 3600 - 3600));

    for (url, expected) in [
        (address(&d, &alive, "original"), link(&d, &alive, "original")),
        (address(&d, &plain, "original"), "about:blank".to_owned()),
        (address(&d, &alive, "thumbnail"), "about:blank".to_owned()),
        (address(&c, &alive, "original"), "about:blank".to_owned()),
        (address(&"nobodys".parse().unwrap(), &alive, "original"), "about:blank".to_owned()),
        (format!("{BASE}v3/attachments/x"), "about:blank".to_owned()),
        (
            address(&c, &file, "original").replace("unguessable", "another"),
            address(&c, &file, "original").replace("unguessable", "another"),
        ),
    ] {
        world.bot_says(&c, showing(&url), None).await.unwrap();
        assert_eq!(newest(&world, &c).await["attachments"][0]["contentUrl"], expected, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_no_link_by_knowing_the_address() {
    let (world, c, file) = with_file().await;
    let mut said = showing(&address(&c, &file, "original"));
    said["from"] = json!({"id": "ann"});

    world.send(&c, said).await.unwrap();

    assert_eq!(newest(&world, &c).await["attachments"][0]["contentUrl"], address(&c, &file, "original"));
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_links_too_much_is_refused() {
    let (world, c, file) = with_file().await;
    let many = |url: &dyn Fn(usize) -> String, count| {
        let attachments: Vec<_> = (0..count).map(|n| json!({"contentUrl": url(n)})).collect();
        json!({"type": "message", "attachments": attachments})
    };

    let different = many(&|n| format!("{BASE}v3/attachments/c.f{n}/views/original"), 200);
    let refused = world.bot_says(&c, different, None).await;
    assert!(
        matches!(&refused, Err(BotSendError::NotAllowed(why)) if why.contains("more than")),
        "{refused:?}"
    );

    let long = bot_keeps(&world, &c, named(&"x".repeat(255), "text/plain"), b"x", None).await.unwrap();
    let often = many(&|_| address(&c, &long, "original"), 2000);
    let refused = world.bot_says(&c, often, None).await;
    assert!(
        matches!(&refused, Err(BotSendError::NotAllowed(why)) if why.contains("too long")),
        "{refused:?}"
    );
    let same = many(&|_| address(&c, &file, "original"), 200);
    world.bot_says(&c, same, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_kept_leaves_the_facts_as_they_were() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    world.disk.then([Fault::Refuse]);

    let refused = bot_keeps(&world, &c, named("b.png", "image/png"), PNG, None).await;
    world.settle().await;

    assert!(
        matches!(refused, Err(UploadError::NotLogged(landline_core::NotLogged::Nothing(_)))),
        "{refused:?}"
    );
    assert_eq!(consistent(&world, &[&c]).await, 0);
    // What comes behind does not bring it back.
    bot_keeps(&world, &c, named("b.png", "image/png"), PNG, None).await.unwrap();
    world.say(&c, "bob", "joins", None).await.unwrap();
    assert_eq!(consistent(&world, &[&c]).await, 1);
    assert_eq!(entries(&world, &c).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_files_and_members_at_once_lose_none_of_each_other() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    world.disk.then([
        Fault::None,
        Fault::Refuse,
        Fault::None,
        Fault::Slow(Duration::from_secs(1)),
        Fault::Refuse,
    ]);

    let mut outcomes = tokio::task::JoinSet::new();
    for n in 0..10 {
        let mut upload = world.conversations.upload_from_bot(&bot_name(), &c).await.unwrap();
        take_one(&mut upload, named("b.png", "image/png"), PNG, View::Original).await.unwrap();
        outcomes.spawn(async move { upload.keep().await.map(drop).map_err(|error| error.to_string()) });
        let (conversations, c) = (world.conversations.clone(), c.clone());
        outcomes.spawn(async move {
            let mut upload = conversations.upload(&c).await.unwrap();
            take_one(&mut upload, named("c.png", "image/png"), PNG, View::Original).await.unwrap();
            let send = send_of(&c, json!({"type": "message", "from": {"id": format!("user{n}")}}));
            upload.send(send).await.map(drop).map_err(|error| error.to_string())
        });
    }
    let done = outcomes.join_all().await.into_iter().filter(Result::is_ok).count();
    world.settle().await;

    assert!((10..20).contains(&done), "{done}");
    assert_eq!(consistent(&world, &[&c]).await, done);
    let facts = world.conversations.facts(&c).await.unwrap();
    assert_eq!(facts.files, entries(&world, &c).await);
    let said = world.history(&c, 0).await.unwrap().0.len();
    let users = facts.members.iter().filter(|user| user.as_str().starts_with("user")).count();
    assert!(said <= users && users <= 10, "{said} have said something, {users} have joined");
}

/// A bot that shows no tokens is known by its capability alone: whoever reads it can speak as the bot.
#[tokio::test(start_paused = true)]
async fn the_capability_of_a_bot_is_seen_by_nobody() {
    let (world, c, file) = with_file().await;
    let url = address(&c, &file, "original");
    let said = json!({
        "type": "event",
        "text": format!("![]({url})"),
        // As `EventFactory` and `GetConversationReference` of the SDKs have it.
        "relatesTo": {"serviceUrl": BASE, "conversation": {"id": c}},
        "value": {"reference": {"serviceUrl": BASE}, (url.clone()): 1},
        (url.clone()): 2,
        "channelData": format!("{{\"url\":\"{url}\"}}"),
        "attachments": [
            {"contentType": "a/b", "contentUrl": url.to_uppercase().replace("UNGUESSABLE", "unguessable")},
            {"contentType": "a/b", "contentUrl": format!("{BASE}/{}", &url[BASE.len()..])},
            {"contentType": "a/b", "contentUrl": format!("{BASE}//{}", &url[BASE.len()..])},
        ],
    });

    world.bot_says(&c, said, None).await.unwrap();

    let seen = newest(&world, &c).await;
    assert!(!seen.to_string().contains("unguessable"), "{seen}");
    assert_eq!(seen["relatesTo"]["serviceUrl"], "http://landline.test/connector/hidden/");
    assert_eq!(seen["text"], format!("![]({})", url.replace("unguessable", "hidden")));
    assert_eq!(seen["attachments"][1]["contentUrl"], link(&c, &file, "original"), "{seen}");
}
