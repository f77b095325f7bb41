//! Bodies of the Connector API that are not activities.
//!
//! Source: Bot Framework REST reference, "Connector", objects `ConversationParameters`, `ConversationResourceResponse`,
//! `ConversationsResult`, `PagedMembersResult`, `ChannelAccount`. A property that is null counts as absent; nothing that
//! we write is null.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::bodies::{MAX_NAME_BYTES, RequestBodyError, bounded, text};
use crate::{Activity, ChannelAccount, ConversationId, RawObject};

/// The body of `POST …/v3/conversations`. What a channel with groups and tenants would do with `isGroup`, `topicName`,
/// `tenantId` and `bot` has no meaning here: they are read over.
#[derive(Clone, Debug, Default)]
pub struct ConversationParameters {
    /// `members`: the users who are to take part.
    pub members: Vec<ChannelAccount>,
    /// `activity`: what the bot says first.
    pub activity: Option<Activity>,
    /// `channelData.site`, ours: the site whose clients are to take part.
    pub site: Option<String>,
}

impl ConversationParameters {
    /// Reads the body; an empty one asks for a conversation with nobody in it.
    ///
    /// # Errors
    /// [`RequestBodyError`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestBodyError> {
        let body = crate::bodies::object_or_empty(body)?;
        Ok(Self { members: members(&body)?, activity: activity(&body)?, site: site(&body)? })
    }
}

fn members(body: &RawObject) -> Result<Vec<ChannelAccount>, RequestBodyError> {
    const NAME: &str = "members";
    let members = match body.get(NAME) {
        None | Some("null") => return Ok(Vec::new()),
        Some(value) => serde_json::from_str::<Vec<&RawValue>>(value)
            .map_err(|_| RequestBodyError::bad(NAME, "must be an array of objects"))?,
    };
    let member = |raw: &RawValue| {
        let member = RawObject::from_raw(raw)
            .map_err(|_| RequestBodyError::bad(NAME, "must hold objects with an \"id\""))?;
        let id = text(&member, "id")?
            .ok_or_else(|| RequestBodyError::bad(NAME, "must hold an \"id\" in each object"))?;
        let id = id.parse().map_err(|error| RequestBodyError::id(NAME, error))?;
        Ok(ChannelAccount { id, name: bounded("name", text(&member, "name")?)? })
    };
    members.into_iter().filter(|raw| raw.get() != "null").map(member).collect()
}

fn activity(body: &RawObject) -> Result<Option<Activity>, RequestBodyError> {
    match body.get("activity") {
        None | Some("null") => Ok(None),
        Some(_) => {
            let object = body
                .object("activity")
                .ok_or_else(|| RequestBodyError::bad("activity", "must be an activity"))?;
            Ok(Some(Activity::from_object(object)?))
        }
    }
}

/// `channelData` belongs to the channel, so what is in it for other channels is no error here.
fn site(body: &RawObject) -> Result<Option<String>, RequestBodyError> {
    let channel_data = body.object("channelData").unwrap_or_default();
    match text(&channel_data, "site")? {
        Some(site) if site.len() > MAX_NAME_BYTES => {
            Err(RequestBodyError::bad("channelData.site", "is too long"))
        }
        site => Ok(site),
    }
}

/// A member of a conversation, as bots get to see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberBody {
    /// Who.
    pub id: String,
    /// What they are called, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `bot` or `user`.
    pub role: &'static str,
}

/// A part of the members of a conversation.
#[derive(Debug, Serialize)]
pub struct PagedMembersBody {
    /// These.
    pub members: Vec<MemberBody>,
    /// Where it goes on; absent at the end.
    #[serde(rename = "continuationToken", skip_serializing_if = "Option::is_none")]
    pub continuation_token: Option<String>,
}

/// A part of the conversations of a bot.
#[derive(Debug, Serialize)]
pub struct ConversationsBody {
    /// These; may be none, though it goes on.
    pub conversations: Vec<ConversationMembersBody>,
    /// Where it goes on; absent at the end.
    #[serde(rename = "continuationToken", skip_serializing_if = "Option::is_none")]
    pub continuation_token: Option<String>,
}

/// A conversation and who is in it.
#[derive(Debug, Serialize)]
pub struct ConversationMembersBody {
    /// Its id.
    pub id: ConversationId,
    /// Everybody.
    pub members: Vec<MemberBody>,
}

/// The answer to `POST …/v3/conversations`.
#[derive(Debug, Serialize)]
pub struct ConversationResourceBody {
    /// The id of the conversation.
    pub id: ConversationId,
    /// The id of what the bot said first, where it said something.
    #[serde(rename = "activityId", skip_serializing_if = "Option::is_none")]
    pub activity_id: Option<String>,
    /// Where the bot reaches the conversation.
    #[serde(rename = "serviceUrl")]
    pub service_url: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_bots_send_is_read() {
        let body = br#"{"isGroup":true,"bot":{"id":"b"},"members":[{"id":"ann","name":"Ann","role":null},null,{"id":"bob"}],
            "topicName":null,"tenantId":"t","activity":{"type":"message"},"channelData":{"site":"web","tenant":{}}}"#;
        let read = ConversationParameters::parse(body).unwrap();
        let members: Vec<_> = read.members.iter().map(|m| (m.id.as_str(), m.name.as_deref())).collect();
        assert_eq!(members, [("ann", Some("Ann")), ("bob", None)]);
        assert_eq!((read.activity.unwrap().kind(), read.site), (Some("message".into()), Some("web".into())));
        for empty in
            ["", "{}", r#"{"members":null,"activity":null,"channelData":null}"#, r#"{"channelData":[]}"#]
        {
            let read = ConversationParameters::parse(empty.as_bytes()).unwrap();
            assert!(read.members.is_empty() && read.activity.is_none() && read.site.is_none(), "{empty}");
        }
    }

    #[test]
    fn what_is_of_the_wrong_kind_is_refused() {
        for bad in [
            "[]",
            r#"{"members":{}}"#,
            r#"{"members":["ann"]}"#,
            r#"{"members":[{}]}"#,
            r#"{"members":[{"id":7}]}"#,
            r#"{"members":[{"id":"a\nb"}]}"#,
            r#"{"activity":"hello"}"#,
            r#"{"activity":{"type":7}}"#,
            r#"{"channelData":{"site":7}}"#,
        ] {
            assert!(ConversationParameters::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = ConversationParameters::parse(&bytes);
        }
    }
}
