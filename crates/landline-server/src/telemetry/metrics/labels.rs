//! By what the metrics are told apart. Every value is one of a few: of an enum, a route template, or a status.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

/// Who sent an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ActivityOrigin {
    /// Through the client API.
    Client,
    /// Through the Connector API, or in the bot's answer.
    Bot,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum SocketClosed {
    /// The client closed it, or its line broke.
    Client,
    /// The client answered no ping.
    Silent,
    /// The client took its frames too slowly.
    Slow,
    /// One socket too many on the conversation.
    Collision,
    /// The server is shutting down.
    Shutdown,
    /// The log could not be read.
    Store,
    /// Its site was removed.
    Removed,
    /// Its site has, since then, enhanced authentication or other trusted origins, which leave its page out.
    Untrusted,
    /// The client broke a rule of WebSockets, or sent too large a message.
    Rules,
    /// The client sent messages without end.
    Flood,
}

/// Why a connection was closed for want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Shed {
    /// It rested longest when all places were taken, and another one came.
    Idle,
    /// It rested longest of those of an address that has as many as it may.
    AddressIdle,
    /// All places were taken by such that were at work, for longer than anybody is made to wait.
    Full,
    /// Its address has as many as it may, and all of them were at work.
    Address,
    /// It rested longest when the system gave no more descriptors.
    Descriptors,
}

/// How an attempt to bring an activity to the bot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum DeliveryOutcome {
    /// The bot took it (2xx).
    Accepted,
    /// The bot answered with another status.
    Refused,
    /// Provably nothing reached the bot.
    NotReached,
    /// No answer in time.
    TimedOut,
    /// The line broke, or the answer was no answer.
    Broken,
}

/// What happened to an entry of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum OutboxEvent {
    /// It was made.
    Queued,
    /// The bot took it.
    Delivered,
    /// An attempt failed; there will be another.
    Failed,
    /// It was given up.
    Parked,
    /// Somebody asked to try it again.
    Retried,
    /// Somebody took it away.
    Dropped,
}

/// Why a call of a bot to the Connector API was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum BotRefused {
    /// No token.
    Absent,
    /// What was shown is no token.
    Malformed,
    /// Of an issuer that is not trusted.
    Issuer,
    /// Signed with a key that its issuer does not publish.
    UnknownKey,
    /// Its signature is wrong.
    Signature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for another service.
    Audience,
    /// It is valid, and of no bot that is configured.
    UnknownBot,
    /// The unguessable segment of the path is none of a bot without an app id.
    Capability,
}

/// How a bot asked for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum TokenWay {
    /// As in an App Service.
    ManagedIdentity,
    /// By OAuth 2.
    ClientCredentials,
}

/// What came of fetching the keys of a trusted issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum KeysFetched {
    /// They are in use.
    Good,
    /// Nothing of use came; what was known before is still in use.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KeysFetchedLabels {
    pub(super) outcome: KeysFetched,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TokenLabels {
    pub(super) way: TokenWay,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BotRefusedLabels {
    pub(super) reason: BotRefused,
}

/// What was changed by the admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum AdminChange {
    /// A bot.
    BotAdded,
    /// Settings of a bot.
    BotChanged,
    /// A bot.
    BotRemoved,
    /// A credential of a bot.
    CredentialAdded,
    /// A credential of a bot.
    CredentialRemoved,
    /// The unguessable part of a bot's `serviceUrl`.
    CapabilityReplaced,
    /// A site.
    SiteAdded,
    /// Settings of a site.
    SiteChanged,
    /// A site.
    SiteRemoved,
    /// A secret of a site.
    SecretAdded,
    /// A secret of a site.
    SecretRemoved,
    /// The key that signs what bots are shown.
    IdentityKeyRotated,
    /// The key that signs tokens and tickets.
    TokenKeyRotated,
    /// What was given up, or waits, is tried again.
    OutboxRetried,
    /// What was given up, or waits, is taken away.
    OutboxDropped,
    /// A conversation, with everything in it.
    ConversationDeleted,
    /// What was deleted was made unreadable on the disk, too.
    Purged,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ChangeLabels {
    pub(super) change: AdminChange,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutboxLabels {
    pub(super) event: OutboxEvent,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) route: String,
    pub(super) status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OriginLabels {
    pub(super) from: ActivityOrigin,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ClosedLabels {
    pub(super) reason: SocketClosed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) outcome: DeliveryOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AnswerEndLabels {
    pub(super) end: StreamedAnswerEnd,
}

/// How an answer of a bot that went on as a stream of events has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum StreamedAnswerEnd {
    /// The bot said all.
    Complete,
    /// It broke off, or could not be read.
    Broken,
    /// What came could not be logged.
    NotLogged,
    /// The server stopped.
    Stopped,
}

/// How often what may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Limit {
    /// Sends and uploads of one site.
    SiteSends,
    /// Starts of one site.
    SiteStarts,
    /// Tokens of one site.
    SiteTokens,
    /// Uploads to one site.
    SiteUploads,
    /// Polls of all conversations of one site.
    SitePolls,
    /// Sends and uploads from one address.
    AddressSends,
    /// Starts from one address.
    AddressStarts,
    /// Tokens refreshed from one address.
    AddressTokens,
    /// Uploads from one address.
    AddressUploads,
    /// Wrong secrets from one address.
    FailedAuthentications,
    /// Sends and uploads of one user.
    UserSends,
    /// Starts of one user.
    UserStarts,
    /// Sends and uploads to one conversation.
    ConversationSends,
    /// Polls of one conversation.
    ConversationPolls,
    /// Reconnects to one conversation.
    ConversationReconnects,
    /// Calls of one bot.
    BotCalls,
    /// The memory that requests and streams hold together. The last one, by which they are counted.
    Memory,
}

impl Limit {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Memory as usize + 1;
}

/// What became of a request that was over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Throttled {
    /// It was answered late.
    Delayed,
    /// It was refused; or, a poll, answered with nothing new.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ThrottledLabels {
    pub(super) limit: Limit,
    pub(super) outcome: Throttled,
}

/// Why a file was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum FileRefused {
    /// It is larger than a file may be.
    TooBig,
    /// Its conversation has no room for it.
    ConversationQuota,
    /// Its site has no room for it.
    SiteQuota,
    /// More files than one upload may hold.
    TooMany,
    /// What was sent is no upload that can be read.
    Malformed,
    /// It broke off, or took too long.
    BrokenOff,
    /// There was no memory for it in time.
    Busy,
    /// It was read, and the activity that came with it was refused.
    Activity,
    /// The store could not take it.
    Store,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FileRefusedLabels {
    pub(super) reason: FileRefused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ShedLabels {
    pub(super) reason: Shed,
}

/// How the handshake of TLS on a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum TlsHandshake {
    /// The connection is served.
    Done,
    /// Client and server have nothing in common, or what came is no TLS.
    Failed,
    /// It was not done in time.
    TimedOut,
    /// The client spoke plain HTTP, and was told so.
    PlainHttp,
    /// The client left before it was done.
    Left,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HandshakeLabels {
    pub(super) outcome: TlsHandshake,
}

/// What came of a certificate that was found to be another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum CertificateReload {
    /// It is in use.
    Good,
    /// It cannot be used, and the old one goes on.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReloadLabels {
    pub(super) outcome: CertificateReload,
}
