//! Bodies of requests that are no activities: of clients and of bots.

use landline_protocol::{
    AttachmentUpload, ChannelAccount, ConversationParameters, StartRequest, TokenRequest,
};
use serde_json::Value;

use crate::Target;
use crate::input::{other_reader, split};

pub(crate) const TARGET: Target = Target {
    name: "bodies",
    longest: 16 * 1024,
    share: 1,
    claim: "what is accepted is nothing, or a JSON object that another reader accepts; users, names and origins are within \
            their bounds; the bytes of a file are no more than were sent, and those that another decoder reads",
    run,
};

/// As in the documentation of the protocol: users 256 bytes, names 256 bytes, 32 origins.
const NAME: usize = 256;
const ORIGINS: usize = 32;

fn run(data: &[u8]) {
    let (kind, body) = split(data);
    let accepted = match kind % 4 {
        0 => TokenRequest::parse(body).map(|request| {
            users(&request.user);
            origins(&request.trusted_origins);
            assert!(request.conversation_id.is_none_or(|id| (1..=64).contains(&id.as_str().len())));
        }),
        1 => StartRequest::parse(body).map(|request| {
            users(&request.user);
            origins(&request.trusted_origins);
            assert!(request.locale.is_none_or(|locale| !locale.is_empty() && locale.len() <= NAME));
        }),
        2 => ConversationParameters::parse(body).map(|request| {
            users(request.members.iter());
            assert!(request.site.is_none_or(|site| site.len() <= NAME));
        }),
        _ => AttachmentUpload::parse(body).map(|upload| file(&upload, body)),
    };
    match accepted {
        Ok(()) => {
            let body = body.trim_ascii();
            let value = if body.is_empty() { Some(Value::Null) } else { other_reader(body) };
            assert!(value.is_none_or(|value| value.is_null() || value.is_object()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn users<'a>(users: impl IntoIterator<Item = &'a ChannelAccount>) {
    for user in users {
        let id = user.id.as_str();
        assert!(!id.is_empty() && id.len() <= NAME && !id.chars().any(char::is_control));
        assert!(user.name.as_ref().is_none_or(|name| !name.is_empty() && name.len() <= NAME));
    }
}

fn origins(origins: &[String]) {
    assert!(origins.len() <= ORIGINS);
    assert!(origins.iter().all(|origin| origin.len() <= NAME && origin.contains("://")));
}

fn file(upload: &AttachmentUpload, body: &[u8]) {
    let thumbnail = upload.thumbnail.as_ref().map_or(0, Vec::len);
    assert!(upload.original.len() + thumbnail <= body.len(), "more bytes than were sent");
    let Some(value) = other_reader(body) else { return };
    if let Some(Value::Array(bytes)) = value.get("originalBase64") {
        let bytes: Vec<_> = bytes.iter().map(|byte| byte.as_u64().expect("a byte")).collect();
        assert!(bytes.iter().copied().eq(upload.original.iter().map(|byte| u64::from(*byte))));
    }
}
