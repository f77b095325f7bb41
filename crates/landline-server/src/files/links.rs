//! From a file to what stands for it in a log, and from there to a link.

use landline_auth::{FileLinkKeys, LinkSignature, LinkedFile, escaped_file_name};
use landline_core::files::{FileLinks, StoredFile};
use landline_core::store::View;
use landline_protocol::{ConversationId, Timestamp};

/// Makes links to files, and knows its own.
#[derive(Debug)]
pub(crate) struct Links {
    keys: FileLinkKeys,
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
}
