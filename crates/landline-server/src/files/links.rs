//! From a file to what stands for it in a log, and from there to a link.

use landline_auth::{FileLinkError, FileLinkKeys, LinkSignature, LinkedFile, escaped_file_name};
use landline_core::files::{FileLinks, StoredFile};
use landline_core::store::View;
use landline_protocol::{ConversationId, FileId, Timestamp};
use percent_encoding::percent_decode_str;

use crate::client_api::query;

/// Makes links to files, and knows its own.
#[derive(Debug)]
pub(crate) struct Links {
    keys: FileLinkKeys,
}

/// A link, as it came back.
#[derive(Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) conversation: &'a ConversationId,
    pub(crate) file: &'a FileId,
    pub(crate) view: View,
    /// The last segment of the path, without its escapes.
    pub(crate) name: &'a str,
    pub(crate) query: Option<&'a str>,
}

impl Links {
    pub(crate) fn new(keys: FileLinkKeys) -> Self {
        Self { keys }
    }

    /// The link to what this text of a log stands for; `None` where it was not made here. The base is that of this
    /// server for whoever gets the link, without a slash at its end.
    pub(super) fn link(&self, logged: &str, base: &str, now: Timestamp) -> Option<String> {
        let file = self.keys.read_logged(logged)?;
        let LinkSignature { expires, mac } = self.keys.sign_link(&file, now);
        let LinkedFile { conversation, file, view, name, .. } = file;
        let name = escaped_file_name(&name);
        Some(format!(
            "{base}/v3/directline/conversations/{conversation}/files/{file}/{view}/{name}?e={expires}&s={mac}"
        ))
    }

    /// Whether a link opens what it names.
    ///
    /// # Errors
    /// [`FileLinkError`]; `Expired` only of what was once valid.
    pub(crate) fn verify(&self, link: &Presented<'_>, now: Timestamp) -> Result<(), FileLinkError> {
        let file = LinkedFile {
            conversation: link.conversation.clone(),
            file: link.file.clone(),
            view: link.view.as_str().to_owned(),
            name: link.name.to_owned(),
            until: None,
        };
        let said = |name| query::parameter(link.query, name).unwrap_or_default();
        self.keys.verify_link(&file, &said("e"), &said("s"), now)
    }
}

impl FileLinks for Links {
    fn logged(&self, conversation: &ConversationId, file: &StoredFile, view: View) -> String {
        self.keys.logged(&LinkedFile {
            conversation: conversation.clone(),
            file: file.id.clone(),
            view: view.as_str().to_owned(),
            name: file.name.clone(),
            until: file.until,
        })
    }

    /// The base does not matter: bots and clients have others, and it may have changed.
    fn given_out(&self, link: &str) -> Option<(ConversationId, FileId, View)> {
        let (_, path) = link.split_once("/v3/directline/conversations/")?;
        let (path, query) = path.split_once('?')?;
        let mut parts = path.split('/');
        let conversation = parts.next()?.parse().ok()?;
        let file = parts.next().filter(|part| *part == "files").and_then(|_| parts.next())?.parse().ok()?;
        let view = View::parse(parts.next()?)?;
        let name = percent_decode_str(parts.next()?).decode_utf8().ok()?;
        let query = Some(query);
        let presented = Presented { conversation: &conversation, file: &file, view, name: &name, query };
        let verified = self.verify(&presented, Timestamp::default());
        let ours = parts.next().is_none() && verified != Err(FileLinkError::Invalid);
        ours.then_some((conversation, file, view))
    }
}
