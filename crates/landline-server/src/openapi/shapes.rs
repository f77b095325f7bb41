//! What bodies look like in JSON, for the documents alone: the server reads and writes them with types of their own, which keep
//! what they do not know, or tell absent from null.
//!
//! That these say the same is checked by the kit of the tests, for every answer that a test gets.

#![expect(dead_code, reason = "only the macro reads the fields")]
#![expect(unused_qualifications, reason = "the macro names types by their paths")]

use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType,
};
use utoipa::openapi::{Ref, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

/// Why a request was refused.
#[derive(ToSchema)]
pub(crate) struct Error {
    error: ErrorDetails,
    /// The status that the bot answered with, where it did.
    #[schema(rename = "httpStatusCode")]
    http_status_code: Option<u16>,
}

#[derive(ToSchema)]
struct ErrorDetails {
    /// Stable; what a program decides by.
    code: Code,
    /// For people; changes.
    message: String,
}

/// What kind of error it is.
#[derive(ToSchema)]
enum Code {
    MissingProperty,
    MalformedData,
    BadArgument,
    Unauthorized,
    TokenExpired,
    ResourceNotFound,
    NotSupported,
    Conflict,
    MessageSizeTooBig,
    QuotaExceeded,
    ThrottledRequests,
    ServiceError,
    BotError,
    ServiceUnavailable,
}

/// An activity of the Bot Framework. What is not named here passes through as it is.
pub(crate) struct Activity;

impl PartialSchema for Activity {
    fn schema() -> RefOr<Schema> {
        let texts = [
            ("type", "Such as `message`, `event`, `typing`."),
            ("id", "Given by the server."),
            ("timestamp", "When it was accepted; given by the server."),
            ("text", "What is said."),
            ("replyToId", "The activity that it answers."),
        ];
        let mut activity = ObjectBuilder::new()
            .description(Some(
                "An activity of the Bot Framework. What is not named here passes through as it is.",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        for (name, about) in texts {
            let text = ObjectBuilder::new().schema_type(nullable(Type::String)).description(Some(about));
            activity = activity.property(name, text);
        }
        let account = ObjectBuilder::new()
            .schema_type(nullable(Type::Object))
            .description(Some("Who says it: `id`, `name`, `role`. The user of a token wins over it."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let attachments = ArrayBuilder::new()
            .schema_type(nullable(Type::Array))
            .items(ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true))));
        activity.property("from", account).property("attachments", attachments).into()
    }
}

impl ToSchema for Activity {}

fn nullable(kind: Type) -> SchemaType {
    SchemaType::Array(vec![kind, Type::Null])
}

/// A user or bot.
#[derive(ToSchema)]
pub(crate) struct ChannelAccount {
    id: String,
    name: Option<String>,
}

/// What a token is asked for. Names are read whatever their case.
#[derive(ToSchema)]
pub(crate) struct TokenRequest {
    user: Option<ChannelAccount>,
    /// The origins whose pages may use the token; none: any.
    #[schema(rename = "trustedOrigins")]
    trusted_origins: Option<Vec<String>>,
    /// A conversation that exists, instead of a new one. An extension.
    #[schema(rename = "conversationId")]
    conversation_id: Option<String>,
}

/// How a conversation is started. Names are read whatever their case.
#[derive(ToSchema)]
pub(crate) struct StartRequest {
    /// The user; the one of a token wins.
    user: Option<ChannelAccount>,
    #[schema(rename = "trustedOrigins")]
    trusted_origins: Option<Vec<String>>,
    /// Passed to the bot.
    locale: Option<String>,
}

/// A token.
#[derive(ToSchema)]
pub(crate) struct Token {
    #[schema(rename = "conversationId")]
    conversation_id: String,
    token: String,
    /// Seconds.
    expires_in: u64,
}

/// Which browser it is.
#[derive(ToSchema)]
pub(crate) struct SessionId {
    #[schema(rename = "sessionId")]
    session_id: String,
}

/// A conversation that can be talked in.
#[derive(ToSchema)]
pub(crate) struct Conversation {
    #[schema(rename = "conversationId")]
    conversation_id: String,
    token: String,
    /// Seconds.
    expires_in: u64,
    /// Where to open the WebSocket, once and within 60 seconds.
    #[schema(rename = "streamUrl")]
    stream_url: String,
    #[schema(rename = "referenceGrammarId")]
    reference_grammar_id: String,
}

/// Activities, and the watermark behind them.
#[derive(ToSchema)]
pub(crate) struct ActivitySet {
    activities: Vec<Activity>,
    watermark: Option<String>,
}

/// The id of what was accepted.
#[derive(ToSchema)]
pub(crate) struct ResourceResponse {
    id: String,
}

/// What a bot begins a conversation with.
#[derive(ToSchema)]
pub(crate) struct ConversationParameters {
    members: Option<Vec<ChannelAccount>>,
    /// What the bot says first.
    activity: Option<Activity>,
    /// `site`: whose clients are to take part, where the bot has several sites.
    #[schema(rename = "channelData", value_type = Option<Object>)]
    channel_data: Option<()>,
}

/// A conversation that a bot began.
#[derive(ToSchema)]
pub(crate) struct ConversationResource {
    id: String,
    #[schema(rename = "activityId")]
    activity_id: Option<String>,
    #[schema(rename = "serviceUrl")]
    service_url: String,
}

/// Who takes part.
#[derive(ToSchema)]
pub(crate) struct Member {
    id: String,
    name: Option<String>,
    /// `bot` or `user`.
    role: String,
}

/// A part of the members.
#[derive(ToSchema)]
pub(crate) struct PagedMembers {
    members: Vec<Member>,
    /// Where it goes on; absent at the end.
    #[schema(rename = "continuationToken")]
    continuation_token: Option<String>,
}

/// A conversation and who is in it.
#[derive(ToSchema)]
struct ConversationMembers {
    id: String,
    members: Vec<Member>,
}

/// A part of a bot's conversations.
#[derive(ToSchema)]
pub(crate) struct Conversations {
    conversations: Vec<ConversationMembers>,
    /// Where it goes on; absent at the end.
    #[schema(rename = "continuationToken")]
    continuation_token: Option<String>,
}

/// What was said elsewhere.
#[derive(ToSchema)]
pub(crate) struct Transcript {
    activities: Vec<Activity>,
}

/// A file from a bot.
#[derive(ToSchema)]
pub(crate) struct AttachmentUpload {
    /// The content type.
    r#type: Option<String>,
    name: Option<String>,
    /// The bytes, as base64.
    #[schema(rename = "originalBase64")]
    original_base64: String,
    /// Those of a smaller picture.
    #[schema(rename = "thumbnailBase64")]
    thumbnail_base64: Option<String>,
}

/// What is known of a file.
#[derive(ToSchema)]
pub(crate) struct AttachmentInfo {
    name: String,
    r#type: String,
    views: Vec<AttachmentView>,
}

#[derive(ToSchema)]
struct AttachmentView {
    /// `original` or `thumbnail`.
    #[schema(rename = "viewId")]
    view_id: String,
    size: u64,
}

/// Public keys, as RFC 7517 spells them.
#[derive(ToSchema)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(ToSchema)]
struct Key {
    kty: String,
    r#use: String,
    alg: String,
    kid: String,
    n: String,
    e: String,
    /// The channels that the key speaks for.
    endorsements: Vec<String>,
}

/// Where keys and tokens are.
#[derive(ToSchema)]
pub(crate) struct OpenIdMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: Option<String>,
    jwks_uri: String,
    id_token_signing_alg_values_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Vec<String>,
    response_types_supported: Vec<String>,
    subject_types_supported: Vec<String>,
    grant_types_supported: Option<Vec<String>>,
}

/// A token for a bot, as Azure's managed identities answer.
#[derive(ToSchema)]
pub(crate) struct ManagedIdentityToken {
    access_token: String,
    /// Seconds since 1970, as text.
    expires_on: String,
    resource: String,
    token_type: String,
    client_id: String,
}

/// Why there is none.
#[derive(ToSchema)]
pub(crate) struct ManagedIdentityRefusal {
    #[schema(rename = "statusCode")]
    status_code: u16,
    message: String,
}

/// What a bot asks a token with.
#[derive(ToSchema)]
pub(crate) struct ClientCredentials {
    /// `client_credentials`.
    grant_type: String,
    /// The app id; may stand in a `Basic` header instead.
    client_id: Option<String>,
    client_secret: Option<String>,
    /// `https://api.botframework.com/.default`.
    scope: String,
}

/// A token for a bot, as RFC 6749 spells it.
#[derive(ToSchema)]
pub(crate) struct AccessToken {
    token_type: String,
    expires_in: i64,
    ext_expires_in: i64,
    access_token: String,
}

/// Why there is none, as RFC 6749 spells it.
#[derive(ToSchema)]
pub(crate) struct OAuthError {
    error: String,
    error_description: String,
}

/// A request for a token that is refused before or after it is understood.
pub(crate) struct TokenRefusal;

impl PartialSchema for TokenRefusal {
    fn schema() -> RefOr<Schema> {
        let kinds = ["OAuthError", "Error"].map(Ref::from_schema_name);
        kinds.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).into()
    }
}

impl ToSchema for TokenRefusal {}

/// A bot, without anything that opens a door.
#[derive(ToSchema)]
pub(crate) struct Bot {
    name: String,
    endpoint: String,
    #[schema(rename = "appId")]
    app_id: Option<String>,
    tenant: Option<String>,
    issuer: Option<String>,
    /// `wait` or `queued`.
    delivery: String,
    credentials: Vec<Slot>,
    outgoing: Option<Outgoing>,
    /// PEM.
    #[schema(rename = "caCertificates")]
    ca_certificates: Option<String>,
    /// Of a bot with an app id.
    #[schema(rename = "serviceUrl")]
    service_url: Option<String>,
    /// How bots reach this server.
    #[schema(rename = "baseUrl")]
    base_url: String,
    /// `file` or `registry`.
    #[schema(rename = "managedBy")]
    managed_by: String,
}

/// A place for a secret, of which only a digest is kept.
#[derive(ToSchema)]
struct Slot {
    /// 1 or 2.
    slot: u8,
    created: Option<String>,
}

/// Where the tokens come from that the bot is shown.
#[derive(ToSchema)]
struct Outgoing {
    #[schema(rename = "tokenUrl")]
    token_url: String,
    scope: String,
}

/// What is to be set of it; without `clientSecret`, the one before stays.
#[derive(ToSchema)]
struct OutgoingChange {
    #[schema(rename = "tokenUrl")]
    token_url: Option<String>,
    #[schema(rename = "clientSecret")]
    client_secret: Option<String>,
    scope: Option<String>,
}

/// A new bot.
#[derive(ToSchema)]
pub(crate) struct NewBot {
    name: String,
    endpoint: String,
    /// A text, or `true` to have one made.
    #[schema(rename = "appId", value_type = Option<Object>)]
    app_id: Option<()>,
    tenant: Option<String>,
    issuer: Option<String>,
    delivery: Option<String>,
    /// Whether a credential is to be made.
    credential: Option<bool>,
    outgoing: Option<OutgoingChange>,
    /// PEM: whose certificates are believed of this bot, instead of the system's.
    #[schema(rename = "caCertificates")]
    ca_certificates: Option<String>,
}

/// What is to change of a bot. What is absent stays; `null` takes away or sets back.
#[derive(ToSchema)]
pub(crate) struct BotChange {
    endpoint: Option<String>,
    #[schema(rename = "appId", value_type = Option<Object>)]
    app_id: Option<()>,
    tenant: Option<String>,
    issuer: Option<String>,
    delivery: Option<String>,
    outgoing: Option<OutgoingChange>,
    /// PEM: whose certificates are believed of this bot, instead of the system's.
    #[schema(rename = "caCertificates")]
    ca_certificates: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct BotAnswer {
    bot: Bot,
    /// Shown this once.
    credential: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct Bots {
    bots: Vec<Bot>,
    /// Names of those that cannot be read.
    unreadable: Option<Vec<String>>,
}

/// A credential of a bot, shown this once.
#[derive(ToSchema)]
pub(crate) struct NewCredential {
    credential: String,
    slot: u8,
}

/// A secret of a site, shown this once.
#[derive(ToSchema)]
pub(crate) struct NewSecret {
    secret: String,
    slot: u8,
}

/// A site, without anything that opens a door.
#[derive(ToSchema)]
pub(crate) struct Site {
    name: String,
    bot: String,
    /// Such as `1h`.
    #[schema(rename = "tokenLifetime")]
    token_lifetime: String,
    /// `history` or `new`.
    #[schema(rename = "emptyWatermark")]
    empty_watermark: String,
    retention: String,
    /// How long files are kept, where that is not the server's: a time, or `conversation`.
    files: Option<String>,
    #[schema(rename = "enhancedAuthentication")]
    enhanced_authentication: bool,
    /// The origins whose pages may use its tokens; none: any.
    #[schema(rename = "trustedOrigins")]
    trusted_origins: Vec<String>,
    secrets: Vec<Slot>,
    /// `file` or `registry`.
    #[schema(rename = "managedBy")]
    managed_by: String,
}

/// A new site.
#[derive(ToSchema)]
pub(crate) struct NewSite {
    name: String,
    bot: String,
    #[schema(rename = "tokenLifetime")]
    token_lifetime: Option<String>,
    #[schema(rename = "emptyWatermark")]
    empty_watermark: Option<String>,
    retention: Option<String>,
    files: Option<String>,
    #[schema(rename = "enhancedAuthentication")]
    enhanced_authentication: Option<bool>,
    #[schema(rename = "trustedOrigins")]
    trusted_origins: Option<Vec<String>>,
}

/// What is to change of a site. What is absent stays; `null` sets back.
#[derive(ToSchema)]
pub(crate) struct SiteChange {
    bot: Option<String>,
    #[schema(rename = "tokenLifetime")]
    token_lifetime: Option<String>,
    #[schema(rename = "emptyWatermark")]
    empty_watermark: Option<String>,
    retention: Option<String>,
    files: Option<String>,
    #[schema(rename = "enhancedAuthentication")]
    enhanced_authentication: Option<bool>,
    #[schema(rename = "trustedOrigins")]
    trusted_origins: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub(crate) struct SiteAnswer {
    site: Site,
    /// Shown this once.
    secret: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct Sites {
    sites: Vec<Site>,
    /// Names of those that cannot be read.
    unreadable: Option<Vec<String>>,
}

/// A conversation, in short.
#[derive(ToSchema)]
struct ConversationOverview {
    id: String,
    site: String,
    bot: String,
    created: String,
    #[schema(rename = "lastActivity")]
    last_activity: String,
    members: u64,
    activities: u64,
    files: u64,
    #[schema(rename = "filesSize")]
    files_size: u64,
}

/// A conversation, with its files.
#[derive(ToSchema)]
struct ConversationDetails {
    id: String,
    site: String,
    bot: String,
    created: String,
    #[schema(rename = "lastActivity")]
    last_activity: String,
    members: u64,
    activities: u64,
    files: Vec<FileOverview>,
    #[schema(rename = "filesSize")]
    files_size: u64,
}

#[derive(ToSchema)]
struct FileOverview {
    id: String,
    name: String,
    r#type: String,
    size: u64,
    #[schema(rename = "thumbnailSize")]
    thumbnail_size: Option<u64>,
    until: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct ConversationOverviews {
    conversations: Vec<ConversationOverview>,
    /// Ids of those that cannot be read.
    damaged: Option<Vec<String>>,
    /// Where it goes on; absent at the end.
    #[schema(rename = "continuationToken")]
    continuation_token: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct ConversationAnswer {
    conversation: ConversationDetails,
}

/// The keys of the server, without what is secret of them.
#[derive(ToSchema)]
pub(crate) struct Keys {
    /// Those by which bots know this server.
    identity: Vec<ServerKey>,
    /// Those of tokens.
    tokens: Vec<TokenKey>,
}

#[derive(ToSchema)]
struct ServerKey {
    kid: String,
    created: String,
    #[schema(rename = "signsFrom")]
    signs_from: String,
    /// `next`, `signing` or `published`.
    state: String,
}

#[derive(ToSchema)]
struct TokenKey {
    kid: String,
    created: Option<String>,
}

/// What waits for bots, or was given up.
#[derive(ToSchema)]
pub(crate) struct Outbox {
    entries: Vec<OutboxEntry>,
    /// Where it goes on; absent at the end.
    #[schema(rename = "continuationToken")]
    continuation_token: Option<String>,
}

#[derive(ToSchema)]
struct OutboxEntry {
    #[schema(rename = "activityId")]
    activity_id: String,
    #[schema(rename = "conversationId")]
    conversation_id: String,
    bot: String,
    /// `queued` or `parked`.
    state: String,
    attempts: u32,
    since: String,
    /// When it is tried next.
    due: Option<String>,
    #[schema(rename = "lastStatus")]
    last_status: Option<u16>,
}

/// One activity, or all that is parked of a bot.
#[derive(ToSchema)]
pub(crate) struct OutboxTarget {
    #[schema(rename = "activityId")]
    activity_id: Option<String>,
    bot: Option<String>,
    /// `parked`.
    state: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct Count {
    count: u64,
}
