//! Activities of clients and of bots, and everything that is done to them on their way.

use landline_protocol::{Activity, ActivitySet, BotActivities, BotRecipient, Position, exchange_texts};
use serde_json::{Map, Value};

use crate::Target;
use crate::input::{other_reader, split, text};
use crate::signed::NOW;

pub(crate) const TARGET: Target = Target {
    name: "activity",
    longest: 16 * 1024,
    share: 1,
    claim: "what is accepted is a JSON object that another reader accepts, no deeper than allowed; written again it says the \
            same, but for names that differ from the server's own in nothing but case; the stamp changes the server's own properties and no other; a bot gets no top-level null; a set is JSON",
    run,
};

fn run(data: &[u8]) {
    let (kind, json) = split(data);
    match kind % 3 {
        0 => of_one(json),
        1 => of_a_bot(json),
        _ => of_texts(json),
    }
}

fn object(json: &[u8]) -> Map<String, Value> {
    read(json).expect("no number that this reader cannot hold")
}

/// As [`other_reader`].
fn read(json: &[u8]) -> Option<Map<String, Value>> {
    match other_reader(json)? {
        Value::Object(object) => Some(object),
        other => panic!("not an object: {other}"),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn of_one(json: &[u8]) {
    let Ok(activity) = Activity::parse(json) else { return };
    let Some(came) = read(json) else { return };
    assert!(depth(&Value::Object(came.clone())) <= landline_protocol::MAX_JSON_DEPTH);
    let written = activity.to_json();
    let before = object(&written);
    assert_eq!(before, without_twins(came, &before, json), "nothing is lost, nothing is added");
    let again = Activity::parse(&written).expect("what is written is read");
    assert_eq!(again.to_json(), written);

    let texts = [activity.kind(), activity.id(), activity.reply_to_id(), activity.delivery_mode()];
    for (name, said) in ["type", "id", "replyToId", "deliveryMode"].iter().zip(texts) {
        let expected = before.get(*name).and_then(Value::as_str).filter(|text| !text.is_empty());
        assert_eq!(said.as_deref(), expected, "{name}");
    }
    stamped(activity.clone(), &before);
    set(&activity);
    streamed(activity.clone());
    for_bot(activity);
}

/// What is left of an activity when it is read: what a bot that ignores case would take for what the server says, is not.
fn without_twins(mut came: Map<String, Value>, read: &Map<String, Value>, json: &[u8]) -> Map<String, Value> {
    const OURS: [&str; 10] = [
        "type",
        "id",
        "timestamp",
        "channelId",
        "serviceUrl",
        "conversation",
        "from",
        "recipient",
        "replyToId",
        "deliveryMode",
    ];
    came.retain(|name, _| !OURS.iter().any(|ours| is_twin(name, ours)));
    for part in ["from", "conversation"] {
        let Some(Value::Object(within)) = came.get_mut(part) else { continue };
        // One that has a name twice is none that could be read; it stays, until the server puts its own in its place.
        if read.get(part).is_some_and(|read| read.as_object() == Some(within)) && has_doubles(json) {
            continue;
        }
        within.retain(|name, _| !["id", "role"].iter().any(|ours| is_twin(name, ours)));
    }
    came
}

fn is_twin(name: &str, ours: &str) -> bool {
    name != ours && name.to_uppercase().to_lowercase() == ours.to_lowercase()
}

fn stamped(mut activity: Activity, before: &Map<String, Value>) {
    let conversation = "conversation1".parse().expect("an id");
    activity.set_from("anna", "user");
    activity.stamp("conversation1|0000007", &conversation, NOW);
    let after = object(&activity.to_json());
    const OURS: [&str; 6] = ["id", "timestamp", "channelId", "conversation", "serviceUrl", "from"];
    for (name, value) in before.iter().filter(|(name, _)| !OURS.contains(&&***name)) {
        assert_eq!(after.get(name), Some(value), "{name} is not the server's to change");
    }
    assert!(after.keys().all(|name| before.contains_key(name) || OURS.contains(&&**name)));
    assert_eq!(after["id"], "conversation1|0000007");
    assert_eq!(after["channelId"], "directline");
    assert_eq!(after["conversation"]["id"], "conversation1");
    assert_eq!(after["from"]["id"], "anna");
    assert_eq!(after["from"]["role"], "user");
    assert!(!after.contains_key("serviceUrl"));
    assert_eq!(activity.timestamp(), Some(NOW));
}

fn set(activity: &Activity) {
    let json = activity.to_json();
    let set = ActivitySet::to_json([&json, &json], Position::new(u64::MAX));
    let set: Value = serde_json::from_str(&set).expect("a set is JSON");
    assert_eq!(set["watermark"], u64::MAX.to_string());
    assert_eq!(set["activities"].as_array().map(Vec::len), Some(2));
    let transient: Value =
        serde_json::from_str(&ActivitySet::transient_to_json(&json)).expect("a transient set is JSON");
    assert_eq!(transient["activities"][0], Value::Object(object(&json)));
}

fn streamed(mut activity: Activity) {
    let Some(info) = activity.stream_info() else { return };
    let can_hold = !matches!(
        serde_json::from_slice::<Map<String, Value>>(&activity.to_json()).expect("JSON").get("channelData"),
        Some(Value::String(_) | Value::Array(_) | Value::Number(_) | Value::Bool(_))
    );
    activity.set_stream_info(&info);
    if can_hold {
        assert_eq!(activity.stream_info(), Some(info), "what is said of a live answer is said again");
    }
}

fn for_bot(activity: Activity) {
    let before = object(&activity.to_json());
    let bot = "echo".parse().expect("a name");
    let sent = activity.for_bot(BotRecipient { bot: &bot, service_url: "http://h/s/" });
    let after = object(&sent);
    assert!(after.values().all(|value| !value.is_null()), "SDKs answer 500 to a null");
    assert_eq!(after["serviceUrl"], "http://h/s/");
    assert_eq!(after["recipient"]["id"], "echo");
    for (name, value) in
        after.iter().filter(|(name, _)| !["serviceUrl", "recipient", "from"].contains(&&***name))
    {
        assert_eq!(before.get(name), Some(value), "{name} is passed on as it came");
    }
}

/// What a bot answers with `expectReplies`.
fn of_a_bot(json: &[u8]) {
    let Ok(BotActivities(activities)) = BotActivities::parse(json) else { return };
    let Some(said) = read(json) else { return };
    let expected = said.get("activities").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(activities.len(), expected);
    for activity in activities {
        for_bot(activity);
    }
}

/// Exchanging texts in JSON: each value, and no name, and nothing else.
fn of_texts(json: &[u8]) {
    let json = text(json);
    let exchanged = exchange_texts(&json, |text| text.contains('a').then(|| format!("<{}>", text.len())));
    // Two values under one name: which of them counts, is nobody's business here.
    if Activity::parse(json.as_bytes()).is_err()
        || read(json.as_bytes()).is_none()
        || has_doubles(json.as_bytes())
    {
        return;
    }
    let before: Value = serde_json::from_str(&json).expect("JSON");
    let after = exchanged.as_deref().unwrap_or(&json);
    let after: Value = serde_json::from_str(after).expect("what was JSON still is");
    assert_eq!(after, by_hand(before));
}

/// Whether a deeper object has a name twice, of which the reader that is compared with keeps one.
fn has_doubles(json: &[u8]) -> bool {
    let names = json.iter().filter(|byte| **byte == b':').count();
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(values) => values.iter().map(count).sum(),
            Value::Object(map) => map.len() + map.values().map(count).sum::<usize>(),
            _ => 0,
        }
    }
    // Colons also stand in texts: then nothing is compared, which costs a little reach.
    names != count(&value)
}

fn by_hand(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('a') => Value::String(format!("<{}>", text.len())),
        Value::Array(values) => values.into_iter().map(by_hand).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, by_hand(value))).collect(),
        other => other,
    }
}
