//! Several activities and the watermark behind the last: the only JSON a stream ever carries.

use bytes::Bytes;

use crate::Position;

/// Writes `{"activities":[…],"watermark":"…"}` around activities that are JSON already.
///
/// Source: Direct Line 3.0, `ActivitySet`. The stock client fails on a frame without `activities`.
#[derive(Debug)]
pub struct ActivitySet;

impl ActivitySet {
    /// The JSON text of a set; the activities are not parsed or copied more than once.
    pub fn to_json<'a>(activities: impl IntoIterator<Item = &'a Bytes>, watermark: Position) -> String {
        Self::write(activities, Some(watermark))
    }

    /// A set that does not move the client's watermark, for typing and other things that are not logged.
    ///
    /// `watermark` is left out: the stock client then keeps the one it has.
    pub fn transient_to_json(activity: &Bytes) -> String {
        Self::write([activity], None)
    }

    fn write<'a>(activities: impl IntoIterator<Item = &'a Bytes>, watermark: Option<Position>) -> String {
        let mut json = String::from(r#"{"activities":["#);
        for (index, activity) in activities.into_iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            // Records are made of text and checked when they are read.
            json.push_str(&String::from_utf8_lossy(activity));
        }
        json.push(']');
        if let Some(position) = watermark {
            json.push_str(&format!(r#","watermark":"{position}""#));
        }
        json.push('}');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_spelled_as_documented() {
        let (a, b) = (Bytes::from_static(b"{\"a\":1}"), Bytes::from_static(b"{}"));
        assert_eq!(
            ActivitySet::to_json([&a, &b], Position::new(2)),
            r#"{"activities":[{"a":1},{}],"watermark":"2"}"#
        );
        assert_eq!(ActivitySet::to_json([], Position::START), r#"{"activities":[],"watermark":"0"}"#);
        assert_eq!(ActivitySet::transient_to_json(&a), r#"{"activities":[{"a":1}]}"#);
    }
}
