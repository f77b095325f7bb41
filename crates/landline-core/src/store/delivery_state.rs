//! How far the delivery of one record to the bot has come, as the store keeps it.
//!
//! Not here: what leads from one state to the next (`delivery`).

use landline_protocol::{ConversationId, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::Damage;

/// How far the delivery of one record to the bot has come. A record without a state needs no delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryState {
    /// No attempt was begun: safe to try, also after a crash.
    Pending,
    /// An attempt was begun and its outcome is not known: it is not repeated unless the client asks.
    Attempted,
    /// The bot did not take it; it answered with this status, or with none at all.
    Refused {
        /// The bot's HTTP status.
        status: Option<u16>,
    },
    /// In the outbox: it is tried, also again after a crash, until the bot takes it or the time is over.
    Queued(Queued),
    /// In the outbox, and not tried any more unless somebody asks.
    Parked(Parked),
}

/// An entry of the outbox that is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// How many attempts have failed.
    pub attempts: u32,
    /// When the next one is due.
    pub due: Timestamp,
    /// When it was put into the outbox.
    pub since: Timestamp,
    /// The pauses between the attempts so far, together, in milliseconds. Counted instead of looked up on a clock, so
    /// that neither a clock that jumps nor a server that was off uses up the time.
    pub waited_ms: u64,
    /// What the bot answered last, where it answered.
    pub last_status: Option<u16>,
}

/// An entry of the outbox that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// How many attempts have failed.
    pub attempts: u32,
    /// When it was put into the outbox.
    pub since: Timestamp,
    /// What the bot answered last, where it answered.
    pub last_status: Option<u16>,
}

/// Those states that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// [`DeliveryState::Pending`].
    Pending,
    /// [`DeliveryState::Queued`].
    Queued,
    /// [`DeliveryState::Parked`].
    Parked,
}

impl DeliveryState {
    /// As what it is listed.
    pub fn kind(&self) -> Option<DeliveryKind> {
        match self {
            Self::Pending => Some(DeliveryKind::Pending),
            Self::Queued(_) => Some(DeliveryKind::Queued),
            Self::Parked(_) => Some(DeliveryKind::Parked),
            Self::Attempted | Self::Refused { .. } => None,
        }
    }
}

/// One delivery of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDelivery {
    /// Whose log.
    pub conversation: ConversationId,
    /// Which record.
    pub position: Position,
    /// Its state, of the kind that was asked for; or that it cannot be read. One that is damaged hides no other.
    pub state: Result<DeliveryState, Damage>,
}

impl ListedDelivery {
    /// Its place: where the next page goes on behind.
    pub fn place(&self) -> (ConversationId, Position) {
        (self.conversation.clone(), self.position)
    }
}
