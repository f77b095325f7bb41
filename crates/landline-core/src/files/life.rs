//! How long a file is kept.

use std::time::Duration;

use landline_protocol::Timestamp;

/// How long a file is kept. Never longer than its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileLife {
    /// So long from when it came.
    For(Duration),
    /// As long as the conversation.
    Conversation,
}

impl FileLife {
    /// When the time of a file is over that comes now; `None`: with the conversation.
    pub fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(time) => Some(now.plus(time)),
            Self::Conversation => None,
        }
    }
}
