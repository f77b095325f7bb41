//! What else a bot may do: begin conversations, list them, and upload what was said elsewhere.

use std::time::Duration;

use landline_core::{BotSendError, CreateConversation, NotLogged, StartConversation, Unavailable};
use landline_protocol::{Activity, BotName, ChannelAccount, ConversationId, Timestamp};
use landline_testkit::domain::{Fault, World, bot_name, start};
use serde_json::{Value, json};

fn activity(json: &Value) -> Activity {
    Activity::parse(json.to_string().as_bytes()).unwrap()
}

fn user(id: &str, name: Option<&str>) -> ChannelAccount {
    ChannelAccount { id: id.parse().unwrap(), name: name.map(Into::into) }
}

fn wanted(users: Vec<ChannelAccount>, first: Option<Value>) -> CreateConversation {
    let site = "default".parse().unwrap();
    CreateConversation { bot: bot_name(), site, users, activity: first.map(|json| activity(&json)) }
}

async fn upload(world: &World, to: &ConversationId, transcript: &[Value]) -> Result<String, BotSendError> {
    let transcript = transcript.iter().map(activity).collect();
    world.conversations.upload_history(&bot_name(), to, transcript).await
}

#[tokio::test(start_paused = true)]
async fn a_bot_begins_a_conversation_and_is_told_of_whom_it_did_not_name() {
    let world = World::new();
    let first = json!({"type": "message", "text": "hello", "replyToId": "x", "from": {"id": "liar"}});
    let users = vec![user("ann", Some("Ann")), user("bot", None), user("ann", None)];

    let created = world.conversations.create_from_bot(wanted(users, Some(first))).await.unwrap();

    assert_eq!(created.activity, Some(format!("{}|0000001", created.id)));
    let (history, _) = world.history(&created.id, 0).await.unwrap();
    assert_eq!((&history[0]["text"], &history[0]["from"]["id"]), (&json!("hello"), &json!("bot")));
    assert!(history[0].get("replyToId").is_none());
    let facts = world.conversations.facts(&created.id).await.unwrap();
    assert_eq!(facts.user, Some("ann".parse().unwrap()));
    let members = world.conversations.members(&bot_name(), &created.id).await.unwrap();
    let names: Vec<_> = members.iter().map(|member| (member.id.as_str(), member.name.as_deref())).collect();
    assert_eq!(names, [("bot", Some("bot")), ("ann", Some("Ann"))]);

    let id = created.id.as_str();
    world.conversations.start(StartConversation { locale: None, ..start(id, Some("ann")) }).await.unwrap();
    world.say(&created.id, "ann", "hi", None).await.unwrap();
    world.say(&created.id, "bob", "ho", None).await.unwrap();
    world.settle().await;
    let told: Vec<_> = world.bot.taken().iter().map(|a| a["membersAdded"].clone()).collect();
    assert_eq!(told, [json!(null), json!([{"id": "bob"}]), json!(null)]);
    assert_eq!(world.texts(&created.id).await, ["hello", "hi", "ho"]);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_may_begin_with_nothing_and_with_nobody() {
    let world = World::new();
    for first in [None, Some(json!({"type": "typing"}))] {
        let created = world.conversations.create_from_bot(wanted(vec![], first)).await.unwrap();
        assert_eq!(created.activity, None);
        assert!(world.texts(&created.id).await.is_empty());
        world.say(&created.id, "ann", "hi", None).await.unwrap();
        assert_eq!(world.texts(&created.id).await, ["hi"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_conversation_begins_with() {
    let world = World::new();
    let no_type = world.conversations.create_from_bot(wanted(vec![], Some(json!({"text": "x"})))).await;
    assert!(matches!(no_type, Err(BotSendError::Missing("activity.type"))), "{no_type:?}");
    let many = (0..257).map(|n| user(&format!("u{n}"), None)).collect();
    let many = world.conversations.create_from_bot(wanted(many, None)).await;
    assert!(matches!(many, Err(BotSendError::NotAllowed(_))), "{many:?}");
    let listed = world.conversations.list(&bot_name(), None).await.unwrap();
    assert!(listed.conversations.is_empty() && listed.next.is_none(), "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_transcript_is_logged_in_order_as_it_was_said() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    world.say(&c, "ann", "before", None).await.unwrap();
    let past = "2026-01-02T03:04:05.678Z";
    let transcript = [
        json!({"type": "message", "text": "q", "id": "1", "from": {"id": "zoe", "role": "user"}, "timestamp": past}),
        json!({"type": "typing", "id": "2"}),
        json!({"type": "conversationUpdate", "id": "3"}),
        json!({"type": "message", "text": "a", "id": "4", "replyToId": "1", "timestamp": "2999-01-01T00:00:00Z"}),
        json!({"type": "message", "text": "b", "id": null, "replyToId": "elsewhere", "from": null}),
    ];

    let last = upload(&world, &c, &transcript).await.unwrap();

    assert_eq!(last, "c|0000006");
    let (history, watermark) = world.history(&c, 2).await.unwrap();
    assert_eq!(watermark.get(), 6);
    let told: Vec<_> = history.iter().map(|a| (a["id"].as_str().unwrap(), a["from"].clone())).collect();
    let bot = json!({"id": "bot", "role": "bot"});
    assert_eq!(
        told,
        [("c|0000003", json!({"id": "zoe", "role": "user"})), ("c|0000005", bot.clone()), ("c|0000006", bot)]
    );
    assert_eq!(history[0]["timestamp"], past);
    let now = Timestamp::from_millis(1_790_000_000_000).to_string();
    assert_eq!((&history[1]["timestamp"], &history[2]["timestamp"]), (&json!(now), &json!(now)));
    assert_eq!((&history[1]["replyToId"], history[2].get("replyToId")), (&json!("c|0000003"), None));
    world.settle().await;
    assert_eq!(world.bot.taken().len(), 2, "the bot gets none of it");
    let members = world.conversations.members(&bot_name(), &c).await.unwrap();
    assert_eq!(members.len(), 2, "nobody joins by it");
}

#[tokio::test(start_paused = true)]
async fn a_transcript_is_all_or_nothing() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let said = json!({"type": "message", "text": "x"});
    let refused = upload(&world, &c, &[said.clone(), json!({"text": "no type"})]).await;
    assert!(matches!(refused, Err(BotSendError::Missing("activities.type"))), "{refused:?}");
    for nothing in [vec![], vec![json!({"type": "typing"})]] {
        let refused = upload(&world, &c, &nothing).await;
        assert!(matches!(refused, Err(BotSendError::Missing("activities"))), "{refused:?}");
    }
    let refused = upload(&world, &c, &vec![said.clone(); 501]).await;
    assert!(matches!(refused, Err(BotSendError::NotAllowed(_))), "{refused:?}");
    world.disk.then([Fault::Refuse]);
    upload(&world, &c, &vec![said.clone(); 3]).await.unwrap_err();
    let other: BotName = "other".parse().unwrap();
    let foreign = world.conversations.upload_history(&other, &c, vec![activity(&said)]).await;
    let Err(BotSendError::NotLogged(NotLogged::Nothing(Unavailable::NotFound))) = foreign else {
        panic!("{foreign:?}")
    };
    assert!(world.texts(&c).await.is_empty());
    upload(&world, &c, &vec![said; 500]).await.unwrap();
    assert_eq!(world.texts(&c).await.len(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_bot_lists_its_own_conversations_in_bounded_parts() {
    let world = World::new();
    let mut expected: Vec<String> = (0..250).map(|n| format!("c{n}")).collect();
    for id in &expected {
        world.start(id, Some("ann")).await;
    }
    for n in 0..30 {
        let theirs = StartConversation { bot: "other".parse().unwrap(), ..start(&format!("d{n}"), None) };
        world.conversations.start(theirs).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(1));
    let (mut listed, mut after, mut parts) = (Vec::new(), None, Vec::new());
    loop {
        let part = world.conversations.list(&bot_name(), after).await.unwrap();
        parts.push(part.conversations.len());
        assert!(part.conversations.iter().all(|(_, members)| members.len() == 2));
        listed.extend(part.conversations.into_iter().map(|(id, _)| id.to_string()));
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert_eq!(parts, [100, 100, 50]);
    let other = world.conversations.list(&"other".parse().unwrap(), None).await.unwrap();
    assert_eq!(other.conversations.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn looking_for_a_rare_bots_conversations_is_bounded() {
    let world = World::new();
    for n in 0..2_100 {
        world.start(&format!("c{n:05}"), None).await;
    }
    let rare: BotName = "rare".parse().unwrap();
    let theirs = StartConversation { bot: rare.clone(), ..start("z", None) };
    world.conversations.start(theirs).await.unwrap();

    let first = world.conversations.list(&rare, None).await.unwrap();
    assert_eq!((first.conversations.len(), first.next.as_ref().map(|id| id.as_str())), (0, Some("c02047")));
    let second = world.conversations.list(&rare, first.next).await.unwrap();
    assert_eq!((second.conversations.len(), second.next), (1, None));
}
