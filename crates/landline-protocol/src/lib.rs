//! The words of the Direct Line 3.0 protocol, as types: activities, ids, watermarks, bodies, errors.
//!
//! Pure: nothing here reads a clock, a socket or a file. What is parsed here is valid afterwards,
//! and what was not understood is kept as it came (see [`Activity`]).
//!
//! Not here: who may do what (`landline-auth`), where an activity is kept (`landline-core`), HTTP
//! (`landline-server`).

mod activity;
mod activity_set;
mod attachment_bodies;
mod bodies;
mod connector_bodies;
mod error;
mod ids;
mod json_scan;
mod json_texts;
mod position;
mod raw_object;
mod stream_info;
mod timestamp;

pub use activity::{Activity, ActivityError, BotRecipient};
pub use activity_set::ActivitySet;
pub use attachment_bodies::{AttachmentInfoBody, AttachmentUpload, AttachmentViewBody};
pub use bodies::{
    BotActivities, ChannelAccount, ConversationBody, RequestBodyError, ResourceResponse, StartRequest,
    TokenBody, TokenRequest,
};
pub use connector_bodies::{
    ConversationMembersBody, ConversationParameters, ConversationResourceBody, ConversationsBody, MemberBody,
    PagedMembersBody,
};
pub use error::{ErrorBody, ErrorCode};
pub use ids::{ActivityId, BotName, ConversationId, FileId, InvalidId, SiteName, UserId};
pub use json_scan::{JsonError, MAX_JSON_DEPTH};
pub use json_texts::exchange_texts;
pub use position::{InvalidWatermark, Position, Watermark};
pub use raw_object::RawObject;
pub use stream_info::StreamInfo;
pub use timestamp::Timestamp;

/// The channel id of everything that passes through this server.
///
/// Source: Bot Framework channel ids; bots switch on it.
pub const CHANNEL_ID: &str = "directline";
