//! Under which key a send is kept, so that a repeat of it is found.
//!
//! Invariant: what a client chooses (its own name for the send) cannot be made to meet the key of another user, nor one
//! of ours: the hash is a cryptographic one, and each part is told apart from the next by its length.
//!
//! Not here: for how long a key counts ([`IdempotencyKey::not_before`](crate::store::IdempotencyKey)).

use landline_protocol::Timestamp;
use sha2::{Digest, Sha256};

use crate::conversations::Conversations;
use crate::limits::MAX_IDEMPOTENCY_KEY_BYTES;
use crate::store::IdempotencyKey;

/// Whose key it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyOf<'a> {
    /// What a client sends.
    Client {
        /// The sender's id.
        user: &'a str,
        /// The client's own name for it.
        name: &'a str,
    },
    /// What the conversation's bot sends.
    Bot {
        /// The bot's own name for it.
        name: &'a str,
    },
    /// A part of a bot's answer to what was queued for it.
    Answer {
        /// The id of what it answers.
        to: &'a str,
        /// Which part.
        number: usize,
    },
}

impl KeyOf<'_> {
    /// The first 16 bytes of SHA-256: nobody finds two keys alike with less than 2^64 tries, nor one to a given key with
    /// less than 2^128.
    pub(crate) fn digest(self) -> [u8; 16] {
        let number;
        let parts = match self {
            Self::Client { user, name } => ["client", user, name],
            Self::Bot { name } => ["bot", name, ""],
            Self::Answer { to, number: part } => {
                number = part.to_string();
                ["answer", to, &number]
            }
        };
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        let mut digest = [0; 16];
        digest.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        digest
    }
}

impl Conversations {
    /// The key of a send under the name that its sender gave it; as long as a repeat is recognised.
    ///
    /// # Errors
    /// In words, where the name is too long.
    pub(crate) fn key_of_send(&self, key: KeyOf<'_>) -> Result<IdempotencyKey, String> {
        if let KeyOf::Client { name, .. } | KeyOf::Bot { name } = key
            && name.len() > MAX_IDEMPOTENCY_KEY_BYTES
        {
            let bytes = name.len();
            return Err(format!(
                "the idempotency key is {bytes} bytes, the limit is {MAX_IDEMPOTENCY_KEY_BYTES}"
            ));
        }
        let window = i64::try_from(self.limits().idempotency_window.as_millis()).unwrap_or(i64::MAX);
        let not_before = Timestamp::from_millis(self.now().as_millis().saturating_sub(window));
        Ok(IdempotencyKey { digest: key.digest(), not_before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(user: &str, name: &str) -> [u8; 16] {
        KeyOf::Client { user, name }.digest()
    }

    #[test]
    fn the_parts_of_a_key_do_not_run_into_one_another() {
        let mut all = vec![
            client("ann", "1"),
            client("an", "n1"),
            client("", "ann1"),
            client("ann1", ""),
            KeyOf::Bot { name: "1" }.digest(),
            KeyOf::Bot { name: "ann1" }.digest(),
            KeyOf::Answer { to: "ann", number: 1 }.digest(),
            KeyOf::Answer { to: "ann1", number: 1 }.digest(),
            KeyOf::Answer { to: "ann", number: 11 }.digest(),
        ];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9);
        assert_eq!(client("ann", "1"), client("ann", "1"));
    }

    /// They are on disk: whoever changes what they are made of makes repeats of the last day be taken for new.
    #[test]
    fn keys_on_disk_keep_their_meaning() {
        let hex = |digest: [u8; 16]| digest.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(client("ann", "1")), "b3395dd63aa6d37f13ccb9a052b9d230");
        assert_eq!(
            hex(KeyOf::Answer { to: "c|0000001", number: 2 }.digest()),
            "1816ed6a0f6d3e5a76adb43923399a1a"
        );
    }
}
