//! Activities on their way out: each text that stands for a file becomes a link.
//!
//! Invariants: only a whole string value that was signed here is replaced; every other byte stays as it is. An activity
//! without such a text costs one look through it, and is not copied.
//!
//! An activity is valid JSON, and what is signed holds no character that JSON could write in another way. So looking for
//! the opening quote and the first characters behind it finds every such string, and one that holds an escape is none.

use std::sync::LazyLock;

use bytes::Bytes;
use landline_auth::LOGGED_FILE;
use landline_protocol::Timestamp;
use memchr::memchr;
use memchr::memmem::Finder;

use super::links::Links;
use crate::limits::LOGGED_FILE_BYTES;

static OPENING: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(&format!("\"{LOGGED_FILE}")).into_owned());

impl Links {
    /// The activity, or any other JSON, for whoever reaches this server at this base.
    pub(crate) fn render(&self, json: Bytes, base: &str, now: Timestamp) -> Bytes {
        let mut rendered: Vec<u8> = Vec::new();
        // What of the JSON stands in `rendered`, and up to where was looked.
        let (mut done, mut looked) = (0, 0);
        while let Some((start, end)) = next_value(&json, looked) {
            looked = end;
            let Some(link) =
                str::from_utf8(&json[start..end]).ok().and_then(|text| self.link(text, base, now))
            else {
                continue;
            };
            rendered.extend_from_slice(&json[done..start]);
            rendered.extend_from_slice(link.as_bytes());
            done = end;
        }
        if done == 0 {
            return json;
        }
        rendered.extend_from_slice(&json[done..]);
        rendered.into()
    }
}

/// Where the next string value begins and ends, without its quotes, that may stand for a file.
fn next_value(json: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut from = from;
    loop {
        let quote = from + OPENING.find(json.get(from..)?)?;
        let start = quote + 1;
        let within = json.get(start..json.len().min(start + LOGGED_FILE_BYTES + 1))?;
        let Some(length) = memchr(b'"', within) else {
            from = start;
            continue;
        };
        let end = start + length;
        // A quote behind a backslash opens no string: it stands in one.
        let opens = quote == 0 || json[quote - 1] != b'\\';
        if opens && !is_name(&json[end + 1..]) {
            return Some((start, end));
        }
        from = start;
    }
}

/// Whether a string, behind which this stands, is the name of a property.
fn is_name(behind: &[u8]) -> bool {
    behind.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use landline_auth::{FileLinkKeys, KeyRing, LinkedFile, TokenKey};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_120);
    const BASE: &str = "https://bots.example.org";

    fn keys() -> FileLinkKeys {
        FileLinkKeys::new(&KeyRing::new(TokenKey::from_random(&[7; 32])))
    }

    fn logged(name: &str) -> String {
        keys().logged(&LinkedFile {
            conversation: "conv".parse().unwrap(),
            file: "file".parse().unwrap(),
            view: "original".into(),
            name: name.into(),
            until: None,
        })
    }

    fn render(json: impl Into<Bytes>) -> Bytes {
        Links::new(keys()).render(json.into(), BASE, NOW)
    }

    fn stays(json: impl Into<Bytes>) {
        let json = json.into();
        let rendered = render(json.clone());
        assert_eq!(rendered, json);
        assert_eq!(rendered.as_ptr(), json.as_ptr(), "nothing is copied");
    }

    fn link(name: &str) -> String {
        Links::new(keys()).link(&logged(name), BASE, NOW).unwrap()
    }

    #[test]
    fn each_text_of_ours_becomes_a_link_and_nothing_else_changes() {
        let said = format!(
            "{{ \"a\" : \"{}\",\n \"n\":1.0e0, \"b\":[\"{}\"  ,\"\\u0041\\\"\"], \"c\":{{}} }}",
            logged("1.png"),
            logged("Ü \"2\".png")
        );
        let expected = said.replace(&logged("1.png"), &link("1.png"));
        let expected = expected.replace(&logged("Ü \"2\".png"), &link("Ü \"2\".png"));
        assert_eq!(render(said), expected);
        let link = link("Ü \"2\".png");
        assert!(
            link.starts_with(
                "https://bots.example.org/v3/directline/conversations/conv/files/file/original/%C3%9C%20%222%22.png?e=1790121600&s="
            ),
            "{link}"
        );
        assert_eq!(render(format!("\"{}\"", logged("x"))), format!("\"{}\"", self::link("x")));
    }

    #[test]
    fn what_is_not_a_whole_value_of_ours_stays() {
        let ours = logged("1.png");
        for text in [
            format!(r#"{{"text":"see {ours}"}}"#),
            format!(r#"{{"text":"{ours} "}}"#),
            format!(r#"{{"text":"\"{ours}\""}}"#),
            format!(r#"{{"text":"\"{ours}"}}"#),
            format!(r#"{{"text":"\\\"{ours}"}}"#),
            format!(r#"{{"text":"{}"}}"#, ours.replace('/', "\\/")),
            format!(r#"{{"text":"{}"}}"#, &ours[..ours.len() - 1]),
            format!(r#"{{"text":"{}"}}"#, ours.replace("original", "thumbnail")),
            format!(r#"{{"{ours}":1}}"#),
            format!("{{\"{ours}\" \n: 1}}"),
            r#"{"text":"landline-file:/"}"#.to_owned(),
            r#"{"text":"landline-file:/a/b/original/c?sig=AAAAAAAAAAAAAAAAAAAAAA"}"#.to_owned(),
            format!(r#"{{"text":"landline-file:/{}"}}"#, "x".repeat(100_000)),
            "{}".to_owned(),
            String::new(),
        ] {
            stays(text);
        }
        // Behind a backslash that is itself escaped, in a value of its own.
        let said = format!(r#"["\\","{ours}"]"#);
        assert_eq!(render(said.clone()), said.replace(&ours, &link("1.png")));
    }

    #[test]
    fn a_page_without_a_file_is_not_copied_and_costs_one_look() {
        let one =
            json!({"type": "message", "text": "landline \"file:/ landline-file:/ and so on"}).to_string();
        stays(format!("[{}]", vec![one; 10_000].join(",")));
    }

    #[test]
    fn many_that_are_not_ours_cost_little() {
        // What somebody may send who wants to keep us busy: a mebibyte of what looks like ours.
        let one = format!("\"landline-file:/{}?sig=AAAAAAAAAAAAAAAAAAAAAA\"", "x".repeat(20));
        let said: Bytes = format!("[{}]", vec![one; 15_000].join(",")).into();
        let links = Links::new(keys());
        let begun = tokio::time::Instant::now();
        assert_eq!(links.render(said.clone(), BASE, NOW), said);
        // Some milliseconds where it is optimised; what is quadratic takes minutes.
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }

    #[test]
    fn the_longest_name_is_found() {
        let name = "€".repeat(85);
        assert_eq!(name.len(), landline_core::files::MAX_NAME_BYTES);
        let long = "x".repeat(64);
        let ours = keys().logged(&LinkedFile {
            conversation: long.parse().unwrap(),
            file: long.parse().unwrap(),
            view: "thumbnail".into(),
            name,
            until: Some(Timestamp::from_millis(i64::MIN)),
        });
        assert!(ours.len() <= LOGGED_FILE_BYTES, "{}", ours.len());
        assert_ne!(render(format!("\"{ours}\"")), format!("\"{ours}\""));
    }

    /// Any JSON, some of whose strings are ours.
    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            Just(logged("1.png")),
            Just(format!("{}\"", logged("1.png"))),
            Just(format!("\"{}\"", logged("1.png"))),
            Just("landline-file:/x".to_owned()),
        ];
        let leaf = prop_oneof![text.clone().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(text.clone(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn replaced(value: &Value) -> Value {
        match value {
            Value::String(text) if *text == logged("1.png") => link("1.png").into(),
            Value::Array(values) => values.iter().map(replaced).collect(),
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), replaced(value))).collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn exactly_the_values_that_are_ours_are_replaced(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let rendered = render(text);
            prop_assert_eq!(serde_json::from_slice::<Value>(&rendered).unwrap(), replaced(&value));
        }
    }
}
