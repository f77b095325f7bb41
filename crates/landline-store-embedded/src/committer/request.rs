//! What can be asked of the committer, each with where its answer goes.

use bytes::Bytes;
use landline_core::store::{
    Append, AppendError, Appended, Create, Created, DeliveryState, NewRecord, PutError, Repaired, Table,
    Version,
};
use landline_protocol::{ConversationId, Position};
use tokio::sync::oneshot;

/// Where an answer goes. Nobody may be waiting for it any more; the work is done all the same.
pub(crate) type Answer<T, E> = oneshot::Sender<Result<T, E>>;

/// A request in the queue.
pub(crate) struct Queued {
    pub(crate) request: Request,
    /// How much of the queue's memory it takes.
    pub(crate) bytes: usize,
}

pub(crate) enum Request {
    Create(Create, Answer<Created, AppendError>),
    Append(Append, Answer<Appended, AppendError>),
    SetDelivery(ConversationId, Position, Option<DeliveryState>, Answer<(), AppendError>),
    Expire(ConversationId, Position, Answer<(), AppendError>),
    Delete(ConversationId, Answer<(), AppendError>),
    Repair(ConversationId, Answer<Repaired, AppendError>),
    PutEntry(Table, String, Bytes, Option<Version>, Answer<Version, PutError>),
    TakeEntry(Table, String, Version, Answer<(), PutError>),
}

/// What a request takes beside its bodies.
const OVERHEAD: usize = 256;

impl Request {
    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        let records = |records: &[(NewRecord, Option<DeliveryState>)]| -> usize {
            records.iter().map(|(record, _)| record.body.len() + OVERHEAD).sum()
        };
        OVERHEAD
            + match self {
                Self::Create(create, _) => records(&create.records) + create.facts.len(),
                Self::Append(append, _) => {
                    records(&append.records) + append.facts.as_ref().map_or(0, Bytes::len)
                }
                Self::PutEntry(_, name, value, _, _) => name.len() + value.len(),
                Self::SetDelivery(..)
                | Self::Expire(..)
                | Self::Delete(..)
                | Self::Repair(..)
                | Self::TakeEntry(..) => 0,
            }
    }
}
