//! What a blob is called where it is kept: `CONVERSATION/FILE.VIEW`.
//!
//! Ids hold letters, digits, `-` and `_` only, so the dot parts file and view, and no name needs to be escaped.
//! Anything that is not called like this is not ours.

use landline_core::store::{BlobKey, View};
use landline_protocol::ConversationId;

/// `FILE.VIEW`
pub(crate) fn file_name(key: &BlobKey) -> String {
    format!("{}.{}", key.file, key.view.as_str())
}

/// The key of what is called `name` in the place of a conversation; `None` where it is not ours.
pub(crate) fn key(conversation: &ConversationId, name: &str) -> Option<BlobKey> {
    let (file, view) = name.split_once('.')?;
    let view = [View::Original, View::Thumbnail].into_iter().find(|known| known.as_str() == view)?;
    Some(BlobKey { conversation: conversation.clone(), file: file.parse().ok()?, view })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_spelled() {
        for view in [View::Original, View::Thumbnail] {
            let conversation: ConversationId = "a-b_C".parse().unwrap();
            let key_there = BlobKey { conversation, file: "_f-1".parse().unwrap(), view };
            assert_eq!(key(&key_there.conversation, &file_name(&key_there)), Some(key_there));
        }
    }

    #[test]
    fn what_is_called_otherwise_is_not_ours() {
        for name in
            ["", "f", "f.", ".original", "f.Original", "f.original.x", "f.x", "é.original", "f g.original"]
        {
            assert_eq!(key(&"a".parse().unwrap(), name), None, "{name:?}");
        }
    }
}
