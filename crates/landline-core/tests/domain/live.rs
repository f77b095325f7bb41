//! Live answers: in order, newest for whoever is late, and never behind the end.

use std::time::Duration;

use landline_core::{BotSendError, Follower, Next};
use landline_protocol::{ConversationId, Position};
use landline_testkit::domain::World;
use serde_json::{Value, json};
use tokio::time::timeout;

/// What a reader gets next, if something is there: whether it is logged, and its activities.
async fn next(reader: &mut Follower) -> Option<(bool, Vec<Value>)> {
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    match timeout(Duration::from_millis(10), reader.next()).await.ok()?.unwrap() {
        Next::Activities(seen) => Some((true, seen.iter().map(|seen| parse(&seen.activity)).collect())),
        Next::Transient(activity) => Some((false, vec![parse(&activity)])),
    }
}

/// The texts of all that is there, with a mark on what is not logged.
async fn texts(reader: &mut Follower) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((logged, activities)) = next(reader).await {
        let mark = if logged { "" } else { "~" };
        all.extend(activities.iter().map(|a| format!("{mark}{}", a["text"].as_str().unwrap_or("-"))));
    }
    all
}

async fn reader(world: &World, conversation: &ConversationId) -> Follower {
    world.conversations.follow(conversation, Position::START).await.unwrap()
}

fn chunk(stream: Option<&str>, sequence: u64, text: &str) -> Value {
    let mut info = json!({"type": "streaminfo", "streamType": "streaming", "streamSequence": sequence});
    if let Some(stream) = stream {
        info["streamId"] = json!(stream);
    }
    json!({"type": "typing", "text": text, "entities": [info]})
}

fn last(stream: &str, text: &str) -> Value {
    let info = json!({"type": "streaminfo", "streamType": "final", "streamId": stream, "streamSequence": 99});
    json!({"type": "message", "text": text, "entities": [info]})
}

#[tokio::test(start_paused = true)]
async fn chunks_come_in_order_and_the_last_message_is_history() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let mut ann = reader(&world, &c).await;
    world.say(&c, "ann", "q", None).await.unwrap();

    let stream = world.bot_says(&c, chunk(None, 1, "a"), None).await.unwrap();
    let again = world.bot_says(&c, chunk(Some(&stream), 2, "ab"), None).await.unwrap();
    world.bot_says(&c, chunk(Some(&stream), 3, "abc"), None).await.unwrap();
    assert_eq!(stream, again);
    assert_eq!(texts(&mut ann).await, ["q", "~a", "~ab", "~abc"]);
    assert_eq!(world.texts(&c).await, ["q"]);

    let id = world.bot_says(&c, last(&stream, "abcd"), None).await.unwrap();
    world.bot_says(&c, chunk(Some(&stream), 4, "too late"), None).await.unwrap();
    assert_eq!(texts(&mut ann).await, ["abcd"]);
    assert_ne!(id, stream);
    assert_eq!(world.texts(&c).await, ["q", "abcd"]);
}

#[tokio::test(start_paused = true)]
async fn web_chat_finds_what_it_joins_bubbles_by() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let mut ann = reader(&world, &c).await;
    let first = world.bot_says(&c, chunk(None, 1, "a"), None).await.unwrap();
    for (stream, sequence) in [(first.as_str(), 2), ("made by the bot", 1)] {
        world.bot_says(&c, chunk(Some(stream), sequence, "ab"), None).await.unwrap();
    }
    for (stream, sequence) in [(first.as_str(), 1), (&first, 2), ("made by the bot", 1)] {
        let (_, got) = next(&mut ann).await.unwrap();
        assert_eq!(got[0]["id"], stream);
        let data = json!({"streamId": stream, "streamSequence": sequence, "streamType": "streaming"});
        assert_eq!(got[0]["channelData"], data);
        assert_eq!(got[0]["from"], json!({"id": "bot", "role": "bot"}));
    }
    world.bot_says(&c, last(&first, "abc"), None).await.unwrap();
    let (history, _) = world.history(&c, 0).await.unwrap();
    assert_eq!(history[0]["channelData"]["streamId"], first.as_str());
    assert_eq!(history[0]["channelData"]["streamType"], "final");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_late_goes_on_with_the_newest() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let mut slow = reader(&world, &c).await;
    world.say(&c, "ann", "q", None).await.unwrap();
    let stream = world.bot_says(&c, chunk(None, 1, "1"), None).await.unwrap();
    for n in 2..=50 {
        world.bot_says(&c, chunk(Some(&stream), n, &n.to_string()), None).await.unwrap();
    }
    let mut late = reader(&world, &c).await;
    let mut poller = reader(&world, &c).await;
    poller.skip_live();

    assert_eq!(texts(&mut slow).await, ["q", "~50"]);
    assert_eq!(texts(&mut late).await, ["q", "~50"]);
    assert_eq!(texts(&mut poller).await, ["q"]);
    world.bot_says(&c, chunk(Some(&stream), 51, "51"), None).await.unwrap();
    for mut reader in [slow, late, poller] {
        assert_eq!(texts(&mut reader).await, ["~51"]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_reader_ever_gets_a_chunk_behind_the_last_message() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    for round in 0..20 {
        let mut readers = Vec::new();
        for pause in [0, 1, 3] {
            let mut reader = reader(&world, &c).await;
            readers.push(tokio::spawn(async move {
                let mut behind = Vec::new();
                loop {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    match next(&mut reader).await {
                        Some((true, activities)) => behind.extend(
                            activities
                                .iter()
                                .map(|a| a["channelData"]["streamId"].as_str().unwrap().to_owned()),
                        ),
                        Some((false, chunk)) => {
                            let stream = chunk[0]["id"].as_str().unwrap();
                            assert!(!behind.iter().any(|ended| ended == stream), "{chunk:?}");
                        }
                        None => return behind.len(),
                    }
                }
            }));
        }
        let name = format!("s{round}");
        let bot = async {
            for n in 1..20 {
                world.bot_says(&c, chunk(Some(&name), n, "x"), None).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let end = async {
            tokio::time::sleep(Duration::from_millis(round / 4)).await;
            world.bot_says(&c, last(&name, "done"), None).await.unwrap();
        };
        tokio::join!(bot, end);
        for reader in readers {
            assert_eq!(reader.await.unwrap(), usize::try_from(round).unwrap() + 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn typing_without_text_is_typing_and_an_answer_may_be_taken_back() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let mut ann = reader(&world, &c).await;
    let plain = world.bot_says(&c, json!({"type": "typing"}), None).await.unwrap();
    let other = world.bot_says(&c, json!({"type": "typing", "text": "no stream"}), None).await.unwrap();
    assert_ne!(plain, other);
    let stream = world.bot_says(&c, chunk(None, 1, "a"), None).await.unwrap();
    let taken_back = json!({"type": "typing", "channelData": {"streamId": stream, "streamType": "final"}});
    world.bot_says(&c, taken_back, None).await.unwrap();
    world.bot_says(&c, chunk(Some(&stream), 9, "too late"), None).await.unwrap();

    let mut got = texts(&mut ann).await;
    got.sort_unstable();
    assert_eq!(got, ["~-", "~-", "~a", "~no stream"]);
    assert!(texts(&mut reader(&world, &c).await).await.is_empty());
    assert!(world.texts(&c).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_named_like_an_activity() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    let said = world.say(&c, "ann", "q", None).await.unwrap();
    for bad in [said.as_str(), "other|0000001", &"x".repeat(257)] {
        for activity in [chunk(Some(bad), 1, "a"), last(bad, "a")] {
            let error = world.bot_says(&c, activity, None).await.unwrap_err();
            assert!(matches!(error, BotSendError::NotAllowed(_)), "{error}");
        }
    }
    assert_eq!(world.texts(&c).await, ["q"]);
}
