//! A JSON object whose values stay as they were written.

use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json_scan::{self, JsonError};

/// How much of the name of a property an error repeats: an answer is no echo.
const SHOWN_NAME_CHARS: usize = 64;

/// The properties of an object in the order in which they came, each value as its own JSON text.
///
/// So numbers keep their spelling, nested objects their order, and nothing that we do not know is lost.
/// No name stands twice.
#[derive(Clone, Default)]
pub struct RawObject {
    properties: Vec<(Box<str>, Box<RawValue>)>,
}

impl RawObject {
    /// Reads an object.
    ///
    /// # Errors
    /// [`JsonError`] where the bytes are not one JSON object that we accept.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        Self::from_raw(json_scan::check(json)?)
    }

    /// Reads an object out of a value that was checked as a part of something larger.
    pub(crate) fn from_raw(raw: &RawValue) -> Result<Self, JsonError> {
        if !raw.get().starts_with('{') {
            return Err(JsonError::NotAnObject);
        }
        let read: Self = serde_json::from_str(raw.get()).map_err(|e| JsonError::Syntax(e.to_string()))?;
        match read.first_duplicate() {
            Some(name) => Err(JsonError::Duplicate(name.chars().take(SHOWN_NAME_CHARS).collect())),
            None => Ok(read),
        }
    }

    fn first_duplicate(&self) -> Option<String> {
        let mut names: Vec<&str> = self.properties.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].to_owned())
    }

    /// The JSON text of a property's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.get())
    }

    /// As [`Self::get`], whatever the case of the name's letters.
    ///
    /// Source: Microsoft's samples post `{"User":{"Id":"dl_1"}}` to the token endpoint.
    pub fn get_ignoring_case(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.get())
    }

    /// The value of a property that is a text; `None` where it is absent or anything else.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// The value of a property that is an object; `None` where it is absent or anything else.
    pub fn object(&self, name: &str) -> Option<Self> {
        serde_json::from_str::<&RawValue>(self.get(name)?).ok().and_then(|raw| Self::from_raw(raw).ok())
    }

    /// The objects in a property that is an array; empty where it is absent or anything else.
    pub fn objects(&self, name: &str) -> Vec<Self> {
        let values = self.get(name).and_then(|value| serde_json::from_str::<Vec<&RawValue>>(value).ok());
        values.unwrap_or_default().into_iter().filter_map(|raw| Self::from_raw(raw).ok()).collect()
    }

    /// The value of a property that is a whole number from 0 on; `None` where it is absent or anything else.
    pub fn number(&self, name: &str) -> Option<u64> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// Puts a text where the property stands, or at the end.
    pub fn set_text(&mut self, name: &str, value: &str) {
        self.set(name, serde_json::value::to_raw_value(value).unwrap_or_default());
    }

    /// Puts a whole number where the property stands, or at the end.
    pub fn set_number(&mut self, name: &str, value: u64) {
        self.set(name, serde_json::value::to_raw_value(&value).unwrap_or_default());
    }

    /// Puts a JSON text where the property stands, or at the end.
    ///
    /// # Errors
    /// [`JsonError`] where the bytes are not JSON that we accept; nothing is changed then.
    pub fn set_json(&mut self, name: &str, json: &[u8]) -> Result<(), JsonError> {
        json_scan::check(json.trim_ascii()).map(|raw| self.set(name, raw.to_owned()))
    }

    /// Puts an array of objects where the property stands, or at the end.
    pub fn set_objects(&mut self, name: &str, values: &[Self]) {
        let values: Vec<_> = values.iter().map(Self::to_raw).collect();
        self.set(name, serde_json::value::to_raw_value(&values).unwrap_or_default());
    }

    /// Puts an object where the property stands, or at the end.
    pub fn set_object(&mut self, name: &str, value: &Self) {
        self.set(name, value.to_raw());
    }

    /// Puts any value where the property stands, or at the end.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.properties.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, old)) => *old = value,
            None => self.properties.push((name.into(), value)),
        }
    }

    /// Takes a property out.
    pub fn remove(&mut self, name: &str) {
        self.properties.retain(|(known, _)| &**known != name);
    }

    /// Takes out every property whose name is one of these but for the case of its letters. Returns whether there was
    /// any.
    ///
    /// Readers that ignore case (Newtonsoft.Json and System.Text.Json, as the .NET SDKs of bots use them) take the last of
    /// such twins, and would see another value than was checked here.
    pub fn remove_twins_of(&mut self, names: &[&str]) -> bool {
        let before = self.properties.len();
        self.properties.retain(|(name, _)| !names.iter().any(|known| is_twin(name, known)));
        self.properties.len() < before
    }

    /// Takes out every property for which `drop` says so; it is given name and JSON text.
    pub fn remove_where(&mut self, drop: impl Fn(&str, &str) -> bool) {
        self.properties.retain(|(name, value)| !drop(name, value.get()));
    }

    /// Puts `by` wherever `text` stands in a value, and takes out a property in whose name it stands. Returns whether it
    /// stood anywhere. Both are of characters that JSON writes as they are.
    pub fn replace_text(&mut self, text: &str, by: &str) -> bool {
        let before = self.properties.len();
        self.properties.retain(|(name, _)| !name.contains(text));
        let mut found = self.properties.len() < before;
        for (_, value) in self.properties.iter_mut().filter(|(_, value)| value.get().contains(text)) {
            // Within a string, it stays JSON.
            *value = RawValue::from_string(value.get().replace(text, by)).unwrap_or_default();
            found = true;
        }
        found
    }

    /// The JSON text.
    pub fn to_json(&self) -> Bytes {
        self.write().into()
    }

    /// The object as a value.
    pub fn to_raw(&self) -> Box<RawValue> {
        // What `write` makes of names that serde escapes and values that serde read is JSON.
        String::from_utf8(self.write())
            .ok()
            .and_then(|text| RawValue::from_string(text).ok())
            .unwrap_or_default()
    }

    fn write(&self) -> Vec<u8> {
        let size: usize =
            self.properties.iter().map(|(name, value)| name.len() + value.get().len() + 4).sum();
        let mut json = Vec::with_capacity(size + 2);
        json.push(b'{');
        for (index, (name, value)) in self.properties.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            // Writing to memory cannot fail, and a text is always JSON.
            let _ = serde_json::to_writer(&mut json, name);
            json.push(b':');
            json.extend_from_slice(value.get().as_bytes());
        }
        json.push(b'}');
        json
    }
}

/// Whether a name differs from one of ASCII letters in nothing but case, and in that.
fn is_twin(name: &str, known: &str) -> bool {
    let is_same = if name.is_ascii() {
        name.eq_ignore_ascii_case(known)
    } else {
        // Such as the Kelvin sign for a k.
        let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        folded.eq(known.chars().map(|letter| letter.to_ascii_lowercase()))
    };
    is_same && name != known
}

/// Only how many properties there are: what people write does not belong into debug output.
impl fmt::Debug for RawObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawObject({} properties)", self.properties.len())
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Properties;

        impl<'de> Visitor<'de> for Properties {
            type Value = RawObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
                let mut properties = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    properties.push(entry);
                }
                Ok(RawObject { properties })
            }
        }

        deserializer.deserialize_map(Properties)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_spelling_and_unknown_properties_survive() {
        for text in [
            r#"{}"#,
            r#"{"z":1.0,"a":1e5,"m":1E+05,"n":-0,"big":123456789012345678901234567890}"#,
            r#"{"b":{"y":[1.10,{"x":null}],"a":"\u0041\n"},"a":[ 1 , 2 ]}"#,
        ] {
            assert_eq!(RawObject::parse(text.as_bytes()).unwrap().to_json(), text);
        }
    }

    #[test]
    fn a_property_is_replaced_in_its_place() {
        let mut object = RawObject::parse(br#"{"a":1,"id":"x","b":2}"#).unwrap();
        object.set_text("id", "a\"b");
        object.set_text("new", "n");
        object.remove("a");
        assert_eq!(object.to_json(), r#"{"id":"a\"b","b":2,"new":"n"}"#);
    }

    #[test]
    fn what_is_not_one_plain_object_is_refused() {
        assert_eq!(RawObject::parse(b"[]").err(), Some(JsonError::NotAnObject));
        assert_eq!(RawObject::parse(b"null").err(), Some(JsonError::NotAnObject));
        let twice = RawObject::parse(br#"{"a":1,"b":2,"\u0061":3}"#);
        assert_eq!(twice.err(), Some(JsonError::Duplicate("a".into())));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn a_text_is_replaced_wherever_it_stands() {
        let mut object =
            RawObject::parse(br#"{"a":"x key y","b":{"key":["key"]},"c":1.0,"my key":2}"#).unwrap();
        assert!(object.replace_text("key", "-"));
        assert_eq!(object.to_json(), r#"{"a":"x - y","b":{"-":["-"]},"c":1.0}"#);
        assert!(!object.replace_text("key", "-"));
    }

    proptest! {
        #[test]
        fn every_object_comes_back_byte_for_byte(map in prop::collection::btree_map(".*", json(), 0..8)) {
            let text = serde_json::to_string(&map).unwrap();
            let object = RawObject::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(object.to_json(), text);
        }

        #[test]
        fn a_cut_object_is_refused(map in prop::collection::btree_map(".*", json(), 1..4), at: prop::sample::Index) {
            let text = serde_json::to_vec(&map).unwrap();
            prop_assert!(RawObject::parse(&text[..at.index(text.len())]).is_err());
        }
    }
}
