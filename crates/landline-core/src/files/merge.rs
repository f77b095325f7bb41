//! Files become attachments of the activity that they came with.
//!
//! Source: the stock clients send the activity with its attachments, without their `contentUrl`, and each file under the
//! name of its attachment. What the activity declares stays as it is; only the link comes to it, and takes the place of a
//! thumbnail that was kept (`thumbnails`).

use landline_protocol::{Activity, ConversationId, RawObject};
use serde_json::value::RawValue;

use super::thumbnails::thumbnail_text;
use super::{NewFile, StoredFile};
use crate::client_send::SendError;
use crate::conversations::Conversations;
use crate::limits::BYTES_PER_ATTACHED_FILE;
use crate::store::View;

/// The longest content type that an activity says.
const MAX_TYPE_BYTES: usize = 255;

impl Conversations {
    /// The activity with each file as the content of the first attachment of its name that is declared without content,
    /// or else as an attachment of its own, behind those that there are.
    pub(crate) fn with_attachments(
        &self,
        conversation: &ConversationId,
        mut activity: Activity,
        files: &[(NewFile, StoredFile)],
    ) -> Result<Activity, SendError> {
        let mut attachments = declared(&activity)?;
        for (said, file) in files {
            let link = |view| self.file_links().logged(conversation, file, view);
            match said.name.as_deref().and_then(|name| waiting(&mut attachments, name)) {
                Some(attachment) => fill(attachment, said, file, &link),
                None => {
                    let mut attachment = RawObject::default();
                    fill(&mut attachment, said, file, &link);
                    attachments.push(Attachment::Object(attachment));
                }
            }
        }
        let values: Vec<_> = attachments.into_iter().map(Attachment::into_raw).collect();
        let array = serde_json::value::to_raw_value(&values).unwrap_or_default();
        activity.properties_mut().set("attachments", array);
        Ok(activity)
    }

    /// Refuses an activity that is too large, with so many files in it.
    pub(crate) fn check_size(&self, activity: &Activity, files: usize) -> Result<(), SendError> {
        let limit = self.limits().activity_bytes + files * BYTES_PER_ATTACHED_FILE;
        let bytes = activity.to_json().len();
        if bytes > limit { Err(SendError::TooBig { bytes, limit }) } else { Ok(()) }
    }
}

/// One attachment of an activity.
pub(super) enum Attachment {
    Object(RawObject),
    /// What nobody can read as one stays as it is.
    Other(Box<RawValue>),
}

impl Attachment {
    fn into_raw(self) -> Box<RawValue> {
        match self {
            Self::Other(raw) => raw,
            Self::Object(object) => object.to_raw(),
        }
    }
}

pub(super) fn declared(activity: &Activity) -> Result<Vec<Attachment>, SendError> {
    let Some(json) = activity.properties().get("attachments").filter(|json| *json != "null") else {
        return Ok(Vec::new());
    };
    let values: Vec<Box<RawValue>> = serde_json::from_str(json)
        .map_err(|_| SendError::NotAllowed("the property \"attachments\" must be an array".to_owned()))?;
    let attachment = |raw: Box<RawValue>| match RawObject::parse(raw.get().as_bytes()) {
        Ok(object) => Attachment::Object(object),
        Err(_) => Attachment::Other(raw),
    };
    Ok(values.into_iter().map(attachment).collect())
}

/// The first of this name that has no content. One that was filled has some.
pub(super) fn waiting<'a>(attachments: &'a mut [Attachment], name: &str) -> Option<&'a mut RawObject> {
    attachments.iter_mut().find_map(|attachment| match attachment {
        Attachment::Object(object) => {
            let absent = |name| matches!(object.get(name), None | Some("null" | "\"\""));
            let is_it = absent("contentUrl") && absent("content");
            (is_it && object.text("name").as_deref() == Some(name)).then_some(object)
        }
        Attachment::Other(_) => None,
    })
}

fn fill(attachment: &mut RawObject, said: &NewFile, file: &StoredFile, link: &dyn Fn(View) -> String) {
    let said_type = said.content_type.as_deref().map(str::trim);
    let said_type = said_type.filter(|said| !said.is_empty() && said.len() <= MAX_TYPE_BYTES);
    let is_declared =
        |attachment: &RawObject, name| attachment.text(name).is_some_and(|text| !text.is_empty());
    if !is_declared(attachment, "contentType") {
        attachment.set_text("contentType", said_type.unwrap_or(&file.content_type));
    }
    attachment.set_text("contentUrl", &link(View::Original));
    if !is_declared(attachment, "name") {
        attachment.set_text("name", &file.name);
    }
    let is_elsewhere = is_declared(attachment, "thumbnailUrl") && thumbnail_text(attachment).is_none();
    if file.thumbnail.is_some() && !is_elsewhere {
        attachment.set_text("thumbnailUrl", &link(View::Thumbnail));
    }
}
