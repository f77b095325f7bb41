//! Somebody who starts one conversation after another and says one thing in each: a start that was answered must
//! survive like an activity.

use std::time::Duration;

use rand::RngExt;
use serde_json::json;
use tokio::time::sleep;

use super::world::{PAUSE, World};
use super::writer::Writer;

/// Between two starts, at most.
const PACE: Duration = Duration::from_millis(300);

pub(super) async fn run(world: World, name: String, seed: u64) {
    let mut writer = Writer::new(world.clone(), name, seed);
    let body = json!({"user": {"id": writer.name}});
    while !world.stop_writing.is_cancelled() {
        match writer.client.start(&world.secret, Some(&body)).await {
            Ok(started) => {
                world.add_started(started.conversation_id.clone());
                writer.say(&started.token, &started.conversation_id).await;
                let pace = writer.rng.random_range(Duration::ZERO..PACE);
                sleep(pace).await;
            }
            Err(error) => {
                world.judge(&writer.name, "start", &error);
                sleep(PAUSE).await;
            }
        }
    }
}
