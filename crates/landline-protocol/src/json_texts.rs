//! Exchanging texts within JSON, wherever they stand, without touching anything else.

use std::borrow::Cow;

/// Exchanges each string value (not the names of properties) for which `exchange` has another one. It is given the text
/// as a reader of the JSON understands it. `None` where nothing changes.
///
/// What is not JSON is left as it is, as far as strings can be told in it.
pub fn exchange_texts(json: &str, mut exchange: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut changed = String::new();
    // Up to where the JSON stands in `changed`, and up to where it was looked at.
    let (mut done, mut at) = (0, 0);
    while let Some(opening) = json.get(at..).and_then(|rest| rest.find('"')).map(|found| at + found) {
        let Some(end) = end_of_string(json.as_bytes(), opening + 1) else { break };
        at = end;
        let is_name = json[end..].trim_ascii_start().starts_with(':');
        let Some(text) = decoded(&json[opening..end]).filter(|_| !is_name) else { continue };
        let Some(other) = exchange(&text) else { continue };
        // A text always has a JSON form.
        let Ok(other) = serde_json::to_string(&other) else { continue };
        changed.push_str(&json[done..opening]);
        changed.push_str(&other);
        done = end;
    }
    if done == 0 {
        return None;
    }
    changed.push_str(&json[done..]);
    Some(changed)
}

/// From behind the opening quote to behind the closing one.
fn end_of_string(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn decoded(quoted: &str) -> Option<Cow<'_, str>> {
    if quoted.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    quoted.get(1..quoted.len() - 1).map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn exchanged(json: &str) -> Option<String> {
        exchange_texts(json, |text| (text == "a/b").then(|| "\"new\"".to_owned()))
    }

    #[test]
    fn values_are_exchanged_however_they_are_escaped() {
        for (json, expected) in [
            (r#""a/b""#, Some(r#""\"new\"""#)),
            (r#"{"u":"a\/b","v" : ["\u0061/b", 1.0]}"#, Some(r#"{"u":"\"new\"","v" : ["\"new\"", 1.0]}"#)),
            (r#"{"a/b":1,"x" : "a/b " , "a/b"  : "\"a/b\""}"#, None),
            (r#"{"x":"\\","y":"a/b"}"#, Some(r#"{"x":"\\","y":"\"new\""}"#)),
            (r#""é\u00e9","a/b""#, Some(r#""é\u00e9","\"new\"""#)),
            (r#""a/b"#, None),
            (r#""a/b\"#, None),
            ("", None),
        ] {
            assert_eq!(exchanged(json).as_deref(), expected, "{json}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), Just("a/b".to_owned()), Just("\"a/b\"".to_owned())];
        let leaf = prop_oneof![text.clone().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(text.clone(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn by_hand(value: &Value) -> Value {
        match value {
            Value::String(text) if text == "a/b" => "\"new\"".into(),
            Value::Array(values) => values.iter().map(by_hand).collect(),
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), by_hand(value))).collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn exactly_the_values_are_exchanged(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let expected = by_hand(&value);
            match exchanged(&text) {
                Some(changed) => prop_assert_eq!(serde_json::from_str::<Value>(&changed).unwrap(), expected),
                None => prop_assert_eq!(value, expected),
            }
        }

        #[test]
        fn whatever_comes_is_survived(text: String) {
            let _ = exchange_texts(&text, |_| Some(String::new()));
        }
    }
}
