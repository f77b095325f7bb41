//! Links to files: as they stand in logs, as they come back from clients, and an activity with some of them on its way out.

use std::sync::LazyLock;

use bytes::Bytes;
use landline_auth::{FileLinkError, FileLinkKeys, LinkedFile};
use landline_protocol::Timestamp;
use landline_server::fuzzing;
use serde_json::Value;

use crate::Target;
use crate::input::{edited, halves, split, text};
use crate::signed::{NOW, RING};

pub(crate) const TARGET: Target = Target {
    name: "file_link",
    longest: 4096,
    share: 1,
    claim: "a link that opens a file is one that was given out, to the letter; what a log says of a file is read back as \
            it was, and nothing else is; an activity on its way out changes in these texts alone",
    run,
};

const BASE: &str = "https://bots.example.org";

static KEYS: LazyLock<FileLinkKeys> = LazyLock::new(|| FileLinkKeys::new(&RING));

static FILE: LazyLock<LinkedFile> = LazyLock::new(|| LinkedFile {
    conversation: "0123456789ABCDEFGHIJKL".parse().expect("an id"),
    file: "abcdefghijklmnopqrstuv".parse().expect("an id"),
    view: "original".into(),
    name: "Ünï \"1\"/2?.png".into(),
    until: Some(Timestamp::from_millis(1_790_500_000_001)),
});

static LOGGED: LazyLock<String> = LazyLock::new(|| KEYS.logged(&FILE));

static LINK: LazyLock<String> = LazyLock::new(|| {
    let json = Bytes::from(format!("\"{}\"", *LOGGED));
    let link = fuzzing::rendered(&RING, json, BASE, NOW);
    text(&link).trim_matches('"').to_owned()
});

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    match kind % 6 {
        0 => of_a_log(&text(rest)),
        1 => of_a_log(&text(&edited(&LOGGED, rest))),
        2 => of_a_link(&text(rest)),
        3 => of_a_link(&text(&edited(&LINK, rest))),
        4 => of_a_name(rest),
        _ => of_an_activity(rest),
    }
}

fn of_a_log(said: &str) {
    if KEYS.read_logged(said).is_some() {
        assert_eq!(said, *LOGGED, "not signed here, and taken for it");
    }
}

/// The base does not matter, and neither does how the name is escaped or what else the query holds; what is signed does.
fn of_a_link(said: &str) {
    if let Some((conversation, file, view)) = fuzzing::given_out(&RING, said) {
        assert_eq!((&conversation, &file, view.as_str()), (&FILE.conversation, &FILE.file, &*FILE.view));
        let mac = LINK.rsplit_once("s=").expect("a MAC").1;
        let query = said.split_once('?').map(|(_, query)| query);
        assert_eq!(fuzzing::parameter(query, "s").as_deref(), Some(mac), "another MAC, and taken for it");
    }
}

/// Any name, signed: it comes back, and with another name the same MAC opens nothing.
fn of_a_name(said: &[u8]) {
    let (name, other) = halves(said);
    let (name, other) = (text(name), text(other));
    let file = LinkedFile { name: name.clone(), ..FILE.clone() };
    assert_eq!(KEYS.read_logged(&KEYS.logged(&file)).as_ref(), Some(&file));
    let signed = KEYS.sign_link(&file, NOW);
    let expires = signed.expires.to_string();
    assert_eq!(KEYS.verify_link(&file, &expires, &signed.mac, NOW), Ok(()));
    let after = Timestamp::from_millis(signed.expires * 1000);
    assert_eq!(KEYS.verify_link(&file, &expires, &signed.mac, after), Err(FileLinkError::Expired));
    if other != name {
        let file = LinkedFile { name: other, ..file };
        assert_eq!(KEYS.verify_link(&file, &expires, &signed.mac, NOW), Err(FileLinkError::Invalid));
    }
}

/// `%` in the input stands for a text of ours, so that many of them come about.
fn of_an_activity(said: &[u8]) {
    let json = text(said).replace('%', &LOGGED);
    let rendered = fuzzing::rendered(&RING, Bytes::from(json.clone()), BASE, NOW);
    let Ok(before) = serde_json::from_str::<Value>(&json) else { return };
    let after = serde_json::from_slice::<Value>(&rendered).expect("what was JSON still is");
    assert_eq!(after, with_links(before));
}

fn with_links(value: Value) -> Value {
    match value {
        Value::String(text) if text == *LOGGED => Value::String(LINK.clone()),
        Value::Array(values) => values.into_iter().map(with_links).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, with_links(value))).collect(),
        other => other,
    }
}
