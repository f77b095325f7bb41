//! What an activity says of the live answer that it is a part of.
//!
//! Bots spell it in one of two places: `channelData.{streamId,streamSequence,streamType}`, which is what Web Chat 4.18
//! reads, or an entity of type `streaminfo`, which is all that the Agents SDKs (JS 1.8, Python 1.9) send.
//!
//! Not here: which live answers there are, and who gets them (`landline-core`).

use crate::{Activity, RawObject};

/// See the module. A property of another kind than the one named counts as absent: before live answers, bots could put
/// anything there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// `streamId`: the answer that it is a part of. The first chunk has none, or one that the bot made up.
    pub id: Option<String>,
    /// `streamSequence`: counts the chunks of an answer.
    pub sequence: Option<u64>,
    /// `streamType`: `streaming`, `informative` or `final`.
    pub kind: Option<String>,
}

impl StreamInfo {
    fn of(object: &RawObject) -> Self {
        let text = |name| object.text(name).filter(|text| !text.is_empty());
        Self { id: text("streamId"), sequence: object.number("streamSequence"), kind: text("streamType") }
    }

    /// Whether it says that the answer is complete.
    pub fn is_final(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("final"))
    }
}

impl Activity {
    /// What the activity says of its live answer; `None` where it is no part of one. Where both places say something,
    /// `channelData` counts.
    pub fn stream_info(&self) -> Option<StreamInfo> {
        let channel_data = self.properties().object("channelData").unwrap_or_default();
        let entities = self.properties().objects("entities");
        let is_info = |entity: &&RawObject| {
            entity.text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("streaminfo"))
        };
        let said = StreamInfo::of(&channel_data);
        let entity = entities.iter().find(is_info).map(StreamInfo::of).unwrap_or_default();
        let info = StreamInfo {
            id: said.id.or(entity.id),
            sequence: said.sequence.or(entity.sequence),
            kind: said.kind.or(entity.kind),
        };
        (info != StreamInfo::default()).then_some(info)
    }

    /// Says it in `channelData`, where all versions of Web Chat find it. A `channelData` that is no object stays.
    pub fn set_stream_info(&mut self, info: &StreamInfo) {
        let mut channel_data = match self.properties().get("channelData") {
            None | Some("null") => RawObject::default(),
            Some(_) => match self.properties().object("channelData") {
                Some(object) => object,
                None => return,
            },
        };
        if let Some(id) = &info.id {
            channel_data.set_text("streamId", id);
        }
        if let Some(sequence) = info.sequence {
            channel_data.set_number("streamSequence", sequence);
        }
        if let Some(kind) = &info.kind {
            channel_data.set_text("streamType", kind);
        }
        self.properties_mut().set_object("channelData", &channel_data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(json: &str) -> Option<StreamInfo> {
        Activity::parse(json.as_bytes()).unwrap().stream_info()
    }

    fn expected(id: Option<&str>, sequence: Option<u64>, kind: Option<&str>) -> Option<StreamInfo> {
        Some(StreamInfo { id: id.map(Into::into), sequence, kind: kind.map(Into::into) })
    }

    #[test]
    fn both_places_are_read() {
        for (json, expected) in [
            (r#"{"channelData":{"streamSequence":1}}"#, expected(None, Some(1), None)),
            (
                r#"{"entities":[{"type":"x","streamId":"no"},7,{"type":"streamInfo","streamId":"s","streamType":"final","streamSequence":3}]}"#,
                expected(Some("s"), Some(3), Some("final")),
            ),
            (
                r#"{"channelData":{"streamId":"c","x":1},"entities":[{"type":"streaminfo","streamId":"e","streamSequence":2}]}"#,
                expected(Some("c"), Some(2), None),
            ),
        ] {
            assert_eq!(info(json), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_part_of_a_live_answer_says_nothing() {
        for json in [
            r#"{}"#,
            r#"{"channelData":{"streamId":"","streamSequence":null,"streamType":7}}"#,
            r#"{"channelData":[1],"entities":{"type":"streaminfo","streamId":"s"}}"#,
            r#"{"channelData":{"streamSequence":-1},"entities":[{"type":"mention","streamId":"s"}]}"#,
        ] {
            assert_eq!(info(json), None, "{json}");
        }
    }

    #[test]
    fn it_is_said_where_web_chat_reads_it() {
        let told = StreamInfo { id: Some("s".into()), sequence: Some(2), kind: None };
        for (json, expected) in [
            (r#"{}"#, r#"{"channelData":{"streamId":"s","streamSequence":2}}"#),
            (r#"{"channelData":null}"#, r#"{"channelData":{"streamId":"s","streamSequence":2}}"#),
            (
                r#"{"channelData":{"a":1.0,"streamId":"old"}}"#,
                r#"{"channelData":{"a":1.0,"streamId":"s","streamSequence":2}}"#,
            ),
            (r#"{"channelData":"mine"}"#, r#"{"channelData":"mine"}"#),
        ] {
            let mut activity = Activity::parse(json.as_bytes()).unwrap();
            activity.set_stream_info(&told);
            assert_eq!(activity.to_json(), expected);
        }
    }
}
