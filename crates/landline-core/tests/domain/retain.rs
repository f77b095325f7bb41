//! What is forgotten, and when.

use std::time::Duration;

use landline_core::{Begin, Limits, Retention, Unavailable};
use landline_protocol::Position;
use landline_testkit::domain::World;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn thirty_days() -> Retention {
    Retention { sites: [("default".parse().unwrap(), 30 * DAY)].into(), default: 90 * DAY }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_forgotten_some_time_after_its_last_activity() {
    let world = World::new();
    let quiet = world.start("quiet", Some("ann")).await;
    let busy = world.start("busy", Some("ann")).await;
    world.clock.advance(20 * DAY);
    world.say(&busy, "ann", "still here", None).await.unwrap();
    world.clock.advance(11 * DAY);

    assert_eq!(world.conversations.sweep(&thirty_days()).await.unwrap(), 1);

    assert!(matches!(world.conversations.facts(&quiet).await, Err(Unavailable::NotFound)));
    assert_eq!(world.texts(&busy).await, ["still here"]);
    assert_eq!(world.conversations.sweep(&thirty_days()).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_not_configured_any_more_keeps_by_the_default() {
    let world = World::new();
    let conversation = world.start("c", Some("ann")).await;
    world.clock.advance(31 * DAY);
    let other = Retention { sites: [("other".parse().unwrap(), DAY)].into(), default: 90 * DAY };
    assert_eq!(world.conversations.sweep(&other).await.unwrap(), 0);
    assert!(world.conversations.facts(&conversation).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_too_many_activities_are_forgotten_and_readers_are_told() {
    let world = World::with(Limits { kept_activities: 3, ..Limits::default() });
    let conversation = world.start("c", Some("ann")).await;
    for text in ["a", "b", "c", "d", "e"] {
        world.say(&conversation, "ann", text, None).await.unwrap();
    }
    world.conversations.sweep(&thirty_days()).await.unwrap();

    let restarted = world.restarted();
    assert_eq!(restarted.texts(&conversation).await, ["c", "d", "e"]);
    for (watermark, expired) in [(2, true), (3, false), (0, false)] {
        let begin = restarted
            .conversations
            .begin(&conversation, Begin::After(Position::new(watermark)))
            .await
            .unwrap();
        let mut reader = restarted.conversations.follow(&conversation, begin).await.unwrap();
        assert_eq!(reader.history().await.unwrap().expired, expired, "{watermark}");
    }
}
