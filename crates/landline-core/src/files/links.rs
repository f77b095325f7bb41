//! Where the bytes of a file are found, as an activity in the log says it.

use std::fmt;

use landline_protocol::{ConversationId, FileId};

use super::StoredFile;
use crate::store::View;

/// Makes what stands in a logged activity for a view of a file. It is turned into a link when the activity leaves; nobody
/// else can make one that is.
pub trait FileLinks: fmt::Debug + Send + Sync + 'static {
    /// The text for this view of this file.
    fn logged(&self, conversation: &ConversationId, file: &StoredFile, view: View) -> String;

    /// What a link that was given out leads to, whether it has expired or not; `None` for any other text.
    fn given_out(&self, _link: &str) -> Option<(ConversationId, FileId, View)> {
        None
    }
}
