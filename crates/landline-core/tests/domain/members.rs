//! Who is in a conversation, and how they leave and come back.

use landline_core::{Member, MemberError, MemberRole, NotLogged, Unavailable};
use landline_protocol::{BotName, ConversationId};
use landline_testkit::domain::{Fault, World, bot_name};
use serde_json::json;

fn member(id: &str, name: Option<&str>, role: MemberRole) -> Member {
    Member { id: id.into(), name: name.map(Into::into), role }
}

async fn ids(world: &World, of: &ConversationId) -> Vec<String> {
    let members = world.conversations.members(&bot_name(), of).await.unwrap();
    members.into_iter().map(|member| member.id).collect()
}

async fn remove(world: &World, from: &ConversationId, who: &str) -> Result<(), MemberError> {
    world.conversations.remove_member(&bot_name(), from, who).await
}

#[tokio::test(start_paused = true)]
async fn members_are_the_bot_and_every_user_seen_by_name_where_known() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    world.say(&c, "bob", "hello", None).await.unwrap();
    let said =
        |id: &str, name: &str| json!({"type": "message", "text": "x", "from": {"id": id, "name": name}});
    world.send(&c, said("cy", "Cyril")).await.unwrap();
    world.send(&c, said("ann", "Ann")).await.unwrap();
    world.send(&c, said("ann", "Somebody else")).await.unwrap();
    world.send(&c, said("dee", &"x".repeat(257))).await.unwrap();

    let expected = [
        member("bot", Some("bot"), MemberRole::Bot),
        member("ann", Some("Ann"), MemberRole::User),
        member("bob", None, MemberRole::User),
        member("cy", Some("Cyril"), MemberRole::User),
        member("dee", None, MemberRole::User),
    ];
    assert_eq!(world.conversations.members(&bot_name(), &c).await.unwrap(), expected);
    let after = world.restarted();
    assert_eq!(after.conversations.members(&bot_name(), &c).await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_member_who_was_removed_is_gone_until_they_speak_again() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    world.say(&c, "bob", "one", None).await.unwrap();

    remove(&world, &c, "bob").await.unwrap();
    assert_eq!(ids(&world, &c).await, ["bot", "ann"]);
    let again = remove(&world, &c, "bob").await;
    assert!(matches!(again, Err(MemberError::NoSuchMember)), "{again:?}");
    world.settle().await;
    let world = world.restarted();
    assert_eq!(ids(&world, &c).await, ["bot", "ann"]);
    world.say(&c, "bob", "two", None).await.unwrap();
    world.settle().await;

    assert_eq!(ids(&world, &c).await, ["bot", "ann", "bob"]);
    let told: Vec<String> = world
        .bot
        .taken()
        .iter()
        .map(|activity| match activity["text"].as_str() {
            Some(text) => text.to_owned(),
            None => format!("+{} -{}", activity["membersAdded"], activity["membersRemoved"]),
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"+[{"id":"bot"},{"id":"ann"}] -null"#,
            r#"+[{"id":"bob"}] -null"#,
            "one",
            r#"+null -[{"id":"bob"}]"#,
            r#"+[{"id":"bob"}] -null"#,
            "two"
        ]
    );
    assert_eq!(world.texts(&c).await, ["one", "two"], "clients see none of it");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_removed() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    assert!(matches!(remove(&world, &c, "bot").await, Err(MemberError::IsTheBot)));
    for nobody in ["bob", "", "a\nb", &"x".repeat(300)] {
        assert!(matches!(remove(&world, &c, nobody).await, Err(MemberError::NoSuchMember)), "{nobody:?}");
    }
    world.disk.then([Fault::Refuse]);
    assert!(matches!(remove(&world, &c, "ann").await, Err(MemberError::NotLogged(_))));
    assert_eq!(ids(&world, &c).await, ["bot", "ann"], "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn members_of_an_activity_need_the_activity() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let other = world.start("other", Some("bob")).await;
    let said = world.say(&c, "ann", "one", None).await.unwrap();
    let elsewhere = world.say(&other, "bob", "one", None).await.unwrap();
    let bot = bot_name();
    let of = async |id: &str| world.conversations.members_of_activity(&bot, &c, id).await;

    assert_eq!(of(&said).await.unwrap().len(), 2);
    for unknown in [elsewhere, "c|0000003".into(), "c|0000900".into(), "c|0000000".into(), "x".into()] {
        assert!(matches!(of(&unknown).await, Err(MemberError::NoSuchActivity)), "{unknown}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_bot_finds_nothing() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let said = world.say(&c, "ann", "one", None).await.unwrap();
    let other: BotName = "other".parse().unwrap();
    let conversations = &world.conversations;
    assert!(matches!(conversations.members(&other, &c).await, Err(Unavailable::NotFound)));
    for refused in [
        conversations.members_of_activity(&other, &c, &said).await.map(drop),
        conversations.remove_member(&other, &c, "ann").await,
        conversations.remove_member(&other, &c, "other").await,
    ] {
        let Err(MemberError::NotLogged(NotLogged::Nothing(Unavailable::NotFound))) = refused else {
            panic!("{refused:?}")
        };
    }
    assert_eq!(ids(&world, &c).await, ["bot", "ann"]);
}
