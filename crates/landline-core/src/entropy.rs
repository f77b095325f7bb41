//! What is random, as an argument.

use landline_protocol::{ConversationId, FileId};

/// Gives bytes that nobody can guess (in production) or that a seed decides (in tests).
pub trait Entropy: Send + Sync + 'static {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// A new conversation id.
    pub fn conversation_id(&self) -> ConversationId {
        self.id(ConversationId::from_random)
    }

    /// A new file id.
    pub fn file_id(&self) -> FileId {
        self.id(FileId::from_random)
    }

    /// A new id. All that are made here have one length.
    fn id<T>(&self, from_random: fn(&[u8]) -> Option<T>) -> T {
        let mut bytes = [0; 2 * ConversationId::LENGTH];
        loop {
            self.fill(&mut bytes);
            // One in 10^30 draws has too few usable bytes.
            if let Some(id) = from_random(&bytes) {
                return id;
            }
        }
    }
}
