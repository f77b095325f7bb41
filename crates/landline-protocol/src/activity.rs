//! The one thing that is sent: an activity.

use bytes::Bytes;

use crate::json_scan::JsonError;
use crate::{BotName, CHANNEL_ID, ConversationId, RawObject, Timestamp};

/// An activity: the properties that we read are checked, all others are kept as they came.
///
/// Source: the Bot Framework activity schema. Parsed once where it comes in, written once where it is logged.
#[derive(Clone, Debug)]
pub struct Activity {
    properties: RawObject,
}

/// Why a body is not an activity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivityError {
    /// It is not a JSON object that we accept.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A property that we read has a value of the wrong kind.
    #[error("the property {property:?} must be {expected}")]
    WrongKind {
        /// Which property.
        property: &'static str,
        /// What it may be.
        expected: &'static str,
    },
}

/// Who a bot is in the activities that it gets, and where it answers.
#[derive(Clone, Copy, Debug)]
pub struct BotRecipient<'a> {
    /// The bot.
    pub bot: &'a BotName,
    /// Base of the Connector API for this bot, with a slash at its end.
    pub service_url: &'a str,
}

const TEXTS: [&str; 11] = [
    "type",
    "id",
    "text",
    "name",
    "locale",
    "speak",
    "deliveryMode",
    "replyToId",
    "channelId",
    "serviceUrl",
    "timestamp",
];
const OBJECTS: [&str; 3] = ["from", "recipient", "conversation"];

/// What is checked or written here and means something to a bot: in no other case of letters does it come through.
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
/// The same within `from` and `conversation`.
const OURS_WITHIN: [&str; 2] = ["id", "role"];

impl Activity {
    /// Reads an activity.
    ///
    /// # Errors
    /// [`ActivityError`]: not a JSON object, or a property that we read is neither null nor of its kind.
    pub fn parse(json: &[u8]) -> Result<Self, ActivityError> {
        Self::from_object(RawObject::parse(json)?)
    }

    /// Takes an object for an activity. What differs from a property that we check or write in nothing but the case of its
    /// letters is left out: a bot that ignores case would believe it instead.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_object(properties: RawObject) -> Result<Self, ActivityError> {
        let mut properties = properties;
        properties.remove_twins_of(&OURS);
        for name in ["from", "conversation"] {
            if let Some(mut within) = properties.object(name)
                && within.remove_twins_of(&OURS_WITHIN)
            {
                properties.set_object(name, &within);
            }
        }
        check_kinds(&properties, &TEXTS, '"', "a text")?;
        check_kinds(&properties, &OBJECTS, '{', "an object")?;
        if let Some(from) = properties.object("from") {
            // A number as an id is what some hand-written clients send; better told than guessed.
            check_kinds(&from, &["id"], '"', "a text")?;
        }
        Ok(Self { properties })
    }

    /// A new activity of a type, for what the server itself has to say.
    pub fn of_type(kind: &str) -> Self {
        let mut properties = RawObject::default();
        properties.set_text("type", kind);
        Self { properties }
    }

    /// The JSON text.
    pub fn to_json(&self) -> Bytes {
        self.properties.to_json()
    }

    /// All properties.
    pub fn properties(&self) -> &RawObject {
        &self.properties
    }

    /// All properties, to change them.
    pub fn properties_mut(&mut self) -> &mut RawObject {
        &mut self.properties
    }

    /// The `type`; `None` where it is absent, null or empty.
    pub fn kind(&self) -> Option<String> {
        self.some_text("type")
    }

    /// The `id`.
    pub fn id(&self) -> Option<String> {
        self.some_text("id")
    }

    /// The `timestamp`; `None` also where it is none.
    pub fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.some_text("timestamp")?)
    }

    /// The `deliveryMode`.
    pub fn delivery_mode(&self) -> Option<String> {
        self.some_text("deliveryMode")
    }

    /// The `replyToId`.
    pub fn reply_to_id(&self) -> Option<String> {
        self.some_text("replyToId")
    }

    /// `from.id`.
    pub fn from_id(&self) -> Option<String> {
        self.properties.object("from")?.text("id").filter(|id| !id.is_empty())
    }

    /// `from.name`.
    pub fn from_name(&self) -> Option<String> {
        self.properties.object("from")?.text("name").filter(|name| !name.is_empty())
    }

    /// `channelData.clientActivityID`: what a client calls this activity. Web Chat sets it on each.
    pub fn client_activity_id(&self) -> Option<String> {
        self.properties.object("channelData")?.text("clientActivityID").filter(|id| !id.is_empty())
    }

    fn some_text(&self, name: &str) -> Option<String> {
        self.properties.text(name).filter(|text| !text.is_empty())
    }

    /// Sets who speaks. What else the sender said of itself (`name`, unknown properties) stays.
    pub fn set_from(&mut self, id: &str, role: &str) {
        let mut from = self.properties.object("from").unwrap_or_default();
        from.set_text("id", id);
        from.set_text("role", role);
        self.properties.set_object("from", &from);
    }

    /// Sets who speaks to who speaks in another activity.
    pub fn set_from_of(&mut self, other: &Self) {
        match other.properties.object("from") {
            Some(from) => self.properties.set_object("from", &from),
            None => self.properties.remove("from"),
        }
    }

    /// Sets `from.name` where the sender gave none.
    pub fn set_from_name_if_absent(&mut self, name: &str) {
        let mut from = self.properties.object("from").unwrap_or_default();
        if from.text("name").is_none_or(|known| known.is_empty()) {
            from.set_text("name", name);
            self.properties.set_object("from", &from);
        }
    }

    /// Writes over what only the server says: id, time, channel, conversation.
    ///
    /// `serviceUrl` is taken out: it is between the server and the bot.
    pub fn stamp(&mut self, id: &str, conversation_id: &ConversationId, now: Timestamp) {
        let properties = &mut self.properties;
        properties.set_text("id", id);
        properties.set_text("timestamp", &now.to_string());
        properties.set_text("channelId", CHANNEL_ID);
        let mut conversation = properties.object("conversation").unwrap_or_default();
        conversation.set_text("id", conversation_id.as_str());
        properties.set_object("conversation", &conversation);
        properties.remove("serviceUrl");
    }

    /// The activity as the bot gets it.
    ///
    /// `serviceUrl` and `recipient` are ours. Top-level nulls and an empty `locale`, `speak` or `from.name`
    /// are left out, because the Agents SDKs answer 500 to them.
    pub fn for_bot(mut self, to: BotRecipient<'_>) -> Bytes {
        let empty_breaks = |name: &str| matches!(name, "locale" | "speak");
        self.properties
            .remove_where(|name, value| value == "null" || (value == "\"\"" && empty_breaks(name)));
        if let Some(mut from) = self.properties.object("from") {
            from.remove_where(|name, value| name == "name" && matches!(value, "\"\"" | "null"));
            self.properties.set_object("from", &from);
        }
        let mut recipient = RawObject::default();
        recipient.set_text("id", to.bot.as_str());
        recipient.set_text("name", to.bot.as_str());
        recipient.set_text("role", "bot");
        self.properties.set_object("recipient", &recipient);
        self.properties.set_text("serviceUrl", to.service_url);
        self.properties.to_json()
    }
}

fn check_kinds(
    properties: &RawObject,
    names: &[&'static str],
    begins_with: char,
    expected: &'static str,
) -> Result<(), ActivityError> {
    for property in names {
        if let Some(value) = properties.get(property)
            && value != "null"
            && !value.starts_with(begins_with)
        {
            return Err(ActivityError::WrongKind { property, expected });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_owns_is_overwritten() {
        let mut activity = Activity::parse(
            br#"{"x":1.50,"id":"mine","type":"message","conversation":{"id":"other","k":1},"serviceUrl":"http://evil","timestamp":null}"#,
        )
        .unwrap();
        let conversation = "c1".parse().unwrap();

        activity.stamp("c1|0000007", &conversation, Timestamp::from_millis(0));

        assert_eq!(
            activity.to_json(),
            r#"{"x":1.50,"id":"c1|0000007","type":"message","conversation":{"id":"c1","k":1},"timestamp":"1970-01-01T00:00:00.000Z","channelId":"directline"}"#
        );
    }

    /// A bot that ignores case reads the last of two that differ in nothing else.
    #[test]
    fn what_a_bot_could_take_for_ours_is_left_out() {
        for (twin, left) in [
            (
                r#"{"type":"message","Type":"conversationUpdate","TEXT":"x"}"#,
                r#"{"type":"message","TEXT":"x"}"#,
            ),
            (r#"{"From":{"id":"eve"},"from":{"id":"ann"},"FROM":{}}"#, r#"{"from":{"id":"ann"}}"#),
            (
                r#"{"from":{"id":"ann","Id":"eve","ROLE":"bot","Name":"A"}}"#,
                r#"{"from":{"id":"ann","Name":"A"}}"#,
            ),
            (r#"{"conversation":{"ID":"c2","x":1}}"#, r#"{"conversation":{"x":1}}"#),
            (r#"{"ServiceUrl":"http://evil/","serviceURL":1,"Recipient":{}}"#, "{}"),
            (
                r#"{"\u0049d":"x","CHANNELID":"emulator","Timestamp":0,"replytoid":"","DeliveryMode":""}"#,
                "{}",
            ),
            ("{\"\u{130}d\":1,\"\u{131}d\":2,\"ty\u{217a}e\":3}", "{\"\u{130}d\":1,\"ty\u{217a}e\":3}"),
        ] {
            assert_eq!(Activity::parse(twin.as_bytes()).unwrap().to_json(), left, "{twin}");
        }
    }

    #[test]
    fn the_bot_gets_no_null_and_no_empty_text_that_breaks_it() {
        let activity = Activity::parse(
            br#"{"type":"message","locale":"","speak":"","text":"","value":null,"from":{"id":"u","name":"","x":1},"recipient":{"id":"evil"},"channelData":{"a":null}}"#,
        )
        .unwrap();
        let bot = "echo".parse().unwrap();

        let sent = activity.for_bot(BotRecipient { bot: &bot, service_url: "http://h/s/" });

        assert_eq!(
            sent,
            r#"{"type":"message","text":"","from":{"id":"u","x":1},"recipient":{"id":"echo","name":"echo","role":"bot"},"channelData":{"a":null},"serviceUrl":"http://h/s/"}"#
        );
    }

    #[test]
    fn properties_that_we_read_must_be_of_their_kind() {
        for (bad, property) in [
            (r#"{"type":1}"#, "type"),
            (r#"{"from":"me"}"#, "from"),
            (r#"{"from":{"id":5}}"#, "id"),
            (r#"{"conversation":[]}"#, "conversation"),
            (r#"{"replyToId":{}}"#, "replyToId"),
        ] {
            let error = Activity::parse(bad.as_bytes()).unwrap_err();
            assert!(
                matches!(error, ActivityError::WrongKind { property: named, .. } if named == property),
                "{bad}: {error}"
            );
        }
        assert!(Activity::parse(br#"{"type":null,"from":null,"text":null}"#).is_ok());
    }

    #[test]
    fn the_client_activity_id_is_found_where_web_chat_puts_it() {
        let activity = Activity::parse(br#"{"channelData":{"clientActivityID":"a1"}}"#).unwrap();
        assert_eq!(activity.client_activity_id().as_deref(), Some("a1"));
        for without in [r#"{}"#, r#"{"channelData":[]}"#, r#"{"channelData":{"clientActivityID":""}}"#] {
            assert_eq!(Activity::parse(without.as_bytes()).unwrap().client_activity_id(), None);
        }
    }
}
