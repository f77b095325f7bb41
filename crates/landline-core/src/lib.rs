//! The domain: conversations, their readers, delivery to bots. No HTTP, no engine, no wall clock.
//!
//! Not here: who may do what (`landline-auth`), how it is spelled on the wire (`landline-protocol`,
//! `landline-server`), how it is kept on disk (`landline-store-embedded`).

mod append;
mod bot;
mod bot_send;
mod causes;
mod client_send;
mod clock;
mod conversations;
mod create;
mod delivery;
mod entropy;
mod facts;
pub mod files;
mod follow;
mod history;
mod hub;
pub mod limits;
mod list;
mod live;
mod members;
mod overview;
mod retention;
mod ring;
mod send_key;
mod shown;
mod start;
pub mod store;
mod transient;
mod update;

pub use bot::{
    BotAnswer, BotDirectory, BotEvent, BotEvents, BotFailure, BotProfile, BotRequest, BotTransport,
    DeliveryMode, Wanted,
};
pub use bot_send::BotSendError;
pub use causes::with_causes;
pub use client_send::{ClientSend, SendError};
pub use clock::{Clock, SystemClock};
pub use conversations::{Conversations, NoObserver, NotLogged, Observer, Parts, Unavailable};
pub use create::{CreateConversation, CreatedConversation};
pub use delivery::{
    AnswerEnd, Delivered, InvalidOutboxCursor, OutboxChange, OutboxCursor, OutboxEntry, OutboxFilter,
    OutboxPage, OutboxState, OutboxTarget, Untried,
};
pub use entropy::Entropy;
pub use facts::Facts;
pub use follow::{Begin, Follower, History, Next, Seen};
pub use hub::SocketSeat;
pub use limits::Limits;
pub use list::Listed;
pub use members::{Member, MemberError, MemberRole};
pub use overview::{Overview, OverviewFilter, Overviews};
pub use retention::Retention;
pub use start::StartConversation;
pub use update::UpdateError;
